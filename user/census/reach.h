/* SPDX-License-Identifier: BSD-2-Clause
 *
 * reach: all objects of a heap -> how each is held: by which other object, from which root.
 *
 * A search in breadth from the roots gives each object the one before it on a shortest way. It goes
 * level by level, and each level in the order of addresses, so that a level is read nearly as fast
 * as the memory it lies in. Kept is one word an object; what the reference was is looked up again
 * in the target when a chain is shown (chain.h). Of those near the roots, which a program replaces
 * most, and of late ones the reference itself is kept, too.
 *
 * Roots, in this order:
 *   modules      sys.modules of each interpreter, the main one's first
 *   frames       locals, cells and stack of every frame of every thread; they count as much as a
 *                module's globals do
 *   threads      what a PyThreadState holds: thread locals, the exception being handled, ...
 *   callbacks    what atexit.register() was given
 *   interpreter  words of PyInterpreterState: asked only for what nothing above holds
 *   immortal     objects that are never freed, from 3.12 on; and, without a GIL, those whose
 *                references are not counted in one place
 *   data         words of the data of programs and libraries, and of the stacks of frames that run.
 *                Some were left behind (in free lists, caches, above the end of a stack): they hold
 *                only what has more references than are found
 *   held         what C code holds in memory that is not known, or what a lost reference holds: the
 *                object's reference count exceeds the references that were found
 * What is left after that is garbage: cycles, and what hangs on them, that wait for a collection.
 *
 * Place      the census; called by cli; read by chain and backrefs.
 * Source     Python/pystate.c, Objects/unicodeobject.c (the dict of interned strings does not own
 *            them), Include/refcount.h (immortal objects).
 * Shapes     parent[i]: an index in objects, or REACH_ROOT | an index in roots, when how[i] says
 *            that it is held; else nothing.
 * Ownership  reach_scan() allocates, reach_fini() frees, also after a failure.
 * Errors     of census_scan() and -ERR_FAILED: memory is out.
 * Degrades   the target runs on while it is read: a reference that was moved between two reads may
 *            be missed. unread says how many places could not be read. What was made since the scan
 *            is found, where something named leads to it (late.h).
 * Bounds     at most 35 bytes an object, of which 12 are a hash table; those of late; REACH_KEPT
 *            references of 24 bytes. Reads are bounded as spans says: REACH_BUDGET times the
 *            target's memory in each search.
 */
#ifndef PYLEAKTRACE_CENSUS_REACH_H
#define PYLEAKTRACE_CENSUS_REACH_H

#include "census/late.h"
#include "census/scan.h"
#include "python/frames.h"
#include "python/threads.h"

#define REACH_ROOT        0x80000000u
#define REACH_BUDGET      4
#define REACH_SPAN_BUDGET (1ull << 30) /* of one object or root that is read again */
#define REACH_FRAMES      (1u << 17)   /* of a thread */
#define REACH_ROOTS_MAX   1000000
#define REACH_KEPT        (1u << 17) /* references */

enum root_kind {
	ROOT_MODULES,
	ROOT_FRAME,
	ROOT_THREAD,
	ROOT_ATEXIT,
	ROOT_INTERPRETER,
	ROOT_DATA,
	ROOT_IMMORTAL,
	ROOT_HELD, /* the last of all roots; the one before it is ROOT_IMMORTAL */
};

struct root {
	enum root_kind kind;
	bool sub;              /* MODULES .. INTERPRETER: of a sub-interpreter */
	uint32_t thread;       /* FRAME, THREAD: index in threads.rows */
	struct py_frame frame; /* FRAME */
	/* the words: THREAD, ATEXIT, INTERPRETER, DATA; of MODULES one word */
	uint64_t start, end;
	bool structs; /* ATEXIT: the words are addresses of structs; else one is of a list */
	char *file;   /* DATA */
};

enum reach_how {
	REACH_NOT,     /* not (yet) */
	REACH_NAMED,   /* from modules, frames, threads */
	REACH_OTHER,   /* from interpreter and data only, or immortal */
	REACH_HELD,    /* from C, or by a lost reference */
	REACH_GARBAGE, /* by nothing */
	REACH_GONE,    /* not there any more when it was looked at */
};

struct reach {
	struct census *census;
	struct heap_scan *scan; /* from which the objects are */
	struct objects objects; /* of the scan, then those of late */
	struct late late;
	uint32_t *parent;
	uint8_t *how;
	struct py_threads threads;
	struct root *roots;
	size_t n_roots;
	uint64_t unread;
	double search_s; /* how long the searches took */
	struct retained
		*retained; /* is shown each object that is reached (retained.h); NULL: none */
	/* private */
	struct referents referents;
	uint32_t *order; /* objects in the order in which they were reached */
	size_t n_order;
	struct ref *kept; /* the first REACH_KEPT references that lead to what may refer to more */
	size_t n_kept;
	uint64_t *marks; /* a bit for each object */
	size_t roots_room;
	bool frames_cut; /* a thread has more than REACH_FRAMES: what the others hold is not known
			  */
	bool skip_interned;
	struct ref interned; /* the dict of interned strings, as it is held */
	uint64_t interned_items;
	enum reach_how now;
};

/* Scan, and find the roots. reach: zero. */
int reach_scan(struct reach *reach, struct census *census, struct err *err);

/* Search from the roots. */
int reach_search(struct reach *reach, struct err *err);

/* Classify those that no root reaches: REACH_HELD or REACH_GARBAGE. */
void reach_rest(struct reach *reach);

/* A reference as it was when it was followed, and may not be any more; false: it was not kept. */
bool reach_recall(const struct reach *reach, uint32_t from, uint32_t to, struct ref *ref);

/* How many objects there may be in the end: for arrays that are made before the search. */
static inline size_t reach_room(const struct reach *reach)
{
	return reach->late.n_scanned + LATE_MAX;
}

/* Before another search with `referents`: it may read as much as the first. */
void reach_refill(struct reach *reach);

/* Read a root again, with spans of the caller's own. */
void reach_read_root(const struct reach *reach, size_t root, struct spans *spans);

void reach_fini(struct reach *reach);

#endif
