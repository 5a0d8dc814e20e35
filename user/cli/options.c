/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "cli/arg_parse.h"
#include "cli/help.h"
#include "cli/option_rows.h"
#include "cli/verbs.h"
#include "govern/budget.h"
#include "view/report.h"

#define LEAST_TIME_NS     10000000u
#define TREND_INTERVAL_NS 5000000000u
#define TREND_COUNT       7
#define GROWTH_NS         30000000000u
#define OBJECTS_NS        2000000000u
#define WATCH_NS          5000000000u

#define ROWS_MAX          64
#define KEY_FIRST         256 /* of rows without a letter: and the row's index */
#define HELP_MAX          256

struct parse {
	struct options *options;
	bool done;        /* what was asked for is printed */
	unsigned n_times; /* arguments so far that are times, and a count */
};

/* ---- arguments ------------------------------------------------------------------------------ */

static error_t too_many(const struct verb *verb)
{
	char name[VERB_WORD_MAX + 16];

	verb_full_name(verb, name, sizeof(name));
	return arg_wrong("", "too many arguments: expected %s %s", name, verb->arguments);
}

/* [TIME] [INTERVAL [COUNT]] */
static error_t take_time(struct parse *parse, const char *word)
{
	struct options *options = parse->options;
	unsigned at = parse->n_times++ + (options->verb != &verbs[VERB_GROWTH]);

	switch (at) {
	case 0:
		return arg_time("TIME", word, LEAST_TIME_NS, &options->heap.span_ns);
	case 1:
		options->count = 0;
		return arg_time("INTERVAL", word, LEAST_TIME_NS, &options->interval_ns);
	case 2:
		return arg_number("COUNT", word, 1, UINT32_MAX, &options->count);
	default:
		return too_many(options->verb);
	}
}

/* A word that is no time, where one is expected. */
static error_t explain_word(const char *word)
{
	char quoted[64];
	const struct verb *verb = verb_by_name(word);

	if (!*word)
		return arg_wrong("", "an argument is empty: pyleaktrace -p PID, or a command, "
				     "which `pyleaktrace` alone lists");
	if (verb)
		return arg_wrong("", "the command comes first: pyleaktrace %s -p PID", word);
	verb = verb_near(word);
	if (verb)
		return arg_wrong("",
				 "what is \"%s\"? If you mean the command: pyleaktrace %s -p PID",
				 escape_copy(quoted, sizeof(quoted), word), verb->name);
	return arg_wrong("", "starting a program (-- COMMAND) is not in this version; start it, "
			     "then use -p PID");
}

/* 0x7f12..., as id() and reports write it, or in decimal */
static error_t take_object(struct options *options, const char *word)
{
	char *end;

	if (options->heap.type || options->heap.address)
		return options->verb == &verbs[VERB_OBJECTS] && !options->heap.span_ns
			       ? arg_time("TIME", word, LEAST_TIME_NS, &options->heap.span_ns)
			       : too_many(options->verb);
	if (!*word)
		return arg_wrong("TYPE", "the name is empty");
	if (!strchr("0123456789+-", *word)) {
		options->heap.type = word;
		return 0;
	}
	errno = 0;
	options->heap.address = strtoull(word, &end, 0);
	/* strtoull() takes a sign before it */
	if (errno || *end || *word < '0' || !options->heap.address || options->heap.address % 8)
		return arg_wrong("ADDRESS", "expected an address, as id() gives it");
	return 0;
}

static error_t take_path(struct options *options, const char *path)
{
	struct container_request *watch = &options->heap.watch;

	if (watch->n == CONTAINER_WATCH_MAX)
		return arg_wrong("PATH", "at most four: a processor has four debug registers");
	for (unsigned i = 0; i < watch->n; i++)
		if (!strcmp(watch->asked[i].path, path))
			return arg_wrong("PATH", "given twice");
	watch->asked[watch->n].refs = options->verb == &verbs[VERB_REFS];
	watch->asked[watch->n++].path = path;
	return 0;
}

/* A recording; diff takes two. */
static error_t take_file(struct options *options, const char *word)
{
	if (options->record.n_files == (options->verb == &verbs[VERB_DIFF] ? 2 : 1))
		return too_many(options->verb);
	if (!*word)
		return arg_wrong("FILE", "the name is empty");
	options->record.files[options->record.n_files++] = word;
	return 0;
}

