/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/estimates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* scans that it takes to say that a type does not grow */
#define SCANS_ENOUGH 3

/* windows that a survivor must outlive: half of those that there were, at most so many */
#define PROOF_MOST 16

/* that a type's count really goes up */
#define SURE 0.95

/* of the work of the windows, what must be left of it to scale by: less is noise */
#define LEAST_OWN 0.02

struct type_sum {
	const char *name; /* NULL: no survivor has it */
	double survivors, bytes;
	double grown; /* objects more, since the baseline; 0: does not grow */
	double error; /* of that, the standard error */
};

struct estimates {
	struct snapshot_scale work[ABI_DOMAINS]; /* by the target's own work */
	bool census;                             /* types are known */
	struct type_sum types[SURVIVORS_TYPES];
	struct snapshot_scale buffers;
	double grown_bytes;  /* of all types that grow, by the census, with the buffers that belong
				to them */
	double cap;          /* of all scales of objects: they make no more bytes than that */
	double malloc_bytes; /* of survivors in domain malloc */
	double passed_s;
	uint32_t proof[ABI_DOMAINS]; /* windows that a survivor must have outlived */
};

/* Has it shown that it stays? */
static bool counts(const struct estimates *estimates, const struct survivor *survivor)
{
	return !survivor->gone && survivor->age >= estimates->proof[survivor->domain];
}

static void sum_survivor(void *context, const struct survivor *survivor)
{
	struct estimates *estimates = context;
	struct type_sum *type = &estimates->types[survivor->type_index];

	if (!counts(estimates, survivor))
		return;
	if (survivor->domain == ABI_MALLOC)
		estimates->malloc_bytes += survivor->weight * (double)survivor->size;
	if (survivor->domain != ABI_OBJECT)
		return;
	type->name = survivor->type;
	type->survivors += survivor->weight;
	type->bytes += survivor->weight * (double)survivor->size;
}

static int by_name(const void *a, const void *b)
{
	const struct type_sum *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Does it go up, for sure? */
static bool grows(const struct heap_growth_row *row)
{
	return heap_monitor_grows(row) && row->count_per_min > 0 && row->confidence >= SURE;
}

/* The lower end of a 90 % interval lies this many standard errors below, with a dozen scans; with
 * fewer it is more, and this too wide. */
#define ERRORS_BELOW 1.8

static void set_grown(struct type_sum *type, const struct heap_growth_row *row, double minutes)
{
	type->grown = row->count_per_min * minutes;
	/* where there is no interval yet nothing is sure */
	type->error = (row->least_count_per_min > 0
			       ? (row->count_per_min - row->least_count_per_min) / ERRORS_BELOW
			       : row->count_per_min) *
		      minutes;
}

/* The names of both sides are as python/types reads them. */
static void see_growth(void *context, const struct heap_growth *growth)
{
	struct estimates *estimates = context;
	struct type_sum *sorted[SURVIVORS_TYPES];
	size_t n = 0;

	if (growth->n_scans < SCANS_ENOUGH)
		return;
	estimates->census = true;
	/* index 0 and 1 have no name of a type */
	for (size_t i = 2; i < SURVIVORS_TYPES; i++)
		if (estimates->types[i].name)
			sorted[n++] = &estimates->types[i];
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < growth->n_rows; i++) {
		const struct type_sum key = {.name = growth->rows[i].name}, *wanted = &key;
		struct type_sum **found =
			n ? bsearch(&wanted, sorted, n, sizeof(*sorted), by_name) : NULL;

		if (!grows(&growth->rows[i]))
			continue;
		estimates->grown_bytes +=
			fmax(growth->rows[i].bytes_per_min, 0) / 60 * estimates->passed_s;
		if (found)
			set_grown(*found, &growth->rows[i], estimates->passed_s / 60);
	}
}

/* What has no type grows as what has one. */
static void scale_buffers(struct estimates *estimates)
{
	double grown = 0, survivors = 0, error = 0;

	for (size_t i = 2; i < SURVIVORS_TYPES; i++) {
		const struct type_sum *type = &estimates->types[i];

		if (!type->name || !(type->grown > 0))
			continue;
		grown += type->grown;
		error = hypot(error, type->error);
		survivors += type->survivors;
	}
	if (survivors > 0)
		estimates->buffers = (struct snapshot_scale){
			grown / survivors, hypot(error / grown, 1 / sqrt(survivors))};
}

