/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/pool_births.h"

#include <string.h>

#define NONE UINT32_MAX /* the end of the list */

struct work {
	struct pool_births *births;
	uint64_t address;
	uint32_t n_blocks; /* that the pool has room for */
	uint32_t first;    /* of the list; NONE: it is empty */
	uint32_t unused;   /* the first that was never used; n_blocks: there is none */
	uint32_t next[POOL_BLOCKS_MAX];
	bool is_free[POOL_BLOCKS_MAX];
};

/* return NONE: of no address; n_blocks: it is none of the pool's blocks */
static uint32_t index_of(const struct work *work, uint32_t low)
{
	uint32_t offset = low - (uint32_t)work->address - POOL_HEADER;

	if (!low)
		return NONE;
	return offset % work->births->block_size ? work->n_blocks
						 : offset / work->births->block_size;
}

/* return false: it is no list */
static bool read_list(struct work *work, const uint8_t *bytes, uint64_t first)
{
	uint32_t at = index_of(work, (uint32_t)first), n = 0;

	work->first = at;
	while (at != NONE) {
		uint64_t next;

		if (at >= work->unused || work->is_free[at] || n++ == work->n_blocks)
			return false;
		memcpy(&next, bytes + POOL_HEADER + (size_t)at * work->births->block_size,
		       sizeof(next));
		work->is_free[at] = true;
		work->next[at] = index_of(work, (uint32_t)next);
		at = work->next[at];
	}
	return true;
}

/* return false: the bytes are no pool, or one that is just being changed */
static bool begin(struct work *work, const uint8_t *bytes, uint64_t address, uint32_t pool_size)
{
	struct abi_pool_header header;
	uint32_t size;

	memcpy(&header, bytes, sizeof(header));
	size = ABI_POOL_BLOCK_SIZE(&header.size, pool_size);
	if (!size || size > pool_size || !ABI_POOL_CLASS_AGREES(&header.size, size) ||
	    (pool_size - POOL_HEADER) / size > POOL_BLOCKS_MAX)
		return false;
	work->births->block_size = size;
	work->address = address;
	work->n_blocks = (pool_size - POOL_HEADER) / size;
	work->unused = (header.size.next - POOL_HEADER) / size;
	if (work->unused > work->n_blocks)
		return false;
	return read_list(work, bytes, header.free);
}

static uint32_t take_unused(struct work *work)
{
	uint32_t block = work->unused;

	if (block == work->n_blocks)
		return NONE;
	work->unused++;
	work->is_free[block] = true;
	work->next[block] = NONE;
	return block;
}

/* The first block is given out. */
static void give_out(struct work *work, size_t change)
{
	work->is_free[work->first] = false;
	work->births->born[work->first] = change;
	work->births->made++;
}

/* return false: this is no change of that pool */
static bool follow(struct work *work, uint32_t to, size_t change)
{
	uint32_t first = work->first;

	if (to == work->n_blocks)
		return false;
	if (first != NONE && to == work->next[first]) {
		give_out(work, change);
		work->first = to;
		return true;
	}
	/* the first of those that were never used: in the same write, or in one of its own */
	if (to != NONE && to == work->unused) {
		if (first != NONE && work->next[first] == NONE)
			give_out(work, change);
		else if (first != NONE)
			return false;
		work->first = take_unused(work);
		return true;
	}
	if (to == NONE || to >= work->unused || work->is_free[to])
		return false;
	work->births->freed++;
	work->births->born[to] = POOL_NOT_BORN;
	work->is_free[to] = true;
	work->next[to] = first;
	work->first = to;
	return true;
}

void pool_births_find(struct pool_births *births, const uint8_t *bytes, uint64_t address,
		      uint32_t pool_size, const struct pool_change *changes, size_t n)
{
	struct work work = {.births = births};

	births->made = births->freed = 0;
	for (size_t i = 0; i < POOL_BLOCKS_MAX; i++)
		births->born[i] = POOL_NOT_BORN;
	births->known = pool_size <= POOL_SIZE_MAX && begin(&work, bytes, address, pool_size);
	for (size_t i = 0; i < n && births->known; i++)
		births->known = follow(&work, index_of(&work, changes[i].free), i);
}
