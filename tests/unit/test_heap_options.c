/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command lines of the verbs that look at the heap: what each option does, what a verb takes,
 * and what is said of the rest.
 */
#include "unit/heard.h"

#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/verbs.h"

#define MS 1000000ull
#define S  1000000000ull

static struct heard_words line;
static struct options options;

static enum options_result parse(const char *const *words)
{
	options_fini(&options);
	heard_words(&line, words);
	return options_parse(&options, line.argc, line.argv);
}

/* It is understood, and nothing is said. */
static void expect_run(const char *const *words)
{
	assert_int_equal(parse(words), OPTIONS_RUN);
	assert_string_equal(heard(), "");
	assert_string_equal(heard_out(), "");
	assert_string_equal(options.verb->name, words[0]);
	assert_int_equal(options_pid(&options), 7);
}

/* It is refused with one line, and nothing goes to standard output. */
static void expect_wrong(const char *said, const char *const *words)
{
	assert_int_equal(parse(words), OPTIONS_WRONG);
	assert_string_equal(heard(), said);
	assert_string_equal(heard_out(), "");
}

/* in  verb: "heap" */
#define RUN(verb, ...) expect_run((const char *const[]){verb, "-p", "7", __VA_ARGS__, NULL})
#define WRONG(said, verb, ...)                  \
	expect_wrong("pyleaktrace: " said "\n", \
		     (const char *const[]){verb, "-p", "7", __VA_ARGS__, NULL})

static int end(void **state)
{
	options_fini(&options);
	return heard_end(state);
}

static void what_is_not_given_has_its_default(void **state)
{
	(void)state;
	expect_run((const char *const[]){"heap", "-p", "7", NULL});
	assert_int_equal(options.top, 20);
	assert_int_equal(options.heap.order, HEAP_BY_BYTES);
	assert_false(options.heap.frozen || options.heap.have_like);
	assert_int_equal(options.n_modules, 0);
	assert_int_equal(options.heap.min_count, 0);
	assert_int_equal(options.n_outputs, 0);
	assert_null(options.format);
	assert_false(options.quiet || options.no_color);
	assert_int_equal(options.trace.verbose, 0);
}

static void one_process_at_a_time(void **state)
{
	(void)state;
	RUN("heap", "--pid=7", "-p", "7");
	WRONG("--pid: only one process at a time", "heap", "-p", "8");
	WRONG("--pid: only one process at a time", "heap", "-p", "7,8");
	WRONG("--pid: \"0\" is out of range; write a whole number from 1 to 2147483647", "heap",
	      "-p", "0");
	expect_wrong("pyleaktrace: no target: use -p PID (pyleaktrace holders -p PID [OPTIONS]; "
		     "see --help)\n",
		     (const char *const[]){"holders", NULL});
	expect_wrong("pyleaktrace: --restore needs -p PID (pyleaktrace doctor [-p PID] [OPTIONS]; "
		     "see --help)\n",
		     (const char *const[]){"doctor", "--restore", NULL});
	assert_int_equal(parse((const char *const[]){"doctor", NULL}), OPTIONS_RUN);
}

static void rows_are_filtered_and_ordered(void **state)
{
	(void)state;
	RUN("heap", "-T", "0", "-q", "-v", "-v", "--no-color", "--module", "app", "--frozen");
	assert_int_equal(options.top, 0);
	assert_true(options.quiet);
	assert_int_equal(options.trace.verbose, 2);
	assert_true(options.no_color);
	assert_int_equal(options.n_modules, 1);
	assert_string_equal(options.modules[0], "app");
	assert_true(options.heap.frozen);
	WRONG("--top: \"1000001\" is out of range; write a whole number from 0 to 1000000", "heap",
	      "-T", "1000001");
	RUN("heap", "--sort", "count");
	assert_int_equal(options.heap.order, HEAP_BY_COUNT);
	RUN("heap", "--sort", "name");
	assert_int_equal(options.heap.order, HEAP_BY_NAME);
	RUN("heap", "--sort", "name", "--sort", "bytes");
	assert_int_equal(options.heap.order, HEAP_BY_BYTES);
	WRONG("--sort: expected bytes, count or name", "heap", "--sort", "size");
	RUN("heap", "--min-count", "9223372036854775807");
	assert_true(options.heap.min_count == INT64_MAX);
	WRONG("--min-count: \"-1\" is negative; write a whole number from 0 to "
	      "9223372036854775807",
	      "heap", "--min-count", "-1");
}

