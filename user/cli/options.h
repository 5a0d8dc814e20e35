/* SPDX-License-Identifier: BSD-2-Clause
 *
 * options: a command line -> a struct.
 *
 *      argv ──▶ verb (verbs.h) ──▶ its rows of the option table (option_rows.h) ──▶ struct options
 *
 * Place      cli.
 * Units      times in ns, sizes in bytes, percentages as shares.
 * Ownership  strings point into argv, or are static; options_fini() releases the regular
 *            expression.
 * Errors     options_parse() prints one line to stderr; it never exits.
 * Bounds     TRACE_MAX_PIDS targets, OPTIONS_MAX_OUTPUTS files, OPTIONS_MAX_MODULES modules; every
 *            number has a range.
 */
#ifndef PYLEAKTRACE_CLI_OPTIONS_H
#define PYLEAKTRACE_CLI_OPTIONS_H

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "containers/container_find.h"
#include "export/exporter.h"
#include "model/group.h"
#include "model/heap_types.h"
#include "trace/trace_options.h"

#define OPTIONS_MAX_OUTPUTS 16
#define OPTIONS_MAX_MODULES 64
#define OPTIONS_WINDOW_NS   20000000u /* --max-delay, by default */

enum verb_id {
	VERB_TRACE, /* the main command */
	VERB_HEAP,
	VERB_GROWTH,
	VERB_HOLDERS,
	VERB_CHAIN,
	VERB_BACKREFS,
	VERB_OBJECTS,
	VERB_TREND,
	VERB_WATCH,
	VERB_REFS,
	VERB_RECORD,
	VERB_REPORT,
	VERB_DIFF,
	VERB_DOCTOR,
	VERB_COUNT,
};

struct output {
	const char *pattern; /* file name with %p, %t */
	const struct exporter *format;
};

/* What the views of the heap need. */
struct heap_options {
	enum heap_order order;
	const char *type; /* chain, backrefs, objects: module.name, name alone, or a pattern; NULL:
			     ... */
	uint64_t address; /* ... the object at this address */
	unsigned depth;   /* backrefs: steps back */
	uint64_t span_ns; /* growth, objects: what is compared; 0: one scan */
	bool values;      /* objects: what is in them */
	bool frozen;
	bool have_like;
	regex_t like; /* names of types */
	uint64_t min_count;
	struct container_request watch; /* watch, refs */
	double max_overhead;            /* watch, refs: of a core */
};

/* A moment of a recording. */
struct moment {
	bool given;
	bool clock;     /* seconds of the day, in local time; else: */
	double seconds; /* since the recording began; negative: before its end */
};

/* What report and diff read. */
struct record_options {
	const char *files[2];
	unsigned n_files;
	struct moment from, to;
};

struct options {
	const struct verb *verb;
	struct trace_options trace; /* the targets and -v of every command, too */
	uint64_t interval_ns;       /* 0: one report */
	uint64_t count;             /* reports, or looks; 0: endless */
	uint64_t duration_ns;       /* 0: endless */
	bool have_fail_above;
	double fail_above_per_s; /* bytes; then: exit with ERR_THRESHOLD */
	unsigned top;
	unsigned frames; /* of a stack; 0: all */
	bool source;     /* the program's own files, line by line */
	bool shown;      /* --top or --frames was given: as many lines as that takes */
	enum group_by group_by;
	const char *modules[OPTIONS_MAX_MODULES]; /* only what is of one of these */
	unsigned n_modules;                       /* 0: all */
	struct output outputs[OPTIONS_MAX_OUTPUTS];
	unsigned n_outputs;
	const struct exporter *format; /* of standard output; NULL: text */
	bool quiet, no_color;
	bool exact;                     /* --exact; --sample sets trace.exact too */
	bool domains_given, when_given; /* --domain; -X trace */
	struct heap_options heap;
	bool restore; /* doctor */
	struct record_options record;
	const char *recording; /* record: the file to write, with %p, %t; NULL: none is written */
};

/* what options_parse() found to do */
enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,  /* help or the version was printed: exit code 0 */
	OPTIONS_WRONG, /* said why: exit code 64 */
};

/* With several targets: is one report made on all of them? */
static inline bool options_join(const struct options *options)
{
	return options->group_by == GROUP_PID && options->trace.n_pids > 1;
}

/* The target, of commands that have one. */
static inline pid_t options_pid(const struct options *options)
{
	return options->trace.pids[0];
}

/*
 * in     argv: as main() gets it; the words are permuted
 * out    options: to be freed with options_fini(), whatever is returned
 */
enum options_result options_parse(struct options *options, int argc, char **argv);
void options_fini(struct options *options);

/* Does it print a machine's format to standard output, where one document is all there may be? */
static inline bool options_machine(const struct options *options)
{
	return options->format && options->format->write;
}

#endif
