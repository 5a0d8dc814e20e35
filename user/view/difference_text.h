/* SPDX-License-Identifier: BSD-2-Clause
 *
 * difference_text: what grew between two reports -> text.
 *
 * Place      layer 5; called by cli.
 * Shapes     the answer first: by how much, from when to when; then the answers of the two reports,
 *            and what grew: causes, parts of the memory, types, containers, stacks (leaf first, as
 * in a report). Degrades   parts with nothing in them are left out. Bounds     options->top rows of
 * each part.
 */
#ifndef PYLEAKTRACE_VIEW_DIFFERENCE_TEXT_H
#define PYLEAKTRACE_VIEW_DIFFERENCE_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "model/difference.h"

struct difference_text_options {
	unsigned top; /* rows of each part; 0: all */
	bool color;
	bool quiet; /* nothing of what is left out, and what is only confirmation */
	bool all_frames;
};

void difference_text(FILE *out, const struct difference *difference,
		     const struct difference_text_options *options);

#endif
