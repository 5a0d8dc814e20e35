/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command line of `pyleaktrace heap`: what each option does, what goes together, and what is
 * said of the rest.
 */
#include "unit/heard.h"

#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include "cli/heap_options.h"

#define MS 1000000ull
#define S  1000000000ull

static struct heard_words line;
static struct heap_options options;

static enum options_result parse(const char *const *words)
{
	heap_options_fini(&options);
	heard_words(&line, words);
	return heap_options_parse(&options, line.argc, line.argv);
}

/* It is understood, and nothing is said. */
static void expect_run(const char *const *words)
{
	assert_int_equal(parse(words), OPTIONS_RUN);
	assert_string_equal(heard(), "");
	assert_string_equal(heard_out(), "");
	assert_int_equal(options.pid, 7);
}

/* It is refused with one line, and nothing goes to standard output. */
static void expect_wrong(const char *said, const char *const *words)
{
	assert_int_equal(parse(words), OPTIONS_WRONG);
	assert_string_equal(heard(), said);
	assert_string_equal(heard_out(), "");
}

#define RUN(...) expect_run((const char *const[]){"-p", "7", __VA_ARGS__, NULL})
#define WRONG(said, ...) \
	expect_wrong("pyleaktrace: " said "\n", (const char *const[]){"-p", "7", __VA_ARGS__, NULL})

static int end(void **state)
{
	heap_options_fini(&options);
	return heard_end(state);
}

static void without_options_there_are_defaults(void **state)
{
	(void)state;
	expect_run((const char *const[]){"-p", "7", NULL});
	assert_int_equal(options.top, 20);
	assert_int_equal(options.order, HEAP_BY_BYTES);
	assert_false(options.holders || options.frozen || options.growth || options.trend);
	assert_null(options.chain);
	assert_null(options.backrefs);
	assert_int_equal(options.at, 0);
	assert_int_equal(options.depth, 3);
	assert_int_equal(options.watch.n, 0);
	assert_int_equal(options.for_ns, 5 * S);
	assert_float_equal(options.max_overhead, 0.05, 1e-12);
	assert_int_equal(options.growth_ns, 30 * S);
	assert_int_equal(options.interval_ns, 0);
	assert_int_equal(options.count, 0);
	assert_int_equal(options.duration_ns, 0);
	assert_false(options.have_like);
	assert_null(options.module);
	assert_int_equal(options.min_count, 0);
	assert_int_equal(options.n_outputs, 0);
	assert_false(options.json || options.quiet || options.no_color);
	assert_int_equal(options.verbose, 0);
}

static void there_is_one_target(void **state)
{
	(void)state;
	RUN("--pid=7", "-p", "7");
	WRONG("--pid: only one process at a time", "-p", "8");
	WRONG("--pid: \"1,2\" is not understood; write a whole number from 1 to 2147483647", "-p",
	      "1,2");
	WRONG("--pid: \"0\" is out of range; write a whole number from 1 to 2147483647", "-p", "0");
	expect_wrong("pyleaktrace: no target is given: pyleaktrace heap -p PID (heap --help says "
		     "more)\n",
		     (const char *const[]){"--holders", NULL});
}

static void options_choose_what_is_shown(void **state)
{
	(void)state;
	RUN("-T", "0", "-q", "-v", "-v", "--no-color", "--module", "app", "--frozen");
	assert_int_equal(options.top, 0);
	assert_true(options.quiet);
	assert_int_equal(options.verbose, 2);
	assert_true(options.no_color);
	assert_string_equal(options.module, "app");
	assert_true(options.frozen);
	WRONG("--top: \"1000001\" is out of range; write a whole number from 0 to 1000000", "-T",
	      "1000001");
	RUN("--sort", "count");
	assert_int_equal(options.order, HEAP_BY_COUNT);
	RUN("--sort", "name");
	assert_int_equal(options.order, HEAP_BY_NAME);
	RUN("--sort", "name", "--sort", "bytes");
	assert_int_equal(options.order, HEAP_BY_BYTES);
	WRONG("--sort: expected bytes, count or name", "--sort", "size");
	RUN("--min-count", "9223372036854775807");
	assert_true(options.min_count == INT64_MAX);
	WRONG("--min-count: \"-1\" is not understood; write a whole number from 0 to "
	      "9223372036854775807",
	      "--min-count", "-1");
}

