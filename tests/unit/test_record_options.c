/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command lines of record, report and diff.
 */
#include "unit/heard.h"

#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/verbs.h"

static struct heard_words line;
static struct options options;

static enum options_result parse(const char *const *words)
{
	options_fini(&options);
	heard_words(&line, words);
	return options_parse(&options, line.argc, line.argv);
}

#define RUN(...)                                                                                \
	do {                                                                                    \
		assert_int_equal(parse((const char *const[]){__VA_ARGS__, NULL}), OPTIONS_RUN); \
		assert_string_equal(heard(), "");                                               \
	} while (0)

#define WRONG(said, ...)                                                                          \
	do {                                                                                      \
		assert_int_equal(parse((const char *const[]){__VA_ARGS__, NULL}), OPTIONS_WRONG); \
		assert_string_equal(heard(), "pyleaktrace: " said "\n");                          \
	} while (0)

static void record_is_a_trace_with_a_file(void **state)
{
	(void)state;
	RUN("record", "-p", "7", "-o", "%p-%t.plt", "60", "3");
	assert_string_equal(options.recording, "%p-%t.plt");
	assert_int_equal(options.n_outputs, 0);
	assert_true(options.interval_ns == 60000000000u);
	assert_int_equal(options.count, 3);
	RUN("record", "-p", "7", "-o", "a", "--exact", "--group-by", "thread");
	assert_true(options.interval_ns == 5000000000u);
	assert_true(options.trace.exact && options.trace.by_thread);
	assert_int_equal(options.trace.when, TRACE_ALWAYS);
	WRONG("record to which file? -o FILE (pyleaktrace record -p PID -o FILE [OPTIONS] "
	      "[INTERVAL [COUNT]]; see --help)",
	      "record", "-p", "7");
	WRONG("--output: one recording at a time", "record", "-p", "7", "-o", "a", "-o", "b");
	WRONG("--pid: only one process at a time", "record", "-p", "7,8", "-o", "a");
	WRONG("unknown option -f; pyleaktrace record --help lists them", "record", "-p", "7", "-o",
	      "a", "-f", "json");
}

static void report_reads_one_file(void **state)
{
	(void)state;
	RUN("report", "a.plt");
	assert_string_equal(options.record.files[0], "a.plt");
	assert_false(options.record.from.given || options.record.to.given);
	RUN("report", "a.plt", "--from", "90", "--to", "-5m", "--sort", "age", "-o", "x.json");
	assert_true(options.record.from.given && options.record.from.seconds == 90);
	assert_true(options.record.to.given && options.record.to.seconds == -300);
	assert_int_equal(options.trace.order, ORDER_AGE);
	assert_string_equal(options.outputs[0].format->name, "json");
	RUN("report", "a.plt", "--from", "14:03", "--to", "23:59:59");
	assert_true(options.record.from.clock && options.record.from.seconds == 14 * 3600 + 180);
	assert_true(options.record.to.seconds == 86399);
	WRONG("--to: expected a time of the day as 14:03 or 14:03:07", "report", "a", "--to",
	      "24:00");
	WRONG("--to: expected a time of the day as 14:03 or 14:03:07", "report", "a", "--to",
	      "14:03:07:1");
	WRONG("which recording? (pyleaktrace report FILE [OPTIONS]; see --help)", "report");
	WRONG("too many arguments: expected pyleaktrace report FILE [OPTIONS]", "report", "a", "b");
	WRONG("FILE: the name is empty", "report", "");
}

static void diff_reads_one_or_two(void **state)
{
	(void)state;
	RUN("diff", "a", "b", "-T", "0", "-f", "folded");
	assert_int_equal(options.record.n_files, 2);
	assert_string_equal(options.record.files[1], "b");
	assert_int_equal(options.top, 0);
	RUN("diff", "a", "--from", "-1h");
	assert_int_equal(options.record.n_files, 1);
	assert_int_equal(options.top, 5);
	WRONG("too many arguments: expected pyleaktrace diff OLD [NEW] [OPTIONS]", "diff", "a", "b",
	      "c");
	WRONG("--format: unknown format \"svg\"; use one of text, json, folded", "diff", "a", "-f",
	      "svg");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(record_is_a_trace_with_a_file, heard_begin,
						heard_end),
		cmocka_unit_test_setup_teardown(report_reads_one_file, heard_begin, heard_end),
		cmocka_unit_test_setup_teardown(diff_reads_one_or_two, heard_begin, heard_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
