/* SPDX-License-Identifier: BSD-2-Clause
 *
 * walk: a range of the target's memory -> the allocators' blocks in it that are in use, one call
 * for each.
 *
 * Objects are looked for at the beginning of blocks only, and only in blocks that are in use: that
 * is what distinguishes an object from its remains and from bytes that look like one. What begins
 * where is asked of the allocators, one after the other (allocator.h); the walk moves the window
 * over the range, and leaves out what is not in memory.
 *
 * Place      the census; called by scan.
 * Ownership  walk_end() closes what walk_begin() opened, and may be called when that failed. What
 *            is given is borrowed until then.
 * Errors     walk_begin(): as memory_open(); -ERR_FAILED: no memory.
 * Degrades   as allocator.h.
 * Bounds     the window, and 100 KiB for the allocators; every loop moves on in the range.
 * Threads    one at a time per struct.
 */
#ifndef PYLEAKTRACE_CENSUS_WALK_H
#define PYLEAKTRACE_CENSUS_WALK_H

#include "census/allocator.h"
#include "census/block.h"
#include "census/memory.h"

/* A part of the address space that holds no blocks: a thread's stack. */
struct walk_span {
	uint64_t start, end;
};

struct walk {
	/* the caller's */
	void (*visit)(void *context, const struct block *block);
	void (*visit_run)(void *context, const struct block_run *run);
	void *context;
	const struct walk_span *spans; /* not walked; by address; borrowed */
	size_t n_spans;
	uint64_t data_end; /* of this range: what is no block before it is a program's data */

	struct memory memory;
	bool knows_malloc;                /* one of the allocators is the target's malloc */
	uint64_t torn_pools, lost_chains; /* torn: pages of mimalloc's too */
	/* for the allocators and walk.c */
	const struct map_range *range; /* that is walked */
	void *states[ALLOCATORS];      /* NULL: the target does not use it */
	size_t next_span;
	uint64_t span_bytes;
};

/* in  walk: zeros, but for what is the caller's */
int walk_begin(struct walk *walk, pid_t pid, const struct py_runtime *runtime,
	       const struct maps *maps, struct err *err);
void walk_end(struct walk *walk);

/* Walk one range; ranges come in the order of their addresses. */
void walk_range(struct walk *walk, const struct map_range *range);

/* When all ranges are walked: add how they are used; what is objects is not known here. */
void walk_add_usage(const struct walk *walk, struct heap_usage *usage);

#endif
