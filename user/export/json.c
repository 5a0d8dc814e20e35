/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/difference_json.h"
#include "export/formats.h"
#include "export/heap_json.h"
#include "export/json_parts.h"
#include "export/trace_json.h"
#include "export/trend_json.h"
#include "export/verdict_json.h"
#include "export/watch_json.h"
#include "model/group.h"

static void put_groups(FILE *out, const struct profile *profile, bool *failed)
{
	const struct grouping *grouping = profile->grouping;

	fprintf(out, ",\n\"group_by\": \"%s\",\n\"groups\": [", group_by_name(grouping->by));
	for (size_t i = 0; i < grouping->n_groups && !*failed; i++)
		json_part_dump(out, i ? ",\n" : "\n", json_part_group(profile, i), failed);
	fputs("\n]", out);
}

static json_t *notes(const struct profile *profile)
{
	json_t *array = json_array();

	for (size_t i = 0; i < profile->n_notes; i++) {
		const struct note *note = &profile->notes[i];
		json_t *object = json_object();

		json_part_set(&object, "name", json_part_text(note->name));
		json_part_set(&object, "sentence", json_part_text(note->sentence));
		if (note->pid)
			json_part_set(&object, "pid", json_part_count((uint64_t)note->pid));
		json_part_append(&array, object);
	}
	return array;
}

static void put_stacks(FILE *out, const struct profile *profile, bool *failed)
{
	json_part_dump(out, ",\n\"mode\": ", json_part_mode(profile), failed);
	json_part_dump(out, ",\n\"totals\": ", json_part_totals(profile), failed);
	if (profile->selection.n_modules)
		json_part_dump(out, ",\n\"selection\": ", json_part_selection(profile), failed);
	if (profile->grouping)
		put_groups(out, profile, failed);
	fputs(",\n\"stacks\": [", out);
	for (size_t i = 0; i < profile->n_stacks && !*failed; i++)
		json_part_dump(out, i ? ",\n" : "\n", json_part_stack(profile, i), failed);
	fputs("\n]", out);
}

static void put_trace(FILE *out, const struct profile *profile, bool *failed)
{
	if (profile->verdict)
		json_part_dump(out,
			       ",\n\"verdict\": ", json_part_verdict(profile->verdict, profile),
			       failed);
	if (profile->n_verdicts)
		json_part_dump(out, ",\n\"verdicts\": ", json_part_verdicts(profile), failed);
	if (profile->n_notes)
		json_part_dump(out, ",\n\"notes\": ", notes(profile), failed);
	if (!profile->mode.untraced)
		put_stacks(out, profile, failed);
	if (profile->growing_containers && profile->growing_containers->n_rows)
		json_part_dump(out, ",\n\"growing\": ", json_part_growing_containers(profile),
			       failed);
	if (profile->growing_classes && profile->growing_classes->n_rows)
		json_part_dump(out, ",\n\"growing_classes\": ", json_part_growing_classes(profile),
			       failed);
	if (profile->growing_types)
		json_part_dump(out, ",\n\"heap\": ", json_part_trace_heap(profile), failed);
	if (profile->trend)
		json_part_dump(out, ",\n\"trend\": ", json_part_trend(profile->trend), failed);
	if (profile->have_cost)
		json_part_dump(out, ",\n\"cost\": ", json_part_cost(profile), failed);
	if (profile->n_native_gaps)
		json_part_dump(out, ",\n\"native_gaps\": ", json_part_native_gaps(profile), failed);
}

static void put_body(FILE *out, const struct document *document, bool *failed)
{
	switch (document->kind) {
	case DOCUMENT_TRACE:
		put_trace(out, document->profile, failed);
		break;
	case DOCUMENT_HEAP:
	case DOCUMENT_GRAPH:
		heap_json_put(out, document->heap, failed);
		break;
	case DOCUMENT_TREND:
		trend_json_put(out, document->trend, failed);
		break;
	case DOCUMENT_DIFF:
		json_part_dump(out,
			       ",\n\"difference\": ", json_part_difference(document->difference),
			       failed);
		break;
	case DOCUMENT_WATCH:
		json_part_dump(out, ",\n\"watch\": ", json_part_watch(document->watch), failed);
		break;
	}
}

int export_json(FILE *out, const struct document *document, struct err *err)
{
	const struct profile *about = document->profile;
	bool failed = false;

	fputs("{\n\"schema\": \"pyleaktrace/2\",\n", out);
	json_part_dump(out, "\"version\": ", json_part_text(PYLEAKTRACE_VERSION), &failed);
	json_part_dump(out, ",\n\"time\": ", json_part_time(about), &failed);
	json_part_dump(out, ",\n\"duration_s\": ", json_part_real(about->duration_s), &failed);
	if (about->n_targets)
		json_part_dump(out, ",\n\"targets\": ", json_part_targets(about), &failed);
	else
		json_part_dump(out, ",\n\"target\": ", json_part_target(&about->target), &failed);
	put_body(out, document, &failed);
	json_part_dump(out, ",\n\"losses\": ", json_part_losses(about), &failed);
	fputs("\n}\n", out);
	return failed ? err_set(err, ERR_FAILED, "no memory to write the report as JSON") : 0;
}
