/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sampling where the parts are split: PyObject_Realloc() of a block that is not in the sample makes
 * one that may be. Whether it is a pool's is seen at the pool.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"
#include "snapshot/weight.h"

#define SEEDS  400
#define LISTS  200
#define POOL   0x40000000ull
#define SIZE   16384u
#define ROOM   512u /* bytes of a block of the largest class: 31 in a pool */
#define LIBCS  0x80000000ull
#define HEADER 48u

static int split_setup(void **state)
{
	calls_begin_split();
	facts_of_test()->pool_size = SIZE;
	return 0;
}

/* A pool's header as CPython writes it, 3.8 and later. */
static void make_pool(__u64 pool, unsigned block_size)
{
	image_put(&shim.memory, pool + 32, 3, 4);
	image_put(&shim.memory, pool + 36, block_size / 16 - 1, 4);
	image_put(&shim.memory, pool + 40, HEADER, 4);
	image_put(&shim.memory, pool + 44, SIZE - block_size, 4);
}

/* Block i of the pools with blocks of 2^(class + 6) bytes: 64, 128, 256, 512. */
static __u64 block_of(unsigned class, unsigned i)
{
	unsigned size = 64u << class, n = (SIZE - HEADER) / size;

	return POOL + (class * 8ull + i / n) * SIZE + HEADER + i % n * size;
}

static void begin_seed(unsigned seed, unsigned shift)
{
	split_setup(NULL);
	image_map(&shim.memory, POOL, 32 * SIZE);
	image_map(&shim.memory, LIBCS, 4 * SIZE);
	for (unsigned class = 0; class < 4; class ++)
		for (unsigned i = 0; i < 8; i++)
			make_pool(POOL + (class * 8ull + i) * SIZE, 64u << class);
	shim.random = 0x9e3779b97f4a7c15ull * (seed + 1);
	sample_shift[ABI_OBJECT] = shift;
}

/* Lists that grow, as list.append() has them grow: what they end with is estimated as what it
 * is. */
static void lists_that_grow_are_estimated_as_what_they_are(void **state)
{
	double bytes = 0, truth = LISTS * 512.0;
	unsigned inside = 0;

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		double sum = 0, variance = 0;
		struct shim_element *element, *next;

		begin_seed(seed, 11);
		for (unsigned i = 0; i < LISTS; i++) {
			object(block_of(0, i), 64);
			for (unsigned class = 1; class < 4; class ++)
				object_realloc(block_of(class - 1, i), 64u << class,
					       block_of(class, i));
		}
		HASH_ITER (hh, SHIM_MAP(&blocks)->elements, element, next) {
			const struct abi_block *block = (const void *)element->value;
			struct block_weight weight = block_weight(block);

			/* nothing of what they had before is left */
			assert_int_equal(block->size, 512);
			sum += weight.blocks * 512;
			variance += weight.variance * 512 * 512;
		}
		bytes += sum / SEEDS;
		inside += fabs(sum - truth) <= 1.96 * sqrt(variance);
		assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
		assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 0);
	}
	if (fabs(bytes - truth) > 0.02 * truth)
		fail_msg("%.0f bytes for %.0f", bytes, truth);
	/* of 400 intervals of 95 % no fewer than 360 but once in a hundred thousand times */
	if (inside < SEEDS * 0.90)
		fail_msg("%u of %u intervals have it", inside, SEEDS);
}

static unsigned n_blocks(void)
{
	return HASH_COUNT(SHIM_MAP(&blocks)->elements);
}

/* What only looks small is libc's when it lies in no pool, and so is what lies between a pool's
 * blocks. */
static void what_lies_in_no_pool_is_libcs(void **state)
{
	begin_seed(1, 4);
	/* made smaller where it is; its page has nothing, or what a pool's header would not have */
	object_realloc(LIBCS + 0x1010, 500, LIBCS + 0x1010);
	make_pool(LIBCS, 512);
	image_put(&shim.memory, LIBCS + 44, SIZE - 496, 4);
	object_realloc(LIBCS + 0x1010, 500, LIBCS + 0x1010);
	make_pool(LIBCS, 512);
	object_realloc(LIBCS + 0x1010, 500, LIBCS + 0x1010);
	/* cannot be read */
	object_realloc(0x70000010, 500, 0x70000010);
	/* too large for the pool's blocks, or for any */
	object_realloc(block_of(2, 0), 500, block_of(2, 1));
	object_realloc(block_of(3, 0), 513, block_of(3, 1));
	/* of no bytes: libc's */
	object_realloc(block_of(3, 0), 0, LIBCS + 0x2010);
	/* it fails */
	object_realloc(block_of(3, 0), 500, 0);
	assert_int_equal(n_blocks(), 0);
	/* 500 bytes with a point every 16 are in the sample, but once in 10^13 times */
	object_realloc(block_of(3, 0), 500, block_of(3, 1));
	assert_int_equal(n_blocks(), 1);
	assert_int_equal(block_at(block_of(3, 1))->domain, ABI_OBJECT);
	/* made of no bytes it is a new one of libc's */
	object_realloc(block_of(3, 1), 0, LIBCS + 0x2010);
	assert_int_equal(n_blocks(), 0);
	check_no_losses();
}

/* A block of libc's that is on the account, made smaller than a pool's largest: libc's realloc has
 * it, and nobody else. */
static void a_block_of_libcs_stays_libcs_when_it_shrinks(void **state)
{
	begin_seed(1, 4);
	do_malloc(LIBCS + 0x1010, 900);
	for (unsigned moves = 0; moves < 2; moves++) {
		__u64 old = LIBCS + 0x1010, new = old + moves * 0x1000;

		enter_call(ABI_CALL_PY_REALLOC, ABI_OBJECT, SP, 0, old, 75 - moves);
		enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP - 0x40, old, 75 - moves, 0);
		leave_call(SP - 0x40, new);
		leave_object(SP, new);
		check_outstanding(75 - moves, 1);
		assert_int_equal(block_at(new)->domain, ABI_MALLOC);
		assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 0);
	}
	check_no_losses();
}

/* Without sampling, or without knowing of pools, a block that is not on the account is from before:
 * it is ignored. */
static void blocks_from_before_the_watch_are_let_pass(void **state)
{
	begin_seed(1, 0);
	object_realloc(block_of(3, 0), 500, block_of(3, 1));
	assert_int_equal(n_blocks(), 0);
	sample_shift[ABI_OBJECT] = 4;
	facts_of_test()->pool_size = 0;
	object_realloc(block_of(3, 0), 500, block_of(3, 1));
	assert_int_equal(n_blocks(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lists_that_grow_are_estimated_as_what_they_are,
						split_setup, calls_teardown),
		cmocka_unit_test_setup_teardown(what_lies_in_no_pool_is_libcs, split_setup,
						calls_teardown),
		cmocka_unit_test_setup_teardown(a_block_of_libcs_stays_libcs_when_it_shrinks,
						split_setup, calls_teardown),
		cmocka_unit_test_setup_teardown(blocks_from_before_the_watch_are_let_pass,
						split_setup, calls_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
