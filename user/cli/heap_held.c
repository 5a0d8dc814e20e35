/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/heap_held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "census/backrefs.h"
#include "census/growth.h"
#include "census/holders.h"
#include "census/owners.h"
#include "cli/heap_progress.h"
#include "cli/heap_report.h"
#include "export/outputs.h"
#include "census/type_name.h"

/* ---- what is asked for ---------------------------------------------------------------------- */

static bool is_type(const void *context, const char *type)
{
	return type_name_is(context, type);
}

static bool is_known_type(const struct reach *reach, const char *wanted)
{
	const struct type_table *types = census_types(reach->census);

	for (size_t i = 0; i < type_table_length(types); i++)
		if (is_type(wanted, type_table_at(types, i)->py->name) &&
		    type_table_at(types, i)->count)
			return true;
	return false;
}

/* Leave the holders that were asked for. */
static void choose_holders(struct heap_held *held, const struct heap_options *options)
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

static int find_chain(struct heap_held *held, struct edges *edges,
		      const struct heap_options *options, struct err *err)
{
	const struct owners_wanted wanted = {is_type, options->chain};
	const struct reach *reach = edges->reach;
	uint32_t object;
	int result;

	if (!options->at)
		return owners_find(held, edges, &wanted, options->top, err);
	object = objects_find(&reach->objects, options->at);
	if (object == OBJECTS_NONE || !is_type(options->chain, edges_type(edges, object)->py->name))
		return err_set(err, ERR_TARGET, "pid %d has no such object at 0x%llx",
			       (int)options->pid, (unsigned long long)options->at);
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

static int find_parts(struct heap_held *held, struct reach *reach, struct edges *edges,
		      const struct heap_options *options, struct heap_scan *const *scans,
		      size_t n_scans, struct err *err)
{
	const struct owners_wanted wanted = {is_type, options->backrefs};
	const char *type = options->chain ? options->chain : options->backrefs;
	int result;

	if (type) {
		held->type = strdup(type);
		if (!held->type)
			return err_set(err, ERR_FAILED, "no memory for a name");
		if (!is_known_type(reach, type))
			return err_set(err, ERR_TARGET, "pid %d has no object of type %s",
				       (int)options->pid, type);
	}
	if (options->chain)
		return find_chain(held, edges, options, err);
	if (options->backrefs)
		return backrefs_find(held, reach, edges, &wanted, options->at, options->depth, err);
	result = holders_find(held, edges, scans, n_scans, err);
	if (!result)
		result = owners_unreached(held, reach, err);
	choose_holders(held, options);
	return result;
}

static int search(struct reach *reach, const struct heap_options *options, struct err *err)
{
	int result;

	/* the graph of references needs no roots but as labels */
	if (options->backrefs)
		return 0;
	result = reach_search(reach, err);
	if (!result)
		reach_rest(reach);
	return result;
}

int heap_held_find(struct heap_held *held, struct reach *reach, const struct heap_options *options,
		   struct heap_target *heap, struct heap_scan *const *scans, size_t n_scans,
		   struct err *err)
{
	struct heap_scan *all[GROWTH_SCANS_MAX];
	struct edges edges;
	int result = 0;

	if (options->holders)
		census_collect(heap->census);
	if (options->frozen)
		result = heap_target_hold(heap, err);
	if (!result)
		result = reach_scan(reach, heap->census, err);
	if (!result)
		result = search(reach, options, err);
	if (!result)
		result = edges_init(&edges, reach, err);
	if (!result) {
		n_scans = n_scans < GROWTH_SCANS_MAX ? n_scans : GROWTH_SCANS_MAX - 1;
		for (size_t i = 0; i < n_scans; i++)
			all[i] = scans[i];
		all[n_scans] = reach->scan;
		result = find_parts(held, reach, &edges, options, all, n_scans + 1, err);
		edges_fini(&edges);
	}
	heap_target_let_go(heap);
	held->search_s = reach->search_s;
	held->unread = reach->unread;
	if (reach->scan)
		reach->scan->pause_s = heap->pause_s;
	return result;
}

/* ---- the command ---------------------------------------------------------------------------- */

static int report(const struct heap_held *held, const struct reach *reach,
		  const struct heap_options *options, const struct heap_target *heap,
		  struct err *err)
{
	struct heap_report parts = {.scan = reach->scan, .held = held};
	int result = 0;

	if (heap_report_fill(&parts, options, heap, 0, NULL))
		result = err_set(err, ERR_FAILED, "no memory for a report");
	if (!result)
		result = heap_report_print(&parts, options, err);
	for (unsigned i = 0; i < options->n_outputs && !result; i++)
		result = heap_report_write(&parts, options, &options->outputs[i], err);
	heap_report_fini(&parts);
	return result;
}

int heap_held(const struct heap_options *options)
{
	struct heap_target heap = {0};
	struct heap_progress progress;
	struct heap_held held = {0};
	struct reach reach = {0};
	struct err err = ERR_INIT;
	int result = 0;

	for (unsigned i = 0; i < options->n_outputs && !result; i++)
		result = outputs_check(options->outputs[i].pattern, options->pid, &err);
	if (!result)
		result = heap_target_open(&heap, options->pid, &err);
	if (!result)
		heap_progress_watch(&progress, &heap, options->quiet);
	if (!result)
		result = heap_held_find(&held, &reach, options, &heap, NULL, 0, &err);
	if (!result)
		result = report(&held, &reach, options, &heap, &err);
	if (result)
		fprintf(stderr, "pyleaktrace: %s\n", err.text);
	heap_held_fini(&held);
	reach_fini(&reach);
	heap_target_close(&heap);
	return result ? (int)err.code : 0;
}
