/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/option_rows.h"

#include <string.h>

#include "base/escape.h"
#include "cli/arg_parse.h"
#include "cli/verbs.h"
#include "view/report.h"

#define BIT(verb)     (1u << VERB_##verb)
#define ALL           ((1u << VERB_COUNT) - 1)
#define TRACE         BIT(TRACE)
#define TABLES        (BIT(HEAP) | BIT(GROWTH) | BIT(HOLDERS)) /* of types and containers */
#define WATCHES       (BIT(WATCH) | BIT(REFS))
#define REPORTS       (ALL & ~BIT(DOCTOR))
#define TRACES        (TRACE | BIT(RECORD))
#define FILES         (BIT(REPORT) | BIT(DIFF)) /* of recordings: no process is needed */
#define STACKS        (TRACES | BIT(REPORT))

#define AT(member)    offsetof(struct options, member)

#define LEAST_TIME_NS 10000000u
#define NAME_SIZE     40

/* ---- general: the value at row->offset ------------------------------------------------------ */

/* "--top", or "-X max-stacks" */
static const char *name_of(const struct option_row *row, char text[NAME_SIZE])
{
	bool is_knob = false;

	for (const struct option_row *knob = option_knobs; knob->help; knob++)
		is_knob |= knob == row;
	snprintf(text, NAME_SIZE, is_knob ? "-X %s" : "--%s", row->name);
	return text;
}

static void *value_of(struct options *options, const struct option_row *row)
{
	return (char *)options + row->offset;
}

static error_t set_flag(struct options *options, const struct option_row *row, char *word)
{
	(void)word;
	*(bool *)value_of(options, row) = true;
	return 0;
}

static error_t set_more(struct options *options, const struct option_row *row, char *word)
{
	(void)word;
	++*(unsigned *)value_of(options, row);
	return 0;
}

static error_t set_u32(struct options *options, const struct option_row *row, char *word)
{
	char name[NAME_SIZE];

	return arg_u32(name_of(row, name), word, row->least, row->most, value_of(options, row));
}

/* How much of a report is wanted. */
static error_t set_shown(struct options *options, const struct option_row *row, char *word)
{
	options->shown = true;
	return set_u32(options, row, word);
}

/* Fewer than a few would not have the own code. */
static error_t set_frames(struct options *options, const struct option_row *row, char *word)
{
	error_t result = set_shown(options, row, word);

	if (!result && options->frames && options->frames < REPORT_FRAMES_LEAST)
		options->frames = REPORT_FRAMES_LEAST;
	return result;
}

static error_t set_number(struct options *options, const struct option_row *row, char *word)
{
	char name[NAME_SIZE];

	return arg_number(name_of(row, name), word, row->least, row->most, value_of(options, row));
}

static error_t set_size(struct options *options, const struct option_row *row, char *word)
{
	char name[NAME_SIZE];

	return arg_size(name_of(row, name), word, row->least, row->most, value_of(options, row));
}

static error_t set_time(struct options *options, const struct option_row *row, char *word)
{
	char name[NAME_SIZE];

	return arg_time(name_of(row, name), word, row->least, value_of(options, row));
}

/* row->least: in hundredths of a percent */
static error_t set_share(struct options *options, const struct option_row *row, char *word)
{
	char name[NAME_SIZE];

	return arg_share(name_of(row, name), word, (double)row->least / 100,
			 value_of(options, row));
}

static error_t set_rate(struct options *options, const struct option_row *row, char *word)
{
	char name[NAME_SIZE];

	options->have_fail_above = true;
	return arg_rate(name_of(row, name), word, value_of(options, row));
}

static error_t choose(const struct option_row *row, const char *word, unsigned *choice)
{
	char name[NAME_SIZE];
	unsigned n = 0;

	while (row->choices[n])
		n++;
	return arg_choice(name_of(row, name), word, row->choices, n, choice);
}

static error_t set_choice(struct options *options, const struct option_row *row, char *word)
{
	return choose(row, word, value_of(options, row));
}

static const char *const no_yes[] = {"no", "yes", NULL};

static error_t set_when(struct options *options, const struct option_row *row, char *word)
{
	options->when_given = true;
	return set_choice(options, row, word);
}

static error_t set_no_yes(struct options *options, const struct option_row *row, char *word)
{
	unsigned choice = 0;
	error_t error = choose(row, word, &choice);

	if (!error)
		*(bool *)value_of(options, row) = choice;
	return error;
}

/* ---- of one option each --------------------------------------------------------------------- */

