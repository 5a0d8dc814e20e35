/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/trace_json.h"

#include "export/heap_json.h"
#include "export/json_parts.h"
#include "export/trend_json.h"
#include "export/verdict_json.h"
#include "export/watch_json.h"
#include "model/retention.h"

json_t *json_part_verdicts(const struct profile *profile)
{
	json_t *array = json_array();

	for (size_t i = 0; i < profile->n_verdicts; i++)
		json_part_append(&array, json_part_verdict(profile->verdicts[i], profile));
	return array;
}

json_t *json_part_growing_containers(const struct profile *profile)
{
	const struct profile_growing_containers *from = profile->growing_containers;
	json_t *array = json_array();

	for (size_t i = 0; i < from->n_rows; i++) {
		const struct growing_container *row = &from->rows[i];
		json_t *object = json_object();

		json_part_set(&object, "container", json_part_watch_row(&row->row));
		json_part_set(&object, "items_per_s", json_part_real(row->items_per_s));
		json_part_set(&object, "least_items_per_s", json_part_real(row->least_per_s));
		json_part_set(&object, "watched_s", json_part_real(row->watched_s));
		json_part_set(&object, "lost", json_part_real(row->lost));
		json_part_set(&object, "ago_s", json_part_real(row->ago_s));
		json_part_set(&object, "cut", json_boolean(row->cut));
		if (row->pid)
			json_part_set(&object, "pid", json_part_count((uint64_t)row->pid));
		json_part_append(&array, object);
	}
	return array;
}

json_t *json_part_growing_classes(const struct profile *profile)
{
	const struct profile_growing_classes *from = profile->growing_classes;
	json_t *array = json_array();

	for (size_t i = 0; i < from->n_rows; i++)
		json_part_append(&array, json_part_growing_class(&from->rows[i]));
	return array;
}

json_t *json_part_trace_heap(const struct profile *profile)
{
	json_t *object = json_object(), *growth = json_object(), *rows = json_array();

	for (size_t i = 0; i < profile->growing_types->n_rows; i++)
		json_part_append(&rows, json_part_growth_row(&profile->growing_types->rows[i]));
	json_part_set(&growth, "span_s", json_part_real(profile->growing_types->span_s));
	json_part_set(&growth, "scans", json_part_count(profile->growing_types->n_scans));
	json_part_set(&growth, "cpu_fraction",
		      json_part_real(profile->growing_types->cpu_fraction));
	if (profile->growing_types->no_full_collection)
		json_part_set(&growth, "no_full_collection", json_true());
	json_part_set(&growth, "types", rows);
	json_part_set(&object, "growth", growth);
	if (profile->trend && profile->trend->have_room)
		json_part_set(&object, "gc", json_part_gc(&profile->trend->gc));
	return object;
}

static json_t *retention(const struct retention *row)
{
	json_t *object = json_object();

	json_part_set(&object, "path", json_part_text(row->path ? row->path : ""));
	json_part_set(&object, "type", json_part_text(row->type ? row->type : ""));
	json_part_set(&object, "item_type", json_part_text(row->item_type ? row->item_type : ""));
	json_part_set(&object, "containers", json_part_count(row->containers));
	json_part_set(&object, "items", json_part_count(row->items));
	json_part_set(&object, "items_per_s", json_part_real(row->items_per_s));
	json_part_set(&object, "bytes", json_part_count(row->bytes));
	json_part_set(&object, "bytes_per_s", json_part_real(row->bytes_per_s));
	json_part_set(&object, "least", json_part_real(row->least_bytes_per_s));
	json_part_set(&object, "most", json_part_real(row->most_bytes_per_s));
	json_part_set(&object, "confidence", json_part_real(row->confidence));
	return object;
}

json_t *json_part_retained(const struct profile *profile)
{
	const struct profile_retention *from = profile->retention;
	json_t *array = json_array();

	for (size_t i = 0; i < from->n_rows; i++)
		if (from->rows[i].kind == RETENTION_CONTAINER)
			json_part_append(&array, retention(&from->rows[i]));
	return array;
}
