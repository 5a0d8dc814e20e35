/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The census without a target: pools made by hand and pools made of anything, growth by arithmetic
 * that is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "census/growth.h"
#include "census/holders.h"
#include "python/pool.h"

#define BASE 0x7f0000010000ull

/* ---- pools ---------------------------------------------------------------------------------- */

static void put32(uint8_t *bytes, size_t place, uint32_t value)
{
	memcpy(bytes + place, &value, sizeof(value));
}

static void put64(uint8_t *bytes, size_t place, uint64_t value)
{
	memcpy(bytes + place, &value, sizeof(value));
}

/* A pool of blocks of `size` bytes, `used` of them carved, of which the list frees 5, 2 and 9. */
static void make_pool(uint8_t *bytes, uint32_t pool_size, uint32_t size, uint32_t used)
{
	static const uint32_t free_blocks[] = {5, 2, 9};
	size_t link = 8;

	memset(bytes, 0, pool_size);
	put32(bytes, 0, used - 3);
	put32(bytes, 36, size / 16 - 1);
	put32(bytes, 40, POOL_HEADER + used * size);
	put32(bytes, 44, pool_size - size);
	for (size_t i = 0; i < 3; i++) {
		size_t offset = POOL_HEADER + free_blocks[i] * size;

		put64(bytes, link, BASE + offset);
		link = offset;
	}
}

static void a_pool_has_its_blocks_and_those_that_are_free(void **state)
{
	static const uint32_t pool_sizes[] = {4096, 16384};
	uint8_t bytes[POOL_SIZE_MAX];
	struct pool pool;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (uint32_t size = 16; size <= 320; size += 16) {
			uint32_t used = size < 200 ? 20 : 12;

			make_pool(bytes, pool_sizes[i], size, used);
			assert_int_equal(pool_parse(&pool, bytes, BASE, pool_sizes[i]), POOL_LIVE);
			assert_int_equal(pool.block_size, size);
			assert_int_equal(pool.n_blocks, used);
			assert_int_equal(pool.n_live, used - 3);
			for (uint32_t j = 0; j < used; j++)
				assert_int_equal(pool_block_is_free(&pool, j),
						 j == 5 || j == 2 || j == 9);
		}
	}
	put32(bytes, 0, 0);
	assert_int_equal(pool_parse(&pool, bytes, BASE, 16384), POOL_EMPTY);
}

/* Read in the middle of a change: the numbers do not agree, or the list leads astray. */
static void a_pool_read_in_a_change_is_torn(void **state)
{
	uint8_t bytes[4096];
	struct pool pool;

	(void)state;
	make_pool(bytes, 4096, 64, 20);
	put32(bytes, 0, 16);
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_TORN);
	make_pool(bytes, 4096, 64, 20);
	put64(bytes, POOL_HEADER + 9 * 64, BASE + POOL_HEADER + 5 * 64); /* round and round */
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_TORN);
	make_pool(bytes, 4096, 64, 20);
	put64(bytes, 8, BASE - 16);
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_TORN);
	put64(bytes, 8, BASE + POOL_HEADER + 20 * 64);
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_TORN);
	put64(bytes, 8, BASE + POOL_HEADER + 8);
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_TORN);
}

static void what_does_not_agree_is_no_pool(void **state)
{
	uint8_t bytes[4096];
	struct pool pool;

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_NONE);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_NONE);
	make_pool(bytes, 4096, 64, 20);
	put32(bytes, 36, 9); /* not the class of this size */
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_NONE);
	make_pool(bytes, 4096, 64, 20);
	put32(bytes, 40, 4096 + 64);
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_NONE);
	make_pool(bytes, 4096, 64, 20);
	put32(bytes, 0, 1000); /* more blocks than there is room for */
	assert_int_equal(pool_parse(&pool, bytes, BASE, 4096), POOL_NONE);
}

/* Whatever the bytes are, nothing outside them is touched (sanitizers look) and it comes to an
 * end. */
static void any_bytes_come_to_an_end(void **state)
{
	uint8_t *bytes = malloc(16384);
	unsigned random = 1, live = 0;

	(void)state;
	assert_non_null(bytes);
	for (unsigned round = 0; round < 20000; round++) {
		struct pool pool;
		uint32_t size = (1 + round % 32) * 16, room = (16384 - POOL_HEADER) / size;

		make_pool(bytes, 16384, size, room < 12 ? 12 : 12 + round % (room - 11));
		for (unsigned i = 0; i < 4; i++) {
			random = random * 1664525u + 1013904223u;
			put32(bytes, random >> 8 & (i ? 0x3ffc : 0x3c), random);
		}
		if (pool_parse(&pool, bytes, BASE, 16384) >= POOL_LIVE) {
			live++;
			assert_true(POOL_HEADER + pool.n_blocks * pool.block_size <= 16384);
			assert_true(pool.n_blocks <= POOL_BLOCKS_MAX);
		}
	}
	assert_true(live > 100);
	free(bytes);
}

