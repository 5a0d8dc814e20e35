/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command line of `pyleaktrace -p PID`: what each option does, what it allows, and what is said
 * of the rest.
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

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

/* It is understood, and nothing is said. */
#define RUN(...)                                                              \
	do {                                                                  \
		assert_int_equal(PARSE("-p", "7", __VA_ARGS__), OPTIONS_RUN); \
		assert_string_equal(heard(), "");                             \
		assert_string_equal(heard_out(), "");                         \
	} while (0)

/* It is refused with one line, and nothing goes to standard output. */
static void expect_wrong(const char *said, const char *const *words)
{
	assert_int_equal(parse(words), OPTIONS_WRONG);
	assert_string_equal(heard(), said);
	assert_string_equal(heard_out(), "");
}

#define WRONG(said, ...) \
	expect_wrong("pyleaktrace: " said "\n", (const char *const[]){__VA_ARGS__, NULL})

static void what_is_not_given_has_its_default(void **state)
{
	(void)state;
	assert_int_equal(PARSE("-p", "7"), OPTIONS_RUN);
	assert_string_equal(heard(), "");
	assert_int_equal(options.trace.n_pids, 1);
	assert_int_equal(options.trace.pids[0], 7);
	assert_int_equal(options.interval_ns, 5 * S);
	assert_int_equal(options.count, 0);
	assert_int_equal(options.duration_ns, 0);
	assert_int_equal(options.top, 5);
	assert_int_equal(options.frames, 6);
	assert_false(options.shown);
	assert_int_equal(options.group_by, GROUP_STACK);
	assert_int_equal(options.n_modules, 0);
	assert_int_equal(options.n_outputs, 0);
	assert_null(options.format);
	assert_false(options.quiet);
	assert_false(options.no_color);
	assert_int_equal(options.trace.order, ORDER_SIZE);
	assert_false(options.trace.by_thread);
	assert_int_equal(options.trace.older_ns, 500 * MS);
	assert_int_equal(options.trace.min_size, 0);
	assert_true(options.trace.max_size == UINT64_MAX);
	assert_int_equal(options.trace.domains, 7);
	assert_int_equal(options.trace.sample_shift, 0);
	assert_false(options.trace.exact);
	assert_float_equal(options.trace.max_overhead, 0.05, 1e-12);
	assert_int_equal(options.trace.on_limit, ON_LIMIT_THROTTLE);
	assert_int_equal(options.trace.max_window_ns, 20 * MS);
	assert_true(options.trace.steer);
	assert_true(options.trace.heap_scan);
	assert_true(options.trace.native);
	assert_int_equal(options.trace.max_blocks, 0);
	assert_int_equal(options.trace.max_stacks, 32768);
	assert_int_equal(options.trace.verbose, 0);
}

static void flags_are_set_for_one_line_only(void **state)
{
	(void)state;
	RUN("-q");
	assert_true(options.quiet);
	RUN("-v", "--verbose", "-v");
	assert_int_equal(options.trace.verbose, 3);
	RUN("--no-color");
	assert_true(options.no_color);
	RUN("--exact");
	assert_true(options.trace.exact);
	/* none of them is kept from one line to the next */
	RUN("-T", "3");
	assert_false(options.quiet || options.no_color || options.trace.exact ||
		     options.trace.verbose);
}

