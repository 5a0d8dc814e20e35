/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Blocks that are thinned out: which count, with what shift, and that they stand for the same on
 * the average.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/xorshift.h"
#include "snapshot/downsample.h"
#include "snapshot/weight.h"

#define N     4000
#define SEEDS 200

static struct abi_block block_of(uint64_t size, uint64_t time_ns, unsigned shift)
{
	return (struct abi_block){.size = size,
				  .time_ns = time_ns,
				  .domain = ABI_OBJECT,
				  .flags = (uint16_t)(ABI_BLOCK_LIBC | ABI_BLOCK_SAMPLED(shift))};
}

/* The shift with which it counts; -1: it does not. */
static int applied(const struct downsampling *downsampling, struct abi_block block)
{
	return downsample_apply(downsampling, 0x7f0012345670, &block)
		       ? (int)ABI_BLOCK_SHIFT(block.flags)
		       : -1;
}

/* A block so large that it is always kept, so that its shift is to be seen. */
static struct abi_block large(uint64_t time_ns, unsigned shift)
{
	return block_of(1ull << 40, time_ns, shift);
}

static void blocks_are_thinned_by_age_and_domain(void **state)
{
	struct downsampling downsampling = {0};
	struct abi_block mapping = large(5, 0);

	(void)state;
	assert_int_equal(applied(NULL, large(5, 3)), 3);
	assert_int_equal(applied(&downsampling, large(5, 3)), 3);
	downsample_add(&downsampling, 1u << ABI_OBJECT | 1u << ABI_MALLOC, 11, 100);
	assert_int_equal(applied(&downsampling, large(99, 0)), 11);
	assert_int_equal(applied(&downsampling, large(99, 10)), 11);
	/* as coarse as that, or coarser */
	assert_int_equal(applied(&downsampling, large(99, 11)), 11);
	assert_int_equal(applied(&downsampling, large(99, 14)), 14);
	/* younger */
	assert_int_equal(applied(&downsampling, large(100, 8)), 8);
	mapping.domain = ABI_MMAP;
	assert_int_equal(applied(&downsampling, mapping), 0);
	mapping.domain = ABI_DOMAINS;
	assert_int_equal(applied(&downsampling, mapping), 0);
}

/* A sample that has become finer in between, and coarser again. */
static void several_thinnings_add_up(void **state)
{
	struct downsampling downsampling = {0};

	(void)state;
	downsample_add(&downsampling, 1u << ABI_OBJECT, 12, 100);
	downsample_add(&downsampling, 1u << ABI_OBJECT, 9, 200);
	assert_int_equal(applied(&downsampling, large(50, 0)), 12);
	assert_int_equal(applied(&downsampling, large(150, 8)), 9);
	assert_int_equal(applied(&downsampling, large(250, 8)), 8);
	downsample_add(&downsampling, 1u << ABI_OBJECT, ABI_SAMPLE_SHIFT_MAX, 300);
	assert_int_equal(applied(&downsampling, large(50, 0)), ABI_SAMPLE_SHIFT_MAX);
	assert_int_equal(applied(&downsampling, large(300, 0)), 0);
}

static void other_flags_stay(void **state)
{
	struct downsampling downsampling = {0};
	struct abi_block block = large(5, 0);

	(void)state;
	downsample_add(&downsampling, 1u << ABI_OBJECT, 7, 100);
	assert_true(downsample_apply(&downsampling, 16, &block));
	assert_int_equal(block.flags & 0xff, ABI_BLOCK_LIBC);
}

/* What does not count any more never does again, and each look has the same answer. */
static void what_was_thinned_out_stays_out(void **state)
{
	struct downsampling downsampling = {0}, more;
	unsigned gone = 0;

	(void)state;
	downsample_add(&downsampling, 1u << ABI_OBJECT, 8, 1000000);
	more = downsampling;
	downsample_add(&more, 1u << ABI_OBJECT, 10, 1000000);
	for (uint64_t i = 0; i < N; i++) {
		struct abi_block first = block_of(200, 7 * i, 6), second = first, later = first;
		bool counts = downsample_apply(&downsampling, 64 * i, &first);

		assert_int_equal(downsample_apply(&downsampling, 64 * i, &second), counts);
		if (downsample_apply(&more, 64 * i, &later))
			assert_true(counts);
		gone += !counts;
	}
	assert_in_range(gone, N / 3, N * 2 / 3);
}

/* One sample of N blocks of many sizes, all that is recorded with a shift of `recorded`. How far
 * off is what it stands for? */
static double error_of(const struct downsampling *downsampling, unsigned recorded, uint64_t *random,
		       double *variance)
{
	static const uint64_t sizes[] = {0, 1, 33, 64, 100, 512, 3000, 40000};
	double stands_for = 0;

	*variance = 0;
	for (uint64_t i = 0; i < N; i++) {
		struct abi_block block =
			block_of(sizes[i % 8], 1000 * i + *random % 1000, recorded);
		struct block_weight weight;

		if (xorshift_share(random) >= sample_chance(block.size, recorded) ||
		    !downsample_apply(downsampling, 0x7f0000000000 + 48 * i, &block))
			continue;
		weight = block_weight(&block);
		stands_for += weight.blocks;
		*variance += weight.variance;
	}
	return stands_for / N - 1;
}

static void stands_for_the_same(unsigned recorded, unsigned then, unsigned last)
{
	struct downsampling downsampling = {0};
	uint64_t random = XORSHIFT_SEED;
	double sum = 0;
	unsigned within = 0;

	downsample_add(&downsampling, 1u << ABI_OBJECT, then, 1000 * N / 2);
	downsample_add(&downsampling, 1u << ABI_OBJECT, last, 1000 * N);
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		double variance, error = error_of(&downsampling, recorded, &random, &variance);

		sum += error;
		within += fabs(error) * N <= 2.5 * sqrt(variance);
	}
	assert_true(fabs(sum / SEEDS) < 0.02);
	assert_true(within >= SEEDS * 9 / 10);
}

static void what_is_left_stands_for_the_same(void **state)
{
	(void)state;
	stands_for_the_same(0, 4, 5);
	stands_for_the_same(3, 5, 6);
	/* finer in between */
	stands_for_the_same(3, 6, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_thinned_by_age_and_domain),
		cmocka_unit_test(several_thinnings_add_up),
		cmocka_unit_test(other_flags_stay),
		cmocka_unit_test(what_was_thinned_out_stays_out),
		cmocka_unit_test(what_is_left_stands_for_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