static error_t add_pid(struct options *options, const char *word)
{
	struct trace_options *trace = &options->trace;
	uint64_t pid;
	error_t error = arg_number("--pid", word, 1, INT32_MAX, &pid);

	if (error)
		return error;
	for (unsigned i = 0; i < trace->n_pids; i++)
		if (trace->pids[i] == (pid_t)pid)
			return 0;
	if (trace->n_pids && options->verb != &verbs[VERB_TRACE])
		return arg_wrong("--pid", "only one process at a time");
	if (trace->n_pids == TRACE_MAX_PIDS)
		return arg_wrong("--pid", "at most %d targets", TRACE_MAX_PIDS);
	trace->pids[trace->n_pids++] = (pid_t)pid;
	return 0;
}

static error_t set_pids(struct options *options, const struct option_row *row, char *list)
{
	char *word;
	error_t error = 0;

	(void)row;
	while (!error && (word = strsep(&list, ",")))
		error = add_pid(options, word);
	return error;
}

static error_t set_domains(struct options *options, const struct option_row *row, char *list)
{
	char *word;

	(void)row;
	options->trace.domains = 0;
	options->domains_given = true;
	while ((word = strsep(&list, ","))) {
		unsigned i = 0;

		while (i < DOMAIN_COUNT && strcmp(word, domain_name(i)) != 0)
			i++;
		if (i == DOMAIN_COUNT)
			return arg_wrong("--domain", "expected a list of malloc, object and mmap");
		options->trace.domains |= 1u << i;
	}
	return 0;
}

static error_t set_group_by(struct options *options, const struct option_row *row, char *name)
{
	const char *names[GROUP_BY_COUNT];
	unsigned group_by = options->group_by;
	error_t error;

	(void)row;
	for (unsigned by = 0; by < GROUP_BY_COUNT; by++)
		names[by] = group_by_name(by);
	error = arg_choice("--group-by", name, names, GROUP_BY_COUNT, &group_by);
	options->group_by = group_by;
	return error;
}

/* The list is taken apart where it stands, in argv. */
static error_t add_modules(struct options *options, const struct option_row *row, char *list)
{
	char *name;

	(void)row;
	while ((name = strsep(&list, ","))) {
		if (!*name)
			return arg_wrong("--module", "a name is missing");
		if (options->n_modules == OPTIONS_MAX_MODULES)
			return arg_wrong("--module", "at most %d names", OPTIONS_MAX_MODULES);
		options->modules[options->n_modules++] = name;
	}
	return 0;
}

/* A power of two, rounded up. */
static error_t set_sample(struct options *options, const struct option_row *row, char *word)
{
	uint64_t bytes = 0;
	error_t error = arg_size("--sample", word, row->least, row->most, &bytes);

	if (error)
		return error;
	options->trace.sample_shift = 0;
	while (1ull << options->trace.sample_shift < bytes)
		options->trace.sample_shift++;
	return 0;
}

static error_t set_like(struct options *options, const struct option_row *row, char *expression)
{
	struct heap_options *heap = &options->heap;
	char why[128], quoted[96];
	int code;

	(void)row;
	options_fini(options);
	code = regcomp(&heap->like, expression, REG_EXTENDED | REG_NOSUB);
	heap->have_like = !code;
	if (!code)
		return 0;
	regerror(code, &heap->like, why, sizeof(why));
	return arg_wrong("--types-like", "\"%s\": %s",
			 escape_copy(quoted, sizeof(quoted), expression), why);
}

static error_t add_output(struct options *options, const struct option_row *row, char *pattern)
{
	(void)row;
	if (options->n_outputs == OPTIONS_MAX_OUTPUTS)
		return arg_wrong("--output", "at most %d files", OPTIONS_MAX_OUTPUTS);
	options->outputs[options->n_outputs++].pattern = pattern;
	return 0;
}

static error_t set_format(struct options *options, const struct option_row *row, char *name)
{
	struct err err = ERR_INIT;

	(void)row;
	options->format = exporter_by_name(name, options->verb->document, &err);
	return options->format ? 0 : arg_wrong("--format", "%s", err.text);
}

static error_t set_recording(struct options *options, const struct option_row *row, char *pattern)
{
	(void)row;
	if (options->recording)
		return arg_wrong("--output", "one recording at a time");
	options->recording = pattern;
	return 0;
}

static error_t set_moment(struct options *options, const struct option_row *row, char *word)
{
	struct moment *moment = value_of(options, row);
	char name[NAME_SIZE];

	moment->given = true;
	return arg_moment(name_of(row, name), word, &moment->clock, &moment->seconds);
}