static error_t take_argument(struct parse *parse, const char *word)
{
	struct options *options = parse->options;

	switch (options->verb - verbs) {
	case VERB_TRACE:
		if (verb_by_name(word) ||
		    (!parse->n_times && (*word < '0' || *word > '9') && *word != '.'))
			return explain_word(word);
		/* fall through */
	case VERB_GROWTH:
	case VERB_TREND:
	case VERB_RECORD:
		return take_time(parse, word);
	case VERB_CHAIN:
	case VERB_BACKREFS:
	case VERB_OBJECTS:
		return take_object(options, word);
	case VERB_WATCH:
	case VERB_REFS:
		return take_path(options, word);
	case VERB_REPORT:
	case VERB_DIFF:
		return take_file(options, word);
	default:
		return too_many(options->verb);
	}
}

/* ---- options -------------------------------------------------------------------------------- */

/* What getopt_long() gives for a row: its letter, or its index behind all letters. */
static int key_of(const struct option_row *row)
{
	return row->letter ? row->letter : KEY_FIRST + (int)(row - option_rows);
}

static const struct option_row *row_of(int key, const struct verb *verb)
{
	for (const struct option_row *row = option_rows; row->help; row++)
		if (row->verbs & 1u << (verb - verbs) && key_of(row) == key)
			return row;
	return NULL;
}

/* The rows of a verb, as getopt_long() wants them. */
struct getopt_table {
	struct option rows[ROWS_MAX + 1];
	char letters[2 * ROWS_MAX + 2];
};

static void fill_table(struct getopt_table *table, const struct verb *verb)
{
	char *letter = table->letters;
	size_t n = 0;

	*letter++ = ':'; /* what is wrong is said here */
	for (const struct option_row *row = option_rows; row->help && n < ROWS_MAX; row++) {
		if (!(row->verbs & 1u << (verb - verbs)))
			continue;
		if (row->name)
			table->rows[n++] = (struct option){
				row->name, row->value ? required_argument : no_argument, NULL,
				key_of(row)};
		if (row->letter)
			*letter++ = row->letter;
		if (row->letter && row->value)
			*letter++ = ':';
	}
	*letter = '\0';
	table->rows[n] = (struct option){0};
}

static error_t take_option(struct parse *parse, const struct option_row *row, char *word)
{
	struct options *options = parse->options;

	parse->done = true;
	if (row->letter == 'h')
		help_print(stdout, options->verb);
	else if (row->letter == 'X' && !strcmp(word, "help"))
		help_print_knobs(stdout, options->verb);
	else if (!row->set)
		puts("pyleaktrace " PYLEAKTRACE_VERSION);
	else
		parse->done = false;
	return row->set && !parse->done ? row->set(options, row, word) : 0;
}

static bool takes_time(const struct verb *verb)
{
	return strstr(verb->arguments, "TIME") || strstr(verb->arguments, "INTERVAL");
}

/* getopt_long() gave '?' or ':' for this word. */
static error_t refuse(const struct parse *parse, int key, const char *word)
{
	char name[VERB_WORD_MAX + 16], quoted[64];
	bool is_long = word && word[0] == '-' && word[1] == '-';

	verb_full_name(parse->options->verb, name, sizeof(name));
	if (!is_long && optopt >= '0' && optopt <= '9' && takes_time(parse->options->verb))
		return arg_wrong("", "a time cannot be negative (%s %s; see --help)", name,
				 parse->options->verb->arguments);
	if (!is_long)
		snprintf(quoted, sizeof(quoted), "-%c", optopt);
	else
		escape_copy(quoted, sizeof(quoted), word);
	if (key == ':')
		return arg_wrong(quoted, "a value is missing");
	return arg_wrong("", "unknown option %s; %s --help lists them", quoted, name);
}

