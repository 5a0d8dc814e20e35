/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/heap_held.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/slips.h"
#include "census/backrefs.h"
#include "census/growth.h"
#include "census/holders.h"
#include "census/latest.h"
#include "census/owners.h"
#include "census/type_name.h"
#include "cli/heap_report.h"
#include "cli/verbs.h"

/* ---- what is asked for ---------------------------------------------------------------------- */

static bool is_type(const void *context, const char *type)
{
	return type_name_is(context, type);
}

/* The name that was most likely meant, with its module only where that was given. NULL: none. */
static const char *near_type(const struct type_table *types, const char *wanted)
{
	const char *nearest = NULL;
	unsigned best = UINT_MAX;

	for (size_t i = 0; i < type_table_length(types); i++) {
		const char *name = type_table_at(types, i)->py->name, *last = strrchr(name, '.');
		unsigned slips;

		if (!type_table_at(types, i)->count)
			continue;
		slips = slips_between(wanted, !strchr(wanted, '.') && last ? last + 1 : name);
		if (slips < best && slips <= slips_forgiven(wanted)) {
			best = slips;
			nearest = name;
		}
	}
	return nearest;
}

int heap_held_check_type(struct census *census, const struct options *options, struct err *err)
{
	const struct type_table *types = census_types(census);
	const char *wanted = options->heap.type, *near;
	char quoted[96], meant[96];

	for (size_t i = 0; i < type_table_length(types); i++)
		if (is_type(wanted, type_table_at(types, i)->py->name) &&
		    type_table_at(types, i)->count)
			return 0;
	near = near_type(types, wanted);
	escape_copy(quoted, sizeof(quoted), wanted);
	if (near)
		return err_set(err, ERR_TARGET,
			       "pid %d has no object of type %s: did you mean %s? (`pyleaktrace "
			       "heap` lists the types)",
			       (int)options_pid(options), quoted,
			       escape_copy(meant, sizeof(meant), near));
	return err_set(err, ERR_TARGET,
		       "pid %d has no object of type %s: `pyleaktrace heap -p %d` lists the types",
		       (int)options_pid(options), quoted, (int)options_pid(options));
}

static bool is_backrefs(const struct options *options)
{
	return options->verb == &verbs[VERB_BACKREFS];
}

static bool is_about_objects(const struct options *options)
{
	return is_backrefs(options) || options->verb == &verbs[VERB_CHAIN] ||
	       options->verb == &verbs[VERB_OBJECTS];
}

/* Leave the holders that were asked for. */
static void choose_holders(struct heap_held *held, const struct options *options)
{
	size_t n = 0;

	for (size_t i = 0; i < held->n_holders; i++) {
		struct heap_holder *holder = &held->holders[i];

		if (heap_report_wants_holder(options, holder)) {
			held->holders[n++] = *holder;
		} else {
			free(holder->path);
			free(holder->type);
		}
	}
	held->n_holders = n;
}

/* ---- what is found -------------------------------------------------------------------------- */

static int find_chain(struct heap_held *held, struct edges *edges, uint32_t object,
		      const struct options *options, struct err *err)
{
	const struct owners_wanted wanted = {is_type, held->type};
	const struct reach *reach = edges->reach;
	int result;

	if (object == OBJECTS_NONE)
		return owners_find(held, edges, &wanted, options->top, err);
	held->type_count = 1;
	held->type_held = reach->how[object] == REACH_HELD;
	held->type_garbage = reach->how[object] == REACH_GARBAGE;
	held->type_reached = !held->type_held && !held->type_garbage;
	if (held->type_garbage)
		return 0;
	held->chains = calloc(1, sizeof(*held->chains));
	if (!held->chains)
		return err_set(err, ERR_FAILED, "no memory for a chain");
	result = chain_build(held->chains, edges, object, err);
	held->n_chains = !result;
	held->chains->count = 1;
	return result;
}

static int no_object(const struct options *options, struct err *err)
{
	return err_set(err, ERR_TARGET, "pid %d has no object at 0x%llx", (int)options_pid(options),
		       (unsigned long long)options->heap.address);
}

/* Without the chains of all: how many are held how, and the newest. */
static int find_objects(struct heap_held *held, struct edges *edges, const struct options *options,
			struct ages *ages, struct err *err)
{
	const struct owners_wanted types = {is_type, held->type};
	const struct latest_wanted wanted = {options->heap.address ? NULL : held->type,
					     options->heap.address, options->top,
					     options->heap.values};
	const struct heap_objects *objects = &held->objects;
	int result = latest_find(&held->objects, edges, ages, &wanted, err);

	held->have_objects = true;
	if (result || !options->heap.address)
		return result ? result : owners_count(held, edges->reach, &types, err);
	if (!objects->n_rows)
		return no_object(options, err);
	held->type_count = 1;
	held->type_reached = objects->rows[0].how == HEAP_HOW_REACHED;
	held->type_held = objects->rows[0].how == HEAP_HOW_HELD;
	held->type_garbage = objects->rows[0].how == HEAP_HOW_GARBAGE;
	return 0;
}

/*
 * The objects that chain, backrefs and objects are about.
 *
 * out    held->type; object: the one at the address that was given, OBJECTS_NONE: all of the type
 */
