/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/options.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "cli/command_words.h"
#include "cli/arg_parse.h"

/* percent: the least ceiling */
#define LEAST_OVERHEAD 0.1

#define LEAST_TIME_NS  10000000u
#define LEAST_SAMPLE   (1u << 8)
#define MOST_SAMPLE    (1u << 30)

enum key {
	KEY_PID = 'p',
	KEY_DURATION = 'd',
	KEY_TOP = 'T',
	KEY_MIN = 'z',
	KEY_MAX = 'Z',
	KEY_OUTPUT = 'o',
	KEY_FORMAT = 'f',
	KEY_QUIET = 'q',
	KEY_VERBOSE = 'v',
	KEY_HELP = 'h',
	KEY_SORT = 256,
	KEY_GROUP_BY,
	KEY_MODULE,
	KEY_OLDER,
	KEY_DOMAIN,
	KEY_EXACT,
	KEY_MAX_OVERHEAD,
	KEY_ON_LIMIT,
	KEY_MAX_WINDOW,
	KEY_SAMPLE,
	KEY_NATIVE,
	KEY_NO_STEER,
	KEY_NO_GROWS,
	KEY_MAX_BLOCKS,
	KEY_MAX_STACKS,
	KEY_NO_COLOR,
	KEY_VERSION,
	KEY_USAGE,
};

static const struct argp_option rows[] = {
	{NULL, 0, NULL, 0, "Tracing:", 1},
	{"pid", KEY_PID, "PID[,PID...]", 0, "process to trace; may repeat", 1},
	{"duration", KEY_DURATION, "TIME", 0,
	 "stop after TIME (90, 90s, 5m, 2h) with a final report; default: until Ctrl-C or the "
	 "target exits",
	 1},
	{"domain", KEY_DOMAIN, "LIST", 0, "allocators to trace: malloc,object,mmap (all)", 1},
	{"min-size", KEY_MIN, "BYTES", 0, "count only blocks of at least this size", 1},
	{"max-size", KEY_MAX, "BYTES", 0, "count only blocks of at most this size", 1},
	{"native", KEY_NATIVE, "yes|no", 0, "C frames in stacks (yes)", 1},
	{"no-grows", KEY_NO_GROWS, NULL, 0, "no background heap scans and no memory statistics", 1},
	{"no-steer", KEY_NO_STEER, NULL, 0,
	 "never write to the target, even if some objects are not seen then", 1},
	{"max-overhead", KEY_MAX_OVERHEAD, "PERCENT", 0,
	 "ceiling on the target's slowdown, in percent of its own CPU time (5): what would cost "
	 "more is traced in windows and estimated",
	 1},
	{"exact", KEY_EXACT, NULL, 0, "trace every allocation, whatever it costs", 1},
	{"sample", KEY_SAMPLE, "BYTES", 0,
	 "trace all the time, but record one block per BYTES allocated (256 to 1G, rounded up to a "
	 "power of two); figures are estimates",
	 1},
	{"on-limit", KEY_ON_LIMIT, "throttle|stop", 0,
	 "when tracing everything would exceed --max-overhead: trace less (throttle), or end with "
	 "a final report and exit code 3 (stop)",
	 1},
	{"max-window", KEY_MAX_WINDOW, "TIME", 0, "maximum length of a tracing window (200ms)", 1},
	{"max-blocks", KEY_MAX_BLOCKS, "N", 0,
	 "room for live blocks (default: from the target's size)", 1},
	{"max-stacks", KEY_MAX_STACKS, "N", 0, "room for distinct stacks (32768)", 1},
	{NULL, 0, NULL, 0, "Output:", 2},
	{"top", KEY_TOP, "N", 0, "stacks or groups to show (10; 0: all)", 2},
	{"group-by", KEY_GROUP_BY, "WHAT", 0,
	 "sum by stack, line, function, module, thread or pid (stack); module: the package or "
	 "library that allocates; pid: one table of all targets",
	 2},
	{"module", KEY_MODULE, "NAME[,NAME...]", 0,
	 "only stacks with a frame in these modules or their submodules: numpy, json.decoder, "
	 "libcrypto; may repeat",
	 2},
	{"sort", KEY_SORT, "ORDER", 0, "size, count, growth or age (size)", 2},
	{"older", KEY_OLDER, "TIME", 0, "ignore blocks younger than TIME (500ms)", 2},
	{"output", KEY_OUTPUT, "FILE", 0,
	 "also write the final report to FILE; may repeat; %p: pid, %t: time; the format follows "
	 "the file extension: .txt .json .folded .svg .html",
	 2},
	{"format", KEY_FORMAT, "FORMAT", 0,
	 "text, json, folded, svg or html: for each -o before it whose extension names no format, "
	 "else for standard output",
	 2},
	{"quiet", KEY_QUIET, NULL, 0, "reports only", 2},
	{"verbose", KEY_VERBOSE, NULL, 0,
	 "show facts about the target, the probe plan and the maps", 2},
	{"no-color", KEY_NO_COLOR, NULL, 0, "no colors (NO_COLOR is honored too)", 2},
	{NULL, 0, NULL, 0, "About:", 3},
	{"help", KEY_HELP, NULL, 0, "this text", 3},
	{"usage", KEY_USAGE, NULL, 0, "a short list of the options", 3},
	{"version", KEY_VERSION, NULL, 0, "the version", 3},
	{0},
};

