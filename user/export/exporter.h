/* SPDX-License-Identifier: BSD-2-Clause
 *
 * exporter: the table of output formats; a row is all that a format needs.
 *
 * Place      layer 5; cli finds a row by -f or by the name of the -o file and calls its write().
 * Shapes     text (.txt), json (.json), folded (.folded), svg (.svg), html (.html).
 * Ownership  rows are static.
 * Errors     -ERR_USAGE from the two find functions: no such format, with the list of those that
 *            exist.
 * Bounds     write() needs memory for the stacks' tree or one stack's JSON at a time; it reads
 *            nothing but the profile and looks at no environment, so equal profiles give equal
 *            bytes.
 * Threads    safe from any on different streams.
 */
#ifndef PYLEAKTRACE_EXPORT_EXPORTER_H
#define PYLEAKTRACE_EXPORT_EXPORTER_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "model/group.h"
#include "model/profile.h"

struct exporter {
	const char *name;     /* of -f */
	const char *suffix;   /* of file names, with the dot */
	const char *contents; /* what it is, for --help */
	/*
	 * Write the whole profile, sorted by profile_sort(). Errors of the stream stay in the
	 * stream. NULL for text: that is the report, which cli has from view (report_text(), with
	 * the user's --top), and export and view do not know each other.
	 *
	 * return 0, or -ERR_FAILED when memory is out
	 */
	int (*write)(FILE *out, const struct profile *profile, struct err *err);
	bool tree; /* draws the stacks as a tree: groups of modules, threads, processes are its
		      roots */
};

/* Are groups by this the roots of the formats that draw a tree? A line is in the stacks already. */
bool exporter_has_roots(enum group_by by);

/*
 * Write the whole profile, with its groups as this format has them. Not for text.
 *
 * return 0, or -ERR_FAILED when memory is out
 */
int exporter_write(const struct exporter *exporter, FILE *out, const struct profile *profile,
		   struct err *err);

/* All rows; ends with a row whose name is NULL. */
extern const struct exporter exporters[];

/*
 * Find by name (-f).
 *
 * return a row, or NULL with err set
 */
const struct exporter *exporter_by_name(const char *name, struct err *err);

/*
 * Find by the end of a file's name, upper or lower case.
 *
 * return a row, or NULL with err set: the sentence says to name the format with -f
 */
const struct exporter *exporter_by_file(const char *path, struct err *err);

#endif
