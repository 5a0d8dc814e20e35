/* SPDX-License-Identifier: BSD-2-Clause
 *
 * allocator: what the walk asks of an allocator, in one shape for all: does the target use it, does
 * something of it begin here, which of its blocks are in use, and how is its memory used.
 *
 * The rows, in the order in which they are asked (allocator.c):
 *
 *   mimalloc  CPython's own: pages of blocks of any size (allocator_mimalloc.c).
 *   pymalloc  pools of blocks of up to 512 bytes (allocator_pymalloc.c).
 *   glibc     chunks in heaps, and chunks that are a mapping each (allocator_glibc.c).
 *   unknown   what no other row takes. Where no row is the target's malloc (musl's, jemalloc, ...),
 *             every place where a block could begin is offered (allocator_unknown.c).
 *
 * Another malloc is a file with its row, and a line in the table. What the classifier must know of
 * its blocks is in their struct block_kind (block.h).
 *
 * Place      the census; called by walk.
 * Ownership  the walk allocates the state of each row in use, zeroed, and frees it.
 * Degrades   a target that runs may change a heap between two reads: a row counts in the walk what
 *            it had to guess (torn_pools, lost_chains).
 * Bounds     no memory but a state and the walk's window; each loop moves on in the range.
 */
#ifndef PYLEAKTRACE_CENSUS_ALLOCATOR_H
#define PYLEAKTRACE_CENSUS_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/sizes.h"
#include "model/heap_types.h"
#include "python/runtime.h"
#include "target/maps.h"

struct walk;

_Static_assert(HEAP_SIZE_CLASSES == ABI_SIZE_CLASSES, "heap_usage has all classes");

struct allocator {
	size_t state_size;
	bool is_malloc; /* when the target uses it, it is what its malloc() calls */

	/*
	 * Does the target use it? The other functions are called only where it does.
	 *
	 * in  walk, runtime, maps: borrowed, valid as long as the state
	 */
	bool (*begin)(void *state, struct walk *walk, const struct py_runtime *runtime,
		      const struct maps *maps);

	/* The whole of walk->range is its own, and is walked then. May be NULL: no range is. */
	bool (*take_range)(void *state);

	/*
	 * Something of it begins at this page of walk->range: its blocks are offered.
	 *
	 * in     page: is in the window, and in memory
	 * return where it ends; 0: nothing of it begins here
	 */
	uint64_t (*take_page)(void *state, uint64_t page);

	/* Add how its memory is used, at the end. */
	void (*add_usage)(void *state, struct heap_usage *usage);
};

extern const struct allocator allocator_mimalloc, allocator_pymalloc, allocator_glibc,
	allocator_unknown;

#define ALLOCATORS 4u

extern const struct allocator *const allocators[ALLOCATORS];

/* Is the target's malloc() libc's own? Else a library or the program itself has taken its place. */
bool allocator_is_libc(const struct py_runtime *runtime, const struct maps *maps);

#endif
