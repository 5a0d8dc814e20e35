/* SPDX-License-Identifier: BSD-2-Clause
 *
 * latest: the ages of a type's objects and a search -> the newest of them: age, size, how each is
 * held, and what is in it.
 *
 * Place      the census; called by cli; fills model/heap_objects.
 * Shapes     newest first; those of one scan, and those that all scans saw, by address. What was
 *            gone when it was looked at again is left out.
 * Errors     -ERR_FAILED: memory is out.
 * Bounds     LATEST_MAX objects; a chain (chain.h) and, where asked for, a value (values.h) each.
 *            For the chains LATEST_BUDGET bytes are read again: what holds an object may be large,
 *            or may claim to be. The ways of objects beyond that are not looked up.
 */
#ifndef PYLEAKTRACE_CENSUS_LATEST_H
#define PYLEAKTRACE_CENSUS_LATEST_H

#include "census/ages.h"
#include "census/edges.h"
#include "model/heap_objects.h"

#define LATEST_MAX    1000
#define LATEST_BUDGET (2ull << 30)

struct latest_wanted {
	const char *type; /* type_name.h; NULL: the object at `address` */
	uint64_t address;
	size_t top;  /* objects; 0: LATEST_MAX */
	bool values; /* what is in them */
};

/*
 * in     ages: of the scans before; that of edges->reach is added
 * out    objects: to be freed with heap_objects_fini(), also after a failure
 */
int latest_find(struct heap_objects *objects, struct edges *edges, struct ages *ages,
		const struct latest_wanted *wanted, struct err *err);

#endif
