/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A real watchpoint on a word of our own; skipped where it may not be set, or there is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "probe/watchpoint.h"

static volatile uint64_t word __attribute__((aligned(8)));

/*
 * Skips where none can be set: only root may everywhere, and there may be no registers. One that
 * can be set and is not hit is a failure.
 */
static void need_watchpoints(void)
{
	struct err err = ERR_INIT;
	int fd = watchpoint_here((uintptr_t)&word, -1, &err);

	if (fd < 0) {
		print_message("skip: %s\n", err.text);
		skip();
	}
	close(fd);
}

static void each_write_is_a_hit(void **state)
{
	struct err err = ERR_INIT;
	uint64_t hits = 77;

	(void)state;
	need_watchpoints();
	assert_int_equal(watchpoint_try(&word, 10, -1, &hits, &err), 0);
	assert_int_equal(hits, 10);
	assert_int_equal(word, 9);
	assert_int_equal(watchpoint_try(&word, 0, -1, &hits, &err), 0);
	assert_int_equal(hits, 0);
}

/* A program that is none is no reason to say that it works. */
static void without_a_program_it_does_not_work(void **state)
{
	struct err err = ERR_INIT;
	uint64_t hits = 77;

	(void)state;
	need_watchpoints();
	assert_true(watchpoint_try(&word, 10, 0, &hits, &err) < 0);
	assert_int_equal(hits, 0);
	assert_true(err.text[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_write_is_a_hit),
		cmocka_unit_test(without_a_program_it_does_not_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