static void the_last_expression_counts(void **state)
{
	(void)state;
	RUN("heap", "--types-like", "^app\\.(Session|Task)+$");
	assert_true(options.heap.have_like);
	assert_int_equal(regexec(&options.heap.like, "app.Session", 0, NULL, 0), 0);
	assert_int_equal(regexec(&options.heap.like, "myapp.Session", 0, NULL, 0), REG_NOMATCH);
	/* the last one counts */
	RUN("heap", "--types-like", "list", "--types-like", "dict");
	assert_int_equal(regexec(&options.heap.like, "dict", 0, NULL, 0), 0);
	assert_int_equal(regexec(&options.heap.like, "list", 0, NULL, 0), REG_NOMATCH);
	WRONG("--types-like: \"\\x1b(\": Unmatched ( or \\(", "heap", "--types-like", "list",
	      "--types-like", "\033(");
	assert_false(options.heap.have_like);
}

static void growth_takes_time_interval_and_count(void **state)
{
	(void)state;
	expect_run((const char *const[]){"growth", "-p", "7", NULL});
	assert_int_equal(options.heap.span_ns, 30 * S);
	assert_int_equal(options.interval_ns, 0);
	assert_int_equal(options.count, 0);
	RUN("growth", "10", "5", "3");
	assert_int_equal(options.heap.span_ns, 10 * S);
	assert_int_equal(options.interval_ns, 5 * S);
	assert_int_equal(options.count, 3);
	/* for a while: report after report */
	RUN("growth", "10ms", "-d", "1m");
	assert_int_equal(options.duration_ns, 60 * S);
	assert_int_equal(options.heap.span_ns, 10 * MS);
	assert_int_equal(options.interval_ns, 10 * MS);
	RUN("growth", "10", "5", "-d", "1m");
	assert_int_equal(options.interval_ns, 5 * S);
	WRONG("TIME: expected at least 10 ms", "growth", "9ms");
	WRONG("INTERVAL: expected at least 10 ms", "growth", "10", "9ms");
	WRONG("COUNT: \"0\" is out of range; write a whole number from 1 to 4294967295", "growth",
	      "10", "5", "0");
	WRONG("too many arguments: expected pyleaktrace growth -p PID [OPTIONS] [TIME [INTERVAL "
	      "[COUNT]]]",
	      "growth", "10", "5", "3", "1");
	WRONG("--duration: expected at least 10 ms", "growth", "-d", "0");
	WRONG("unknown option --frozen; pyleaktrace growth --help lists them", "growth",
	      "--frozen");
}

static void trend_ends_after_seven_looks_by_default(void **state)
{
	(void)state;
	expect_run((const char *const[]){"trend", "-p", "7", NULL});
	assert_int_equal(options.interval_ns, 5 * S);
	assert_int_equal(options.count, 7);
	/* endless; until then */
	RUN("trend", "2");
	assert_int_equal(options.interval_ns, 2 * S);
	assert_int_equal(options.count, 0);
	RUN("trend", "-d", "1h");
	assert_int_equal(options.interval_ns, 5 * S);
	assert_int_equal(options.count, 0);
	assert_int_equal(options.duration_ns, 3600 * S);
	RUN("trend", "100ms", "4");
	assert_int_equal(options.interval_ns, 100 * MS);
	assert_int_equal(options.count, 4);
	WRONG("INTERVAL: expected at least 10 ms", "trend", "9ms");
	WRONG("too many arguments: expected pyleaktrace trend -p PID [OPTIONS] [INTERVAL [COUNT]]",
	      "trend", "1", "2", "3");
}

static void objects_are_named_by_type_or_address(void **state)
{
	static const char *const wrong[] = {
		"0", "0x0", "7", "0x7f1", "0x10 ", "10q", "-16", "+16", "0x10000000000000000"};

	(void)state;
	RUN("chain", "app.Session");
	assert_string_equal(options.heap.type, "app.Session");
	assert_int_equal(options.heap.address, 0);
	assert_int_equal(options.heap.depth, 3);
	RUN("chain", "0x7f0000000010");
	assert_null(options.heap.type);
	assert_true(options.heap.address == 0x7f0000000010);
	RUN("backrefs", "139637976727568", "--depth", "1");
	assert_true(options.heap.address == 139637976727568);
	assert_int_equal(options.heap.depth, 1);
	RUN("backrefs", "app.*", "--depth", "20");
	assert_string_equal(options.heap.type, "app.*");
	assert_int_equal(options.heap.depth, 20);
	WRONG("--depth: \"21\" is out of range; write a whole number from 1 to 20", "backrefs", "a",
	      "--depth", "21");
	WRONG("--depth: \"0\" is out of range; write a whole number from 1 to 20", "backrefs", "a",
	      "--depth", "0");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		WRONG("ADDRESS: expected an address, as id() gives it", "chain", "--", wrong[i]);
	WRONG("TYPE: the name is empty", "chain", "");
	WRONG("too many arguments: expected pyleaktrace chain -p PID [OPTIONS] TYPE|ADDRESS",
	      "chain", "a", "b");
	WRONG("objects of which type? (pyleaktrace backrefs -p PID [OPTIONS] TYPE|ADDRESS; see "
	      "--help)",
	      "backrefs", "-q");
	WRONG("too many arguments: expected pyleaktrace holders -p PID [OPTIONS]", "holders", "a");
}

