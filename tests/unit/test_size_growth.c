/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which sizes of blocks grow, from made scans; and the classes themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "abi/sizes.h"
#include "trace/size_growth.h"

static void each_size_has_the_class_of_its_step(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t class;
	} cases[] = {
		{0, 1},
		{1, 1},
		{16, 1},
		{17, 2},
		{32, 2},
		{496, 31},
		{497, 32},
		{512, 32},
		{513, 33},
		{1024, 33},
		{1025, 34},
		{2048, 34},
		{2049, 35},
		{1 << 20, 43},
		{(1 << 20) + 1, 44},
		{1ull << 38, 61},
		{(1ull << 38) + 1, 62},
		{1ull << 40, 63},
		{UINT64_MAX, 63},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(abi_size_class(cases[i].size), cases[i].class);
	for (uint64_t size = 1; size < 1ull << 41; size += 1 + size / 7)
		assert_true(abi_size_class(size) <= abi_size_class(size + 1 + size / 7));
}

static void add(struct size_growth *growth, size_t look, const uint64_t pools[ABI_SIZE_CLASSES],
		const uint64_t chunks[ABI_SIZE_CLASSES])
{
	struct heap_scan scan = {.at_s = 2.0 * (double)look,
				 .room = {.arenas = 1, .malloc_sized = true}};

	for (unsigned class = 0; class < ABI_SIZE_CLASSES; class ++) {
		scan.room.pool_blocks[class] = pools[class];
		scan.room.malloc_blocks[class] = chunks[class];
	}
	size_growth_add(growth, &scan);
}

/* Up and down by up to 8 from look to look, without a pattern. */
static uint64_t noise(size_t look, unsigned class)
{
	return (look * 7919 + class * 104729) * 2654435761u >> 7 & 7;
}

static void sizes_that_do_not_grow_are_skipped(void **state)
{
	struct size_growth *growth = calloc(1, sizeof(*growth));
	uint64_t pools[ABI_SIZE_CLASSES], chunks[ABI_SIZE_CLASSES], skipped;

	(void)state;
	/* more looks than are kept */
	for (size_t look = 0; look < 100; look++) {
		/* small blocks come and go; large ones stay */
		for (unsigned class = 0; class < ABI_SIZE_CLASSES; class ++)
			pools[class] = chunks[class] = 5000 + (class < 33 ? noise(look, class) : 0);
		pools[4] += 300 * look;
		chunks[33] += 100 * look;
		add(growth, look, pools, chunks);
		skipped = size_growth_skipped(growth, SIZE_GROWTH_POOLS);
		if (look < 4)
			assert_int_equal(skipped, 0);
		if (look >= 10) {
			/* what is above 512 bytes is not pymalloc's, whoever asks for it */
			assert_int_equal(skipped, 0x1fffffffeull & ~(1ull << 4));
			/* a chunk of the smallest size above 512 was asked for with as little */
			assert_int_equal(size_growth_skipped(growth, SIZE_GROWTH_MALLOC),
					 ~(3ull << 32) & ~1ull);
		}
	}
	size_growth_forget(growth);
	assert_int_equal(size_growth_skipped(growth, SIZE_GROWTH_POOLS), 0);
	free(growth);
}

static void nothing_is_skipped_where_nothing_grows_for_sure(void **state)
{
	struct size_growth *growth = calloc(1, sizeof(*growth));
	uint64_t blocks[ABI_SIZE_CLASSES];

	(void)state;
	for (size_t look = 0; look < 30; look++) {
		for (unsigned class = 0; class < ABI_SIZE_CLASSES; class ++)
			blocks[class] = 5000 + 100 * noise(look, class);
		/* it grows by less than the others vary */
		blocks[3] = 5000 + look;
		add(growth, look, blocks, blocks);
	}
	assert_int_equal(size_growth_skipped(growth, SIZE_GROWTH_POOLS), 0);
	free(growth);
}

static void nothing_is_skipped_where_sizes_are_not_known(void **state)
{
	struct size_growth *growth = calloc(1, sizeof(*growth));
	struct heap_scan scan = {.room = {.mimalloc = true, .arenas = 3}};

	(void)state;
	for (size_t look = 0; look < 30; look++) {
		scan.at_s = (double)look;
		scan.room.pool_blocks[2] += 1000;
		scan.room.malloc_blocks[2] += 1000;
		size_growth_add(growth, &scan);
	}
	assert_int_equal(size_growth_skipped(growth, SIZE_GROWTH_POOLS), 0);
	assert_int_equal(size_growth_skipped(growth, SIZE_GROWTH_MALLOC), 0);
	free(growth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_size_has_the_class_of_its_step),
		cmocka_unit_test(sizes_that_do_not_grow_are_skipped),
		cmocka_unit_test(nothing_is_skipped_where_nothing_grows_for_sure),
		cmocka_unit_test(nothing_is_skipped_where_sizes_are_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
