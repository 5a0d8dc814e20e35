/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rows_text: the stacks of a profile, or the groups of them, as rows of a report.
 *
 *      [14:03:07] Top 5 stacks with outstanding allocations:
 *              12582912 bytes in 120031 allocations from stack  +204.1 KiB/s  dict 81% str 17%
 *                      remember (/srv/app/cache.py:41)
 *
 * Place      layer 5, private to view; used by report and brief.
 * Shapes     the rows are those of profile->grouping, or the stacks; rows with something
 *            outstanding are first.
 */
#ifndef PYLEAKTRACE_VIEW_ROWS_TEXT_H
#define PYLEAKTRACE_VIEW_ROWS_TEXT_H

#include "model/profile.h"
#include "view/pen.h"

struct rows_manner {
	bool brief;        /* facts that do not fit the pen's width are left out; few frames */
	bool all_frames;   /* else: a line for each frame, or several C frames in one */
	unsigned n_frames; /* brief: see frames_text_short() */
};

/* How many of them have something outstanding. */
size_t rows_outstanding(const struct profile *profile);

/* The figures of a row, by which it is ordered. */
const struct stack *rows_at(const struct profile *profile, size_t i);

void rows_head(const struct pen *pen, const struct profile *profile, size_t top);
void rows_put(const struct pen *pen, const struct profile *profile, size_t i,
	      const struct rows_manner *manner);

#endif
