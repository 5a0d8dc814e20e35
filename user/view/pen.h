/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pen: text in colours, for the parts of a report.
 *
 * Place      layer 5, private to view.
 * Errors     stay in the stream.
 * Threads    safe from any on different streams.
 */
#ifndef PYLEAKTRACE_VIEW_PEN_H
#define PYLEAKTRACE_VIEW_PEN_H

#include <stdbool.h>
#include <stdio.h>

/* What a piece of the report is, for its colour. */
enum ink {
	INK_PLAIN,
	INK_HEAD,
	INK_SIZE,
	INK_GROWS,
	INK_SHRINKS,
	INK_NATIVE,
	INK_GAP,
	INK_WARNING
};

struct pen {
	FILE *out;
	bool color;
	unsigned width; /* columns of the terminal; 0: not known */
};

/* What follows has this colour. */
void pen_ink(const struct pen *pen, enum ink ink);

/* Write text of the target's, escaped, in a colour. */
void pen_put(const struct pen *pen, enum ink ink, const char *text);

#endif
