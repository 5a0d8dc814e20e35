/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_held: who holds what: containers by name and what no root reaches (holders, growth), chains
 * (chain), graphs of references (backrefs), and the newest objects (objects).
 *
 * Place      cli; used by the commands cmd_held.c and cmd_census.c.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_HELD_H
#define PYLEAKTRACE_CLI_HEAP_HELD_H

#include "census/ages.h"
#include "census/heap_target.h"
#include "census/reach.h"
#include "cli/options.h"
#include "model/heap_graph.h"

/* What earlier scans have left. */
struct heap_past {
	struct heap_scan *const *scans; /* oldest first, for the growth of containers */
	size_t n_scans;
	struct ages *ages; /* objects; gets the ages of the last scan, too */
};

/*
 * Scan, search, and find what the command is about.
 *
 * in     reach: zero; past: NULL: none
 * out    held: to be freed with heap_held_fini(); reach: with reach_fini(); also after a failure
 */
int heap_held_find(struct heap_held *held, struct reach *reach, const struct options *options,
		   struct heap_target *heap, const struct heap_past *past, struct err *err);

/*
 * Has the last scan objects of the type that was asked for?
 *
 * return 0, or -ERR_TARGET with the name that was most likely meant
 */
int heap_held_check_type(struct census *census, const struct options *options, struct err *err);

/* objects, of a target that has ended: what the scans before saw. */
int heap_held_of_ages(struct heap_held *held, const struct options *options,
		      const struct ages *ages, struct err *err);

#endif
