/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/heap_options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/escape.h"
#include "cli/arg_parse.h"

#define LEAST_TIME_NS     10000000u
#define LEAST_OVERHEAD    0.01 /* % of a core */
#define TREND_INTERVAL_NS 5000000000u
#define TREND_COUNT       7
#define DEPTH             3
#define WATCH_NS          5000000000u
#define WATCH_OVERHEAD    5 /* % of a core */

enum key {
	KEY_PID = 'p',
	KEY_DURATION = 'd',
	KEY_TOP = 'T',
	KEY_OUTPUT = 'o',
	KEY_FORMAT = 'f',
	KEY_QUIET = 'q',
	KEY_VERBOSE = 'v',
	KEY_HELP = 'h',
	KEY_SORT = 256,
	KEY_GROWTH,
	KEY_TREND,
	KEY_HOLDERS,
	KEY_CHAIN,
	KEY_BACKREFS,
	KEY_AT,
	KEY_DEPTH,
	KEY_WATCH,
	KEY_WATCH_REFS,
	KEY_FOR,
	KEY_MAX_OVERHEAD,
	KEY_FROZEN,
	KEY_TYPES_LIKE,
	KEY_MODULE,
	KEY_MIN_COUNT,
	KEY_JSON,
	KEY_NO_COLOR,
	KEY_VERSION,
};

static const struct argp_option rows[] = {
	{"pid", KEY_PID, "PID", 0, "the target", 1},
	{"growth", KEY_GROWTH, "TIME", OPTION_ARG_OPTIONAL,
	 "scan repeatedly over TIME (30s) and show what grows; with INTERVAL keep going, and "
	 "report every INTERVAL, COUNT times, what grew over the last TIME",
	 1},
	{"trend", KEY_TREND, NULL, 0,
	 "look every INTERVAL, COUNT times (5 s, 7 times): memory, threads and files over time, "
	 "and where the RSS is",
	 1},
	{"holders", KEY_HOLDERS, NULL, 0,
	 "named containers that are large (or, with --growth, that grow), and what no root reaches",
	 1},
	{"chain", KEY_CHAIN, "TYPE", 0,
	 "what holds objects of TYPE, with a shortest chain for each way; TYPE: a name, with or "
	 "without its module, or a pattern (app.*)",
	 1},
	{"backrefs", KEY_BACKREFS, "TYPE", 0, "graph of what refers to objects of TYPE", 1},
	{"at", KEY_AT, "ADDRESS", 0, "--chain, --backrefs: only the object at ADDRESS", 1},
	{"depth", KEY_DEPTH, "N", 0, "--backrefs: number of steps back (3)", 1},
	{"watch", KEY_WATCH, "PATH", 0,
	 "who inserts into a container, and who removes: PATH as --holders prints it "
	 "(app.cache.SESSIONS), or an address; up to 4 times",
	 1},
	{"watch-refs", KEY_WATCH_REFS, "WHAT", 0,
	 "who takes references to an object, and who drops them: a path or an address, as for "
	 "--watch, or a type (its newest object); at most 4 together with --watch",
	 1},
	{"for", KEY_FOR, "TIME", 0, "--watch: for how long (5s)", 1},
	{"max-overhead", KEY_MAX_OVERHEAD, "PERCENT", 0,
	 "--watch: end when it costs the target more than this share of a core (5)", 1},
	{"frozen", KEY_FROZEN, NULL, 0, "pause the target while it is read; the pause is measured",
	 1},
	{"duration", KEY_DURATION, "TIME", 0,
	 "stop --growth or --trend after TIME (90, 90s, 5m, 2h)", 1},
	{NULL, 0, NULL, 0, "Output:", 2},
	{"top", KEY_TOP, "N", 0, "types to show (20; 0: all)", 2},
	{"sort", KEY_SORT, "ORDER", 0, "bytes, count or name (bytes)", 2},
	{"types-like", KEY_TYPES_LIKE, "REGEX", 0,
	 "only types whose name matches this extended regular expression", 2},
	{"module", KEY_MODULE, "PREFIX", 0,
	 "only types of this module and its submodules (builtins: of no module)", 2},
	{"min-count", KEY_MIN_COUNT, "N", 0, "only types with at least N objects", 2},
	{"output", KEY_OUTPUT, "FILE", 0,
	 "also write the last report to FILE; may repeat; %p: pid, %t: time; .txt or .json", 2},
	{"format", KEY_FORMAT, "FORMAT", 0,
	 "text or json: for each -o whose extension names no format, else for standard output", 2},
	{"json", KEY_JSON, NULL, 0, "the same as -f json", 2},
	{"quiet", KEY_QUIET, NULL, 0, "only the heading and the table", 2},
	{"verbose", KEY_VERBOSE, NULL, 0, "print on stderr what each scan did", 2},
	{"no-color", KEY_NO_COLOR, NULL, 0, "no colors (NO_COLOR is honored too)", 2},
	{NULL, 0, NULL, 0, "About:", 3},
	{"help", KEY_HELP, NULL, 0, "this text", 3},
	{"version", KEY_VERSION, NULL, 0, "the version", 3},
	{0},
};

