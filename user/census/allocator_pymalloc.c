/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pymalloc's row: pools, which lie in arenas and are known by their own header (python/pool.h). A
 * pool that is torn is read again; its blocks are offered even if it still is.
 *
 * Source     Objects/obmalloc.c 3.6-3.15.
 */
#include <string.h>

#include "census/allocator.h"
#include "census/walk.h"
#include "python/pool.h"
#include "target/remote_mem.h"

#define ATTEMPTS   4
#define ARENAS_MAX (1u << 18) /* beyond, they are not counted */

struct pymalloc {
	struct walk *walk;
	uint32_t arena_size, pool_size;
	uint64_t pools_end;          /* of the last pool; pools that were never used follow it */
	uint64_t pool_bytes, in_use; /* bytes: of unused ones too; in use: blocks, of any content */
	uint64_t blocks[ABI_SIZE_CLASSES]; /* in use, of any content */
	uint64_t arenas;                   /* that have a pool */
	uint8_t seen[ARENAS_MAX / 8];      /* a bit for each */
};

static uint64_t largest_for(uint64_t asked)
{
	return asked + BLOCK_ROUNDING;
}

static const struct block_kind pool_block = {.owner = BLOCK_OF_PYTHON, .largest_for = largest_for};

static bool begin(void *state, struct walk *walk, const struct py_runtime *runtime,
		  const struct maps *maps)
{
	struct pymalloc *pymalloc = state;

	(void)maps;
	pymalloc->walk = walk;
	pymalloc->arena_size = runtime->layout.arena_size;
	pymalloc->pool_size = runtime->layout.arena_size / 64;
	return true;
}

static void offer_pool(const struct pymalloc *pymalloc, const struct pool *pool,
		       const uint8_t *bytes, uint64_t address)
{
	const struct walk *walk = pymalloc->walk;
	const struct block_run run = {
		.kind = &pool_block,
		.address = address + POOL_HEADER,
		.size = pool->block_size,
		.n = pool->n_blocks,
		.is_free = pool->is_free,
		.bytes = bytes + POOL_HEADER,
		.range_start = walk->range->start,
		.range_end = walk->range->end,
	};

	walk->visit_run(walk->context, &run);
}

static void count_bytes(struct pymalloc *pymalloc, uint64_t address)
{
	pymalloc->pool_bytes +=
		memory_resident(&pymalloc->walk->memory, address, address + pymalloc->pool_size);
}

static void count_arena(struct pymalloc *pymalloc, uint32_t arena)
{
	if (arena >= ARENAS_MAX || pymalloc->seen[arena / 8] >> arena % 8 & 1)
		return;
	pymalloc->seen[arena / 8] |= (uint8_t)(1u << arena % 8);
	pymalloc->arenas++;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, n - 1);
}

/*
 * A pool that was never used: it follows the others of its arena and has only zeros. It is in
 * memory when a huge page is (CPython 3.15 asks for such ones).
 */
static bool walk_unused_pool(struct pymalloc *pymalloc, uint64_t address)
{
	const uint8_t *bytes = memory_peek(&pymalloc->walk->memory, address, pymalloc->pool_size);

	if (address != pymalloc->pools_end || !bytes || !is_zero(bytes, pymalloc->pool_size))
		return false;
	count_bytes(pymalloc, address);
	return true;
}

/* return true when there is a pool here */
static bool walk_pool(struct pymalloc *pymalloc, uint64_t address)
{
	struct walk *walk = pymalloc->walk;
	const uint8_t *bytes = memory_peek(&walk->memory, address, pymalloc->pool_size);
	uint8_t again[POOL_SIZE_MAX];
	struct pool pool;
	enum pool_state state;

	if (!bytes)
		return false;
	state = pool_parse(&pool, bytes, address, pymalloc->pool_size);
	for (int i = 0; i < ATTEMPTS && state == POOL_TORN; i++) {
		bytes = again;
		if (remote_read(walk->memory.pid, address, again, pymalloc->pool_size))
			return true; /* it was one, and has been given back meanwhile */
		state = pool_parse(&pool, again, address, pymalloc->pool_size);
	}
	if (state == POOL_NONE)
		return bytes == again;
	walk->torn_pools += state == POOL_TORN;
	count_bytes(pymalloc, address);
	count_arena(pymalloc, pool.arena);
	pymalloc->in_use += (uint64_t)pool.n_live * pool.block_size;
	pymalloc->blocks[abi_size_class(pool.block_size)] += pool.n_live;
	if (state != POOL_EMPTY)
		offer_pool(pymalloc, &pool, bytes, address);
	return true;
}

static uint64_t take_page(void *state, uint64_t page)
{
	struct pymalloc *pymalloc = state;

	if (page % pymalloc->pool_size || pymalloc->walk->range->end - page < pymalloc->pool_size ||
	    (!walk_pool(pymalloc, page) && !walk_unused_pool(pymalloc, page)))
		return 0;
	pymalloc->pools_end = page + pymalloc->pool_size;
	return pymalloc->pools_end;
}

static void add_usage(void *state, struct heap_usage *usage)
{
	const struct pymalloc *pymalloc = state;

	usage->arenas += pymalloc->arenas;
	usage->arenas_bytes += pymalloc->arenas * pymalloc->arena_size;
	usage->pools_bytes += pymalloc->pool_bytes;
	usage->pools_used_bytes += pymalloc->in_use;
	memcpy(usage->pool_blocks, pymalloc->blocks, sizeof(usage->pool_blocks));
}

const struct allocator allocator_pymalloc = {
	.state_size = sizeof(struct pymalloc),
	.begin = begin,
	.take_page = take_page,
	.add_usage = add_usage,
};
