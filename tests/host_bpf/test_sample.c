/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sampling by bytes: what the recorded blocks stand for is what there is, on the average, and the
 * error bars say how far off one sample is. Many seeds; the truth is known.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"
#include "snapshot/weight.h"

#define SEEDS 300

struct sums {
	double bytes, count, bytes_variance, count_variance;
	unsigned seen;
};

static struct sums sum_blocks(void)
{
	struct shim_element *element, *next;
	struct sums sums = {0};

	HASH_ITER (hh, SHIM_MAP(&blocks)->elements, element, next) {
		const struct abi_block *block = (const void *)element->value;
		struct block_weight weight = block_weight(block);
		double size = (double)block->size;

		sums.seen++;
		sums.count += weight.blocks;
		sums.bytes += weight.blocks * size;
		sums.count_variance += weight.variance;
		sums.bytes_variance += weight.variance * size * size;
	}
	return sums;
}

static void begin_seed(unsigned seed, unsigned shift)
{
	shim_reset();
	calls_begin();
	shim.random = 0x9e3779b97f4a7c15ull * (seed + 1);
	for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
		sample_shift[domain] = shift;
}

/* One workload: sizes of all kinds; how many blocks and bytes it leaves. */
static void run_load(__u64 *bytes, __u64 *count)
{
	static const __u64 sizes[] = {1,   16,   32,   48,    100,   256,
				      513, 1000, 4096, 10000, 70000, 1 << 20};

	*bytes = *count = 0;
	for (unsigned i = 0; i < 1200; i++) {
		__u64 size = sizes[i % 12], address = 0x100000 + (__u64)i * 0x200000;

		run_thread(i / 12 % 3);
		do_malloc(address, size);
		/* a third of all goes again, whether it was recorded or not */
		if (i / 12 % 3 == 1) {
			do_free(address);
			continue;
		}
		*bytes += size;
		++*count;
	}
}

/* All seeds with one shift: the mean is the truth, and 95 % of the intervals have it. */
static void check_shift(unsigned shift)
{
	double bytes = 0, count = 0;
	unsigned bytes_in = 0, count_in = 0;
	__u64 true_bytes = 0, true_count = 0;

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct sums sums;

		begin_seed(seed, shift);
		run_load(&true_bytes, &true_count);
		sums = sum_blocks();
		bytes += sums.bytes / SEEDS;
		count += sums.count / SEEDS;
		bytes_in +=
			fabs(sums.bytes - (double)true_bytes) <= 1.96 * sqrt(sums.bytes_variance);
		count_in +=
			fabs(sums.count - (double)true_count) <= 1.96 * sqrt(sums.count_variance);
	}
	if (fabs(bytes - (double)true_bytes) > 0.02 * (double)true_bytes)
		fail_msg("shift %u: %.0f bytes for %llu", shift, bytes, true_bytes);
	/* few and small blocks make a count that varies much: by its own error, of this many
	 * seeds */
	if (shift <= 12 && fabs(count - (double)true_count) > 0.05 * (double)true_count)
		fail_msg("shift %u: %.1f blocks for %llu", shift, count, true_count);
	/* of 300 intervals of 95 % no fewer than 270 but once in ten thousand times */
	if (bytes_in < SEEDS * 0.90)
		fail_msg("shift %u: %u of %u intervals have the bytes", shift, bytes_in, SEEDS);
	/* where of the smallest blocks one in a hundred is seen, what none was seen of is in no
	 * error bar */
	if (shift <= 4 && count_in < SEEDS * 0.90)
		fail_msg("shift %u: %u of %u intervals have the count", shift, count_in, SEEDS);
}

static void estimates_from_a_sample_are_unbiased(void **state)
{
	check_shift(4);
	check_shift(8);
	check_shift(12);
	check_shift(14);
}

