/* SPDX-License-Identifier: BSD-2-Clause
 *
 * census_text: a heap -> the text of the heap commands: a table of types, or of their growth.
 *
 * Place      layer 5; called by cli.
 * Shapes     a head line, a table (numbers right, the name last, so that awk finds it), then the
 *            collector, what was read, and what was not.
 * Errors     none of its own; the stream keeps its error flag.
 * Bounds     no memory; names are escaped.
 * Threads    safe from any on different streams.
 */
#ifndef PYLEAKTRACE_VIEW_CENSUS_TEXT_H
#define PYLEAKTRACE_VIEW_CENSUS_TEXT_H

#include <stdio.h>

#include "model/heap_types.h"

struct census_text_options {
	unsigned top; /* rows shown; 0: all */
	bool color;
	bool quiet; /* the table only */
};

void census_text(FILE *out, const struct heap_report *report,
		 const struct census_text_options *options);

#endif