/* Blocks that belong to no object have a growth of their own. */
static void add_other_blocks(struct estimates *estimates, double per_s)
{
	const struct type_sum *buffers = &estimates->types[0];
	double bytes = per_s * estimates->passed_s;

	if (!(bytes > 0) || !(buffers->bytes > 0))
		return;
	estimates->grown_bytes += bytes;
	estimates->buffers.error = hypot(estimates->buffers.error, 1 / sqrt(buffers->survivors));
	estimates->buffers.blocks += bytes / buffers->bytes;
}

static struct snapshot_scale type_scale(const struct estimates *estimates, unsigned index)
{
	const struct type_sum *type = &estimates->types[index];

	if (index < 2)
		return estimates->buffers;
	if (!(type->survivors > 0) || !(type->grown > 0))
		return (struct snapshot_scale){0};
	return (struct snapshot_scale){type->grown / type->survivors, type->error / type->grown};
}

static void set_cap(struct estimates *estimates)
{
	double bytes = 0;

	for (unsigned i = 0; i < SURVIVORS_TYPES; i++)
		bytes += type_scale(estimates, i).blocks * estimates->types[i].bytes;
	estimates->cap = bytes > estimates->grown_bytes ? estimates->grown_bytes / bytes : 1;
}

/*
 * Nor can malloc's blocks be more than the census has seen come into use. Whether one is still the
 * block that survived its window cannot be known: its place may have been freed and taken again.
 * So where memory in use does not grow for sure, nothing is.
 */
static void cap_malloc(struct estimates *estimates, struct heap_monitor *monitor)
{
	struct snapshot_scale *scale = &estimates->work[ABI_MALLOC];
	double bytes = scale->blocks * estimates->malloc_bytes, least, most;

	if (!heap_monitor_in_use(monitor, &least, &most))
		return;
	if (bytes > most * estimates->passed_s)
		scale->blocks *= most * estimates->passed_s / bytes;
	if (!(least > 0))
		scale->error = fmax(scale->error, 1);
}

/* Windows that a survivor must have outlived, when there were so many. */
static uint32_t proof_of(uint64_t n_windows)
{
	return n_windows / 2 < PROOF_MOST ? (uint32_t)(n_windows / 2) : PROOF_MOST;
}

/* The share of windows whose survivors can have done so. */
static double old_enough(uint64_t n_windows)
{
	return n_windows ? (double)(n_windows - proof_of(n_windows)) / (double)n_windows : 1;
}

static void set_proof(struct estimates *estimates, const struct governor_state *state)
{
	for (unsigned i = 0; i < ABI_PARTS; i++)
		for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
			if (state->parts[i].domains >> domain & 1 && domain != ABI_MMAP)
				estimates->proof[domain] = proof_of(state->parts[i].windows.n);
}

static void scale_by_work(struct estimates *estimates, const struct governor_state *state)
{
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		const struct windows_sum *sum = &state->parts[i].windows;
		struct snapshot_scale scale = {0};

		if (sum->own_half_ns > LEAST_OWN * sum->cpu_ns / 2) {
			scale.blocks = state->own_ns / sum->own_half_ns;
			scale.error =
				(sum->own_half_most - sum->own_half_least) / 4 / sum->own_half_ns;
		}
		for (unsigned domain = 0; domain < ABI_DOMAINS; domain++) {
			if (!(state->parts[i].domains >> domain & 1))
				continue;
			estimates->work[domain] = scale;
			/* of the windows that are old enough */
			if (domain != ABI_MMAP)
				estimates->work[domain].blocks /= old_enough(sum->n);
		}
	}
}

struct estimates *estimates_new(const struct governor_state *state, struct survivors *survivors,
				struct heap_monitor *monitor, double passed_s)
{
	struct estimates *estimates = calloc(1, sizeof(*estimates));

	if (!estimates)
		return NULL;
	estimates->passed_s = passed_s;
	set_proof(estimates, state);
	scale_by_work(estimates, state);
	survivors_each(survivors, sum_survivor, estimates);
	if (monitor) {
		heap_monitor_growth(monitor, see_growth, estimates);
		cap_malloc(estimates, monitor);
	}
	scale_buffers(estimates);
	if (monitor)
		add_other_blocks(estimates, heap_monitor_other_blocks(monitor));
	set_cap(estimates);
	return estimates;
}

void estimates_free(struct estimates *estimates)
{
	free(estimates);
}

struct snapshot_scale estimates_scale(void *context, const struct survivor *survivor)
{
	const struct estimates *estimates = context;
	struct snapshot_scale scale;

	if (!counts(estimates, survivor))
		return (struct snapshot_scale){0};
	if (survivor->domain != ABI_OBJECT || !estimates->census)
		return estimates->work[survivor->domain];
	scale = type_scale(estimates, survivor->type_index);
	scale.blocks *= estimates->cap;
	return scale;
}