/* ---- growth --------------------------------------------------------------------------------- */

static struct heap_scan *make_scan(double at_s, const char *const *names, const uint64_t *counts,
				   size_t n)
{
	struct heap_scan *scan = calloc(1, sizeof(*scan));

	assert_non_null(scan);
	scan->at_s = at_s;
	scan->types = calloc(n, sizeof(*scan->types));
	for (size_t i = 0; i < n; i++)
		if (counts[i])
			scan->types[scan->n_types++] =
				(struct heap_type){strdup(names[i]), counts[i], 0, counts[i] * 100};
	heap_scan_finalize(scan);
	return scan;
}

static const struct heap_growth_row *row(const struct heap_growth *growth, const char *name)
{
	for (size_t i = 0; i < growth->n_rows; i++)
		if (!strcmp(growth->rows[i].name, name))
			return &growth->rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

static const char *const names[] = {"steady", "sawtooth", "still", "new", "gone", "jump"};

static void each_series_of_counts_has_its_shape(void **state)
{
	/* every 10 s; "steady" gains 50, so 300 a minute */
	static const uint64_t counts[7][6] = {
		{1000, 500, 7, 0, 60, 100},  {1050, 900, 7, 0, 50, 100},
		{1100, 500, 7, 0, 40, 100},  {1150, 900, 7, 0, 30, 9000},
		{1200, 500, 7, 0, 20, 9000}, {1250, 900, 7, 0, 10, 9000},
		{1300, 500, 7, 6, 0, 9000}};
	struct heap_scan *scans[7];
	struct heap_growth *growth;

	(void)state;
	for (size_t i = 0; i < 7; i++)
		scans[i] = make_scan(1000 + 10 * (double)i, names, counts[i], 6);
	growth = growth_measure(scans, 7);
	assert_non_null(growth);
	assert_int_equal(growth->n_rows, 6);
	assert_float_equal(growth->span_s, 60, 1e-6);
	/* the small leak comes first, the jump after what may be one, what goes down last */
	assert_string_equal(growth->rows[0].name, "steady");
	assert_int_equal(row(growth, "steady")->shape, FIT_STEADY);
	assert_int_equal(row(growth, "sawtooth")->shape, FIT_SAWTOOTH);
	assert_int_equal(row(growth, "still")->shape, FIT_STILL);
	assert_int_equal(row(growth, "jump")->shape, FIT_STEP);
	assert_int_equal(row(growth, "gone")->shape, FIT_FALLING);
	assert_true(row(growth, "jump") > row(growth, "steady"));
	assert_true(row(growth, "jump") < row(growth, "sawtooth"));
	assert_float_equal(row(growth, "steady")->count_per_min, 300, 1e-6);
	assert_float_equal(row(growth, "steady")->bytes_per_min, 30000, 1e-4);
	assert_float_equal(row(growth, "steady")->least_count_per_min, 300, 1e-4);
	assert_float_equal(row(growth, "steady")->confidence, 1, 1e-9);
	assert_int_equal(row(growth, "steady")->count_delta, 300);
	assert_true(row(growth, "sawtooth")->confidence < 0.5);
	assert_true(row(growth, "sawtooth")->least_count_per_min < 0);
	assert_float_equal(row(growth, "still")->confidence, 0, 1e-9);
	assert_float_equal(row(growth, "gone")->count_per_min, -60, 1e-6);
	assert_int_equal(row(growth, "gone")->count, 0);
	assert_int_equal(row(growth, "new")->count_delta, 6);
	assert_true(row(growth, "jump")->confidence < 0.999);
	heap_growth_free(growth);
	/* of the first two there is a slope, and nothing to be sure of */
	growth = growth_measure(scans, 2);
	assert_float_equal(row(growth, "steady")->count_per_min, 300, 1e-6);
	assert_float_equal(row(growth, "steady")->confidence, -1, 1e-9);
	assert_int_equal(row(growth, "steady")->shape, FIT_UNKNOWN);
	heap_growth_free(growth);
	for (size_t i = 0; i < 7; i++)
		heap_scan_free(scans[i]);
}

/* Garbage goes with what was made since the last full collection: a leak on top of it is seen in
 * seven looks, though it is less. */
static void a_leak_next_to_garbage_is_seen(void **state)
{
	static const char *const pair[] = {"garbage", "both"};
	static const double since_full[] = {10000, 45000, 20000, 55000, 5000, 40000, 15000};
	struct heap_scan *scans[7];
	struct heap_growth *growth;

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		const uint64_t garbage = (uint64_t)(since_full[i] / 100) + i % 2,
			       counts[] = {1000 + garbage, 1000 + garbage + 20 * i};

		scans[i] = make_scan(1000 + 10 * (double)i, pair, counts, 2);
		scans[i]->gc.have_since_full = true;
		scans[i]->gc.since_full = since_full[i];
		scans[i]->gc.have_collections = true;
		scans[i]->gc.full_collections = 3 + i / 2;
	}
	growth = growth_measure(scans, 7);
	assert_int_equal(row(growth, "garbage")->shape, FIT_SAWTOOTH);
	assert_int_equal(row(growth, "both")->shape, FIT_STEADY);
	assert_float_equal(row(growth, "both")->count_per_min, 120, 3);
	assert_true(row(growth, "both")->least_count_per_min > 110);
	assert_false(growth->no_full_collection);
	heap_growth_free(growth);
	/* not known in one of them: as it is */
	scans[3]->gc.have_since_full = false;
	growth = growth_measure(scans, 7);
	assert_int_equal(row(growth, "both")->shape, FIT_SAWTOOTH);
	heap_growth_free(growth);
	/* known to be none; not known */
	growth = growth_measure(scans, 2);
	assert_true(growth->no_full_collection);
	heap_growth_free(growth);
	scans[0]->gc.have_collections = false;
	growth = growth_measure(scans, 2);
	assert_false(growth->no_full_collection);
	heap_growth_free(growth);
	for (size_t i = 0; i < 7; i++)
		heap_scan_free(scans[i]);
}

