/* SPDX-License-Identifier: BSD-2-Clause */
#include "trend/series.h"

#include <string.h>

#include "base/fit.h"

/*
 * What is left lies evenly in time, and is half of what there is room for. Were every second look
 * dropped, next to nothing would be left of the hours before the last one.
 */
static void thin(struct trend *trend)
{
	double apart_s = trend_span_s(trend) / (TREND_LOOKS_MAX / 2.0);
	size_t n = 1;

	for (size_t i = 1; i < trend->n_looks; i++)
		if (trend->looks[i].at_s - trend->looks[n - 1].at_s >= apart_s)
			trend->looks[n++] = trend->looks[i];
	trend->n_looks = n;
}

void trend_add(struct trend *trend, const struct trend_look *look)
{
	if (trend->n_looks == TREND_LOOKS_MAX)
		thin(trend);
	trend->looks[trend->n_looks++] = *look;
	trend->n_made++;
}

void trend_forget(struct trend *trend)
{
	if (!trend->n_looks)
		return;
	trend->looks[0] = trend->looks[trend->n_looks - 1];
	trend->n_looks = trend->n_made = 1;
}

void trend_set_memory(struct trend_look *look, const struct proc_memory *memory,
		      const struct heap_usage *room)
{
	trend_set(look, TREND_RSS, memory->rss);
	trend_set(look, TREND_PSS, memory->pss);
	trend_set(look, TREND_ANONYMOUS, memory->anonymous);
	trend_set(look, TREND_PRIVATE, memory->own);
	trend_set(look, TREND_COMMON, memory->common);
	trend_set(look, TREND_SWAP, memory->swap);
	if (!room)
		return;
	trend_set(look, TREND_PART_OBJECTS, room->objects_bytes);
	trend_set(look, TREND_PART_PYMALLOC, room->pymalloc_bytes);
	trend_set(look, TREND_PART_MALLOC, room->malloc_bytes);
	trend_set(look, TREND_PART_POOLS_FREE, room->pools_free_bytes);
	trend_set(look, TREND_PART_MALLOC_FREE, room->malloc_free_bytes);
	trend_set(look, TREND_PART_STACKS, room->stacks_bytes + memory->stack);
	trend_set(look, TREND_PART_MAPPINGS, room->other_bytes);
	trend_set(look, TREND_PART_DATA, room->data_bytes + memory->data);
	trend_set(look, TREND_PART_FILES, memory->files);
	trend_set(look, TREND_PART_SHARED, memory->shared);
	trend_set(look, TREND_PART_OTHER, memory->other);
	trend_set(look, TREND_ARENAS, room->arenas);
}

static void measure_row(struct trend_row *row, const struct trend *trend)
{
	double x[TREND_LOOKS_MAX], y[TREND_LOOKS_MAX], cycle[TREND_LOOKS_MAX];
	bool have_cycle = row->kind != TREND_SINCE_FULL;
	struct fit_line line;

	for (size_t i = 0; i < trend->n_looks; i++) {
		const struct trend_look *look = &trend->looks[i];

		if (!trend_has(look, row->kind))
			continue;
		row->last = look->value[row->kind];
		if (!row->n)
			row->first = row->last;
		have_cycle &= trend_has(look, TREND_SINCE_FULL);
		cycle[row->n] = (double)look->value[TREND_SINCE_FULL];
		x[row->n] = look->at_s - trend->looks[0].at_s;
		y[row->n++] = (double)row->last;
	}
	if (!row->n)
		return;
	row->shape = fit_shape(x, y, have_cycle ? cycle : NULL, row->n, &line);
	row->per_s = line.slope;
	row->least_per_s = fit_least(line);
	row->confidence = fit_confidence(line);
}

static void take_account(struct trend *trend)
{
	const struct trend_look *last = &trend->looks[trend->n_looks - 1];
	uint64_t sum = 0;

	trend->have_account = trend->n_looks && trend_has(last, TREND_RSS);
	for (int kind = TREND_PART_FIRST; trend->have_account && kind <= TREND_PART_LAST; kind++) {
		trend->have_account = trend_has(last, (enum trend_kind)kind);
		sum += last->value[kind];
	}
	trend->unexplained_bytes =
		trend->have_account ? (int64_t)(last->value[TREND_RSS] - sum) : 0;
}

void trend_measure(struct trend *trend)
{
	for (int kind = 0; kind < TREND_KINDS; kind++) {
		trend->rows[kind] = (struct trend_row){.kind = (enum trend_kind)kind};
		measure_row(&trend->rows[kind], trend);
	}
	take_account(trend);
}