/* The chance of one size is what it is said to be. */
static void the_chance_of_a_size_is_what_is_said(void **state)
{
	static const struct {
		__u64 size;
		unsigned shift;
	} rows[] = {{64, 8}, {256, 8}, {1000, 10}, {1, 4}, {0, 4}, {1 << 16, 14}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double chance = sample_chance(rows[i].size, rows[i].shift), n = 20000, seen;

		begin_seed((unsigned)i, rows[i].shift);
		for (unsigned k = 0; k < n; k++)
			do_malloc(0x100000 + (__u64)k * 0x100000, rows[i].size);
		seen = sum_blocks().seen;
		/* five standard deviations */
		if (fabs(seen - n * chance) > 5 * sqrt(n * chance * (1 - chance)) + 1)
			fail_msg("%llu bytes, shift %u: %.0f of %.0f, and not %.0f", rows[i].size,
				 rows[i].shift, seen, n, n * chance);
	}
}

/* Distances are exponential: mean and median are what they should be, for small and for large
 * shifts. */
static void distances_are_exponential(void **state)
{
	for (unsigned shift = 4; shift <= 30; shift += 13) {
		double mean = 0, below = 0;

		begin_seed(shift, shift);
		for (unsigned i = 0; i < 100000; i++) {
			double distance = (double)draw_distance(shift) / (double)(1ull << shift);

			mean += distance / 100000;
			below += distance < log(2);
		}
		/* whole bytes: half of one less on the average */
		assert_true(fabs(mean - 1 + 0.5 / (double)(1ull << shift)) < 0.015);
		assert_true(fabs(below / 100000 - 0.5) < 0.03);
	}
	assert_int_equal(log2_16(1), 0);
	assert_int_equal(log2_16(1u << 31), 31 << 16);
	for (__u32 r = 3; r < 0xf0000000; r += r / 3 + 1)
		assert_true(fabs(log2_16(r) / 65536.0 - log2(r)) < 1e-4);
}

/* Frees of what was not recorded are no unknown frees; what was recorded is taken off. */
static void frees_of_what_was_not_sampled_are_not_unknown(void **state)
{
	begin_seed(1, 10);
	for (unsigned i = 0; i < 5000; i++)
		do_malloc(0x100000 + (__u64)i * 0x1000, 100);
	assert_true(sum_blocks().seen > 300);
	for (unsigned i = 0; i < 5000; i++)
		do_free(0x100000 + (__u64)i * 0x1000);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 0);
	check_no_losses();
}

/* The shift may change while blocks live: each stands for what it was sampled with. */
static void each_block_stands_for_the_shift_it_was_sampled_with(void **state)
{
	double bytes = 0;

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		begin_seed(seed, 6);
		for (unsigned i = 0; i < 900; i++) {
			if (i == 300)
				sample_shift[ABI_MALLOC] = 12;
			if (i == 600)
				sample_shift[ABI_MALLOC] = 0;
			do_malloc(0x100000 + (__u64)i * 0x1000, 200);
		}
		bytes += sum_blocks().bytes / SEEDS;
	}
	assert_true(fabs(bytes - 900 * 200) < 0.02 * 900 * 200);
}

/* Mappings are recorded each, and objects with their own shift. */
static void mappings_are_all_recorded_and_objects_have_their_shift(void **state)
{
	begin_seed(3, 0);
	sample_shift[ABI_OBJECT] = 20;
	for (unsigned i = 0; i < 100; i++) {
		do_malloc(0x100000 + (__u64)i * 0x1000, 50);
		do_py_malloc(0x9000000 + (__u64)i * 0x1000, 50);
	}
	assert_true(sum_blocks().seen >= 100 && sum_blocks().seen < 110);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(estimates_from_a_sample_are_unbiased, calls_setup,
						calls_teardown),
		cmocka_unit_test_setup_teardown(the_chance_of_a_size_is_what_is_said, calls_setup,
						calls_teardown),
		cmocka_unit_test_setup_teardown(distances_are_exponential, calls_setup,
						calls_teardown),
		cmocka_unit_test_setup_teardown(frees_of_what_was_not_sampled_are_not_unknown,
						calls_setup, calls_teardown),
		cmocka_unit_test_setup_teardown(each_block_stands_for_the_shift_it_was_sampled_with,
						calls_setup, calls_teardown),
		cmocka_unit_test_setup_teardown(
			mappings_are_all_recorded_and_objects_have_their_shift, calls_setup,
			calls_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
