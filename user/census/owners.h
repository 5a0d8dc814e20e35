/* SPDX-License-Identifier: BSD-2-Clause
 *
 * owners: all objects of some types -> through which global, local or other root each is held, and
 * for the most of them the shortest chain of one.
 *
 * Place      the census; called by cli; fills model/heap_graph.
 * Shapes     an owner is what a module, a frame, or another root holds directly: the value of
 *            app.cache.SESSIONS, of a local. Objects belong to the owner that their shortest chain
 *            leads through. What no root reaches has no owner: it is counted by type.
 * Errors     -ERR_FAILED: memory is out.
 * Bounds     8 bytes an object while it counts.
 */
#ifndef PYLEAKTRACE_CENSUS_OWNERS_H
#define PYLEAKTRACE_CENSUS_OWNERS_H

#include "census/chain.h"

/* Which types are asked for. */
struct owners_wanted {
	bool (*is)(const void *context, const char *type);
	const void *context;
};

#define OWNERS_MAX 1000

/*
 * out    held: chains (at most `top`; 0: all, up to OWNERS_MAX), type_count, type_reached,
 *        type_held, type_garbage
 */
int owners_find(struct heap_held *held, struct edges *edges, const struct owners_wanted *wanted,
		size_t top, struct err *err);

/* out  held: type_count, type_reached, type_held, type_garbage */
int owners_count(struct heap_held *held, const struct reach *reach,
		 const struct owners_wanted *wanted, struct err *err);

/* out  held: unreached */
int owners_unreached(struct heap_held *held, const struct reach *reach, struct err *err);

#endif
