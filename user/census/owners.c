/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/owners.h"

#include <stdlib.h>
#include <string.h>

struct owners {
	const struct reach *reach;
	const bool *wanted;   /* by type */
	uint32_t *owner;      /* of each object: index of another, or REACH_ROOT | that of a root */
	uint32_t *count;      /* of objects asked for, by owner */
	uint64_t *root_count; /* the same, by root */
};

struct group {
	uint32_t owner;
	uint64_t count;
	uint32_t sample; /* the first that the search came to: none has a shorter chain */
};

/* ---- owners --------------------------------------------------------------------------------- */

static bool is_root_of(const struct reach *reach, uint32_t parent, enum root_kind kind)
{
	return parent & REACH_ROOT && reach->roots[parent & ~REACH_ROOT].kind == kind;
}

/* sys.modules itself, a module, its dict: what they hold is an owner, they are not. */
static bool is_above(const struct reach *reach, uint32_t object)
{
	for (int step = 0; step < 3 && !(object & REACH_ROOT); step++) {
		object = reach->parent[object];
		if (is_root_of(reach, object, ROOT_MODULES))
			return true;
	}
	return false;
}

static uint32_t owner_of(const struct owners *owners, uint32_t object)
{
	const struct reach *reach = owners->reach;
	uint32_t parent = reach->parent[object];

	if (parent & REACH_ROOT)
		return is_root_of(reach, parent, ROOT_MODULES) ||
				       is_root_of(reach, parent, ROOT_FRAME)
			       ? object
			       : parent;
	return is_above(reach, parent) ? object : owners->owner[parent];
}

static bool is_wanted(const struct owners *owners, uint32_t object)
{
	return owners->wanted[owners->reach->objects.type[object]];
}

/* Objects come in the order of the search: what holds one has been seen before it. */
static void count(struct owners *owners)
{
	const struct reach *reach = owners->reach;

	for (size_t i = 0; i < reach->n_order; i++) {
		uint32_t object = reach->order[i], owner = owner_of(owners, object);

		owners->owner[object] = owner;
		if (!is_wanted(owners, object))
			continue;
		if (owner & REACH_ROOT)
			owners->root_count[owner & ~REACH_ROOT]++;
		else
			owners->count[owner]++;
	}
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return x->count != y->count ? (x->count > y->count ? -1 : 1)
				    : (x->owner > y->owner) - (x->owner < y->owner);
}

/* Keep the largest; groups has room for one more than max. */
static void offer(struct group *groups, size_t *n, size_t max, uint32_t owner, uint64_t n_objects)
{
	if (!n_objects || (*n == max && groups[*n - 1].count >= n_objects))
		return;
	groups[(*n)++] = (struct group){owner, n_objects, OBJECTS_NONE};
	for (size_t i = *n - 1; i && compare_groups(&groups[i], &groups[i - 1]) < 0; i--) {
		struct group other = groups[i];

		groups[i] = groups[i - 1];
		groups[i - 1] = other;
	}
	if (*n > max)
		*n = max;
}

static size_t choose(const struct owners *owners, struct group *groups, size_t max)
{
	const struct reach *reach = owners->reach;
	size_t n = 0, left;

	for (size_t i = 0; i < reach->objects.n; i++)
		offer(groups, &n, max, (uint32_t)i, owners->count[i]);
	for (size_t i = 0; i < reach->n_roots; i++)
		offer(groups, &n, max, REACH_ROOT | (uint32_t)i, owners->root_count[i]);
	left = n;
	for (size_t i = 0; i < reach->n_order && left; i++) {
		uint32_t object = reach->order[i];

		if (!is_wanted(owners, object))
			continue;
		for (size_t j = 0; j < n; j++) {
			if (groups[j].owner != owners->owner[object] ||
			    groups[j].sample != OBJECTS_NONE)
				continue;
			groups[j].sample = object;
			left--;
		}
	}
	return n;
}

static int build(struct heap_held *held, struct edges *edges, const struct group *groups, size_t n,
		 struct err *err)
{
	int result = 0;

	held->chains = calloc(n + 1, sizeof(*held->chains));
	if (!held->chains)
		return err_set(err, ERR_FAILED, "no memory for chains");
	for (size_t i = 0; i < n && !result; i++) {
		if (groups[i].sample == OBJECTS_NONE)
			continue;
		result = chain_build(&held->chains[held->n_chains], edges, groups[i].sample, err);
		held->chains[held->n_chains].count = groups[i].count;
		held->n_chains += !result;
	}
	return result;
}