static void the_newest_objects_are_those_of_a_type_and_a_time(void **state)
{
	(void)state;
	RUN("objects", "app.Session");
	assert_string_equal(options.heap.type, "app.Session");
	assert_int_equal(options.heap.span_ns, 2 * S);
	assert_int_equal(options.top, 10);
	assert_false(options.heap.values);
	RUN("objects", "app.*", "500ms", "--values", "-T", "3", "--frozen");
	assert_int_equal(options.heap.span_ns, 500 * MS);
	assert_int_equal(options.top, 3);
	assert_true(options.heap.values && options.heap.frozen);
	/* one object: at once, unless its age is asked for */
	RUN("objects", "0x7f0000000010");
	assert_true(options.heap.address == 0x7f0000000010);
	assert_int_equal(options.heap.span_ns, 0);
	RUN("objects", "0x7f0000000010", "1");
	assert_int_equal(options.heap.span_ns, S);
	WRONG("TIME: expected at least 10 ms", "objects", "a", "9ms");
	WRONG("too many arguments: expected pyleaktrace objects -p PID [OPTIONS] TYPE|ADDRESS "
	      "[TIME]",
	      "objects", "a", "1", "2");
	WRONG("objects of which type? (pyleaktrace objects -p PID [OPTIONS] TYPE|ADDRESS [TIME]; "
	      "see --help)",
	      "objects", "--values");
	WRONG("--top: \"1001\" is out of range; write a whole number from 0 to 1000", "objects",
	      "a", "-T", "1001");
	WRONG("unknown option --values; pyleaktrace chain --help lists them", "chain", "a",
	      "--values");
	WRONG("--output: a.dot: the file extension names no format; use one of .txt, .json, or "
	      "give "
	      "-f",
	      "objects", "a", "-o", "a.dot");
}

static void four_paths_at_most_are_watched(void **state)
{
	(void)state;
	RUN("watch", "app.SESSIONS", "app.Task", "-d", "2m", "0x7f10", "--max-overhead", "0.01%");
	assert_int_equal(options.heap.watch.n, 3);
	assert_string_equal(options.heap.watch.asked[0].path, "app.SESSIONS");
	assert_string_equal(options.heap.watch.asked[1].path, "app.Task");
	assert_string_equal(options.heap.watch.asked[2].path, "0x7f10");
	assert_false(options.heap.watch.asked[0].refs);
	assert_int_equal(options.duration_ns, 120 * S);
	assert_float_equal(options.heap.max_overhead, 0.0001, 1e-12);
	RUN("refs", "a", "b", "c", "d");
	assert_int_equal(options.heap.watch.n, 4);
	assert_true(options.heap.watch.asked[0].refs && options.heap.watch.asked[3].refs);
	assert_int_equal(options.duration_ns, 5 * S);
	assert_float_equal(options.heap.max_overhead, 0.05, 1e-12);
	WRONG("PATH: at most four: a processor has four debug registers", "watch", "a", "b", "c",
	      "d", "e");
	WRONG("PATH: given twice", "watch", "a", "a");
	WRONG("--duration: expected at least 10 ms", "watch", "a", "-d", "9ms");
	WRONG("--max-overhead: expected a percentage from 0.01 to 100", "watch", "a",
	      "--max-overhead", "0.009");
	WRONG("which container? holders lists them (pyleaktrace watch -p PID [OPTIONS] PATH...; "
	      "see --help)",
	      "watch", "-q");
}

