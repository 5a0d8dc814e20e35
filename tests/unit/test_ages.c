/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Scans that are made up -> which objects are new, and how old each is at least and at most.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "census/ages.h"

#define TYPE 0x7000

/* A scan of objects of one type; ends with 0. */
static void scan(struct ages *ages, double begin_s, double end_s, const uint64_t *addresses)
{
	struct err err = ERR_INIT;

	ages_begin(ages);
	for (; *addresses; addresses++)
		ages_add(ages, *addresses, TYPE);
	assert_int_equal(ages_finish(ages, begin_s, end_s, &err), 0);
}

#define SCAN(ages, begin_s, end_s, ...) \
	scan(ages, begin_s, end_s, (const uint64_t[]){__VA_ARGS__, 0})

static void expect_age(const struct ages *ages, uint64_t address, double least_s, double most_s)
{
	const struct age *age = ages_find(ages, address);

	assert_non_null(age);
	assert_true(age_is_new(age));
	assert_float_equal(age_least_s(ages, age), least_s, 1e-9);
	assert_float_equal(age_most_s(ages, age), most_s, 1e-9);
}

static void what_a_scan_sees_first_was_made_since_the_one_before(void **state)
{
	struct ages ages = {0};
	const struct age *age;

	(void)state;
	SCAN(&ages, 10, 10.5, 0x10, 0x40);
	assert_false(age_is_new(ages_find(&ages, 0x10)));
	assert_float_equal(ages_span_s(&ages), 0.5, 1e-9);
	SCAN(&ages, 11, 11.5, 0x10, 0x40, 0x90);
	expect_age(&ages, 0x90, 0, 1.5);
	SCAN(&ages, 12, 12.5, 0x10, 0x90, 0xc0);
	/* seen by the scan that ended at 11.5, not by the one that began at 10 */
	expect_age(&ages, 0x90, 1, 2.5);
	expect_age(&ages, 0xc0, 0, 1.5);
	age = ages_find(&ages, 0x10);
	assert_false(age_is_new(age));
	assert_float_equal(age_least_s(&ages, age), 2, 1e-9);
	/* it is gone */
	assert_null(ages_find(&ages, 0x40));
	assert_int_equal(ages.n, 3);
	assert_float_equal(ages_span_s(&ages), 2.5, 1e-9);
	/* and what comes back is new */
	SCAN(&ages, 13, 13.5, 0x40);
	expect_age(&ages, 0x40, 0, 1.5);
	ages_fini(&ages);
	assert_int_equal(ages.n_scans, 0);
}

static void another_type_at_the_same_address_is_another_object(void **state)
{
	struct err err = ERR_INIT;
	struct ages ages = {0};

	(void)state;
	SCAN(&ages, 1, 1, 0x10);
	ages_begin(&ages);
	ages_add(&ages, 0x10, TYPE + 8);
	assert_int_equal(ages_finish(&ages, 2, 2, &err), 0);
	expect_age(&ages, 0x10, 0, 1);
	ages_fini(&ages);
}

/* In the order in which a scan meets them, which need not be that of the addresses; and twice. */
static void order_and_repetition_do_not_matter(void **state)
{
	struct ages ages = {0};

	(void)state;
	SCAN(&ages, 1, 1, 0x90, 0x10, 0x40, 0x10);
	assert_int_equal(ages.n, 3);
	SCAN(&ages, 2, 2, 0x50, 0x40, 0x90, 0x40, 0x10, 0x50);
	assert_int_equal(ages.n, 4);
	for (size_t i = 0; i < ages.n; i++)
		assert_int_equal(age_is_new(&ages.rows[i]), ages.rows[i].address == 0x50);
	ages_fini(&ages);
}

static void nothing_is_no_error(void **state)
{
	struct err err = ERR_INIT;
	struct ages ages = {0};

	(void)state;
	assert_float_equal(ages_span_s(&ages), 0, 0);
	assert_null(ages_find(&ages, 0x10));
	for (unsigned i = 0; i < AGES_SCANS_MAX; i++)
		scan(&ages, i, i, (const uint64_t[]){0});
	assert_int_equal(ages.n, 0);
	/* more are refused, and leave nothing behind */
	ages_begin(&ages);
	assert_int_equal(ages_finish(&ages, 99, 99, &err), -ERR_FAILED);
	assert_int_equal(ages.n_scans, 0);
}

static void many_objects_are_found_again(void **state)
{
	struct err err = ERR_INIT;
	struct ages ages = {0};

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		ages_begin(&ages);
		for (uint64_t i = 0; i < 50000; i++)
			if (i % 3 <= round)
				ages_add(&ages, 0x1000 + 16 * i, TYPE);
		assert_int_equal(ages_finish(&ages, round, round, &err), 0);
	}
	for (uint64_t i = 0; i < 50000; i++) {
		const struct age *age = ages_find(&ages, 0x1000 + 16 * i);

		assert_non_null(age);
		assert_int_equal(age->first, i % 3);
	}
	ages_fini(&ages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_scan_sees_first_was_made_since_the_one_before),
		cmocka_unit_test(another_type_at_the_same_address_is_another_object),
		cmocka_unit_test(order_and_repetition_do_not_matter),
		cmocka_unit_test(nothing_is_no_error),
		cmocka_unit_test(many_objects_are_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
