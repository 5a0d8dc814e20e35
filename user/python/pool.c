/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/pool.h"

#include <string.h>

#define SMALL_MAX 512u /* the largest block */

static uint32_t u32(const uint8_t *bytes, size_t offset)
{
	uint32_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

static uint64_t u64(const uint8_t *bytes, size_t offset)
{
	uint64_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

/* The parts of the header that never change while the pool has its size. */
static bool has_pool_header(const uint8_t *bytes, uint32_t pool_size, uint32_t *block_size)
{
	uint32_t class = u32(bytes, 36), last = u32(bytes, 44), size;

	if (last >= pool_size || last < POOL_HEADER)
		return false;
	size = pool_size - last;
	if (size > SMALL_MAX || class >= 64 ||
	    (size != (class + 1) * 16 && size != (class + 1) * 8))
		return false;
	*block_size = size;
	return true;
}

/*
 * Mark the blocks of the free list.
 *
 * return how many there are, or UINT32_MAX: it leads out of the pool, or round in a circle
 */
static uint32_t mark_free(struct pool *pool, const uint8_t *bytes, uint64_t address)
{
	uint64_t block = u64(bytes, 8);
	uint32_t n = 0;

	while (block) {
		uint64_t offset = block - address - POOL_HEADER;
		uint32_t index = (uint32_t)(offset / pool->block_size);

		if (offset >= (uint64_t)pool->n_blocks * pool->block_size ||
		    offset % pool->block_size || pool_block_is_free(pool, index))
			return UINT32_MAX;
		pool->is_free[index / 64] |= 1ull << (index % 64);
		n++;
		block = u64(bytes, POOL_HEADER + offset);
	}
	return n;
}

enum pool_state pool_parse(struct pool *pool, const uint8_t *bytes, uint64_t address,
			   uint32_t pool_size)
{
	uint32_t live, next, n_free;

	if (!has_pool_header(bytes, pool_size, &pool->block_size))
		return POOL_NONE;
	live = u32(bytes, 0);
	next = u32(bytes, 40);
	if (next < POOL_HEADER + pool->block_size || next > pool_size ||
	    (next - POOL_HEADER) % pool->block_size ||
	    live > (pool_size - POOL_HEADER) / pool->block_size)
		return POOL_NONE;
	if (!live)
		return POOL_EMPTY;
	pool->n_blocks = (next - POOL_HEADER) / pool->block_size;
	pool->n_live = live;
	memset(pool->is_free, 0, (pool->n_blocks + 63) / 64 * 8);
	n_free = mark_free(pool, bytes, address);
	return n_free <= pool->n_blocks && pool->n_blocks - n_free == live ? POOL_LIVE : POOL_TORN;
}
