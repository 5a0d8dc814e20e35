/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/pool.h"

#include <string.h>

#define SMALL_MAX 512u /* the largest block */
#define CLASSES   64u

/* The parts of the header that never change while the pool has its size. */
static bool has_pool_header(const struct abi_pool_size *header, uint32_t pool_size,
			    uint32_t *block_size)
{
	uint32_t size = ABI_POOL_BLOCK_SIZE(header, pool_size);

	if (!size || size > SMALL_MAX || header->class >= CLASSES ||
	    !ABI_POOL_CLASS_AGREES(header, size))
		return false;
	*block_size = size;
	return true;
}

/*
 * Mark the blocks of the free list, which begins with this one.
 *
 * return how many there are, or UINT32_MAX: it leads out of the pool, or round in a circle
 */
static uint32_t mark_free(struct pool *pool, uint64_t block, const uint8_t *bytes, uint64_t address)
{
	uint32_t n = 0;

	while (block) {
		uint64_t offset = block - address - POOL_HEADER;
		uint32_t index = (uint32_t)(offset / pool->block_size);

		if (offset >= (uint64_t)pool->n_blocks * pool->block_size ||
		    offset % pool->block_size || pool_block_is_free(pool, index))
			return UINT32_MAX;
		pool->is_free[index / 64] |= 1ull << (index % 64);
		n++;
		memcpy(&block, bytes + POOL_HEADER + offset, sizeof(block));
	}
	return n;
}

enum pool_state pool_parse(struct pool *pool, const uint8_t *bytes, uint64_t address,
			   uint32_t pool_size)
{
	struct abi_pool_header header;
	uint32_t next, n_free;

	memcpy(&header, bytes, sizeof(header));
	if (!has_pool_header(&header.size, pool_size, &pool->block_size))
		return POOL_NONE;
	next = header.size.next;
	if (next < POOL_HEADER + pool->block_size || next > pool_size ||
	    (next - POOL_HEADER) % pool->block_size ||
	    header.n_used > (pool_size - POOL_HEADER) / pool->block_size)
		return POOL_NONE;
	pool->arena = header.size.arena;
	pool->n_blocks = (next - POOL_HEADER) / pool->block_size;
	pool->n_live = header.n_used;
	if (!header.n_used)
		return POOL_EMPTY;
	memset(pool->is_free, 0, (pool->n_blocks + 63) / 64 * 8);
	n_free = mark_free(pool, header.free, bytes, address);
	return n_free <= pool->n_blocks && pool->n_blocks - n_free == pool->n_live ? POOL_LIVE
										   : POOL_TORN;
}