static int find_wanted(struct heap_held *held, struct edges *edges, const struct options *options,
		       uint32_t *object, struct err *err)
{
	const struct heap_options *heap = &options->heap;
	const char *type = heap->type;

	*object = OBJECTS_NONE;
	if (heap->address) {
		*object = objects_find(&edges->reach->objects, heap->address);
		if (*object == OBJECTS_NONE)
			return no_object(options, err);
		type = edges_type(edges, *object)->py->name;
	}
	held->type = strdup(type);
	if (!held->type)
		return err_set(err, ERR_FAILED, "no memory for a name");
	return heap->address ? 0 : heap_held_check_type(edges->reach->census, options, err);
}

static int find_holders(struct heap_held *held, struct edges *edges, const struct options *options,
			struct heap_scan *const *scans, size_t n_scans, struct err *err)
{
	int result = holders_find(held, edges, scans, n_scans, err);

	if (!result)
		result = owners_unreached(held, edges->reach, err);
	choose_holders(held, options);
	return result;
}

static int find_parts(struct heap_held *held, struct reach *reach, struct edges *edges,
		      const struct options *options, const struct heap_past *past, struct err *err)
{
	uint32_t object;
	int result;

	if (!is_about_objects(options))
		return find_holders(held, edges, options, past->scans, past->n_scans, err);
	result = find_wanted(held, edges, options, &object, err);
	if (!result && options->verb == &verbs[VERB_OBJECTS])
		return find_objects(held, edges, options, past->ages, err);
	if (!result && is_backrefs(options)) {
		const struct owners_wanted wanted = {is_type, held->type};

		return backrefs_find(held, reach, edges, &wanted, options->heap.address,
				     options->heap.depth, err);
	}
	return result ? result : find_chain(held, edges, object, options, err);
}

/* Newest first; ages are by address. */
static int compare_first(const void *a, const void *b)
{
	const struct age *const *x = a, *const *y = b;

	if ((*x)->first != (*y)->first)
		return (*x)->first > (*y)->first ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

static bool take_object(struct heap_object *row, const struct ages *ages, const struct age *age,
			const char *type)
{
	*row = (struct heap_object){.address = age->address,
				    .type = strdup(type),
				    .have_age = ages->n_scans > 1,
				    .scans = ages->n_scans - age->first,
				    .least_s = age_least_s(ages, age),
				    .is_new = age_is_new(age),
				    .how = HEAP_HOW_UNKNOWN};
	row->most_s = row->is_new ? age_most_s(ages, age) : 0;
	return row->type;
}

int heap_held_of_ages(struct heap_held *held, const struct options *options,
		      const struct ages *ages, struct err *err)
{
	struct heap_objects *objects = &held->objects;
	size_t top = options->top && options->top < ages->n ? options->top : ages->n;
	const struct age **order = calloc(ages->n + 1, sizeof(*order));
	bool fits = order;

	held->have_objects = true;
	held->type_count = ages->n;
	held->type = strdup(options->heap.type ? options->heap.type : "?");
	objects->target_ended = true;
	objects->single = !options->heap.type;
	objects->n_scans = ages->n_scans;
	objects->span_s = ages_span_s(ages);
	objects->rows = calloc(top + 1, sizeof(*objects->rows));
	fits &= held->type && objects->rows;
	for (size_t i = 0; fits && i < ages->n; i++) {
		order[i] = &ages->rows[i];
		objects->made += age_is_new(order[i]);
	}
	if (fits)
		qsort(order, ages->n, sizeof(*order), compare_first);
	for (size_t i = 0; fits && i < top; i++)
		fits = take_object(&objects->rows[objects->n_rows++], ages, order[i], held->type);
	free(order);
	return fits ? 0 : err_set(err, ERR_FAILED, "no memory for objects");
}

static int search(struct reach *reach, const struct options *options, struct err *err)
{
	int result;

	/* the graph of references needs no roots but as labels */
	if (is_backrefs(options))
		return 0;
	result = reach_search(reach, err);
	if (!result)
		reach_rest(reach);
	return result;
}

int heap_held_find(struct heap_held *held, struct reach *reach, const struct options *options,
		   struct heap_target *heap, const struct heap_past *past, struct err *err)
{
	struct heap_past whole = past ? *past : (struct heap_past){0};
	struct heap_scan *all[GROWTH_SCANS_MAX];
	struct edges edges;
	int result = 0;

	if (!is_about_objects(options))
		census_collect(heap->census);
	if (options->heap.frozen)
		result = heap_target_hold(heap, err);
	if (!result)
		result = reach_scan(reach, heap->census, err);
	if (!result)
		result = search(reach, options, err);
	if (!result)
		result = edges_init(&edges, reach, err);
	if (!result) {
		whole.n_scans =
			whole.n_scans < GROWTH_SCANS_MAX ? whole.n_scans : GROWTH_SCANS_MAX - 1;
		for (size_t i = 0; i < whole.n_scans; i++)
			all[i] = whole.scans[i];
		all[whole.n_scans++] = reach->scan;
		whole.scans = all;
		result = find_parts(held, reach, &edges, options, &whole, err);
		edges_fini(&edges);
	}
	heap_target_let_go(heap);
	held->search_s = reach->search_s;
	held->unread = reach->unread;
	if (reach->scan)
		reach->scan->pause_s = heap->pause_s;
	return result;
}
