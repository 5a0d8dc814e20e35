/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool: the bytes of one of pymalloc's pools -> which of its blocks are in use.
 *
 * Nothing marks a pool as one. It is recognised by what its header (abi/pool.h) must agree with:
 * the size that its class stands for, the places, and, counted block by block, the number of blocks
 * in use. Random bytes do not.
 *
 * Place      python; called by the census (allocator_pymalloc) and by snapshot (survivors). Pure:
 *            reads nothing but the bytes given.
 * Source     Objects/obmalloc.c, 3.6 to 3.15 (struct pool_header, pymalloc_pool_extend()).
 * Units      addresses in the target; sizes in bytes.
 * Degrades   POOL_TORN: read while it changed; the caller reads it again.
 * Bounds     POOL_BLOCKS_MAX blocks; the free list is followed no further than that.
 */
#ifndef PYLEAKTRACE_PYTHON_POOL_H
#define PYLEAKTRACE_PYTHON_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/pool.h"

#define POOL_SIZE_MAX   (16u << 10)
#define POOL_HEADER     ABI_POOL_HEADER
#define POOL_BLOCKS_MAX 2048u /* of 8 bytes, as early releases of 3.6 and 3.7 had them */

enum pool_state {
	POOL_NONE,  /* not a pool */
	POOL_EMPTY, /* a pool of which no block is in use */
	POOL_LIVE,
	POOL_TORN, /* looks like a pool that is just being changed */
};

struct pool {
	uint32_t arena; /* its index */
	uint32_t block_size;
	uint32_t n_blocks; /* that were ever used; the first is at POOL_HEADER */
	uint32_t n_live;
	uint64_t is_free[POOL_BLOCKS_MAX / 64]; /* a bit for each of n_blocks */
};

/*
 * in     bytes: pool_size of them; address: where they are in the target, a multiple of pool_size
 * out    pool: filled but for POOL_NONE; is_free only for POOL_LIVE, and for POOL_TORN with what
 * was found so far
 */
enum pool_state pool_parse(struct pool *pool, const uint8_t *bytes, uint64_t address,
			   uint32_t pool_size);

static inline bool pool_block_is_free(const struct pool *pool, uint32_t index)
{
	return pool->is_free[index / 64] >> (index % 64) & 1;
}

#endif