static error_t set_knob(struct options *options, const struct option_row *row, char *word)
{
	char *value = strchr(word, '='), quoted[64];

	(void)row;
	if (value)
		*value++ = '\0';
	for (const struct option_row *knob = option_knobs; knob->help; knob++) {
		if (strcmp(word, knob->name) != 0 || !(knob->verbs & 1u << (options->verb - verbs)))
			continue;
		if (!value)
			return arg_wrong("-X", "expected %s=%s", knob->name, knob->value);
		return knob->set(options, knob, value);
	}
	return arg_wrong("-X", "unknown setting \"%s\"; -X help lists them",
			 escape_copy(quoted, sizeof(quoted), word));
}

/* ---- the tables ----------------------------------------------------------------------------- */

static const char *const stack_orders[] = {[ORDER_SIZE] = "size",
					   [ORDER_COUNT] = "count",
					   [ORDER_GROWTH] = "growth",
					   [ORDER_AGE] = "age",
					   NULL};
static const char *const type_orders[] = {
	[HEAP_BY_BYTES] = "bytes", [HEAP_BY_COUNT] = "count", [HEAP_BY_NAME] = "name", NULL};
static const char *const moments[] = {
	[TRACE_WHERE_IT_GROWS] = "growth", [TRACE_ALWAYS] = "always", NULL};

static const char *const limits[] = {
	[ON_LIMIT_THROTTLE] = "throttle", [ON_LIMIT_STOP] = "stop", NULL};

