/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who did it, in so many columns: the line is there, whatever else is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/escape.h"
#include "view/way_text.h"

static void expect(const struct stack *stack, size_t room, const char *expected)
{
	const struct way way = {.stack = stack};
	char *text = NULL;
	size_t size;
	const struct pen pen = {.out = open_memstream(&text, &size)};

	way_text(&pen, &way, room);
	fclose(pen.out);
	assert_string_equal(text, expected);
	assert_true(escape_columns(text) <= room);
	free(text);
}

static void the_line_stays_where_room_is_short(void **state)
{
	static const struct frame frames[] = {
		{.kind = FRAME_PYTHON, .function = "main", .file = "/srv/shop/main.py", .line = 3},
		{.kind = FRAME_PYTHON,
		 .function = "make_native.<locals>.step",
		 .file = "/srv/shop-of-everything/workloads.py",
		 .line = 112}};
	const struct stack stack = {.frames = frames, .n_frames = 2};

	(void)state;
	expect(&stack, 100,
	       "make_native.<locals>.step (shop-of-everything/workloads.py:112) < main "
	       "(shop/main.py:3)");
	expect(&stack, 80,
	       "make_native.<locals>.step (shop-of-everything/workloads.py:112) < 1 more");
	expect(&stack, 60, "make_native.<locals>.step (workloads.py:112) < 1 more");
	expect(&stack, 44, "make_native.<locals>.step (workloads.py:112)");
	expect(&stack, 30, "...step (workloads.py:112)");
}

static void a_recursion_is_shown_once(void **state)
{
	static const struct frame step = {
		.kind = FRAME_PYTHON, .function = "step", .file = "/srv/shop/main.py", .line = 7};
	const struct frame frames[] = {
		{.kind = FRAME_PYTHON, .function = "main", .file = "/srv/shop/main.py", .line = 3},
		step,
		step,
		step,
		step};
	const struct stack stack = {.frames = frames, .n_frames = 5};

	(void)state;
	expect(&stack, 100, "step (shop/main.py:7) < ... < main (shop/main.py:3)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_stays_where_room_is_short),
		cmocka_unit_test(a_recursion_is_shown_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