static const char arguments[] = "-p PID [--holders]\n-p PID --chain TYPE [--at ADDRESS]\n-p PID "
				"--backrefs TYPE\n-p PID --growth [TIME [INTERVAL [COUNT]]]\n"
				"-p PID --trend [INTERVAL [COUNT]]\n-p PID --watch PATH [--for "
				"TIME]\n-p PID --watch-refs WHAT [--for TIME]";
static const char text[] =
	"Show what is in the heap of a live CPython process: types by count and bytes, what grows "
	"(--growth), what holds objects (--holders, --chain, --backrefs), memory over time "
	"(--trend), who changes a container (--watch).\v"
	"The process is not stopped, and nothing in it is changed: its memory is read from "
	"outside. --frozen holds its threads while it is read; --watch and --watch-refs set debug "
	"registers of its threads, and clear them at the end. "
	"During --growth and --trend USR1 makes a scan and a report now, USR2 forgets the past, "
	"INT and TERM "
	"end it "
	"with a last report.\n\n"
	"Exit codes: 0 done; 1 failed while running; 2 no such process, or not a CPython that is "
	"supported; 64 wrong usage; 69 the kernel lacks something (--watch); 77 not permitted.";

struct parse {
	struct heap_options *options;
	bool done;            /* what was asked for is printed */
	const char *words[3]; /* arguments */
	unsigned n_words;
	bool have_growth_time, have_format, format_used, format_json;
};

static error_t set_pid(struct parse *parse, const char *word)
{
	uint64_t pid = 0;
	error_t error = arg_number("--pid", word, 1, INT32_MAX, &pid);

	if (!error && parse->options->pid && parse->options->pid != (pid_t)pid)
		return arg_wrong("--pid", "only one process at a time");
	parse->options->pid = (pid_t)pid;
	return error;
}

static error_t set_address(struct parse *parse, const char *word)
{
	char *end;

	errno = 0;
	parse->options->at = strtoull(word, &end, 0);
	/* strtoull() takes spaces and a sign before it */
	if (errno || *end || !parse->options->at || parse->options->at % 8 || word[0] < '0' ||
	    word[0] > '9')
		return arg_wrong("--at", "expected an address, as id() gives it");
	return 0;
}

static error_t add_watch(struct parse *parse, const char *path, bool refs)
{
	struct heap_options *options = parse->options;

	if (options->watch.n == CONTAINER_WATCH_MAX)
		return arg_wrong("--watch", "at most four: a processor has four debug registers");
	for (unsigned i = 0; i < options->watch.n; i++)
		if (!strcmp(options->watch.asked[i].path, path) &&
		    options->watch.asked[i].refs == refs)
			return arg_wrong("--watch", "it is watched already");
	options->watch.asked[options->watch.n].refs = refs;
	options->watch.asked[options->watch.n++].path = path;
	return 0;
}

static error_t set_order(struct parse *parse, const char *name)
{
	static const char *const names[] = {
		[HEAP_BY_BYTES] = "bytes", [HEAP_BY_COUNT] = "count", [HEAP_BY_NAME] = "name"};
	unsigned order = parse->options->order;
	error_t error = arg_choice("--sort", name, names, sizeof(names) / sizeof(names[0]), &order);

	parse->options->order = order;
	return error;
}

static error_t set_like(struct parse *parse, const char *expression)
{
	struct heap_options *options = parse->options;
	char why[128], quoted[96];
	int code;

	heap_options_fini(options);
	code = regcomp(&options->like, expression, REG_EXTENDED | REG_NOSUB);
	options->have_like = !code;
	if (!code)
		return 0;
	regerror(code, &options->like, why, sizeof(why));
	return arg_wrong("--types-like", "\"%s\": %s",
			 escape_copy(quoted, sizeof(quoted), expression), why);
}

static error_t set_format(struct parse *parse, const char *name)
{
	parse->have_format = true;
	parse->format_json = !strcasecmp(name, "json");
	if (parse->format_json || !strcasecmp(name, "text"))
		return 0;
	return arg_wrong("--format", "a heap is written as text or json");
}