static void knobs_belong_to_the_verbs_that_have_them(void **state)
{
	(void)state;
	RUN("-X", "heap-scan=no", "-Xsteer=no");
	assert_false(options.trace.heap_scan || options.trace.steer);
	RUN("-X", "steer=no", "-X", "steer=yes");
	assert_true(options.trace.steer && options.trace.heap_scan);
	RUN("-X", "max-blocks=1");
	assert_int_equal(options.trace.max_blocks, 1);
	RUN("-X", "max-blocks=268435456", "-X", "max-stacks=4194304");
	assert_int_equal(options.trace.max_blocks, 1 << 28);
	assert_int_equal(options.trace.max_stacks, 1 << 22);
#define MAX_BLOCKS " is out of range; write a whole number from 1 to 268435456"
	WRONG("-X max-blocks: \"268435457\"" MAX_BLOCKS, "-p", "7", "-X", "max-blocks=268435457");
	WRONG("-X max-blocks: \"0\"" MAX_BLOCKS, "-p", "7", "-X", "max-blocks=0");
	WRONG("-X max-stacks: \"4194305\" is out of range; write a whole number from 1 to 4194304",
	      "-p", "7", "-X", "max-stacks=4194305");
	WRONG("-X: expected steer=yes|no", "-p", "7", "-X", "steer");
	WRONG("-X steer: expected no or yes", "-p", "7", "-X", "steer=");
	WRONG("-X: unknown setting \"speed\\n\"; -X help lists them", "-p", "7", "-X", "speed\n=1");
	WRONG("-X: unknown setting \"\"; -X help lists them", "-p", "7", "-X", "=1");
	/* of the doctor's trace only what changes its plan */
	assert_int_equal(PARSE("doctor", "-X", "steer=no"), OPTIONS_RUN);
	assert_false(options.trace.steer);
	WRONG("-X: unknown setting \"max-blocks\"; -X help lists them", "doctor", "-X",
	      "max-blocks=1");
	assert_int_equal(PARSE("-X", "help"), OPTIONS_DONE);
	assert_non_null(strstr(heard_out(), "\n  on-limit=throttle|stop "));
	assert_int_equal(PARSE("doctor", "-X", "help"), OPTIONS_DONE);
	assert_null(strstr(heard_out(), "on-limit"));
}

