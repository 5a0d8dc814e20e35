/* SPDX-License-Identifier: BSD-2-Clause
 *
 * options: the command line of `pyleaktrace [OPTIONS] -p PID[,PID...] [INTERVAL [COUNT]]` -> a
 * struct.
 *
 * Place      layer 6. The table in options.c is the one source of names, help and defaults (argp).
 * Units      times in ns, sizes in bytes.
 * Ownership  strings point into argv, or are static.
 * Errors     options_parse() prints one line to stderr and returns the exit code (64); it never
 *            exits itself.
 * Bounds     OPTIONS_MAX_PIDS targets, OPTIONS_MAX_OUTPUTS files, OPTIONS_MAX_MODULES modules;
 *            every number has a range.
 */
#ifndef PYLEAKTRACE_CLI_OPTIONS_H
#define PYLEAKTRACE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "export/exporter.h"
#include "model/group.h"
#include "model/profile.h"
#include "trace/trace_options.h"

#define OPTIONS_MAX_OUTPUTS 16
#define OPTIONS_MAX_MODULES 64

struct output {
	const char *pattern; /* file name with %p, %t */
	const struct exporter *format;
};

struct options {
	struct trace_options trace;
	uint64_t interval_ns;
	uint64_t count;       /* reports; 0: endless */
	uint64_t duration_ns; /* 0: endless */
	unsigned top;
	enum group_by group_by;
	const char *modules[OPTIONS_MAX_MODULES]; /* only stacks with a frame of one of these */
	unsigned n_modules;                       /* 0: all stacks */
	struct output outputs[OPTIONS_MAX_OUTPUTS];
	unsigned n_outputs;
	const struct exporter *format; /* of standard output; NULL: text */
	bool quiet, no_color;
};

/* what options_parse() found to do */
enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,  /* help or version was printed: exit code 0 */
	OPTIONS_WRONG, /* said why: exit code 64 */
};

/* With several targets: is one report made on all of them? */
static inline bool options_join(const struct options *options)
{
	return options->group_by == GROUP_PID && options->trace.n_pids > 1;
}

enum options_result options_parse(struct options *options, int argc, char **argv);

#endif