const struct option_row option_rows[] = {
	{"pid", 'p', "PID[,PID...]", "processes; may repeat", TRACE, .group = OPTION_TARGET,
	 .set = set_pids},
	{"pid", 'p', "PID", "the process", REPORTS & ~TRACE & ~FILES, .group = OPTION_TARGET,
	 .set = set_pids},
	{"pid", 'p', "PID",
	 "look at this process too: its Python, the plan of the probes, the cost", BIT(DOCTOR),
	 .group = OPTION_TARGET, .set = set_pids},
	{"restore", 0, NULL, "undo what a killed pyleaktrace left in the process", BIT(DOCTOR),
	 .group = OPTION_TARGET, .set = set_flag, .offset = AT(restore)},
	{"duration", 'd', "TIME", "stop after TIME (90, 90s, 5m, 2h); else at Ctrl-C or its end",
	 TRACES, .group = OPTION_TARGET, .set = set_time, .offset = AT(duration_ns),
	 .least = LEAST_TIME_NS},
	{"duration", 'd', "TIME", "go on until TIME (90, 90s, 5m, 2h) has passed",
	 BIT(GROWTH) | BIT(TREND), .group = OPTION_TARGET, .set = set_time,
	 .offset = AT(duration_ns), .least = LEAST_TIME_NS},
	{"duration", 'd', "TIME", "for how long (5s)", WATCHES, .group = OPTION_TARGET,
	 .set = set_time, .offset = AT(duration_ns), .least = LEAST_TIME_NS},
	{"max-overhead", 0, "PERCENT",
	 "ceiling: of its own CPU time (5), or 1 % of one core if that is more", TRACES,
	 .group = OPTION_TARGET, .set = set_share, .offset = AT(trace.max_overhead), .least = 10},
	{"max-overhead", 0, "PERCENT", "end when it costs the target more than this of a core (5)",
	 WATCHES, .group = OPTION_TARGET, .set = set_share, .offset = AT(heap.max_overhead),
	 .least = 1},
	{"fail-above", 0, "RATE", "exit with 3 if memory in use grows faster at the end (10MiB/h)",
	 TRACES, .group = OPTION_TARGET, .set = set_rate, .offset = AT(fail_above_per_s)},
	{"max-delay", 0, "TIME", "the longest window, and so delay of one request (20ms)", TRACES,
	 .group = OPTION_TARGET, .set = set_time, .offset = AT(trace.max_window_ns),
	 .least = 1000000},
	{"exact", 0, NULL, "trace every allocation, whatever it costs", TRACES,
	 .group = OPTION_TARGET, .set = set_flag, .offset = AT(exact)},
	{"sample", 0, "BYTES", "record one block per BYTES allocated (256 to 1G), all the time",
	 TRACES, .group = OPTION_TARGET, .set = set_sample, .least = 1u << 8, .most = 1u << 30},
	{"native", 0, "yes|no", "C frames in stacks (yes)", TRACES, .group = OPTION_TARGET,
	 .set = set_no_yes, .offset = AT(trace.native), .choices = no_yes},
	{"domain", 0, "LIST", "allocators to trace: malloc,object,mmap (all)", TRACES,
	 .group = OPTION_TARGET, .set = set_domains},
	{"depth", 0, "N", "number of steps back (3)", BIT(BACKREFS), .group = OPTION_TARGET,
	 .set = set_u32, .offset = AT(heap.depth), .least = 1, .most = 20},
	{"frozen", 0, NULL, "pause the process while it is read; the pause is measured",
	 BIT(HEAP) | BIT(HOLDERS) | BIT(CHAIN) | BIT(BACKREFS) | BIT(OBJECTS),
	 .group = OPTION_TARGET, .set = set_flag, .offset = AT(heap.frozen)},

	{"top", 'T', "N", "stacks or groups to show (5; 0: all)", STACKS, .group = OPTION_SHOWN,
	 .set = set_shown, .offset = AT(top), .most = 1000000},
	{"frames", 0, "N", "frames to show of each stack (6; 0: all); -v shows every one", STACKS,
	 .group = OPTION_SHOWN, .set = set_frames, .offset = AT(frames), .most = 1000},
	{"top", 'T', "N", "rows of each part (20; 0: all)",
	 REPORTS & ~STACKS & ~BIT(OBJECTS) & ~BIT(DIFF), .group = OPTION_SHOWN, .set = set_u32,
	 .offset = AT(top), .most = 1000000},
	{"top", 'T', "N", "rows of each part (5; 0: all)", BIT(DIFF), .group = OPTION_SHOWN,
	 .set = set_u32, .offset = AT(top), .most = 1000000},
	{"top", 'T', "N", "objects to show (10; 0: 1000)", BIT(OBJECTS), .group = OPTION_SHOWN,
	 .set = set_u32, .offset = AT(top), .most = 1000},
	{"values", 0, NULL,
	 "also what is in the objects: text, numbers, first items, attributes; may be private",
	 BIT(OBJECTS), .group = OPTION_SHOWN, .set = set_flag, .offset = AT(heap.values)},
	{"sort", 0, "ORDER", "size, count, growth or age (size)", STACKS, .group = OPTION_SHOWN,
	 .set = set_choice, .offset = AT(trace.order), .choices = stack_orders},
	{"sort", 0, "ORDER", "bytes, count or name (bytes)", BIT(HEAP) | BIT(GROWTH),
	 .group = OPTION_SHOWN, .set = set_choice, .offset = AT(heap.order),
	 .choices = type_orders},
	{"group-by", 0, "WHAT",
	 "sum by line, function, module, thread or pid; traces at once (stack)", TRACES,
	 .group = OPTION_SHOWN, .set = set_group_by},
	{"group-by", 0, "WHAT", "sum by line, function, module or thread (stack)", BIT(REPORT),
	 .group = OPTION_SHOWN, .set = set_group_by},
	{"module", 0, "NAME[,NAME...]",
	 "only stacks with a frame of these (numpy, json.decoder); may repeat", STACKS,
	 .group = OPTION_SHOWN, .set = add_modules},
	{"module", 0, "NAME[,NAME...]",
	 "only what belongs to these modules or their submodules (builtins: to none); may repeat",
	 TABLES, .group = OPTION_SHOWN, .set = add_modules},
	{"types-like", 0, "REGEX", "only types that match this extended regular expression", TABLES,
	 .group = OPTION_SHOWN, .set = set_like},
	{"min-count", 0, "N", "only types with at least N objects, containers with N items", TABLES,
	 .group = OPTION_SHOWN, .set = set_number, .offset = AT(heap.min_count), .most = INT64_MAX},
	{"source", 0, NULL, "also the program's own files, line by line; traces at once", TRACE,
	 .group = OPTION_SHOWN, .set = set_flag, .offset = AT(source)},
	{"older", 0, "TIME", "ignore blocks younger than TIME (500ms)", TRACES,
	 .group = OPTION_SHOWN, .set = set_time, .offset = AT(trace.older_ns)},
	{"min-size", 'z', "BYTES", "count only blocks of at least this size", TRACES,
	 .group = OPTION_SHOWN, .set = set_size, .offset = AT(trace.min_size), .most = UINT64_MAX},
	{"max-size", 'Z', "BYTES", "count only blocks of at most this size", TRACES,
	 .group = OPTION_SHOWN, .set = set_size, .offset = AT(trace.max_size), .most = UINT64_MAX},

	{"from", 0, "TIME",
	 "reports from TIME on: since the start (90, 5m), before the end (-5m), or by the clock "
	 "(14:03)",
	 FILES, .group = OPTION_SHOWN, .set = set_moment, .offset = AT(record.from)},
	{"to", 0, "TIME", "reports up to TIME", FILES, .group = OPTION_SHOWN, .set = set_moment,
	 .offset = AT(record.to)},

	{"output", 'o', "FILE", "the recording, a file that is not there yet; %p: pid, %t: time",
	 BIT(RECORD), .group = OPTION_OUTPUT, .set = set_recording},
	{"output", 'o', "FILE",
	 "also write the report to FILE; may repeat; %p: pid, %t: time; the format by extension",
	 FILES, .group = OPTION_OUTPUT, .set = add_output},
	{"output", 'o', "FILE",
	 "final report to FILE, too; may repeat; %p: pid, %t: time; extension",
	 REPORTS & ~BIT(RECORD) & ~FILES, .group = OPTION_OUTPUT, .set = add_output},
	{"format", 'f', "FORMAT", "for stdout, -o", REPORTS & ~BIT(RECORD), .group = OPTION_OUTPUT,
	 .set = set_format},
	{"quiet", 'q', NULL, "reports only", REPORTS, .group = OPTION_OUTPUT, .set = set_flag,
	 .offset = AT(quiet)},
	{"verbose", 'v', NULL, "more output: what is done, every frame", REPORTS,
	 .group = OPTION_OUTPUT, .set = set_more, .offset = AT(trace.verbose)},
	{"no-color", 0, NULL, "no colors (NO_COLOR is honored too)", REPORTS,
	 .group = OPTION_OUTPUT, .set = set_flag, .offset = AT(no_color)},

	{NULL, 'X', "NAME=VALUE", "a rarely needed setting; -X help lists them",
	 TRACES | BIT(DOCTOR), .group = OPTION_ABOUT, .set = set_knob},
	{"help", 'h', NULL, "print a short help", ALL, .group = OPTION_ABOUT},
	{"version", 0, NULL, "print the version", ALL, .group = OPTION_ABOUT},
	{0},
};

