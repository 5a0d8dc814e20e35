/* SPDX-License-Identifier: BSD-2-Clause
 *
 * container_find: paths, addresses and names of types -> the containers that they lead to now, and
 * later whether they still do.
 *
 *      PATH ──▶ path_find ──▶ the container, the field that has its size, what it is called
 *      TYPE ──▶ newest ──▶ one object of that type, by its address from here on (refs)
 *      a list of the interpreter's ──▶ the word with its newest entry
 *
 * Place      containers; container_watch has one.
 * Ownership  container_find_open() fills, whatever it returns; container_find_close() releases.
 *            heap and request are borrowed.
 * Errors     of reach_scan() and path_find(); -ERR_TARGET also for a CPython without a GIL and for
 *            objects that do not count their references; -ERR_USAGE: two paths lead to one object.
 * Bounds     CONTAINER_WATCH_MAX containers.
 */
#ifndef PYLEAKTRACE_CONTAINERS_CONTAINER_FIND_H
#define PYLEAKTRACE_CONTAINERS_CONTAINER_FIND_H

#include "census/heap_target.h"
#include "census/path_find.h"
#include "model/heap_watch.h"
#include "probe/watchpoint.h"

#define CONTAINER_WATCH_MAX 4 /* as many as a processor has debug registers */

struct container_request {
	struct {
		const char *path; /* as census/path_find.h has it, or with refs the name of a type;
				     NULL: */
		uint64_t address; /* ... it is the container at this address */
		bool refs;        /* its references are counted, not its items */
		bool each;        /* refs: of a class, whose instances are told apart */
	} asked[CONTAINER_WATCH_MAX];
	unsigned n;
	/* instead: pools of blocks of so many bytes, and the place of their first free block */
	uint32_t block_size;
	/* instead: a list of the interpreter's: enum listed + 1 */
	unsigned list;
	bool named;     /* containers asked for by address get the path that a report would write */
	bool unwatched; /* no watchpoints are to be set */
};

/* From a pool's address: the place of its first free block; its arena and class, which it has as
 * long as its size. */
#define POOL_FREE 8u
#define POOL_KIND 32u

struct pool_place {
	uint64_t address;
	uint64_t kind; /* what is at POOL_KIND */
};

/* One container, or with `refs` one object whose references are counted. */
struct container_place {
	const char *path;
	char by_address[24];    /* what `path` is where it is known by its address */
	char *name, *name_type; /* request.named, or chosen by type: what it is called; NULL: not
				   known */
	bool is_address;        /* no path leads to it, so none can lead elsewhere */
	bool refs, each;
	bool fresh; /* chosen by its type: it was made while we looked */
	struct path_found found;
	uint64_t address;
	const char *type; /* lives as long as the target */
};

struct container_find {
	const struct container_request *request;
	struct heap_target *heap;
	struct reach reach;
	struct edges edges;
	bool have_edges;
	struct container_place places[CONTAINER_WATCH_MAX];
	struct pool_place pools[CONTAINER_WATCH_MAX]; /* request.block_size: these instead */
	struct watchpoint list;                       /* request.list: the same */
	unsigned n;
};

int container_find_open(struct container_find *find, struct heap_target *heap,
			const struct container_request *request, struct err *err);
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
