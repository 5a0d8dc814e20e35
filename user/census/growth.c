/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/growth.h"

#include <stdlib.h>
#include <string.h>

#include "base/fit.h"

_Static_assert(GROWTH_SCANS_MAX <= FIT_POINTS_MAX, "a series is one fit");

static bool changes(const double *values, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (values[i] != values[0])
			return true;
	return false;
}

/* cycle: of the collector, NULL: not known */
static void measure(struct heap_growth_row *row, struct heap_scan *const *scans, size_t n,
		    const double *minutes, const double *cycle)
{
	double counts[GROWTH_SCANS_MAX], bytes[GROWTH_SCANS_MAX];
	struct fit_line line;
	int64_t first_count = 0, first_bytes = 0;

	for (size_t i = 0; i < n; i++) {
		const struct heap_type *type = heap_scan_find(scans[i], row->name);

		counts[i] = type ? (double)type->count : 0;
		bytes[i] = type ? (double)type->bytes : 0;
		row->count = type ? type->count : 0;
		row->bytes = type ? type->bytes : 0;
		if (!i) {
			first_count = (int64_t)row->count;
			first_bytes = (int64_t)row->bytes;
		}
	}
	row->count_delta = (int64_t)row->count - first_count;
	row->bytes_delta = (int64_t)row->bytes - first_bytes;
	row->shape = fit_shape(minutes, bytes, cycle, n, &line);
	if (changes(bytes, n)) {
		row->bytes_per_min = line.slope;
		row->least_bytes_per_min = fit_least(line);
	}
	row->confidence = fit_confidence(line);
	if (!changes(counts, n)) /* only larger: what was said of the bytes stands */
		return;
	row->shape = fit_shape(minutes, counts, cycle, n, &line);
	row->count_per_min = line.slope;
	row->least_count_per_min = fit_least(line);
	row->confidence = fit_confidence(line);
}

/* Every name once, from the last scan that has it. */
static void collect_names(struct heap_growth *growth, struct heap_scan *const *scans, size_t n)
{
	for (size_t i = n; i--;) {
		for (size_t j = 0; j < scans[i]->n_types; j++) {
			const char *name = scans[i]->types[j].name;
			bool later = false;

			for (size_t k = i + 1; k < n && !later; k++)
				later = heap_scan_find(scans[k], name);
			if (!later)
				growth->rows[growth->n_rows++].name = name;
		}
	}
}

struct heap_growth *growth_measure(struct heap_scan *const *scans, size_t n_scans)
{
	struct heap_growth *growth = calloc(1, sizeof(*growth));
	double minutes[GROWTH_SCANS_MAX], cycle[GROWTH_SCANS_MAX];
	const struct heap_gc *first = &scans[0]->gc, *last = &scans[n_scans - 1]->gc;
	bool have_cycle = true;
	size_t most = 1;

	for (size_t i = 0; i < n_scans; i++) {
		most += scans[i]->n_types;
		minutes[i] = (scans[i]->at_s - scans[0]->at_s) / 60;
		cycle[i] = scans[i]->gc.since_full;
		have_cycle &= scans[i]->gc.have_since_full;
	}
	if (growth)
		growth->rows = calloc(most, sizeof(*growth->rows));
	if (!growth || !growth->rows) {
		free(growth);
		return NULL;
	}
	collect_names(growth, scans, n_scans);
	growth->n_scans = n_scans;
	growth->span_s = minutes[n_scans - 1] * 60;
	growth->no_full_collection = first->have_collections && last->have_collections &&
				     first->full_collections == last->full_collections;
	for (size_t i = 0; i < growth->n_rows; i++)
		measure(&growth->rows[i], scans, n_scans, minutes, have_cycle ? cycle : NULL);
	heap_growth_sort(growth, HEAP_BY_BYTES);
	return growth;
}