static error_t take_words(struct parse *parse, int argc, char **argv)
{
	struct getopt_table table;
	error_t error = 0;
	int key;

	fill_table(&table, parse->options->verb);
	optind = 0; /* glibc: from the beginning, as tests do it again and again */
	while (!error && !parse->done &&
	       (key = getopt_long(argc, argv, table.letters, table.rows, NULL)) != -1) {
		const struct option_row *row = row_of(key, parse->options->verb);

		if (key == '?' || key == ':' || !row)
			error = refuse(parse, key, argv[optind - 1]);
		else
			error = take_option(parse, row, optarg);
	}
	while (!error && !parse->done && optind < argc)
		error = take_argument(parse, argv[optind++]);
	return error;
}

/* ---- what goes together --------------------------------------------------------------------- */

/* The -o files get their formats: by their names, else by -f. Without -o, -f is for standard
 * output. */
static bool resolve_formats(struct options *options)
{
	const struct exporter *forced = options->format;
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < options->n_outputs; i++) {
		struct output *output = &options->outputs[i];

		output->format = exporter_by_file(output->pattern, options->verb->document, &err);
		if (!output->format && forced) {
			output->format = forced;
			options->format = NULL;
		}
		if (!output->format) {
			arg_wrong("--output", "%s", err.text);
			return false;
		}
	}
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
static bool output_names_fit(const struct options *options)
{
	bool join = options_join(options);

	for (unsigned i = 0; i < options->n_outputs; i++) {
		if (names_pid(options->outputs[i].pattern) == join) {
			arg_wrong("--output", "%s",
				  join ? "with --group-by pid one file covers all targets: use no "
					 "%p in its name"
				       : "with several targets the name needs a %p for the pid");
			return false;
		}
	}
	if (!join && options_machine(options)) {
		arg_wrong("--format", "with several targets use -o with %%p in the name");
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

static bool is_trace(const struct verb *verb)
{
	return verb == &verbs[VERB_TRACE] || verb == &verbs[VERB_RECORD];
}

static bool resolve_trace(struct options *options)
{
	struct trace_options *trace = &options->trace;
	bool governs = trace->max_overhead > 0 || trace->max_window_ns ||
		       trace->on_limit != ON_LIMIT_THROTTLE;

	if (options->exact && trace->sample_shift) {
		arg_wrong("", "--exact records every block and --sample one per BYTES: use one of "
			      "them");
		return false;
	}
	trace->exact |= options->exact || trace->sample_shift;
	if (trace->exact && governs) {
		arg_wrong("", "--exact and --sample have no ceiling: --max-overhead, --max-delay "
			      "and -X on-limit cannot be combined with them");
		return false;
	}
	if (options->have_fail_above && !trace->heap_scan) {
		arg_wrong("",
			  "--fail-above needs the heap to be scanned: it cannot be combined with "
			  "-X heap-scan=no");
		return false;
	}
	if (trace->min_size > trace->max_size) {
		arg_wrong("", "--min-size is above --max-size: no block would be counted");
		return false;
	}
	/* what sums up or selects stacks wants stacks, of whatever there is */
	if (!options->when_given && (options->group_by != GROUP_STACK || options->n_modules ||
				     options->domains_given || options->source))
		trace->when = TRACE_ALWAYS;
	if (!(trace->max_overhead > 0))
		trace->max_overhead = BUDGET_CEILING;
	if (!trace->max_window_ns)
		trace->max_window_ns = OPTIONS_WINDOW_NS;
	trace->by_thread = options->group_by == GROUP_THREAD;
	say_what_is_not_grouped(options);
	return true;
}

/* Times that the command line leaves open. */
static void resolve_times(struct options *options)
{
	switch (options->verb - verbs) {
	case VERB_TRACE:
	case VERB_RECORD:
		if (!options->interval_ns)
			options->interval_ns = 5000000000u;
		break;
	case VERB_OBJECTS:
		/* one object, by its address: it is there at once */
		if (!options->heap.span_ns && options->heap.type)
			options->heap.span_ns = OBJECTS_NS;
		break;
	case VERB_GROWTH:
		if (!options->heap.span_ns)
			options->heap.span_ns = GROWTH_NS;
		if (options->duration_ns && !options->interval_ns)
			options->interval_ns = options->heap.span_ns;
		break;
	case VERB_TREND:
		if (!options->interval_ns) {
			options->interval_ns = TREND_INTERVAL_NS;
			options->count = options->duration_ns ? 0 : TREND_COUNT;
		}
		break;
	case VERB_WATCH:
	case VERB_REFS:
		if (!options->duration_ns)
			options->duration_ns = WATCH_NS;
		break;
	}
}

/* What the command cannot do without. */
static bool has_all(const struct options *options)
{
	const struct heap_options *heap = &options->heap;
	enum verb_id id = (enum verb_id)(options->verb - verbs);
	char name[VERB_WORD_MAX + 16];
	const char *missing = NULL;

	verb_full_name(options->verb, name, sizeof(name));
	if (id == VERB_DOCTOR)
		missing = options->restore && !options->trace.n_pids ? "--restore needs -p PID"
								     : NULL;
	else if (id == VERB_REPORT || id == VERB_DIFF)
		missing = options->record.n_files ? NULL : "which recording?";
	else if (!options->trace.n_pids)
		missing = "no target: use -p PID";
	else if ((id == VERB_CHAIN || id == VERB_BACKREFS || id == VERB_OBJECTS) && !heap->type &&
		 !heap->address)
		missing = "objects of which type?";
	else if (id == VERB_WATCH && !heap->watch.n)
		missing = "which container? holders lists them";
	else if (id == VERB_REFS && !heap->watch.n)
		missing = "which object? A path as holders prints it, an address, or a type as "
			  "heap lists them";
	else if (id == VERB_RECORD && !options->recording)
		missing = "record to which file? -o FILE";
	if (missing)
		arg_wrong("", "%s (%s %s; see --help)", missing, name, options->verb->arguments);
	return !missing;
}

static void set_defaults(struct options *options, const struct verb *verb)
{
	*options = (struct options){
		.verb = verb,
		.top = verb->top,
		.frames = REPORT_FRAMES,
		.trace = {.order = ORDER_SIZE,
			  .older_ns = 500000000u,
			  .max_size = UINT64_MAX,
			  .domains = (1u << DOMAIN_COUNT) - 1,
			  .max_stacks = 32768,
			  .steer = true,
			  .heap_scan = true,
			  .native = true},
		.heap = {.depth = 3, .max_overhead = 0.05},
	};
}

/* ---- all ------------------------------------------------------------------------------------ */

/* The word is no command, though somebody may have meant one. */
static bool is_misspelled(const char *word)
{
	const struct verb *meant = *word == '-' ? NULL : verb_near(word);
	char quoted[64];

	if (meant)
		arg_wrong("", "unknown command \"%s\": did you mean `pyleaktrace %s`?",
			  escape_copy(quoted, sizeof(quoted), word), meant->name);
	return meant;
}

enum options_result options_parse(struct options *options, int argc, char **argv)
{
	const struct verb *verb = argc > 1 ? verb_by_name(argv[1]) : NULL;
	struct parse parse = {.options = options};

	set_defaults(options, verb ? verb : &verbs[VERB_TRACE]);
	if (argc <= 1) {
		help_print_verbs(stderr);
		return OPTIONS_WRONG;
	}
	if (!strcmp(argv[1], "help")) {
		verb = argc > 2 ? verb_by_name(argv[2]) : NULL;
		help_print(stdout, verb ? verb : options->verb);
		return OPTIONS_DONE;
	}
	if (!verb && is_misspelled(argv[1]))
		return OPTIONS_WRONG;
	if (verb) {
		argv[1] = argv[0]; /* what messages begin with */
		argc--;
		argv++;
	}
	if (take_words(&parse, argc, argv))
		return OPTIONS_WRONG;
	if (parse.done)
		return OPTIONS_DONE;
	resolve_times(options);
	if (!has_all(options) || !resolve_formats(options))
		return OPTIONS_WRONG;
	if (options->trace.n_pids > 1 && !output_names_fit(options))
		return OPTIONS_WRONG;
	if (is_trace(options->verb) && !resolve_trace(options))
		return OPTIONS_WRONG;
	if (options->verb == &verbs[VERB_REPORT])
		say_what_is_not_grouped(options);
	return OPTIONS_RUN;
}

void options_fini(struct options *options)
{
	if (options->heap.have_like)
		regfree(&options->heap.like);
	options->heap.have_like = false;
}