static void types_are_chosen_by_an_expression(void **state)
{
	(void)state;
	RUN("--types-like", "^app\\.(Session|Task)+$");
	assert_true(options.have_like);
	assert_int_equal(regexec(&options.like, "app.Session", 0, NULL, 0), 0);
	assert_int_equal(regexec(&options.like, "myapp.Session", 0, NULL, 0), REG_NOMATCH);
	/* the last one counts */
	RUN("--types-like", "list", "--types-like", "dict");
	assert_int_equal(regexec(&options.like, "dict", 0, NULL, 0), 0);
	assert_int_equal(regexec(&options.like, "list", 0, NULL, 0), REG_NOMATCH);
	WRONG("--types-like: \"\\x1b(\": Unmatched ( or \\(", "--types-like", "list",
	      "--types-like", "\033(");
	assert_false(options.have_like);
}

static void growth_has_a_time_and_repeats(void **state)
{
	(void)state;
	RUN("--growth");
	assert_true(options.growth);
	assert_int_equal(options.growth_ns, 30 * S);
	assert_int_equal(options.interval_ns, 0);
	/* its time with or without the sign */
	RUN("--growth=10", "5", "3");
	assert_int_equal(options.growth_ns, 10 * S);
	assert_int_equal(options.interval_ns, 5 * S);
	assert_int_equal(options.count, 3);
	RUN("10", "5", "3", "--growth");
	assert_int_equal(options.growth_ns, 10 * S);
	assert_int_equal(options.interval_ns, 5 * S);
	assert_int_equal(options.count, 3);
	/* for a while: report after report */
	RUN("--growth", "10ms", "-d", "1m");
	assert_int_equal(options.duration_ns, 60 * S);
	assert_int_equal(options.growth_ns, 10 * MS);
	assert_int_equal(options.interval_ns, 10 * MS);
	RUN("--growth", "10", "5", "-d", "1m", "--holders");
	assert_int_equal(options.interval_ns, 5 * S);
	assert_true(options.holders);
	WRONG("--growth: expected at least 10 ms", "--growth=9ms");
	WRONG("--growth: the value is empty; write a time like 90, 90s, 1.5s, 5m, 2h, 1d or 500ms",
	      "--growth=");
	WRONG("TIME: expected at least 10 ms", "--growth", "9ms");
	WRONG("INTERVAL: expected at least 10 ms", "--growth", "10", "9ms");
	WRONG("COUNT: \"0\" is out of range; write a whole number from 1 to 4294967295", "--growth",
	      "10", "5", "0");
	WRONG("too many arguments: expected -p PID --growth=TIME [INTERVAL [COUNT]]", "--growth=10",
	      "5", "3", "1");
	WRONG("too many arguments: expected -p PID --growth [TIME [INTERVAL [COUNT]]]", "--growth",
	      "10", "5", "3", "1");
	WRONG("--duration: expected at least 10 ms", "--growth", "-d", "0");
}

static void trend_has_an_interval_and_a_count(void **state)
{
	(void)state;
	RUN("--trend");
	assert_true(options.trend);
	assert_int_equal(options.interval_ns, 5 * S);
	assert_int_equal(options.count, 7);
	/* endless; until then */
	RUN("--trend", "2");
	assert_int_equal(options.interval_ns, 2 * S);
	assert_int_equal(options.count, 0);
	RUN("--trend", "-d", "1h");
	assert_int_equal(options.interval_ns, 5 * S);
	assert_int_equal(options.count, 0);
	assert_int_equal(options.duration_ns, 3600 * S);
	RUN("--trend", "100ms", "4");
	assert_int_equal(options.interval_ns, 100 * MS);
	assert_int_equal(options.count, 4);
	WRONG("INTERVAL: expected at least 10 ms", "--trend", "9ms");
	WRONG("too many arguments: expected -p PID --trend [INTERVAL [COUNT]]", "--trend", "1", "2",
	      "3");
}