static const char arguments[] = "-p PID [INTERVAL [COUNT]]\nheap -p PID [OPTIONS]\ndoctor [-p PID "
				"[--restore]]";
static const char text[] =
	"Show what a live CPython process is leaking, by Python stack: every "
	"INTERVAL seconds (5), COUNT times "
	"(endless).\v"
	"`pyleaktrace heap` shows what is in the heap and who holds it, without a "
	"probe; `pyleaktrace doctor` says what works here and what does "
	"not.\n\n"
	"The target runs on, and no code of the tool runs in it. While it is "
	"traced there are breakpoints at its allocator functions, builds of "
	"CPython with inlined allocators have eight pointers changed to other "
	"addresses of the same functions, and debug registers of its threads are "
	"set while containers are watched; all of this is undone at the end.\n\n"
	"INT and TERM end the watch with a final report, USR1 "
	"makes a report now, USR2 forgets the past.\n\n"
	"Exit codes: 0 done; 1 failed while running; 2 no such process, or not "
	"a CPython that is supported; 3 the limit of --on-limit stop; 64 wrong "
	"usage; 69 the kernel lacks something; 77 not permitted.";

struct parse {
	struct options *options;
	bool done; /* what was asked for is printed */
	unsigned n_arguments;
	const struct exporter *forced;
	bool governs; /* an option was given that --exact leaves without a meaning */
};

static error_t add_pids(struct parse *parse, const char *list)
{
	struct options *options = parse->options;
	char word[32];

	do {
		size_t length = strcspn(list, ",");
		error_t error;
		uint64_t pid;

		snprintf(word, sizeof(word), "%.*s",
			 length < sizeof(word) ? (int)length : (int)sizeof(word) - 1, list);
		error = arg_number("--pid", word, 1, INT32_MAX, &pid);
		if (error)
			return error;
		if (options->trace.n_pids == TRACE_MAX_PIDS)
			return arg_wrong("--pid", "at most %d targets", TRACE_MAX_PIDS);
		for (unsigned i = 0; i < options->trace.n_pids; i++)
			if (options->trace.pids[i] == (pid_t)pid)
				pid = 0;
		if (pid)
			options->trace.pids[options->trace.n_pids++] = (pid_t)pid;
		list += length;
	} while (*list++ == ',');
	return 0;
}