static error_t add_output(struct parse *parse, const char *pattern)
{
	struct heap_options *options = parse->options;

	if (options->n_outputs == OPTIONS_MAX_OUTPUTS)
		return arg_wrong("--output", "too many files");
	options->outputs[options->n_outputs++].pattern = pattern;
	return 0;
}

static error_t take_argument(struct parse *parse, const char *word)
{
	if (parse->n_words == sizeof(parse->words) / sizeof(parse->words[0]))
		return arg_wrong("", "too many arguments: expected -p PID --growth [TIME [INTERVAL "
				     "[COUNT]]]");
	parse->words[parse->n_words++] = word;
	return 0;
}

static error_t done(struct parse *parse)
{
	parse->done = true;
	return ECANCELED;
}

static error_t take_other(int key, struct argp_state *state)
{
	struct parse *parse = state->input;

	switch (key) {
	case KEY_HELP:
		state->name = (char *)"pyleaktrace heap";
		argp_state_help(state, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC);
		return done(parse);
	case KEY_VERSION:
		puts("pyleaktrace " PYLEAKTRACE_VERSION);
		return done(parse);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t take_option(int key, char *arg, struct argp_state *state)
{
	struct parse *parse = state->input;
	struct heap_options *options = parse->options;

	switch (key) {
	case KEY_PID:
		return set_pid(parse, arg);
	case KEY_GROWTH:
		options->growth = true;
		parse->have_growth_time = arg;
		return arg ? arg_time("--growth", arg, LEAST_TIME_NS, &options->growth_ns) : 0;
	case KEY_HOLDERS:
		options->holders = true;
		return 0;
	case KEY_CHAIN:
		options->chain = arg;
		return 0;
	case KEY_BACKREFS:
		options->backrefs = arg;
		return 0;
	case KEY_AT:
		return set_address(parse, arg);
	case KEY_DEPTH:
		return arg_u32("--depth", arg, 1, 20, &options->depth);
	case KEY_WATCH:
	case KEY_WATCH_REFS:
		return add_watch(parse, arg, key == KEY_WATCH_REFS);
	case KEY_FOR:
		return arg_time("--for", arg, LEAST_TIME_NS, &options->for_ns);
	case KEY_MAX_OVERHEAD:
		return arg_share("--max-overhead", arg, LEAST_OVERHEAD, &options->max_overhead);
	case KEY_FROZEN:
		options->frozen = true;
		return 0;
	case KEY_TREND:
		options->trend = true;
		return 0;
	case KEY_DURATION:
		return arg_time("--duration", arg, LEAST_TIME_NS, &options->duration_ns);
	case KEY_TOP:
		return arg_u32("--top", arg, 0, 1000000, &options->top);
	case KEY_SORT:
		return set_order(parse, arg);
	case KEY_TYPES_LIKE:
		return set_like(parse, arg);
	case KEY_MODULE:
		options->module = arg;
		return 0;
	case KEY_MIN_COUNT:
		return arg_number("--min-count", arg, 0, INT64_MAX, &options->min_count);
	case KEY_OUTPUT:
		return add_output(parse, arg);
	case KEY_FORMAT:
		return set_format(parse, arg);
	case KEY_JSON:
		return set_format(parse, "json");
	case KEY_QUIET:
		options->quiet = true;
		return 0;
	case KEY_VERBOSE:
		options->verbose++;
		return 0;
	case KEY_NO_COLOR:
		options->no_color = true;
		return 0;
	case ARGP_KEY_ARG:
		return take_argument(parse, arg);
	default:
		return take_other(key, state);
	}
}

/* What the arguments mean is known when --growth has been seen. */
static bool settle_arguments(struct parse *parse)
{
	struct heap_options *options = parse->options;
	unsigned next = 0;

	if (options->growth && options->trend) {
		arg_wrong("", "--growth and --trend are two reports: give one of them");
		return false;
	}
	if (!options->growth && !options->trend && (parse->n_words || options->duration_ns)) {
		arg_wrong("",
			  "times are for --growth: -p PID --growth [TIME [INTERVAL [COUNT]]], and "
			  "for --trend [INTERVAL [COUNT]]");
		return false;
	}
	if (options->growth && !parse->have_growth_time && next < parse->n_words &&
	    arg_time("TIME", parse->words[next++], LEAST_TIME_NS, &options->growth_ns))
		return false;
	if (next < parse->n_words &&
	    arg_time("INTERVAL", parse->words[next++], LEAST_TIME_NS, &options->interval_ns))
		return false;
	if (next < parse->n_words &&
	    arg_number("COUNT", parse->words[next++], 1, UINT32_MAX, &options->count))
		return false;
	if (next < parse->n_words) {
		arg_wrong("",
			  options->trend
				  ? "too many arguments: expected -p PID --trend [INTERVAL [COUNT]]"
				  : "too many arguments: expected -p PID --growth=TIME [INTERVAL "
				    "[COUNT]]");
		return false;
	}
	if (options->trend && !options->interval_ns) {
		options->interval_ns = TREND_INTERVAL_NS;
		options->count = options->duration_ns ? 0 : TREND_COUNT;
	} else if (options->duration_ns && !options->interval_ns) {
		options->interval_ns = options->growth_ns;
	}
	return true;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t length = strlen(name), n = strlen(suffix);

	return length > n && !strcasecmp(name + length - n, suffix);
}

/* .txt and .json of every view; of chains and graphs .dot and .svg too */
static bool settle_output(struct parse *parse, struct heap_output *output)
{
	bool graph = parse->options->chain || parse->options->backrefs;

	output->json = ends_with(output->pattern, ".json");
	if (output->json || ends_with(output->pattern, ".txt"))
		return true;
	if (graph && ends_with(output->pattern, ".dot"))
		output->picture = PICTURE_DOT;
	else if (graph && ends_with(output->pattern, ".svg"))
		output->picture = PICTURE_SVG;
	if (output->picture != PICTURE_NONE)
		return true;
	if (parse->have_format) {
		output->json = parse->format_json;
		parse->format_used = true;
		return true;
	}
	arg_wrong("--output",
		  graph ? "it is written as .txt, .json, .dot or .svg; end the name so, or give -f"
			: "a heap is written as .txt or .json; end the name so, or give -f");
	return false;
}

static bool settle_formats(struct parse *parse)
{
	struct heap_options *options = parse->options;

	for (unsigned i = 0; i < options->n_outputs; i++)
		if (!settle_output(parse, &options->outputs[i]))
			return false;
	options->json = parse->have_format && !parse->format_used && parse->format_json;
	return true;
}

/* Which options go together. */
static bool settle_views(struct parse *parse)
{
	struct heap_options *options = parse->options;
	bool graph = options->chain || options->backrefs;
	const char *wrong_way = NULL;

	if (options->chain && options->backrefs)
		wrong_way = "--chain and --backrefs are two reports: give one of them";
	else if (graph && (options->growth || options->trend || options->holders))
		wrong_way = "--chain and --backrefs cannot be combined with --growth, --trend or "
			    "--holders";
	else if (options->trend && options->holders)
		wrong_way = "--trend and --holders are two reports: give one of them";
	else if (options->at && !graph)
		wrong_way = "--at is for --chain and --backrefs";
	else if (options->depth && !options->backrefs)
		wrong_way = "--depth is for --backrefs";
	else if (options->watch.n && (graph || options->growth || options->trend ||
				      options->holders || options->frozen))
		wrong_way = "--watch is a report of its own: without --growth, --trend, --holders, "
			    "--chain, --backrefs, --frozen";
	else if (!options->watch.n && (options->for_ns || options->max_overhead > 0))
		wrong_way = "--for and --max-overhead are for --watch and --watch-refs";
	else if (options->frozen && (options->growth || options->trend))
		wrong_way = "--frozen cannot be combined with --growth or --trend";
	if (wrong_way)
		arg_wrong("", "%s", wrong_way);
	if (!options->depth)
		options->depth = DEPTH;
	if (!options->for_ns)
		options->for_ns = WATCH_NS;
	if (!(options->max_overhead > 0))
		options->max_overhead = WATCH_OVERHEAD / 100.0;
	return !wrong_way;
}

enum options_result heap_options_parse(struct heap_options *options, int argc, char **argv)
{
	const struct argp argp = {
		.options = rows, .parser = take_option, .args_doc = arguments, .doc = text};
	struct parse parse = {.options = options};

	argv[0] = program_invocation_short_name; /* what messages begin with */
	*options = (struct heap_options){.top = 20, .growth_ns = 30000000000u};
	if (argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_NO_EXIT, NULL, &parse))
		return parse.done ? OPTIONS_DONE : OPTIONS_WRONG;
	if (!settle_arguments(&parse) || !settle_views(&parse) || !settle_formats(&parse))
		return OPTIONS_WRONG;
	if (!options->pid) {
		arg_wrong("", "no target is given: pyleaktrace heap -p PID (heap --help says "
			      "more)");
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}

void heap_options_fini(struct heap_options *options)
{
	if (options->have_like)
		regfree(&options->like);
	options->have_like = false;
}
