/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The walk over memory of our own that is laid out by hand: which bytes are said to be whose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "python/pool.h"
#include "census/walk.h"

#define POOLS_MAX 16
#define BLOCK     32

enum content { ABSENT, POOL, ZEROS, BYTES };

static void count_blocks(void *context, const struct block_run *run)
{
	size_t *n_blocks = context;

	assert_int_equal(run->size, BLOCK);
	for (uint32_t i = 0; i < run->n; i++)
		*n_blocks += !(run->is_free[i / 64] >> i % 64 & 1);
}

static void refuse_block(void *context, const struct block *block)
{
	(void)context;
	fail_msg("a block at 0x%lx", (unsigned long)block->address);
}

/* A pool with three blocks in use and none free. */
static void make_pool(uint8_t *bytes, uint32_t pool_size)
{
	const uint32_t header[12] = {[0] = 3,
				     [9] = BLOCK / 16 - 1,
				     [10] = POOL_HEADER + 3 * BLOCK,
				     [11] = pool_size - BLOCK};

	memcpy(bytes, header, sizeof(header));
	memset(bytes + POOL_HEADER, 0x55, 3 * BLOCK);
}

/* Pools and what is no pool, side by side; in: how many of each the walk must find */
static void check(uint32_t pool_size, const enum content *contents, size_t n, size_t n_pools,
		  size_t n_unused, size_t n_other)
{
	/* room to align in */
	uint8_t *mapping = mmap(NULL, (POOLS_MAX + 1) * (size_t)POOL_SIZE_MAX, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *base = (uint8_t *)(((uintptr_t)mapping + POOL_SIZE_MAX - 1) &
				    ~(uintptr_t)(POOL_SIZE_MAX - 1));
	struct map_range range = {
		.start = (uintptr_t)base, .end = (uintptr_t)base + n * pool_size, .path = ""};
	struct walk *walk = calloc(1, sizeof(*walk));
	size_t n_blocks = 0;

	assert_true(mapping != MAP_FAILED && walk);
	assert_int_equal(mprotect(base, n * pool_size, PROT_READ | PROT_WRITE), 0);
	madvise(base, n * pool_size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < n; i++) {
		uint8_t *bytes = base + i * pool_size;

		if (contents[i] != ABSENT)
			memset(bytes, contents[i] == BYTES ? 0x33 : 0, pool_size);
		if (contents[i] == POOL)
			make_pool(bytes, pool_size);
	}
	walk->pool_size = pool_size;
	walk->visit = refuse_block;
	walk->visit_run = count_blocks;
	walk->context = &n_blocks;
	assert_int_equal(memory_open(&walk->memory, getpid(), NULL), 0);
	walk_range(walk, &range);
	assert_int_equal(walk->torn_pools, 0);
	assert_int_equal(walk->room.pools, n_pools);
	assert_int_equal(walk->room.pool_used, n_pools * 3 * BLOCK);
	assert_int_equal(walk->room.pool_bytes, (n_pools + n_unused) * pool_size);
	assert_int_equal(walk->room.other_bytes[0], n_other * pool_size);
	assert_int_equal(n_blocks, 3 * n_pools);
	memory_close(&walk->memory);
	free(walk);
	munmap(mapping, (POOLS_MAX + 1) * (size_t)POOL_SIZE_MAX);
}

#define CHECK(pools, unused, other, ...)                                                     \
	do {                                                                                 \
		static const enum content contents[] = {__VA_ARGS__};                        \
                                                                                             \
		for (uint32_t size = 4096; size <= 16384; size *= 4)                         \
			check(size, contents, sizeof(contents) / sizeof(contents[0]), pools, \
			      unused, other);                                                \
	} while (0)

static void pools_are_found_beside_absent_pages_and_other_bytes(void **state)
{
	(void)state;
	CHECK(2, 0, 0, POOL, POOL);
	CHECK(2, 0, 0, POOL, ABSENT, POOL, ABSENT);
	CHECK(1, 0, 2, BYTES, POOL, BYTES);
}

/* What was never used of an arena is pymalloc's where it follows a pool, and nobody's elsewhere. */
static void unused_pools_follow_a_pool(void **state)
{
	(void)state;
	CHECK(2, 3, 0, POOL, POOL, ZEROS, ZEROS, ZEROS);
	CHECK(2, 2, 1, POOL, ZEROS, ABSENT, ZEROS, POOL, ZEROS);
	CHECK(1, 1, 3, ZEROS, POOL, ZEROS, BYTES, ZEROS);
	CHECK(0, 0, 2, ZEROS, ZEROS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pools_are_found_beside_absent_pages_and_other_bytes),
		cmocka_unit_test(unused_pools_follow_a_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
