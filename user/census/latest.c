/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/latest.h"

#include <stdlib.h>
#include <string.h>

#include "census/chain.h"
#include "census/newest.h"
#include "census/values.h"

#define LATEST_LEAST (1u << 20) /* of the budget; less is none */

struct candidate {
	uint32_t first; /* scan */
	uint32_t object;
};

/* Newest first; objects are in the order of their addresses. */
static bool is_before(const struct candidate *a, const struct candidate *b)
{
	return a->first != b->first ? a->first > b->first : a->object < b->object;
}

/* Keep the newest; rows has room for one more than max. */
static void offer(struct candidate *rows, size_t *n, size_t max, struct candidate offered)
{
	size_t i = *n;

	if (*n == max && !is_before(&offered, &rows[max - 1]))
		return;
	for (; i && is_before(&offered, &rows[i - 1]); i--)
		rows[i] = rows[i - 1];
	rows[i] = offered;
	if (*n < max)
		++*n;
}

/* The ages are in the order of addresses, as the objects are. */
static size_t choose(struct candidate *rows, size_t max, const struct edges *edges,
		     const struct ages *ages, struct heap_objects *objects)
{
	size_t n = 0;

	for (size_t i = 0; i < ages->n; i++) {
		const struct age *age = &ages->rows[i];
		uint32_t object = objects_find(&edges->reach->objects, age->address);

		if (object == OBJECTS_NONE || edges->reach->how[object] == REACH_GONE)
			continue;
		objects->made += age_is_new(age);
		offer(rows, &n, max, (struct candidate){age->first, object});
	}
	return n;
}

static void take_age(struct heap_object *row, const struct ages *ages)
{
	const struct age *age = ages_find(ages, row->address);

	row->have_age = age && ages->n_scans > 1;
	if (!row->have_age)
		return;
	row->scans = ages->n_scans - age->first;
	row->least_s = age_least_s(ages, age);
	row->is_new = age_is_new(age);
	row->most_s = row->is_new ? age_most_s(ages, age) : 0;
}

/* The chain's path and root; the rest of it is `chain`'s. */
static int take_way(struct heap_object *row, struct edges *edges, uint32_t object, struct err *err)
{
	struct heap_chain chain;
	int result;

	row->unnamed = edges->budget < LATEST_LEAST;
	if (row->unnamed)
		return 0;
	result = chain_build(&chain, edges, object, err);

	if (result)
		return result;
	/* a link that is called "?" has not been looked for */
	row->unnamed = edges->budget < LATEST_LEAST;
	if (row->unnamed) {
		heap_chain_fini(&chain);
		return 0;
	}
	row->root = chain.root;
	row->path = chain.path;
	row->changed = chain.changed;
	chain.root = chain.path = NULL;
	heap_chain_fini(&chain);
	return 0;
}

static int take(struct heap_object *row, struct edges *edges, const struct ages *ages,
		uint32_t object, bool values, struct err *err)
{
	const struct reach *reach = edges->reach;
	const struct values reader = {edges->names, census_types(reach->census)};
	int result = 0;

	row->address = reach->objects.address[object];
	row->bytes = reach->objects.size[object];
	row->type = strdup(edges_type(edges, object)->py->name);
	if (!row->type)
		return err_set(err, ERR_FAILED, "no memory for an object");
	row->have_items = edges_items(edges, object, &row->items);
	take_age(row, ages);
	row->how = reach->how[object] == REACH_HELD      ? HEAP_HOW_HELD
		   : reach->how[object] == REACH_GARBAGE ? HEAP_HOW_GARBAGE
							 : HEAP_HOW_REACHED;
	if (row->how != HEAP_HOW_GARBAGE)
		result = take_way(row, edges, object, err);
	else
		row->changed = !edges_still_there(edges, object);
	if (!result && values) {
		row->have_value = true;
		result = values_read(&row->value, &reader, row->address, err);
	}
	return result;
}

int latest_find(struct heap_objects *objects, struct edges *edges, struct ages *ages,
		const struct latest_wanted *wanted, struct err *err)
{
	size_t max = wanted->top && wanted->top < LATEST_MAX ? wanted->top : LATEST_MAX, n = 0;
	struct candidate *rows = calloc(max + 1, sizeof(*rows));
	int result = newest_take(ages, edges, wanted->type, wanted->address, err);
	uint32_t one;

	if (!result && rows) {
		n = choose(rows, max, edges, ages, objects);
		/* a type in the data of C code has no age, but it is an object */
		one = wanted->type ? OBJECTS_NONE
				   : objects_find(&edges->reach->objects, wanted->address);
		if (!n && one != OBJECTS_NONE && edges->reach->how[one] != REACH_GONE)
			rows[n++].object = one;
		objects->rows = calloc(n + 1, sizeof(*objects->rows));
	}
	if (!result && (!rows || !objects->rows))
		result = err_set(err, ERR_FAILED, "no memory for %zu objects", max);
	objects->single = !wanted->type;
	objects->n_scans = ages->n_scans;
	objects->span_s = ages_span_s(ages);
	edges->budget = LATEST_BUDGET;
	for (size_t i = 0; i < n && !result; i++) {
		struct heap_object *row = &objects->rows[objects->n_rows++];

		result = take(row, edges, ages, rows[i].object, wanted->values, err);
		objects->several_types |= !result && strcmp(row->type, objects->rows[0].type) != 0;
	}
	free(rows);
	return result;
}
