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

struct counts {
	size_t pools, blocks;
};

static void count_blocks(void *context, const struct block_run *run)
{
	struct counts *counts = context;

	assert_int_equal(run->size, BLOCK);
	counts->pools++;
	for (uint32_t i = 0; i < run->n; i++)
		counts->blocks += !(run->is_free[i / 64] >> i % 64 & 1);
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

static struct walk *begin(const struct py_runtime *runtime, const struct maps *maps)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	assert_non_null(walk);
	assert_int_equal(walk_begin(walk, getpid(), runtime, maps, NULL), 0);
	return walk;
}

static void end(struct walk *walk)
{
	walk_end(walk);
	free(walk);
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
	const struct py_runtime runtime = {.layout = {.arena_size = 64 * pool_size}};
	const struct maps maps = {0};
	struct walk *walk = begin(&runtime, &maps);
	struct heap_usage usage = {0};
	struct counts counts = {0};

	assert_true(mapping != MAP_FAILED);
	assert_int_equal(mprotect(base, n * pool_size, PROT_READ | PROT_WRITE), 0);
	madvise(base, n * pool_size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < n; i++) {
		uint8_t *bytes = base + i * pool_size;

		if (contents[i] != ABSENT)
			memset(bytes, contents[i] == BYTES ? 0x33 : 0, pool_size);
		if (contents[i] == POOL)
			make_pool(bytes, pool_size);
	}
	walk->visit = refuse_block;
	walk->visit_run = count_blocks;
	walk->context = &counts;
	walk_range(walk, &range);
	assert_int_equal(walk->torn_pools, 0);
	walk_add_usage(walk, &usage);
	assert_int_equal(counts.pools, n_pools);
	assert_int_equal(usage.arenas, n_pools > 0);
	assert_int_equal(usage.arenas_bytes, n_pools ? 64 * pool_size : 0);
	assert_int_equal(usage.pools_used_bytes, n_pools * 3 * BLOCK);
	assert_int_equal(usage.pools_bytes, (n_pools + n_unused) * pool_size);
	assert_int_equal(usage.other_bytes, n_other * pool_size);
	assert_int_equal(counts.blocks, 3 * n_pools);
	end(walk);
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

static void pools_are_found_next_to_absent_pages_and_other_bytes(void **state)
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

/* ---- malloc's blocks ------------------------------------------------------------------------ */

#define PAGES      4
#define BLOCKS_MAX 2048

static const struct py_runtime runtime_glibc = {.layout = {.arena_size = 256 << 10}};
static const struct maps no_maps;

struct seen {
	size_t n;
	struct block blocks[BLOCKS_MAX]; /* their heads are not valid any more */
};

static void see_block(void *context, const struct block *block)
{
	struct seen *seen = context;

	assert_true(seen->n < BLOCKS_MAX);
	seen->blocks[seen->n++] = *block;
}

/* Walk PAGES pages that begin with these words, then a byte in each page. */
static struct seen *walk_words(const struct maps *maps, const char *path, const uint64_t *words,
			       size_t n_words, struct heap_usage *usage)
{
	const size_t length = PAGES * MEMORY_PAGE;
	uint8_t *mapping =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct map_range range = {
		.start = (uintptr_t)mapping, .end = (uintptr_t)mapping + length, .path = path};
	struct seen *seen = calloc(1, sizeof(*seen));
	struct walk *walk = begin(&runtime_glibc, maps);

	assert_true(mapping != MAP_FAILED && seen);
	for (size_t page = 0; page < PAGES; page++)
		mapping[page * MEMORY_PAGE + MEMORY_PAGE - 1] = 1;
	memcpy(mapping, words, n_words * sizeof(*words));
	walk->visit = see_block;
	walk->context = seen;
	walk_range(walk, &range);
	memset(usage, 0, sizeof(*usage));
	walk_add_usage(walk, usage);
	for (size_t i = 0; i < seen->n; i++) /* as seen from the beginning */
		seen->blocks[i].address -= range.start;
	end(walk);
	munmap(mapping, length);
	return seen;
}

/* A heap: two chunks in use, a free one, one in use, and what is left. */
static void every_chunk_of_a_heap_is_met(void **state)
{
	const uint64_t words[] = {
		[1] = 64 | 1,
		[9] = 48 | 1,
		[15] = 96 | 1,
		[26] = 96,
		[27] = 1024, /* the one before is free */
		[155] = (PAGES * MEMORY_PAGE - 64 - 48 - 96 - 1024) | 1,
	};
	struct heap_usage usage;
	struct seen *seen;

	(void)state;
	seen = walk_words(&no_maps, "[heap]", words, sizeof(words) / 8, &usage);
	assert_int_equal(seen->n, 3);
	assert_int_equal(seen->blocks[0].address, 16);
	assert_int_equal(seen->blocks[0].size, 56);
	assert_int_equal(seen->blocks[1].address, 64 + 16);
	assert_int_equal(seen->blocks[2].address, 64 + 48 + 96 + 16);
	assert_int_equal(seen->blocks[2].size, 1016);
	assert_int_equal(seen->blocks[0].kind->owner, BLOCK_OF_MALLOC);
	assert_int_equal(usage.main_bytes, PAGES * MEMORY_PAGE);
	assert_int_equal(usage.malloc_bytes, 64 + 48 + 1024);
	assert_int_equal(usage.malloc_free_bytes, PAGES * MEMORY_PAGE - 64 - 48 - 1024);
	assert_int_equal(usage.main_free_bytes, usage.malloc_free_bytes);
	free(seen);
}

static void a_large_chunk_is_a_mapping_of_its_own(void **state)
{
	const uint64_t words[] = {0, 2 * MEMORY_PAGE | 2};
	struct heap_usage usage;
	struct seen *seen;

	(void)state;
	seen = walk_words(&no_maps, "", words, 2, &usage);
	assert_int_equal(seen->n, 1);
	assert_int_equal(seen->blocks[0].address, 16);
	assert_int_equal(seen->blocks[0].size, 2 * MEMORY_PAGE - 16);
	assert_int_equal(usage.mapped, 1);
	assert_int_equal(usage.mapped_bytes, 2 * MEMORY_PAGE);
	assert_int_equal(usage.malloc_bytes, 2 * MEMORY_PAGE);
	assert_int_equal(usage.other_bytes, 2 * MEMORY_PAGE);
	free(seen);
}

/* Under a malloc that has no row a block may begin anywhere, in [heap] too. */
static void of_an_unknown_malloc_every_place_is_offered(void **state)
{
	struct map_range library = {.path = "/usr/lib/libjemalloc.so.2"};
	const struct maps maps = {.ranges = &library, .n_ranges = 1};
	const uint64_t words[] = {[1] = 64 | 1, [9] = 48 | 1};
	struct heap_usage usage;
	struct seen *seen;

	(void)state;
	seen = walk_words(&maps, "[heap]", words, sizeof(words) / 8, &usage);
	assert_int_equal(seen->n, PAGES * MEMORY_PAGE / 16);
	for (size_t i = 0; i < seen->n; i++) {
		assert_int_equal(seen->blocks[i].address, 16 * i);
		assert_int_equal(seen->blocks[i].size, PAGES * MEMORY_PAGE - 16 * i);
		assert_null(seen->blocks[i].kind->largest_for);
	}
	assert_int_equal(usage.malloc_bytes, 0);
	assert_int_equal(usage.other_bytes, PAGES * MEMORY_PAGE);
	free(seen);
}

/* Which malloc it is, where the interpreter's own binding of it cannot be seen. */
static void the_malloc_is_known_by_its_library(void **state)
{
	struct map_range ranges[] = {{.path = "/usr/lib/libc.so.6"}, {.path = ""}};
	const struct maps maps = {.ranges = ranges, .n_ranges = 2};

	(void)state;
	assert_true(allocator_is_libc(&runtime_glibc, &maps));
	ranges[1].path = "/usr/lib/libjemalloc.so.2";
	assert_false(allocator_is_libc(&runtime_glibc, &maps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pools_are_found_next_to_absent_pages_and_other_bytes),
		cmocka_unit_test(unused_pools_follow_a_pool),
		cmocka_unit_test(every_chunk_of_a_heap_is_met),
		cmocka_unit_test(a_large_chunk_is_a_mapping_of_its_own),
		cmocka_unit_test(of_an_unknown_malloc_every_place_is_offered),
		cmocka_unit_test(the_malloc_is_known_by_its_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