static void pids_are_listed_once_each_and_64_at_most(void **state)
{
	char list[1024] = "1";

	(void)state;
	assert_int_equal(PARSE("-p", "7,2147483647", "--pid=9", "-p7"), OPTIONS_RUN);
	assert_string_equal(heard(), "");
	/* one that is given twice is one target */
	assert_int_equal(options.trace.n_pids, 3);
	assert_int_equal(options.trace.pids[0], 7);
	assert_int_equal(options.trace.pids[1], 2147483647);
	assert_int_equal(options.trace.pids[2], 9);

	for (int pid = 2; pid <= TRACE_MAX_PIDS; pid++)
		sprintf(list + strlen(list), ",%d", pid);
	assert_int_equal(PARSE("-p", list), OPTIONS_RUN);
	assert_int_equal(options.trace.n_pids, TRACE_MAX_PIDS);
	assert_int_equal(options.trace.pids[TRACE_MAX_PIDS - 1], TRACE_MAX_PIDS);
	assert_string_equal(heard(), "");
	WRONG("--pid: at most 64 targets", "-p", list, "-p", "65");

#define RANGE "; write a whole number from 1 to 2147483647"
	WRONG("--pid: \"0\" is out of range" RANGE, "-p", "0");
	WRONG("--pid: \"2147483648\" is out of range" RANGE, "-p", "2147483648");
	WRONG("--pid: \"-1\" is negative" RANGE, "-p", "-1");
	WRONG("--pid: \"python\" is not understood" RANGE, "-p", "7,python");
	WRONG("--pid: the value is empty" RANGE, "-p", "7,");
	WRONG("--pid: the value is empty" RANGE, "-p", "");
	/* it is cut, and what it does to a terminal is not done to this one */
	WRONG("--pid: \"\\x1b[31mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" is not understood" RANGE,
	      "-p", "\033[31mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
#undef RANGE
	WRONG("no target: use -p PID (pyleaktrace [OPTIONS] -p PID[,PID...] [INTERVAL [COUNT]]; "
	      "see --help)",
	      "--exact");
}

static void arguments_are_interval_and_count(void **state)
{
	(void)state;
	RUN("2");
	assert_int_equal(options.interval_ns, 2 * S);
	assert_int_equal(options.count, 0);
	RUN("10ms", "4294967295");
	assert_int_equal(options.interval_ns, 10 * MS);
	assert_int_equal(options.count, UINT32_MAX);
	WRONG("INTERVAL: expected at least 10 ms", "-p", "7", "9ms");
	WRONG("INTERVAL: \"5q\" is not understood; write a time like 90, 90s, 1.5s, 5m, 2h, 1d or "
	      "500ms",
	      "-p", "7", "5q");
	WRONG("COUNT: \"0\" is out of range; write a whole number from 1 to 4294967295", "-p", "7",
	      "5", "0");
	WRONG("COUNT: \"x\" is not understood; write a whole number from 1 to 4294967295", "-p",
	      "7", "5", "x");
	WRONG("too many arguments: expected pyleaktrace [OPTIONS] -p PID[,PID...] [INTERVAL "
	      "[COUNT]]",
	      "-p", "7", "5", "2", "3");
	WRONG("the command comes first: pyleaktrace heap -p PID", "-p", "7", "heap");
	WRONG("the command comes first: pyleaktrace doctor -p PID", "-p", "7", "5", "doctor");
	WRONG("what is \"heep\"? If you mean the command: pyleaktrace heap -p PID", "-p", "7",
	      "heep");
	WRONG("unknown command \"heep\": did you mean `pyleaktrace heap`?", "heep", "-p", "7");
	WRONG("starting a program (-- COMMAND) is not in this version; start it, then use -p PID",
	      "--", "python3", "app.py");
}

static void times_have_units_and_a_least_value(void **state)
{
	(void)state;
	RUN("-d", "5m");
	assert_int_equal(options.duration_ns, 300 * S);
	RUN("--duration=10ms");
	assert_int_equal(options.duration_ns, 10 * MS);
	WRONG("--duration: expected at least 10 ms", "-p", "7", "-d", "0");
	RUN("--older", "0");
	assert_int_equal(options.trace.older_ns, 0);
	RUN("--older", "1.5s");
	assert_int_equal(options.trace.older_ns, 1500 * MS);
	WRONG("--older: \"367d\" is out of range; a time is at most 366d", "-p", "7", "--older",
	      "367d");
	RUN("--fail-above", "36KiB/h");
	assert_true(options.have_fail_above && options.fail_above_per_s == 10.24);
	WRONG("--fail-above: expected a size in a time, as 10MiB/h or 200k/30s", "-p", "7",
	      "--fail-above", "10MiB");
	WRONG("--fail-above needs the heap to be scanned: it cannot be combined with -X "
	      "heap-scan=no",
	      "-p", "7", "--fail-above", "1k/s", "-X", "heap-scan=no");
	RUN("--max-delay", "1ms");
	assert_int_equal(options.trace.max_window_ns, MS);
	WRONG("--max-delay: expected at least 1 ms", "-p", "7", "--max-delay", "999us");
}

static void numbers_have_a_range(void **state)
{
	(void)state;
	RUN("-T", "0");
	assert_int_equal(options.top, 0);
	RUN("--top=1000000");
	assert_int_equal(options.top, 1000000);
	WRONG("--top: \"1000001\" is out of range; write a whole number from 0 to 1000000", "-p",
	      "7", "-T", "1000001");
}

static void sizes_have_units_and_an_order(void **state)
{
	(void)state;
	RUN("-z", "4k", "-Z", "1m");
	assert_int_equal(options.trace.min_size, 4096);
	assert_int_equal(options.trace.max_size, 1 << 20);
	RUN("--min-size=8", "--max-size=8");
	assert_int_equal(options.trace.min_size, 8);
	assert_int_equal(options.trace.max_size, 8);
	WRONG("--min-size is above --max-size: no block would be counted", "-p", "7", "-Z", "7",
	      "-z", "8");
	WRONG("--min-size: \"-1\" is negative; write a size like 512, 4k, 1m or 2g", "-p", "7",
	      "-z", "-1");
	WRONG("--max-size: the value is empty; write a size like 512, 4k, 1m or 2g", "-p", "7",
	      "-Z", "");
}

/* The next power of two, and everything else as with --exact. */
static void a_sample_is_the_next_power_of_two_and_exact(void **state)
{
	static const struct {
		const char *word;
		unsigned shift;
	} rows[] = {{"256", 8}, {"257", 9}, {"512", 9}, {"512k", 19}, {"1000000", 20}, {"1g", 30}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		RUN("--sample", rows[i].word);
		assert_int_equal(options.trace.sample_shift, rows[i].shift);
		assert_true(options.trace.exact);
	}
#define ONE_OF_THEM "--exact records every block and --sample one per BYTES: use one of them"
	WRONG(ONE_OF_THEM, "-p", "7", "--exact", "--sample", "4k");
	WRONG(ONE_OF_THEM, "-p", "7", "--sample", "4k", "--exact");
	WRONG("--sample: expected a size from 256 B to 1.0 GiB", "-p", "7", "--sample", "255");
	WRONG("--sample: expected a size from 256 B to 1.0 GiB", "-p", "7", "--sample",
	      "1073741825");
	WRONG("--sample: \"often\" is not understood; write a size like 512, 4k, 1m or 2g", "-p",
	      "7", "--sample", "often");
}

static void what_has_no_ceiling_takes_no_option_of_it(void **state)
{
	static const char no_ceiling[] =
		"pyleaktrace: --exact and --sample have no ceiling: "
		"--max-overhead, --max-delay and -X on-limit cannot be combined with them\n";
	static const char *const governing[] = {"--max-overhead=5", "-Xon-limit=stop",
						"--max-delay=1s"};

	(void)state;
	RUN("--max-overhead", "0.1%");
	assert_float_equal(options.trace.max_overhead, 0.001, 1e-12);
	RUN("--max-overhead", "100", "-X", "on-limit=stop", "--max-delay", "2s");
	assert_float_equal(options.trace.max_overhead, 1, 1e-12);
	assert_int_equal(options.trace.on_limit, ON_LIMIT_STOP);
	assert_int_equal(options.trace.max_window_ns, 2 * S);
	assert_false(options.trace.exact);
	RUN("-X", "on-limit=stop", "-X", "on-limit=throttle");
	assert_int_equal(options.trace.on_limit, ON_LIMIT_THROTTLE);
	WRONG("--max-overhead: expected a percentage from 0.1 to 100", "-p", "7", "--max-overhead",
	      "0.09");
	WRONG("--max-overhead: expected a percentage from 0.1 to 100", "-p", "7", "--max-overhead",
	      "101");
	WRONG("-X on-limit: expected throttle or stop", "-p", "7", "-X", "on-limit=go on");
	for (size_t i = 0; i < sizeof(governing) / sizeof(governing[0]); i++) {
		/* in either order, and though the value is the default */
		expect_wrong(no_ceiling,
			     (const char *const[]){"-p", "7", "--exact", governing[i], NULL});
		expect_wrong(no_ceiling,
			     (const char *const[]){"-p", "7", governing[i], "--sample=1k", NULL});
	}
}

/* What sums up or selects stacks wants stacks of whatever there is. */
static void groups_modules_and_domains_are_traced_at_once(void **state)
{
	(void)state;
	RUN("-T", "3");
	assert_int_equal(options.trace.when, TRACE_WHERE_IT_GROWS);
	RUN("--group-by", "stack");
	assert_int_equal(options.trace.when, TRACE_WHERE_IT_GROWS);
	RUN("--group-by", "pid");
	assert_int_equal(options.trace.when, TRACE_ALWAYS);
	RUN("--module", "numpy");
	assert_int_equal(options.trace.when, TRACE_ALWAYS);
	RUN("--domain", "malloc,object,mmap");
	assert_int_equal(options.trace.when, TRACE_ALWAYS);
	/* in either order */
	RUN("-X", "trace=growth", "--domain", "malloc");
	assert_int_equal(options.trace.when, TRACE_WHERE_IT_GROWS);
	RUN("--module", "numpy", "-X", "trace=growth");
	assert_int_equal(options.trace.when, TRACE_WHERE_IT_GROWS);
}

static void choices_are_words_of_a_list(void **state)
{
	(void)state;
	RUN("--sort", "count");
	assert_int_equal(options.trace.order, ORDER_COUNT);
	RUN("--sort", "growth");
	assert_int_equal(options.trace.order, ORDER_GROWTH);
	RUN("--sort", "age");
	assert_int_equal(options.trace.order, ORDER_AGE);
	RUN("--sort", "age", "--sort", "size");
	assert_int_equal(options.trace.order, ORDER_SIZE);
	WRONG("--sort: expected size, count, growth or age", "-p", "7", "--sort", "Size");
	RUN("--native", "no");
	assert_false(options.trace.native);
	RUN("--native", "no", "--native", "yes");
	assert_true(options.trace.native);
	WRONG("--native: expected no or yes", "-p", "7", "--native", "1");
	for (unsigned by = 0; by < GROUP_BY_COUNT; by++) {
		RUN("--group-by", group_by_name(by));
		assert_int_equal(options.group_by, by);
		/* only then are threads kept apart */
		assert_int_equal(options.trace.by_thread, by == GROUP_THREAD);
	}
	WRONG("--group-by: expected stack, line, function, module, thread or pid", "-p", "7",
	      "--group-by", "file");
}

static void domains_are_a_list(void **state)
{
	static const char *const wrong[] = {"", "all", "malloc,", ",mmap", "mmap,mal", "Object"};

	(void)state;
	RUN("--domain", "object");
	assert_int_equal(options.trace.domains, domain_bit(DOMAIN_OBJECT));
	RUN("--domain", "mmap,malloc,mmap");
	assert_int_equal(options.trace.domains,
			 domain_bit(DOMAIN_MALLOC) | domain_bit(DOMAIN_MMAP));
	/* the last one counts */
	RUN("--domain", "malloc,object", "--domain", "mmap");
	assert_int_equal(options.trace.domains, domain_bit(DOMAIN_MMAP));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		WRONG("--domain: expected a list of malloc, object and mmap", "-p", "7", "--domain",
		      wrong[i]);
}

static void modules_are_lists_that_add_up(void **state)
{
	char list[512] = "m0";

	(void)state;
	RUN("--module", "numpy,json.decoder", "--module=libcrypto");
	assert_int_equal(options.n_modules, 3);
	assert_string_equal(options.modules[0], "numpy");
	assert_string_equal(options.modules[1], "json.decoder");
	assert_string_equal(options.modules[2], "libcrypto");
	WRONG("--module: a name is missing", "-p", "7", "--module", "");
	WRONG("--module: a name is missing", "-p", "7", "--module", "numpy,");
	WRONG("--module: a name is missing", "-p", "7", "--module", "numpy,,json");
	for (int i = 1; i < OPTIONS_MAX_MODULES; i++)
		sprintf(list + strlen(list), ",m%d", i);
	RUN("--module", list);
	assert_int_equal(options.n_modules, OPTIONS_MAX_MODULES);
	assert_string_equal(options.modules[63], "m63");
	WRONG("--module: at most 64 names", "-p", "7", "--module", list, "--module", "one");
}

/* A file's format is known by its name; else -f sets it; else that is wrong. */
static void a_format_follows_the_name_else_f(void **state)
{
	static const char *const formats[] = {"text", "json",       "folded", "svg",
					      "html", "speedscope", "pprof",  "otlp"};

	(void)state;
	RUN("-o", "a.txt", "--output=b.JSON", "-o", "/tmp/c.folded", "-o", "d.svg", "-o", "e.html",
	    "-o", "f.speedscope.json", "-o", "g.pb.gz", "-o", "h.otlp.pb");
	assert_int_equal(options.n_outputs, 8);
	assert_string_equal(options.outputs[2].pattern, "/tmp/c.folded");
	for (unsigned i = 0; i < 8; i++)
		assert_string_equal(options.outputs[i].format->name, formats[i]);
	assert_null(options.format);
	for (unsigned i = 0; i < 8; i++) {
		RUN("-f", formats[i]);
		assert_string_equal(options.format->name, formats[i]);
	}
	/* of the one file without such a name, and not of standard output */
	RUN("-o", "report", "-f", "JSON", "-o", "a.svg");
	assert_string_equal(options.outputs[0].format->name, "json");
	assert_string_equal(options.outputs[1].format->name, "svg");
	assert_null(options.format);
	/* no file has a use for it */
	RUN("-o", "a.svg", "-f", "json");
	assert_string_equal(options.outputs[0].format->name, "svg");
	assert_string_equal(options.format->name, "json");
	WRONG("--format: unknown format \"xml\\n\"; use one of text, json, folded, svg, html, "
	      "speedscope, pprof, otlp",
	      "-p", "7", "-f", "xml\n");
	WRONG("--output: re\\tport: the file extension names no format; use one of .txt, .json, "
	      ".folded, .svg, .html, .speedscope.json, .pb.gz, .otlp.pb, or give -f",
	      "-p", "7", "-o", "a.txt", "-o", "re\tport");
}

static void sixteen_files_and_no_more(void **state)
{
	const char *words[2 * OPTIONS_MAX_OUTPUTS + 5] = {"-p", "7"};

	(void)state;
	for (int i = 0; i < OPTIONS_MAX_OUTPUTS; i++) {
		words[2 + 2 * i] = "-o";
		words[3 + 2 * i] = "a.txt";
	}
	assert_int_equal(parse(words), OPTIONS_RUN);
	assert_int_equal(options.n_outputs, OPTIONS_MAX_OUTPUTS);
	assert_string_equal(heard(), "");
	words[2 + 2 * OPTIONS_MAX_OUTPUTS] = "-o";
	words[3 + 2 * OPTIONS_MAX_OUTPUTS] = "b.txt";
	expect_wrong("pyleaktrace: --output: at most 16 files\n", words);
}

static void several_targets_need_files_of_their_own(void **state)
{
	(void)state;
	RUN("-p", "8", "-o", "a-%p.json", "-o", "%t/%p.svg");
	assert_false(options_join(&options));
	WRONG("--output: with several targets the name needs a %p for the pid", "-p", "7,8", "-o",
	      "a-%p.json", "-o", "b.json");
	/* a % of its own is none */
	WRONG("--output: with several targets the name needs a %p for the pid", "-p", "7,8", "-o",
	      "a-%%p.json");
	WRONG("--output: with several targets the name needs a %p for the pid", "-p", "7,8", "-o",
	      "a-%t%", "-f", "json");
	RUN("-p", "8", "-o", "a-%%%p.json");
	WRONG("--format: with several targets use -o with %p in the name", "-p", "7,8", "-f",
	      "json");
	/* the report itself can be of all */
	RUN("-p", "8", "-f", "text");
	assert_string_equal(options.format->name, "text");
	RUN("-p", "8", "--group-by", "pid", "-o", "a.json", "-f", "json");
	assert_true(options_join(&options));
	assert_string_equal(options.format->name, "json");
	WRONG("--output: with --group-by pid one file covers all targets: use no %p in its name",
	      "-p", "7,8", "--group-by", "pid", "-o", "%p.json");
	/* of one target nothing is joined: as expected */
	RUN("-p", "7", "--group-by", "pid", "-o", "%p.json", "-o", "a.json", "-f", "svg");
	assert_false(options_join(&options));
}

/* A flame graph that has no groups as its roots says so, and is made all the same. */
static void a_flame_graph_without_groups_says_so(void **state)
{
	static const char said[] =
		"pyleaktrace: --group-by line is for text and json; svg shows whole stacks\n";

	(void)state;
	assert_int_equal(PARSE("-p", "7", "--group-by", "line", "-o", "a.json", "-o", "b.svg"),
			 OPTIONS_RUN);
	assert_string_equal(heard(), said);
	assert_int_equal(PARSE("-p", "7", "--group-by", "line", "-f", "svg", "-o", "a.json"),
			 OPTIONS_RUN);
	assert_string_equal(heard(), said);
	RUN("--group-by", "line", "-f", "svg", "-q");
	RUN("--group-by", "line", "-f", "json", "-o", "a.txt");
	RUN("--group-by", "module", "-f", "svg", "-o", "a.html");
	RUN("--group-by", "stack", "-f", "svg");
}

static void help_and_version_are_printed(void **state)
{
	static const char *const options_of_help[] = {
		"\n  -d, --duration TIME ",
		"\n  -p, --pid PID[,PID...] ",
		"\n      --max-overhead PERCENT",
		"\n  -f, --format FORMAT ",
		"\n      --version ",
	};
	const char *text;

	(void)state;
	/* what comes behind is not looked at any more */
	assert_int_equal(PARSE("--version", "--top", "x"), OPTIONS_DONE);
	assert_string_equal(heard_out(), "pyleaktrace " PYLEAKTRACE_VERSION "\n");
	assert_string_equal(heard(), "");
	assert_int_equal(PARSE("-h"), OPTIONS_DONE);
	text = heard_out();
	assert_string_equal(heard(), "");
	assert_int_equal(strncmp(text, "usage: pyleaktrace [OPTIONS] -p PID[,PID...] ", 45), 0);
	for (size_t i = 0; i < sizeof(options_of_help) / sizeof(options_of_help[0]); i++)
		assert_non_null(strstr(text, options_of_help[i]));
	assert_string_equal(heard(), "");
}

/* Nothing at all is answered with the list of commands. */
static void nothing_at_all_lists_the_commands(void **state)
{
	(void)state;
	assert_int_equal(parse((const char *const[]){NULL}), OPTIONS_WRONG);
	assert_non_null(strstr(heard(), "\n  holders   "));
	assert_string_equal(heard_out(), "");
}

/* 40 lines of 100 columns, of every verb. */
static void help_is_short(void **state)
{
	(void)state;
	for (int i = 0; i < VERB_COUNT; i++) {
		size_t lines = 0, columns = 0;

		if (i == VERB_TRACE)
			assert_int_equal(PARSE("--help"), OPTIONS_DONE);
		else
			assert_int_equal(PARSE(verbs[i].name, "--help"), OPTIONS_DONE);
		for (const char *at = heard_out(); *at;
		     at += strcspn(at, "\n"), at += *at == '\n') {
			lines++;
			columns = strcspn(at, "\n") > columns ? strcspn(at, "\n") : columns;
		}
		if (lines > 40 || columns > 100)
			fail_msg("pyleaktrace %s --help: %zu lines, %zu columns", verbs[i].name,
				 lines, columns);
	}
}

static void what_is_negative_is_called_so(void **state)
{
	(void)state;
	WRONG("a time cannot be negative (pyleaktrace growth -p PID [OPTIONS] [TIME [INTERVAL "
	      "[COUNT]]]; see --help)",
	      "growth", "-p", "7", "-1");
	WRONG("a time cannot be negative (pyleaktrace objects -p PID [OPTIONS] TYPE|ADDRESS "
	      "[TIME]; see --help)",
	      "objects", "-p", "7", "T", "-3");
	WRONG("--duration: \"-3\" is negative; write a time like 90, 90s, 1.5s, 5m, 2h, 1d or "
	      "500ms",
	      "-p", "7", "-d", "-3");
	WRONG("unknown option -1; pyleaktrace heap --help lists them", "heap", "-p", "7", "-1");
}

static void what_is_missing_is_asked_for(void **state)
{
#define EMPTY                                                                                \
	"an argument is empty: pyleaktrace -p PID, or a command, which `pyleaktrace` alone " \
	"lists"
	(void)state;
	WRONG(EMPTY, "", "-p", "7");
	WRONG(EMPTY, "-p", "7", "");
	WRONG("which object? A path as holders prints it, an address, or a type as heap lists "
	      "them (pyleaktrace refs -p PID [OPTIONS] PATH|TYPE...; see --help)",
	      "refs", "-p", "7");
	WRONG("which container? holders lists them (pyleaktrace watch -p PID [OPTIONS] PATH...; "
	      "see --help)",
	      "watch", "-p", "7");
}

static void unknown_options_are_named(void **state)
{
	(void)state;
	WRONG("unknown option --leaks; pyleaktrace --help lists them", "-p", "7", "--leaks");
	WRONG("unknown option -x; pyleaktrace --help lists them", "-p", "7", "-x");
	WRONG("unknown option -x; pyleaktrace --help lists them", "-p", "7", "-qx");
	WRONG("--top: a value is missing", "-p", "7", "--top");
	WRONG("-T: a value is missing", "-p", "7", "-T");
	/* more than one begins so */
	WRONG("unknown option --max=3; pyleaktrace --help lists them", "-p", "7", "--max=3");
	WRONG("unknown option --quiet=yes; pyleaktrace --help lists them", "-p", "7",
	      "--quiet=yes");
	WRONG("unknown option --frozen; pyleaktrace --help lists them", "-p", "7", "--frozen");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, heard_begin, heard_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_given_has_its_default),
		TEST(flags_are_set_for_one_line_only),
		TEST(pids_are_listed_once_each_and_64_at_most),
		TEST(arguments_are_interval_and_count),
		TEST(times_have_units_and_a_least_value),
		TEST(numbers_have_a_range),
		TEST(sizes_have_units_and_an_order),
		TEST(a_sample_is_the_next_power_of_two_and_exact),
		TEST(what_has_no_ceiling_takes_no_option_of_it),
		TEST(groups_modules_and_domains_are_traced_at_once),
		TEST(help_is_short),
		TEST(what_is_negative_is_called_so),
		TEST(what_is_missing_is_asked_for),
		TEST(choices_are_words_of_a_list),
		TEST(domains_are_a_list),
		TEST(modules_are_lists_that_add_up),
		TEST(a_format_follows_the_name_else_f),
		TEST(sixteen_files_and_no_more),
		TEST(several_targets_need_files_of_their_own),
		TEST(a_flame_graph_without_groups_says_so),
		TEST(help_and_version_are_printed),
		TEST(unknown_options_are_named),
		TEST(knobs_belong_to_the_verbs_that_have_them),
		TEST(nothing_at_all_lists_the_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