static void heaps_are_text_or_json(void **state)
{
	(void)state;
	RUN("heap", "-f", "JSON");
	assert_true(options_machine(&options));
	RUN("heap", "-f", "json", "-f", "text");
	assert_false(options_machine(&options));
	RUN("heap", "-o", "a.json", "-o", "b.TXT");
	assert_int_equal(options.n_outputs, 2);
	assert_string_equal(options.outputs[0].pattern, "a.json");
	assert_string_equal(options.outputs[0].format->name, "json");
	assert_string_equal(options.outputs[1].format->name, "text");
	assert_false(options_machine(&options));
	/* of the files that have no such name, and then not of standard output */
	RUN("heap", "-o", "a", "-o", "c.svg", "-o", "b.txt", "-f", "json");
	assert_string_equal(options.outputs[0].format->name, "json");
	assert_string_equal(options.outputs[1].format->name, "json");
	assert_string_equal(options.outputs[2].format->name, "text");
	assert_false(options_machine(&options));
	RUN("heap", "-o", "b.txt", "-f", "json");
	assert_string_equal(options.outputs[0].format->name, "text");
	assert_true(options_machine(&options));
	WRONG("--format: unknown format \"svg\"; use one of text, json", "heap", "-f", "svg");
	WRONG("--output: a.svg: the file extension names no format; use one of .txt, .json, or "
	      "give "
	      "-f",
	      "trend", "-o", "a.txt", "-o", "a.svg");
	/* a name that is the end alone is none */
	WRONG("--output: .json: the file extension names no format; use one of .txt, .json, or "
	      "give "
	      "-f",
	      "watch", "a", "-o", ".json");
}

/* Chains and graphs are pictures too. */
static void chains_and_graphs_are_pictures_too(void **state)
{
	static const char *const formats[] = {"dot", "svg", "json", "dot"};

	(void)state;
	RUN("chain", "a", "-o", "a.dot", "-o", "a.SVG", "-o", "a.json", "-o", "a", "-f", "dot");
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(options.outputs[i].format->name, formats[i]);
	/* where Graphviz is missing */
	assert_string_equal(options.outputs[1].format->instead, "dot");
	RUN("backrefs", "a", "-o", "a.dot");
	assert_string_equal(options.outputs[0].format->name, "dot");
	WRONG("--output: a.html: the file extension names no format; use one of .txt, .json, .dot, "
	      ".svg, or give -f",
	      "backrefs", "a", "-o", "a.html");
	WRONG("--output: a.dot: the file extension names no format; use one of .txt, .json, or "
	      "give "
	      "-f",
	      "holders", "-o", "a.dot");
}

/* Each verb has a help of its own, with its options and no others. */
static void each_verb_has_a_help_of_its_own(void **state)
{
	(void)state;
	for (const struct verb *verb = &verbs[VERB_TRACE + 1]; verb < &verbs[VERB_COUNT]; verb++) {
		char begin[128];
		const char *text;

		assert_int_equal(parse((const char *const[]){verb->name, "--help", NULL}),
				 OPTIONS_DONE);
		text = heard_out();
		snprintf(begin, sizeof(begin), "usage: pyleaktrace %s %s\n", verb->name,
			 verb->arguments);
		assert_int_equal(strncmp(text, begin, strlen(begin)), 0);
		assert_true(!strstr(text, "--exact") == (verb != &verbs[VERB_RECORD]));
		assert_true(!strstr(text, "--depth") == (verb != &verbs[VERB_BACKREFS]));
		assert_int_equal(parse((const char *const[]){verb->name, "--version", NULL}),
				 OPTIONS_DONE);
		assert_string_equal(heard_out(), "pyleaktrace " PYLEAKTRACE_VERSION "\n");
	}
	assert_string_equal(heard(), "");
}

static void options_of_other_verbs_are_unknown(void **state)
{
	(void)state;
	WRONG("unknown option --leaks; pyleaktrace heap --help lists them", "heap", "--leaks");
	WRONG("--types-like: a value is missing", "heap", "--types-like");
	WRONG("unknown option --exact; pyleaktrace watch --help lists them", "watch", "a",
	      "--exact");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, heard_begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_given_has_its_default),
		TEST(one_process_at_a_time),
		TEST(rows_are_filtered_and_ordered),
		TEST(the_last_expression_counts),
		TEST(growth_takes_time_interval_and_count),
		TEST(trend_ends_after_seven_looks_by_default),
		TEST(objects_are_named_by_type_or_address),
		TEST(the_newest_objects_are_those_of_a_type_and_a_time),
		TEST(four_paths_at_most_are_watched),
		TEST(heaps_are_text_or_json),
		TEST(chains_and_graphs_are_pictures_too),
		TEST(each_verb_has_a_help_of_its_own),
		TEST(options_of_other_verbs_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
