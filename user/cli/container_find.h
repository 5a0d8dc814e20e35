/* SPDX-License-Identifier: BSD-2-Clause
 *
 * container_find: paths, addresses and names of types on the command line -> the containers that they lead to now, and later
 * whether they still do.
 *
 *      PATH ──▶ path_find ──▶ the container, the field that has its size, what it is called
 *      TYPE ──▶ newest ──▶ one object of that type, by its address from here on (--watch-refs)
 *
 * Place      layer 6; container_watch has one.
 * Ownership  container_find_open() fills, whatever it returns; container_find_close() releases. options are borrowed.
 * Errors     of heap_target_open(), reach_scan() and path_find(); -ERR_TARGET also for a CPython without a GIL and for objects
 *            that do not count their references; -ERR_USAGE: two paths lead to one object.
 * Bounds     HEAP_WATCHES_MAX paths.
 */
#ifndef PYLEAKTRACE_CLI_CONTAINER_FIND_H
#define PYLEAKTRACE_CLI_CONTAINER_FIND_H

#include "census/path_find.h"
#include "cli/heap_options.h"
#include "cli/heap_target.h"
#include "probe/watchpoint.h"

/* One container, or with `refs` one object whose references are counted. */
struct container_place {
	const char *path;
	char by_address[24];    /* what `path` is then: an object that was chosen by its type */
	char *name, *name_type; /* options.name_watched: what it is called; NULL: not known */
	bool refs;
	bool fresh; /* chosen by its type: it was made while we looked */
	struct path_found found;
	uint64_t address;
	const char *type; /* lives as long as the target */
};

struct container_find {
	const struct heap_options *options;
	struct heap_target target;
	struct reach reach;
	struct edges edges;
	bool have_edges;
	struct container_place places[HEAP_WATCHES_MAX];
	unsigned n;
};

int container_find_open(struct container_find *find, const struct heap_options *options,
			struct err *err);
void container_find_close(struct container_find *find);

/* Where its watchpoint goes. */
struct watchpoint container_find_point(const struct container_find *find, unsigned i);

/* Does the path still lead to its container? */
bool container_find_there(struct container_find *find, unsigned i);

struct container_now {
	uint64_t address; /* 0: the path leads nowhere */
	const char *type; /* as in container_place */
};

/* What the paths lead to now, in a new scan; now: [find->n] */
int container_find_again(struct container_find *find, struct container_now *now, struct err *err);

#endif
