/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace/max_blocks.h"

#define GIB (1ull << 30)

/* By the target's size. */
static void the_map_grows_with_the_target(void **state)
{
	(void)state;
	assert_int_equal(max_blocks_default(0, false, 0), 1u << 20);
	assert_int_equal(max_blocks_default(GIB / 2, false, 0), 1u << 20);
	assert_int_equal(max_blocks_default(GIB, false, 0), 2u << 20);
	assert_int_equal(max_blocks_default(100 * GIB, false, 0), 1u << 24);
}

/* By what the machine has: never more than its share of it, but for a least. */
static void a_map_taken_at_the_start_is_a_share_of_the_machine(void **state)
{
	(void)state;
	for (uint64_t mib = 1; mib < 1 << 20; mib = mib * 3 / 2 + 1) {
		uint64_t available = mib << 20;
		uint32_t n = max_blocks_default(100 * GIB, true, available);

		assert_true(n >= 1u << 16 && n <= 1u << 20);
		if (n > 1u << 16)
			assert_true((uint64_t)n * 120 <= available / 32);
	}
	assert_int_equal(max_blocks_default(100 * GIB, true, 0), 1u << 16);
	assert_int_equal(max_blocks_default(0, true, 64 * GIB), 1u << 20);
}

static void available_memory_is_whole_kib(void **state)
{
	(void)state;
	assert_true(max_blocks_available() > 1 << 20);
	assert_int_equal(max_blocks_available() % 1024, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_map_grows_with_the_target),
		cmocka_unit_test(a_map_taken_at_the_start_is_a_share_of_the_machine),
		cmocka_unit_test(available_memory_is_whole_kib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
