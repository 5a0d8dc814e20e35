/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/difference_json.h"

#include "export/json_parts.h"

static void set_count(json_t **object, const char *name, uint64_t count)
{
	json_part_set(object, name, json_part_count(count));
}

static json_t *end(const struct profile *profile)
{
	json_t *object = json_object();

	json_part_set(&object, "time", json_part_time(profile));
	json_part_set(&object, "target", json_part_target(&profile->target));
	set_count(&object, "outstanding_bytes", profile->totals.outstanding_bytes);
	if (profile->verdict)
		json_part_set(&object, "state",
			      json_part_text(verdict_state_name(profile->verdict->state)));
	return object;
}

static json_t *memory(const struct difference *difference)
{
	json_t *array = json_array();

	for (size_t i = 0; i < difference->n_memory; i++) {
		const struct difference_memory *row = &difference->memory[i];
		json_t *object = json_object();

		json_part_set(&object, "name", json_part_text(trend_kind_info(row->kind)->name));
		set_count(&object, "before", row->before);
		set_count(&object, "after", row->after);
		json_part_append(&array, object);
	}
	return array;
}

static json_t *things(const struct difference_things *rows, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *object = json_object();

		json_part_set(&object, rows[i].type ? "path" : "name",
			      json_part_text(rows[i].name));
		if (rows[i].type)
			json_part_set(&object, "type", json_part_text(rows[i].type));
		set_count(&object, "count_before", rows[i].count_before);
		set_count(&object, "count_after", rows[i].count_after);
		set_count(&object, "bytes_before", rows[i].bytes_before);
		set_count(&object, "bytes_after", rows[i].bytes_after);
		json_part_append(&array, object);
	}
	return array;
}

static json_t *findings(const struct difference *difference)
{
	json_t *array = json_array();

	for (size_t i = 0; i < difference->n_findings; i++) {
		const struct difference_finding *row = &difference->findings[i];
		json_t *object = json_object();

		json_part_set(&object, "cause",
			      json_part_text(finding_cause_name(row->after->cause)));
		json_part_set(&object, "sentence", json_part_text(row->after->sentence));
		json_part_set(&object, "new", json_boolean(!row->before));
		if (row->before)
			json_part_set(&object, "bytes_per_s_before",
				      json_part_real(row->before->bytes_per_s));
		json_part_set(&object, "bytes_per_s_after",
			      json_part_real(row->after->bytes_per_s));
		if (row->after->where)
			json_part_set(&object, "where", json_part_frame(row->after->where));
		json_part_append(&array, object);
	}
	return array;
}

static json_t *stacks(const struct difference *difference)
{
	json_t *array = json_array();

	for (size_t i = 0; i < difference->n_stacks; i++) {
		const struct difference_stack *row = &difference->stacks[i];
		json_t *object = json_object();

		set_count(&object, "bytes_before", row->bytes_before);
		set_count(&object, "bytes_after", row->bytes_after);
		set_count(&object, "count_before", row->count_before);
		set_count(&object, "count_after", row->count_after);
		json_part_set(&object, "estimated", json_boolean(row->estimated));
		if (row->estimated)
			json_part_set(&object, "bytes_error", json_part_real(row->error));
		json_part_set(&object, "domain", json_part_text(domain_name(row->stack->domain)));
		json_part_set(&object, "frames", json_part_frames(row->stack));
		json_part_append(&array, object);
	}
	return array;
}

json_t *json_part_difference(const struct difference *difference)
{
	json_t *object = json_object();

	json_part_set(&object, "before", end(difference->before));
	json_part_set(&object, "after", end(difference->after));
	json_part_set(&object, "span_s", json_part_real(difference->span_s));
	json_part_set(&object, "findings", findings(difference));
	json_part_set(&object, "memory", memory(difference));
	json_part_set(&object, "types", things(difference->types, difference->n_types));
	json_part_set(&object, "containers",
		      things(difference->containers, difference->n_containers));
	json_part_set(&object, "stacks", stacks(difference));
	return object;
}
