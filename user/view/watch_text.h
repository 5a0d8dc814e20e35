/* SPDX-License-Identifier: BSD-2-Clause
 *
 * watch_text: containers that were watched -> the text of `pyleaktrace watch` and `refs`.
 *
 * Place      layer 5; called by cli.
 * Shapes     for each container a line with its sums, then the stacks that put in, most items
 *            first, then the ones that took out; then what has become of it. Without all_frames the
 *            interpreter's C frames are left out, and stacks that are equal then are one; of
 *            references only the functions are shown that are unpaired (model/unpaired.h). The end:
 *            why it is over, what was lost, what it cost.
 * Errors     none of its own; the stream keeps its error flag.
 * Threads    safe from any on different streams.
 */
#ifndef PYLEAKTRACE_VIEW_WATCH_TEXT_H
#define PYLEAKTRACE_VIEW_WATCH_TEXT_H

#include <stdio.h>

#include "model/heap_watch.h"
#include "view/pen.h"

struct watch_text_options {
	unsigned top; /* stacks shown of each kind; 0: all */
	bool color;
	bool quiet;      /* without the end */
	bool all_frames; /* and each stack separately */
};

void watch_text(FILE *out, const struct heap_watch *watch,
		const struct watch_text_options *options);

/* One container, watched for `seconds`. interpreter: base name of its file, whose C frames are left
 * out */
void watch_text_row(const struct pen *pen, const struct heap_watch_row *row, double seconds,
		    const char *interpreter, const struct watch_text_options *options);

#endif
