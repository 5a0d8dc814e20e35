/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The progress line of the heap commands, by a clock that the test holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "cli/heap_progress.h"

struct terminal {
	struct process process;
	struct heap_progress progress;
	char *text;
	size_t length, seen;
};

static void open_terminal(struct terminal *terminal)
{
	*terminal = (struct terminal){.process = {.pid = getpid()}};
	terminal->progress.process = &terminal->process;
	terminal->progress.terminal = open_memstream(&terminal->text, &terminal->length);
	assert_non_null(terminal->progress.terminal);
}

static void close_terminal(struct terminal *terminal)
{
	fclose(terminal->progress.terminal);
	free(terminal->text);
}

/* What is written for one more piece of news. */
static const char *say(struct terminal *terminal, enum census_work work, uint64_t done,
		       uint64_t all, double now_s)
{
	terminal->seen = terminal->length;
	heap_progress_update(&terminal->progress, work, done, all, now_s);
	fflush(terminal->progress.terminal);
	return terminal->text + terminal->seen;
}

static void nothing_is_said_within_a_second(void **state)
{
	struct terminal terminal;

	(void)state;
	open_terminal(&terminal);
	for (int i = 0; i < 99; i++)
		say(&terminal, CENSUS_READS, (uint64_t)i << 20, 0, 50 + i / 100.0);
	say(&terminal, CENSUS_RESTS, 0, 0, 51.5);
	/* the next piece of work has a second of its own */
	say(&terminal, CENSUS_READS, 1 << 20, 0, 52);
	say(&terminal, CENSUS_FOLLOWS, 1000, 5000, 52.9);
	say(&terminal, CENSUS_FOLLOWS, 1000, 5000, 53.8);
	say(&terminal, CENSUS_RESTS, 0, 0, 53.8);
	assert_int_equal(terminal.length, 0);
	close_terminal(&terminal);
}

static void progress_is_one_line_that_is_wiped_away(void **state)
{
	struct terminal terminal;
	char expected[128];

	(void)state;
	open_terminal(&terminal);
	say(&terminal, CENSUS_READS, 1 << 20, 0, 50);
	snprintf(expected, sizeof(expected), "\r\033[Kpid %d: 300.0 MiB of about ", (int)getpid());
	assert_memory_equal(say(&terminal, CENSUS_READS, 300 << 20, 0, 51.1), expected,
			    strlen(expected));
	/* not more often than can be read */
	assert_string_equal(say(&terminal, CENSUS_READS, 301 << 20, 0, 51.2), "");
	assert_int_not_equal(strlen(say(&terminal, CENSUS_READS, 400 << 20, 0, 51.4)), 0);
	assert_string_equal(say(&terminal, CENSUS_RESTS, 0, 0, 51.5), "\r\033[K");
	assert_string_equal(say(&terminal, CENSUS_RESTS, 0, 0, 51.6), "");
	say(&terminal, CENSUS_FOLLOWS, 0, 5000000, 60);
	snprintf(expected, sizeof(expected),
		 "\r\033[Kpid %d: 2,000,000 of 5,000,000 objects reached, 3 s", (int)getpid());
	assert_string_equal(say(&terminal, CENSUS_FOLLOWS, 2000000, 5000000, 63), expected);
	close_terminal(&terminal);
}

/* Standard error of a test is not a terminal, or may be: then the census is told to. */
static void nothing_is_said_without_a_terminal(void **state)
{
	struct heap_progress progress = {0};
	int terminal = dup(STDERR_FILENO);

	(void)state;
	assert_non_null(freopen("/dev/null", "w", stderr));
	heap_progress_attach(&progress, NULL, false);
	assert_null(progress.terminal);
	assert_true(dup2(terminal, STDERR_FILENO) >= 0);
	close(terminal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_within_a_second),
		cmocka_unit_test(progress_is_one_line_that_is_wiped_away),
		cmocka_unit_test(nothing_is_said_without_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