const struct option_row option_knobs[] = {
	{"steer", 0, "yes|no",
	 "write to the target to see objects of builds with inlined allocators (yes); no: never "
	 "write to it, even if some objects are not seen then",
	 TRACES | BIT(DOCTOR), .group = OPTION_TARGET, .set = set_no_yes, .offset = AT(trace.steer),
	 .choices = no_yes},
	{"heap-scan", 0, "yes|no",
	 "scan the heap in the background, and look at memory, threads and files (yes)", TRACES,
	 .group = OPTION_TARGET, .set = set_no_yes, .offset = AT(trace.heap_scan),
	 .choices = no_yes},
	{"trace", 0, "growth|always",
	 "trace where memory grows and a stack is missing (growth), or at once and everywhere, "
	 "as far as the ceiling allows (always); always is the default with --domain, --module, "
	 "--source and --group-by other than stack",
	 TRACES, .group = OPTION_TARGET, .set = set_when, .offset = AT(trace.when),
	 .choices = moments},
	{"on-limit", 0, "throttle|stop",
	 "when tracing everything would exceed --max-overhead: trace less (throttle), or end with "
	 "a "
	 "final report and exit code 3 (stop)",
	 TRACES, .group = OPTION_TARGET, .set = set_choice, .offset = AT(trace.on_limit),
	 .choices = limits},
	{"max-blocks", 0, "N", "room for live blocks (from the target's size, at least 1048576)",
	 TRACES, .group = OPTION_TARGET, .set = set_u32, .offset = AT(trace.max_blocks), .least = 1,
	 .most = 1u << 28},
	{"max-stacks", 0, "N", "room for distinct stacks (32768)", TRACES, .group = OPTION_TARGET,
	 .set = set_u32, .offset = AT(trace.max_stacks), .least = 1, .most = 1u << 22},
	{0},
};

const char *option_help(const struct option_row *row, const struct verb *verb, char *text,
			size_t size)
{
	char formats[160];

	exporter_list(formats, sizeof(formats), verb->document, row->set == add_output);
	if (row->set == set_format)
		snprintf(text, size, "%s: %s", formats, row->help);
	else
		snprintf(text, size, "%s%s%s", row->help, row->set == add_output ? ": " : "",
			 row->set == add_output ? formats : "");
	return text;
}

const char *option_group_name(enum option_group group, const struct verb *verb)
{
	static const char *const names[] = {[OPTION_TARGET] = "Target:",
					    [OPTION_SHOWN] = "What is shown:",
					    [OPTION_OUTPUT] = "Output:",
					    [OPTION_ABOUT] = "More:"};

	return group == OPTION_TARGET && verb == &verbs[VERB_TRACE] ? "Tracing:" : names[group];
}
