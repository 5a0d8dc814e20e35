/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/heap_json.h"

#include "export/held_json.h"
#include "export/json_parts.h"
#include "export/trend_json.h"

static json_t *type_row(const struct heap_type *type)
{
	json_t *object = json_object();

	json_part_set(&object, "name", json_part_text(type->name));
	json_part_set(&object, "count", json_part_count(type->count));
	json_part_set(&object, "bytes", json_part_count(type->bytes));
	json_part_set(&object, "tracked", json_part_count(type->tracked));
	return object;
}

json_t *json_part_growth_row(const struct heap_growth_row *row)
{
	json_t *object = json_object();

	json_part_set(&object, "name", json_part_text(row->name));
	json_part_set(&object, "count", json_part_count(row->count));
	json_part_set(&object, "bytes", json_part_count(row->bytes));
	json_part_set(&object, "count_delta", json_integer(row->count_delta));
	json_part_set(&object, "bytes_delta", json_integer(row->bytes_delta));
	json_part_set(&object, "count_per_min", json_part_real(row->count_per_min));
	json_part_set(&object, "bytes_per_min", json_part_real(row->bytes_per_min));
	json_part_set(&object, "least_count_per_min", json_part_real(row->least_count_per_min));
	json_part_set(&object, "least_bytes_per_min", json_part_real(row->least_bytes_per_min));
	if (row->confidence >= 0)
		json_part_set(&object, "confidence", json_part_real(row->confidence));
	if (row->shape != FIT_UNKNOWN)
		json_part_set(&object, "shape", json_part_text(fit_shape_name(row->shape)));
	return object;
}

static json_t *totals(const struct heap_scan *scan)
{
	json_t *object = json_object();

	json_part_set(&object, "count", json_part_count(scan->count));
	json_part_set(&object, "bytes", json_part_count(scan->bytes));
	json_part_set(&object, "tracked", json_part_count(scan->tracked));
	json_part_set(&object, "types", json_part_count(scan->n_types));
	return object;
}

static json_t *how(const struct heap_scan *scan)
{
	json_t *object = json_object();

	json_part_set(&object, "duration_s", json_part_real(scan->duration_s));
	json_part_set(&object, "read_bytes", json_part_count(scan->read_bytes));
	if (scan->pause_s > 0)
		json_part_set(&object, "pause_s", json_part_real(scan->pause_s));
	return object;
}

static void dump_growth(FILE *out, const struct heap_report *report, bool *failed)
{
	json_part_dump(out, ",\n\"growth\": {\"span_s\": ", json_part_real(report->growth->span_s),
		       failed);
	json_part_dump(out, ", \"scans\": ", json_part_count(report->growth->n_scans), failed);
	if (report->growth->no_full_collection)
		fputs(", \"no_full_collection\": true", out);
	fputs(", \"types\": [", out);
	for (size_t i = 0; i < report->n_rows && !*failed; i++)
		json_part_dump(out, i ? ",\n" : "\n", json_part_growth_row(report->rows[i]),
			       failed);
	fputs("\n]}", out);
}

static void dump_held(FILE *out, const struct heap_held *held, bool *failed)
{
	json_t *parts = json_object(), *value;
	const char *name;

	held_json_put(&parts, held);
	*failed |= !parts;
	json_object_foreach(parts, name, value)
	{
		fprintf(out, ",\n\"%s\": ", name);
		json_part_dump(out, "", json_incref(value), failed);
	}
	json_decref(parts);
}

void heap_json_put(FILE *out, const struct heap_report *report, bool *failed)
{
	json_part_dump(out, ",\n\"heap\": {\n\"totals\": ", totals(report->scan), failed);
	json_part_dump(out, ",\n\"scan\": ", how(report->scan), failed);
	json_part_dump(out, ",\n\"gc\": ", json_part_gc(&report->scan->gc), failed);
	fputs(",\n\"types\": [", out);
	for (size_t i = 0; i < report->n_types && !*failed; i++)
		json_part_dump(out, i ? ",\n" : "\n", type_row(report->types[i]), failed);
	fputs("\n]", out);
	if (report->growth)
		dump_growth(out, report, failed);
	if (report->held)
		dump_held(out, report->held, failed);
	fputs("\n}", out);
}