static void chains_and_graphs_may_have_an_address(void **state)
{
	static const char *const wrong[] = {"",    "0",     "0x0", "7",   "0x7f1",
					    "-8",  "0x10 ", "x10", "10q", "0x10000000000000000",
					    " 16", " -16",  "+16"};

	(void)state;
	RUN("--chain", "app.Session");
	assert_string_equal(options.chain, "app.Session");
	assert_int_equal(options.depth, 3);
	RUN("--chain", "Session", "--at", "0x7f0000000010");
	assert_true(options.at == 0x7f0000000010);
	RUN("--backrefs=app.*", "--at", "139637976727568", "--depth", "1");
	assert_string_equal(options.backrefs, "app.*");
	assert_true(options.at == 139637976727568);
	assert_int_equal(options.depth, 1);
	RUN("--backrefs", "a", "--depth", "20");
	assert_int_equal(options.depth, 20);
	WRONG("--depth: \"21\" is out of range; write a whole number from 1 to 20", "--backrefs",
	      "a", "--depth", "21");
	WRONG("--depth: \"0\" is out of range; write a whole number from 1 to 20", "--backrefs",
	      "a", "--depth", "0");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		WRONG("--at: expected an address, as id() gives it", "--chain", "a", "--at",
		      wrong[i]);
}

static void up_to_four_containers_are_watched(void **state)
{
	(void)state;
	RUN("--watch", "app.SESSIONS", "--watch-refs=app.Task", "--watch", "0x7f10", "--watch-refs",
	    "app.SESSIONS", "--for", "2m", "--max-overhead", "0.01%");
	assert_int_equal(options.watch.n, 4);
	assert_string_equal(options.watch.asked[0].path, "app.SESSIONS");
	assert_false(options.watch.asked[0].refs);
	assert_string_equal(options.watch.asked[1].path, "app.Task");
	assert_true(options.watch.asked[1].refs);
	assert_string_equal(options.watch.asked[2].path, "0x7f10");
	assert_false(options.watch.asked[2].refs);
	/* its items and its references are two things */
	assert_string_equal(options.watch.asked[3].path, "app.SESSIONS");
	assert_true(options.watch.asked[3].refs);
	assert_int_equal(options.for_ns, 120 * S);
	assert_float_equal(options.max_overhead, 0.0001, 1e-12);
	RUN("--watch", "a");
	assert_int_equal(options.for_ns, 5 * S);
	assert_float_equal(options.max_overhead, 0.05, 1e-12);
	WRONG("--watch: at most four: a processor has four debug registers", "--watch", "a",
	      "--watch", "b", "--watch", "c", "--watch-refs", "d", "--watch", "e");
	WRONG("--watch: it is watched already", "--watch", "a", "--watch", "a");
	WRONG("--watch: it is watched already", "--watch-refs", "a", "--watch-refs", "a");
	WRONG("--for: expected at least 10 ms", "--watch", "a", "--for", "9ms");
	WRONG("--max-overhead: expected a percentage from 0.01 to 100", "--watch", "a",
	      "--max-overhead", "0.009");
}