static error_t set_domains(struct parse *parse, const char *list)
{
	parse->options->trace.domains = 0;
	do {
		size_t length = strcspn(list, ",");
		unsigned i;

		for (i = 0; i < DOMAIN_COUNT; i++)
			if (strlen(domain_name(i)) == length &&
			    strncmp(list, domain_name(i), length) == 0)
				break;
		if (i == DOMAIN_COUNT)
			return arg_wrong("--domain", "expected a list of malloc, object and mmap");
		parse->options->trace.domains |= 1u << i;
		list += length;
	} while (*list++ == ',');
	return 0;
}

static error_t set_order(struct parse *parse, const char *name)
{
	static const char *const names[] = {[ORDER_SIZE] = "size",
					    [ORDER_COUNT] = "count",
					    [ORDER_GROWTH] = "growth",
					    [ORDER_AGE] = "age"};
	unsigned order = parse->options->trace.order;
	error_t error = arg_choice("--sort", name, names, sizeof(names) / sizeof(names[0]), &order);

	parse->options->trace.order = order;
	return error;
}

static error_t set_group_by(struct parse *parse, const char *name)
{
	const char *names[GROUP_BY_COUNT];
	unsigned group_by = parse->options->group_by;
	error_t error;

	for (unsigned by = 0; by < GROUP_BY_COUNT; by++)
		names[by] = group_by_name(by);
	error = arg_choice("--group-by", name, names, GROUP_BY_COUNT, &group_by);
	parse->options->group_by = group_by;
	return error;
}

/* The list is taken apart where it stands, in argv. */
static error_t add_modules(struct parse *parse, char *list)
{
	struct options *options = parse->options;
	char *name;

	while ((name = strsep(&list, ","))) {
		if (!*name)
			return arg_wrong("--module", "a name is missing");
		if (options->n_modules == OPTIONS_MAX_MODULES)
			return arg_wrong("--module", "at most %d names", OPTIONS_MAX_MODULES);
		options->modules[options->n_modules++] = name;
	}
	return 0;
}

static error_t add_output(struct parse *parse, const char *pattern)
{
	struct options *options = parse->options;

	if (options->n_outputs == OPTIONS_MAX_OUTPUTS)
		return arg_wrong("--output", "at most %d files", OPTIONS_MAX_OUTPUTS);
	options->outputs[options->n_outputs++].pattern = pattern;
	return 0;
}

static error_t take_argument(struct parse *parse, const char *arg)
{
	char word[64];

	if (command_word_is(arg))
		return arg_wrong("", "the command comes first: pyleaktrace %s -p PID", arg);
	if (command_word_near(arg))
		return arg_wrong("",
				 "what is \"%s\"? If you mean the command: pyleaktrace %s -p PID",
				 escape_copy(word, sizeof(word), arg), command_word_near(arg));
	if (parse->n_arguments == 0 && (*arg < '0' || *arg > '9') && *arg != '.')
		return arg_wrong("", "starting a program (-- COMMAND) is not in this version; "
				     "start it, then use -p PID");
	switch (parse->n_arguments++) {
	case 0:
		return arg_time("INTERVAL", arg, LEAST_TIME_NS, &parse->options->interval_ns);
	case 1:
		return arg_number("COUNT", arg, 1, UINT32_MAX, &parse->options->count);
	default:
		return arg_wrong("", "too many arguments: expected -p PID [INTERVAL [COUNT]]");
	}
}

static error_t set_native(struct parse *parse, const char *arg)
{
	static const char *const names[] = {"no", "yes"};
	unsigned native = parse->options->trace.native;
	error_t error = arg_choice("--native", arg, names, 2, &native);

	parse->options->trace.native = native;
	return error;
}

static error_t set_sample(struct parse *parse, const char *arg)
{
	uint64_t bytes = 0;
	error_t error = arg_size("--sample", arg, LEAST_SAMPLE, MOST_SAMPLE, &bytes);

	if (error)
		return error;
	parse->options->trace.sample_shift = 0;
	while (1ull << parse->options->trace.sample_shift < bytes)
		parse->options->trace.sample_shift++;
	parse->options->trace.exact = true;
	return 0;
}

