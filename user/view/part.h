/* SPDX-License-Identifier: BSD-2-Clause
 *
 * part: a part of a report -> no more lines and columns than there is room for.
 *
 * Place      layer 5, private to view.
 * Shapes     what is written with part->pen is kept; part_put() then writes its lines to where the
 *            part belongs, each cut ("...") or wrapped at the width of that pen. A tab leads to the
 *            next multiple of 8; our own escape sequences for colours take no room.
 * Errors     where memory is out the text goes through as it is.
 * Example    struct part part;
 *            part_open(&part, pen);
 *            fputs(sentence, part.pen.out);
 *            room -= part_put(&part, &(struct part_fit){.wrap = true, .lines = 2});
 */
#ifndef PYLEAKTRACE_VIEW_PART_H
#define PYLEAKTRACE_VIEW_PART_H

#include <stddef.h>

#include "view/pen.h"

struct part {
	struct pen pen; /* writes into the part */
	struct pen to;
	char *text;
	size_t size;
};

struct part_fit {
	size_t lines;    /* at most; 0: all */
	bool wrap;       /* at spaces, not cut */
	unsigned indent; /* of what is wrapped, in columns */
};

void part_open(struct part *part, const struct pen *to);

/* Lines that it would be, if it were put now. */
size_t part_lines(struct part *part, const struct part_fit *fit);

/* Put it, and forget it; returns how many lines were put. */
size_t part_put(struct part *part, const struct part_fit *fit);

/* Forget it. */
void part_drop(struct part *part);

#endif