/* Which views go together. */
static void views_that_do_not_go_together_are_refused(void **state)
{
	static const char *const with_watch[] = {"--holders", "--chain=a", "--backrefs=a",
						 "--growth",  "--trend",   "--frozen"};
	static const char *const with_graph[] = {"--holders", "--growth", "--trend"};

	(void)state;
	RUN("--growth", "--holders");
	RUN("--frozen", "--holders");
	RUN("--frozen", "--chain", "a");
	for (size_t i = 0; i < sizeof(with_watch) / sizeof(with_watch[0]); i++)
		WRONG("--watch is a report of its own: without --growth, --trend, --holders, "
		      "--chain, --backrefs, --frozen",
		      "--watch-refs", "a", with_watch[i]);
	for (size_t i = 0; i < sizeof(with_graph) / sizeof(with_graph[0]); i++) {
		WRONG("--chain and --backrefs cannot be combined with --growth, --trend or "
		      "--holders",
		      "--chain", "a", with_graph[i]);
		WRONG("--chain and --backrefs cannot be combined with --growth, --trend or "
		      "--holders",
		      with_graph[i], "--backrefs", "a");
	}
	WRONG("--chain and --backrefs are two reports: give one of them", "--chain", "a",
	      "--backrefs", "a");
	WRONG("--growth and --trend are two reports: give one of them", "--growth", "--trend");
	WRONG("--trend and --holders are two reports: give one of them", "--trend", "--holders");
	WRONG("--at is for --chain and --backrefs", "--at", "0x10");
	WRONG("--at is for --chain and --backrefs", "--at", "0x10", "--holders");
	WRONG("--depth is for --backrefs", "--depth", "3");
	WRONG("--depth is for --backrefs", "--depth", "3", "--chain", "a");
	WRONG("--for and --max-overhead are for --watch and --watch-refs", "--for", "5");
	WRONG("--for and --max-overhead are for --watch and --watch-refs", "--max-overhead", "5",
	      "--holders");
	WRONG("--frozen cannot be combined with --growth or --trend", "--frozen", "--growth");
	WRONG("--frozen cannot be combined with --growth or --trend", "--trend", "--frozen");
#define TIMES                                                                         \
	"times are for --growth: -p PID --growth [TIME [INTERVAL [COUNT]]], and for " \
	"--trend [INTERVAL [COUNT]]"
	WRONG(TIMES, "5");
	WRONG(TIMES, "-d", "5");
	WRONG(TIMES, "--holders", "5");
	WRONG(TIMES, "--watch", "a", "-d", "5");
#undef TIMES
}

static void a_name_decides_between_text_and_json(void **state)
{
	(void)state;
	RUN("-f", "JSON");
	assert_true(options.json);
	RUN("--json");
	assert_true(options.json);
	RUN("--json", "-f", "text");
	assert_false(options.json);
	RUN("-o", "a.json", "-o", "b.TXT");
	assert_int_equal(options.n_outputs, 2);
	assert_string_equal(options.outputs[0].pattern, "a.json");
	assert_true(options.outputs[0].json);
	assert_false(options.outputs[1].json);
	assert_false(options.json);
	/* of the files that have no such name, and then not of standard output */
	RUN("-o", "a", "-o", "b.txt", "-f", "json");
	assert_true(options.outputs[0].json);
	assert_false(options.outputs[1].json);
	assert_false(options.json);
	RUN("-o", "b.txt", "-f", "json");
	assert_false(options.outputs[0].json);
	assert_true(options.json);
	RUN("-o", "a.svg", "-f", "text");
	assert_false(options.outputs[0].json);
	assert_int_equal(options.outputs[0].picture, PICTURE_NONE);
	WRONG("--format: a heap is written as text or json", "-f", "svg");
	WRONG("--output: a heap is written as .txt or .json; end the name so, or give -f", "-o",
	      "a.txt", "-o", "a.svg");
	/* a name that is the end alone is none */
	WRONG("--output: a heap is written as .txt or .json; end the name so, or give -f", "-o",
	      ".json");
}

