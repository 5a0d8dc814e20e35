/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool_births: one of pymalloc's pools as it was at one moment, and how the place of its first free
 * block has changed since -> which blocks were given out, and which of these are still in use.
 *
 * The free blocks of a pool are a list, each with the address of the next; blocks that were never
 * used follow behind the list's end:
 *
 *      free ──▶ c ──▶ a ──▶ end, then d, e          an allocation takes the first: free ──▶ a
 *                                                   a free puts one in front:      free ──▶ b ──▶ c
 *
 * So the list as it was says of each change what it is: where the first block becomes the second,
 * it was given out; else the new first one was freed. No register and no function needs to be
 * known. A change that fits neither was preceded by one that was not seen: then nothing is known.
 *
 * Place      containers; pool_watch feeds it. Pure.
 * Source     Objects/obmalloc.c, 3.6 to 3.15 (pymalloc_alloc(), pymalloc_pool_extend(),
 *            pymalloc_free()): the pool's freeblock is written once for each, and once more when a
 *            block that was never used becomes the first.
 * Bounds     POOL_BLOCKS_MAX blocks.
 */
#ifndef PYLEAKTRACE_CONTAINERS_POOL_BIRTHS_H
#define PYLEAKTRACE_CONTAINERS_POOL_BIRTHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "python/pool.h"

/* The pool's first free block is another one. */
struct pool_change {
	uint64_t time_ns;
	uint32_t site;
	uint32_t free; /* its address, the low half; 0: there is none */
};

#define POOL_NOT_BORN SIZE_MAX

struct pool_births {
	bool known;
	uint32_t block_size;
	uint64_t made, freed;
	/* of each block: the index of the change that gave it out; POOL_NOT_BORN: it was in use
	 * before, or is free */
	size_t born[POOL_BLOCKS_MAX];
};

/*
 * in  bytes: the pool before the first change, pool_size of them; address: in the target
 */
void pool_births_find(struct pool_births *births, const uint8_t *bytes, uint64_t address,
		      uint32_t pool_size, const struct pool_change *changes, size_t n);

#endif