/* Which of the types are asked for, by index. NULL: memory is out. */
static bool *wanted_types(const struct reach *reach, const struct owners_wanted *wanted,
			  struct err *err)
{
	const struct type_table *types = census_types(reach->census);
	size_t n = type_table_length(types);
	bool *is = calloc(n + 1, sizeof(*is));

	for (size_t i = 0; is && i < n; i++)
		is[i] = wanted->is(wanted->context, type_table_at(types, i)->py->name);
	if (!is)
		err_set(err, ERR_FAILED, "no memory for %zu types", n);
	return is;
}

int owners_count(struct heap_held *held, const struct reach *reach,
		 const struct owners_wanted *wanted, struct err *err)
{
	bool *is = wanted_types(reach, wanted, err);

	if (!is)
		return -ERR_FAILED;
	for (size_t i = 0; i < reach->objects.n; i++) {
		if (!is[reach->objects.type[i]] || reach->how[i] == REACH_GONE)
			continue;
		held->type_count++;
		held->type_reached += reach->how[i] == REACH_NAMED || reach->how[i] == REACH_OTHER;
		held->type_held += reach->how[i] == REACH_HELD;
		held->type_garbage += reach->how[i] == REACH_GARBAGE;
	}
	free(is);
	return 0;
}

int owners_find(struct heap_held *held, struct edges *edges, const struct owners_wanted *wanted,
		size_t top, struct err *err)
{
	const struct reach *reach = edges->reach;
	size_t n, max = top && top < OWNERS_MAX ? top : OWNERS_MAX;
	bool *is = wanted_types(reach, wanted, err);
	struct owners owners = {
		.reach = reach,
		.wanted = is,
		.owner = malloc((reach->objects.n + 1) * sizeof(*owners.owner)),
		.count = calloc(reach->objects.n + 1, sizeof(*owners.count)),
		.root_count = calloc(reach->n_roots + 1, sizeof(*owners.root_count)),
	};
	struct group *groups = calloc(max + 1, sizeof(*groups));
	int result = -1;

	if (is && owners.owner && owners.count && owners.root_count && groups) {
		count(&owners);
		result = owners_count(held, reach, wanted, err);
		n = choose(&owners, groups, max);
		if (!result)
			result = build(held, edges, groups, n, err);
	} else {
		result = err_set(err, ERR_FAILED, "no memory for the owners of %zu objects",
				 reach->objects.n);
	}
	free(is);
	free(owners.owner);
	free(owners.count);
	free(owners.root_count);
	free(groups);
	return result;
}

/* ---- what no root reaches ------------------------------------------------------------------- */

static int compare_unreached(const void *a, const void *b)
{
	const struct heap_unreached *x = a, *y = b;
	uint64_t sum_x = x->held + x->through + x->garbage,
		 sum_y = y->held + y->through + y->garbage;

	return sum_x != sum_y ? (sum_x > sum_y ? -1 : 1) : strcmp(x->type, y->type);
}

int owners_unreached(struct heap_held *held, const struct reach *reach, struct err *err)
{
	const struct type_table *types = census_types(reach->census);
	size_t n_types = type_table_length(types);
	struct heap_unreached *rows = calloc(n_types + 1, sizeof(*rows));

	if (!rows)
		return err_set(err, ERR_FAILED, "no memory for %zu types", n_types);
	held->unreached = rows;
	held->have_unreached = true;
	for (size_t i = 0; i < reach->objects.n; i++) {
		struct heap_unreached *row = &rows[reach->objects.type[i]];

		if (reach->how[i] == REACH_GARBAGE)
			row->garbage++;
		else if (reach->how[i] == REACH_HELD && reach->parent[i] & REACH_ROOT)
			row->held++;
		else if (reach->how[i] == REACH_HELD)
			row->through++;
	}
	for (size_t i = 0; i < n_types; i++) {
		struct heap_unreached *row = &rows[held->n_unreached];

		if (!rows[i].held && !rows[i].through && !rows[i].garbage)
			continue;
		*row = rows[i];
		row->has_del = type_table_at(types, i)->has_del;
		row->type = strdup(type_table_at(types, i)->py->name);
		if (!row->type)
			return err_set(err, ERR_FAILED, "no memory for %zu types", n_types);
		held->n_unreached++;
	}
	qsort(rows, held->n_unreached, sizeof(*rows), compare_unreached);
	return 0;
}