/* Chains and graphs are pictures too. */
static void only_chains_and_graphs_are_pictures(void **state)
{
	(void)state;
	RUN("--chain", "a", "-o", "a.dot", "-o", "a.SVG", "-o", "a.json", "-o", "a", "-f", "json");
	assert_int_equal(options.outputs[0].picture, PICTURE_DOT);
	assert_int_equal(options.outputs[1].picture, PICTURE_SVG);
	assert_int_equal(options.outputs[2].picture, PICTURE_NONE);
	assert_int_equal(options.outputs[3].picture, PICTURE_NONE);
	assert_false(options.outputs[0].json || options.outputs[1].json);
	assert_true(options.outputs[2].json && options.outputs[3].json);
	RUN("--backrefs", "a", "-o", "a.dot");
	assert_int_equal(options.outputs[0].picture, PICTURE_DOT);
	WRONG("--output: it is written as .txt, .json, .dot or .svg; end the name so, or give -f",
	      "--backrefs", "a", "-o", "a.html");
	WRONG("--output: a heap is written as .txt or .json; end the name so, or give -f",
	      "--holders", "-o", "a.dot");
}

static void there_is_a_most_of_files(void **state)
{
	const char *words[2 * OPTIONS_MAX_OUTPUTS + 5] = {"-p", "7"};

	(void)state;
	for (int i = 0; i < OPTIONS_MAX_OUTPUTS; i++) {
		words[2 + 2 * i] = "-o";
		words[3 + 2 * i] = "a.txt";
	}
	expect_run(words);
	assert_int_equal(options.n_outputs, OPTIONS_MAX_OUTPUTS);
	words[2 + 2 * OPTIONS_MAX_OUTPUTS] = "-o";
	words[3 + 2 * OPTIONS_MAX_OUTPUTS] = "b.txt";
	expect_wrong("pyleaktrace: --output: too many files\n", words);
}

static void version_and_help_are_said_and_nothing_is_run(void **state)
{
	const char *text;

	(void)state;
	assert_int_equal(parse((const char *const[]){"--version", "-p", "x", NULL}), OPTIONS_DONE);
	assert_string_equal(heard_out(), "pyleaktrace " PYLEAKTRACE_VERSION "\n");
	assert_int_equal(parse((const char *const[]){"--help", NULL}), OPTIONS_DONE);
	text = heard_out();
	assert_non_null(strstr(text, "Usage: pyleaktrace heap ["));
	assert_non_null(strstr(text, "\n  or:  pyleaktrace heap [OPTION...] -p PID --growth [TIME "
				     "[INTERVAL [COUNT]]]\n"));
	assert_non_null(strstr(text, "      --watch-refs=WHAT "));
	assert_non_null(strstr(text, "\nExit codes: 0 done; 1 "));
	assert_string_equal(heard(), "");
}

/* What argp finds itself begins with the program's name. */
static void unknown_options_are_said(void **state)
{
	char said[128];

	(void)state;
	assert_int_equal(parse((const char *const[]){"-p", "7", "--leaks", NULL}), OPTIONS_WRONG);
	snprintf(said, sizeof(said), "%s: unrecognized option '--leaks'\n",
		 program_invocation_short_name);
	assert_int_equal(strncmp(heard(), said, strlen(said)), 0);
	assert_int_equal(parse((const char *const[]){"-p", "7", "--chain", NULL}), OPTIONS_WRONG);
	snprintf(said, sizeof(said), "%s: option '--chain' requires an argument\n",
		 program_invocation_short_name);
	assert_int_equal(strncmp(heard(), said, strlen(said)), 0);
	assert_string_equal(heard_out(), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, heard_begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_options_there_are_defaults),
		TEST(there_is_one_target),
		TEST(options_choose_what_is_shown),
		TEST(types_are_chosen_by_an_expression),
		TEST(growth_has_a_time_and_repeats),
		TEST(trend_has_an_interval_and_a_count),
		TEST(chains_and_graphs_may_have_an_address),
		TEST(up_to_four_containers_are_watched),
		TEST(views_that_do_not_go_together_are_refused),
		TEST(a_name_decides_between_text_and_json),
		TEST(only_chains_and_graphs_are_pictures),
		TEST(there_is_a_most_of_files),
		TEST(version_and_help_are_said_and_nothing_is_run),
		TEST(unknown_options_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
