/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_options: the command line of `pyleaktrace heap` -> a struct.
 *
 * Place      layer 6. The table in heap_options.c is the one source of names, help and defaults
 *            (argp).
 * Units      times in ns.
 * Ownership  strings point into argv, or are static; heap_options_fini() releases the expression.
 * Errors     heap_options_parse() prints one line to stderr; it never exits itself.
 * Bounds     OPTIONS_MAX_OUTPUTS files; every number has a range.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_OPTIONS_H
#define PYLEAKTRACE_CLI_HEAP_OPTIONS_H

#include <regex.h>

#include "cli/options.h"
#include "containers/container_find.h"
#include "export/heap_picture.h"
#include "model/heap_types.h"

struct heap_options {
	pid_t pid;
	unsigned top; /* 0: all */
	enum heap_order order;
	bool holders;
	const char *chain;    /* a type, module.name or name alone; NULL: not asked for */
	const char *backrefs; /* the same */
	uint64_t at;          /* address of the one object; 0: all of the type */
	unsigned depth;       /* of backrefs */
	struct container_request watch;
	uint64_t for_ns;     /* how long they are watched */
	double max_overhead; /* of a core */
	bool frozen;
	bool growth, trend;
	uint64_t growth_ns;
	uint64_t interval_ns; /* between reports of growth (0: one report), or looks of a trend */
	uint64_t count;       /* reports or looks; 0: endless */
	uint64_t duration_ns; /* 0: endless */
	bool have_like;
	regex_t like;
	const char *module; /* NULL: any */
	uint64_t min_count;
	struct heap_output outputs[OPTIONS_MAX_OUTPUTS];
	unsigned n_outputs;
	bool json; /* of standard output */
	bool quiet, no_color;
	unsigned verbose;
};

enum options_result heap_options_parse(struct heap_options *options, int argc, char **argv);
void heap_options_fini(struct heap_options *options);

#endif
