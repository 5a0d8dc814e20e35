/* SPDX-License-Identifier: BSD-2-Clause
 *
 * retention: what holds more and more memory, as plain data: containers, or many alike, by the path
 * from their root; what C code or a lost reference holds; what waits for a collection.
 *
 * Place      model; filled by the census (ways_growing.h), read by leak, view and export.
 * Shapes     path: "app.cache.SESSIONS", or "app.USERS[*].history" of many containers, of which
 *            each star stands for any key or index. "" of what no root reaches.
 * Units      bytes and items a second; intervals of 90 %.
 * Ownership  retention_fini() frees the strings.
 */
#ifndef PYLEAKTRACE_MODEL_RETENTION_H
#define PYLEAKTRACE_MODEL_RETENTION_H

#include <stddef.h>
#include <stdint.h>

#include "model/profile.h"

#define RETENTION_EXAMPLES 4

enum retention_kind {
	RETENTION_CONTAINER,
	RETENTION_HELD,    /* by C code, or by a lost reference */
	RETENTION_GARBAGE, /* in cycles that wait for a collection */
	RETENTION_MOVING,  /* by a structure whose newest end changes while it is read */
	RETENTION_FIXED,   /* by a table of the interpreter's own, which has a size: its caches */
	RETENTION_OTHER,   /* by data of programs and of the interpreter */
	/* by more and more sub-interpreters: what each holds itself, and all below that */
	RETENTION_INTERPRETERS,
};

struct retention {
	enum retention_kind kind;
	char *path;
	char *type;          /* of the containers; "" where there is no path */
	bool callbacks;      /* the array of what atexit.register() was given: no object */
	uint64_t containers; /* how many of them */
	/* the most items that one may have, as the class says (deque, lru_cache); -1: it has no
	 * bound though it could have one; 0: not known */
	int64_t bound;
	/* of those that hold most, most first; 0: there are fewer */
	uint64_t addresses[RETENTION_EXAMPLES];
	char *item_type; /* of most of what came */
	/* that type, where it is a class that counts its instances: each holds a reference to it;
	 * 0: it is none */
	uint64_t item_class;
	uint64_t items;
	int64_t items_delta; /* over the looks */
	double span_s;       /* from the first of these to the last */
	double items_per_s, least_items_per_s;
	/* all that is held through it */
	double bytes_per_s, least_bytes_per_s, most_bytes_per_s;
	uint64_t bytes;
	double confidence; /* that it grows: 0 .. 1 */
};

void retention_fini(struct retention *retention);

#endif