/* ---- containers ----------------------------------------------------------------------------- */

/* What lies at an address that is used again and again is larger now and then; what only grows is a
 * container that does. */
static void what_only_grows_is_a_container_that_grows(void **state)
{
	static const struct {
		uint64_t items[8];
		bool grows;
	} rows[] = {
		{{10, 20, 30, 40, 50, 60, 70, 80}, true},
		{{10, 10, 10, 60, 60, 60, 60, 90}, true}, /* at times */
		{{10, 20, 31, 40, 49, 61, 60, 80}, true}, /* a few are taken out, too */
		{{88, 2, 61, 15, 70, 44, 90, 99}, false}, /* another one each time */
		{{10, 90, 20, 80, 30, 95, 60, 99}, false},
		{{10, 11, 12, 13, 14, 15, 16, 17}, false}, /* too few */
		{{80, 70, 60, 50, 40, 30, 20, 10}, false},
	};
	struct heap_container containers[8];
	struct heap_scan scans[8] = {0}, *list[8];

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct heap_holder holder = {0};

		for (size_t i = 0; i < 8; i++) {
			containers[i] = (struct heap_container){0x1000, rows[r].items[i]};
			scans[i].at_s = 100 + (double)i;
			scans[i].containers = &containers[i];
			scans[i].n_containers = 1;
			list[i] = &scans[i];
		}
		assert_true(holders_measure(&holder, 0x1000, list, 8));
		if (holder_grows(&holder) != rows[r].grows)
			fail_msg("row %zu", r);
		assert_false(holders_measure(&holder, 0x2000, list, 8));
	}
}

/* Two looks at the same moment: no slope, no division by nothing. */
static void two_looks_at_one_moment_have_no_slope(void **state)
{
	static const uint64_t counts[6] = {1, 2, 3, 4, 5, 6};
	struct heap_scan *scans[3];
	struct heap_growth *growth;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		scans[i] = make_scan(5, names, counts, 6);
	growth = growth_measure(scans, 3);
	for (size_t i = 0; i < growth->n_rows; i++)
		assert_true(growth->rows[i].count_per_min == 0);
	heap_growth_free(growth);
	for (size_t i = 0; i < 3; i++)
		heap_scan_free(scans[i]);
}

static void types_of_one_name_become_one_row(void **state)
{
	static const char *const same[] = {"b", "a", "b", "b"};
	static const uint64_t counts[] = {1, 2, 3, 4};
	struct heap_scan *scan = make_scan(0, same, counts, 4);
	const struct heap_type **order = heap_scan_order(scan, HEAP_BY_BYTES);

	(void)state;
	assert_int_equal(scan->n_types, 2);
	assert_int_equal(scan->count, 10);
	assert_int_equal(heap_scan_find(scan, "b")->count, 8);
	assert_null(heap_scan_find(scan, "c"));
	assert_string_equal(order[0]->name, "b");
	free(order);
	heap_scan_free(scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_has_its_blocks_and_those_that_are_free),
		cmocka_unit_test(a_pool_read_in_a_change_is_torn),
		cmocka_unit_test(what_does_not_agree_is_no_pool),
		cmocka_unit_test(any_bytes_come_to_an_end),
		cmocka_unit_test(each_series_of_counts_has_its_shape),
		cmocka_unit_test(two_looks_at_one_moment_have_no_slope),
		cmocka_unit_test(a_leak_next_to_garbage_is_seen),
		cmocka_unit_test(what_only_grows_is_a_container_that_grows),
		cmocka_unit_test(types_of_one_name_become_one_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