static error_t set_on_limit(struct parse *parse, const char *arg)
{
	static const char *const names[] = {
		[ON_LIMIT_THROTTLE] = "throttle", [ON_LIMIT_STOP] = "stop"};
	unsigned on_limit = parse->options->trace.on_limit;
	error_t error = arg_choice("--on-limit", arg, names, 2, &on_limit);

	parse->options->trace.on_limit = on_limit;
	return error;
}

static error_t set_format(struct parse *parse, const char *name)
{
	struct err err = ERR_INIT;

	parse->forced = exporter_by_name(name, &err);
	return parse->forced ? 0 : arg_wrong("--format", "%s", err.text);
}

static error_t done(struct parse *parse)
{
	parse->done = true;
	return ECANCELED;
}

static error_t take_option(int key, char *arg, struct argp_state *state)
{
	struct parse *parse = state->input;
	struct options *options = parse->options;

	switch (key) {
	case KEY_PID:
		return add_pids(parse, arg);
	case KEY_DURATION:
		return arg_time("--duration", arg, LEAST_TIME_NS, &options->duration_ns);
	case KEY_TOP:
		return arg_u32("--top", arg, 0, 1000000, &options->top);
	case KEY_SORT:
		return set_order(parse, arg);
	case KEY_GROUP_BY:
		return set_group_by(parse, arg);
	case KEY_MODULE:
		return add_modules(parse, arg);
	case KEY_OLDER:
		return arg_time("--older", arg, 0, &options->trace.older_ns);
	case KEY_MIN:
		return arg_size("--min-size", arg, 0, UINT64_MAX, &options->trace.min_size);
	case KEY_MAX:
		return arg_size("--max-size", arg, 0, UINT64_MAX, &options->trace.max_size);
	case KEY_DOMAIN:
		return set_domains(parse, arg);
	case KEY_NATIVE:
		return set_native(parse, arg);
	case KEY_EXACT:
		options->trace.exact = true;
		return 0;
	case KEY_SAMPLE:
		return set_sample(parse, arg);
	case KEY_MAX_OVERHEAD:
		parse->governs = true;
		return arg_share("--max-overhead", arg, LEAST_OVERHEAD,
				 &options->trace.max_overhead);
	case KEY_ON_LIMIT:
		parse->governs = true;
		return set_on_limit(parse, arg);
	case KEY_MAX_WINDOW:
		parse->governs = true;
		return arg_time("--max-window", arg, 1000000, &options->trace.max_window_ns);
	case KEY_NO_GROWS:
		options->trace.no_grows = true;
		return 0;
	case KEY_NO_STEER:
		options->trace.no_steer = true;
		return 0;
	case KEY_MAX_BLOCKS:
		return arg_u32("--max-blocks", arg, 1, 1u << 28, &options->trace.max_blocks);
	case KEY_MAX_STACKS:
		return arg_u32("--max-stacks", arg, 1, 1u << 22, &options->trace.max_stacks);
	case KEY_OUTPUT:
		return add_output(parse, arg);
	case KEY_FORMAT:
		return set_format(parse, arg);
	case KEY_QUIET:
		options->quiet = true;
		return 0;
	case KEY_VERBOSE:
		options->trace.verbose++;
		return 0;
	case KEY_NO_COLOR:
		options->no_color = true;
		return 0;
	case KEY_HELP:
		argp_state_help(state, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC);
		return done(parse);
	case KEY_USAGE:
		argp_state_help(state, stdout, ARGP_HELP_USAGE);
		return done(parse);
	case KEY_VERSION:
		puts("pyleaktrace " PYLEAKTRACE_VERSION);
		return done(parse);
	case ARGP_KEY_ARG:
		return take_argument(parse, arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The -o files get their formats: by their names, else by -f. Without -o, -f is for standard
 * output. */
static bool settle_formats(struct parse *parse)
{
	struct options *options = parse->options;
	struct err err = ERR_INIT;
	bool used = false;

	for (unsigned i = 0; i < options->n_outputs; i++) {
		struct output *output = &options->outputs[i];

		output->format = exporter_by_file(output->pattern, &err);
		if (!output->format && parse->forced) {
			output->format = parse->forced;
			used = true;
		}
		if (!output->format) {
			arg_wrong("--output", "%s", err.text);
			return false;
		}
	}
	if (parse->forced && !used)
		options->format = parse->forced;
	return true;
}

/* Is the pid a part of the file's name? (%% is a %.) */
static bool names_pid(const char *pattern)
{
	while ((pattern = strchr(pattern, '%')) && pattern[1]) {
		if (pattern[1] == 'p')
			return true;
		pattern += 2;
	}
	return false;
}

/*
 * Several targets need files of their own, but for one report on all of them; standard output can
 * hold one document only.
 */
static bool can_tell_apart(const struct options *options)
{
	bool join = options_join(options);

	for (unsigned i = 0; i < options->n_outputs; i++) {
		if (names_pid(options->outputs[i].pattern) == join) {
			fputs(join ? "pyleaktrace: --output: with --group-by pid one file is of "
				     "all targets: no %p in its name\n"
				   : "pyleaktrace: --output: with several targets the name "
				     "needs a %p for the pid\n",
			      stderr);
			return false;
		}
	}
	if (!join && options->format && options->format->write) {
		fputs("pyleaktrace: --format: with several targets use -o with %p in the name\n",
		      stderr);
		return false;
	}
	return true;
}

/* What the user may expect of a flame graph and does not get. */
static void say_what_is_not_grouped(const struct options *options)
{
	enum group_by by = options->group_by;
	const struct exporter *format = options->format;

	for (unsigned i = 0; i < options->n_outputs && (!format || !format->tree); i++)
		format = options->outputs[i].format;
	if (by != GROUP_STACK && format && format->tree && !exporter_has_roots(by) &&
	    !options->quiet)
		fprintf(stderr,
			"pyleaktrace: --group-by %s is for text and json; %s shows whole stacks\n",
			group_by_name(by), format->name);
}

enum options_result options_parse(struct options *options, int argc, char **argv)
{
	const struct argp argp = {
		.options = rows, .parser = take_option, .args_doc = arguments, .doc = text};
	struct parse parse = {.options = options};

	*options = (struct options){
		.interval_ns = 5000000000u,
		.top = 10,
		.trace = {.order = ORDER_SIZE,
			  .older_ns = 500000000u,
			  .max_size = UINT64_MAX,
			  .domains = (1u << DOMAIN_COUNT) - 1,
			  .max_stacks = 32768,
			  .max_overhead = 0.05,
			  .max_window_ns = 200000000u,
			  .native = true},
	};
	if (argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_NO_EXIT, NULL, &parse))
		return parse.done ? OPTIONS_DONE : OPTIONS_WRONG;
	if (!settle_formats(&parse))
		return OPTIONS_WRONG;
	if (options->trace.n_pids == 0) {
		arg_wrong("", "no target is given: pyleaktrace -p PID [INTERVAL [COUNT]], "
			      "pyleaktrace heap -p PID or pyleaktrace doctor (--help says more)");
		return OPTIONS_WRONG;
	}
	if (options->trace.n_pids > 1 && !can_tell_apart(options))
		return OPTIONS_WRONG;
	if (options->trace.exact && parse.governs) {
		fputs("pyleaktrace: --exact and --sample have no ceiling: --max-overhead, "
		      "--on-limit and "
		      "--max-window do not go with them\n",
		      stderr);
		return OPTIONS_WRONG;
	}
	if (options->trace.min_size > options->trace.max_size) {
		fputs("pyleaktrace: --min-size is above --max-size: no block would be counted\n",
		      stderr);
		return OPTIONS_WRONG;
	}
	options->trace.by_thread = options->group_by == GROUP_THREAD;
	say_what_is_not_grouped(options);
	return OPTIONS_RUN;
}
