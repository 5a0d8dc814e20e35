/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A map that fills up is looked at often enough to be thinned out before it is full, and never much
 * too often.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "govern/map_fill.h"

#define MOST  12000
#define USUAL (uint64_t)(MOST * ROOM_NS)

static void three_quarters_are_full(void **state)
{
	const struct map_fill fill = {.most = MOST};

	(void)state;
	assert_false(map_fill_is_full(&fill, 9000));
	assert_true(map_fill_is_full(&fill, 9001));
}

/* As long as they are as many as before, or fewer, or it is far from full. */
static void a_map_that_does_not_fill_is_counted_as_usual(void **state)
{
	static const uint64_t blocks[] = {0, 0, 5, 8000, 8000, 100, 101, 0};
	struct map_fill fill = {.most = MOST};
	uint64_t now = 7000;

	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++, now = fill.next_ns) {
		map_fill_counted(&fill, blocks[i], now);
		if (blocks[i] != 8000)
			assert_int_equal(fill.next_ns, now + USUAL);
	}
}

/* Whatever the rate, up to ROOM_SOONER times of what fills the map between two usual looks: none is
 * lost. */
static void a_map_that_fills_is_looked_at_in_time(void **state)
{
	(void)state;
	for (unsigned per_usual = 100; per_usual < MOST * ROOM_SOONER / 4; per_usual += 100) {
		struct map_fill fill = {.most = MOST};
		uint64_t now = 1, begun;

		map_fill_counted(&fill, 0, now);
		/* it begins to fill just when it has been looked at, at the least that is
		 * possible */
		fill.next_ns = now + USUAL / ROOM_SOONER;
		begun = now;
		for (;;) {
			uint64_t blocks;

			assert_true(fill.next_ns >= now + USUAL / ROOM_SOONER);
			assert_true(fill.next_ns <= now + USUAL);
			now = fill.next_ns;
			blocks = (now - begun) * per_usual / USUAL;
			assert_true(blocks <= MOST);
			if (map_fill_is_full(&fill, blocks))
				break;
			map_fill_counted(&fill, blocks, now);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_quarters_are_full),
		cmocka_unit_test(a_map_that_does_not_fill_is_counted_as_usual),
		cmocka_unit_test(a_map_that_fills_is_looked_at_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
