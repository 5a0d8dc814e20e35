/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/heap_types.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
	const struct heap_type *left = a, *right = b;

	return strcmp(left->name, right->name);
}

void heap_scan_finalize(struct heap_scan *scan)
{
	size_t kept = 0;

	if (scan->n_types)
		qsort(scan->types, scan->n_types, sizeof(*scan->types), compare_names);
	scan->count = scan->tracked = scan->bytes = 0;
	for (size_t i = 0; i < scan->n_types; i++) {
		const struct heap_type *type = &scan->types[i];

		scan->count += type->count;
		scan->tracked += type->tracked;
		scan->bytes += type->bytes;
		if (kept && !strcmp(scan->types[kept - 1].name, type->name)) {
			scan->types[kept - 1].count += type->count;
			scan->types[kept - 1].tracked += type->tracked;
			scan->types[kept - 1].bytes += type->bytes;
			free(type->name);
		} else {
			scan->types[kept++] = *type;
		}
	}
	scan->n_types = kept;
}

void heap_scan_free(struct heap_scan *scan)
{
	if (!scan)
		return;
	for (size_t i = 0; i < scan->n_types; i++)
		free(scan->types[i].name);
	free(scan->containers);
	free(scan->types);
	free(scan);
}

void heap_growth_free(struct heap_growth *growth)
{
	if (!growth)
		return;
	free(growth->rows);
	free(growth);
}

const struct heap_type *heap_scan_find(const struct heap_scan *scan, const char *name)
{
	const struct heap_type key = {.name = (char *)name};

	return scan->n_types ? bsearch(&key, scan->types, scan->n_types, sizeof(*scan->types),
				       compare_names)
			     : NULL;
}

static int descending(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int by_bytes(const void *a, const void *b)
{
	const struct heap_type *left = *(const struct heap_type *const *)a;
	const struct heap_type *right = *(const struct heap_type *const *)b;
	int order = descending(left->bytes, right->bytes);

	return order ? order : compare_names(left, right);
}

static int by_count(const void *a, const void *b)
{
	const struct heap_type *left = *(const struct heap_type *const *)a;
	const struct heap_type *right = *(const struct heap_type *const *)b;
	int order = descending(left->count, right->count);

	return order ? order : compare_names(left, right);
}

const struct heap_type **heap_scan_order(const struct heap_scan *scan, enum heap_order order)
{
	const struct heap_type **types =
		calloc(scan->n_types + 1, sizeof(const struct heap_type *));

	if (!types)
		return NULL;
	for (size_t i = 0; i < scan->n_types; i++)
		types[i] = &scan->types[i];
	if (order == HEAP_BY_BYTES)
		qsort(types, scan->n_types, sizeof(*types), by_bytes);
	else if (order == HEAP_BY_COUNT)
		qsort(types, scan->n_types, sizeof(*types), by_count);
	return types;
}

static int descending_real(double a, double b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

/* What goes up steadily is a leak; a sawtooth or a falling series is not. */
static int shape_rank(enum fit_shape shape)
{
	switch (shape) {
	case FIT_STEADY:
		return 0;
	case FIT_UNKNOWN:
	case FIT_UNCLEAR:
		return 1;
	case FIT_SLOWING:
	case FIT_STEP:
		return 2;
	case FIT_SAWTOOTH:
	case FIT_STILL:
	case FIT_FALLING:
		break;
	}
	return 3;
}

static int growth_by_bytes(const void *a, const void *b)
{
	const struct heap_growth_row *left = a, *right = b;
	int order = shape_rank(left->shape) - shape_rank(right->shape);

	if (!order)
		order = descending_real(left->least_bytes_per_min, right->least_bytes_per_min);
	if (!order)
		order = descending_real(left->least_count_per_min, right->least_count_per_min);
	return order ? order : strcmp(left->name, right->name);
}

static int growth_by_count(const void *a, const void *b)
{
	const struct heap_growth_row *left = a, *right = b;
	int order = shape_rank(left->shape) - shape_rank(right->shape);

	if (!order)
		order = descending_real(left->least_count_per_min, right->least_count_per_min);
	return order ? order : growth_by_bytes(a, b);
}

static int growth_by_name(const void *a, const void *b)
{
	const struct heap_growth_row *left = a, *right = b;

	return strcmp(left->name, right->name);
}

void heap_growth_sort(struct heap_growth *growth, enum heap_order order)
{
	if (growth->n_rows)
		qsort(growth->rows, growth->n_rows, sizeof(*growth->rows),
		      order == HEAP_BY_NAME    ? growth_by_name
		      : order == HEAP_BY_COUNT ? growth_by_count
					       : growth_by_bytes);
}

/* Thresholds that are reached: of the youngest generation, and of the others. */
#define REACHED_YOUNG 100000
#define REACHED       1000

bool heap_gc_takes_cycles(const struct heap_gc *gc)
{
	if (!gc->have_enabled || !gc->have_generations)
		return true;
	return gc->enabled && gc->thresholds[0] > 0 && gc->thresholds[0] <= REACHED_YOUNG &&
	       gc->thresholds[1] <= REACHED && gc->thresholds[2] <= REACHED &&
	       !(gc->have_frozen && gc->frozen);
}
