/* SPDX-License-Identifier: BSD-2-Clause
 *
 * report: profile -> the text report.
 *
 * Place      layer 5; called by cli for each report, and by export for the text format.
 * Shapes     the profile is already sorted (profile_sort()). The verdict is first. Then come, in
 * the words of bcc's memleak, with tabs, "[14:03:07] Top N stacks with outstanding allocations:",
 * then for each stack "\t%d bytes in %d allocations from stack", more facts of ours after it on
 * that line, and frames, leaf first, two tabs in (frames_text.h). Of a grouped profile the groups
 * take the place of the stacks (rows_text.h). Then the totals, what was left out, what is covered,
 * what was lost, what it cost, and what became of the target. That is in brief (brief.h), or the
 * whole of it: every line, and estimates that may be nothing (stack_is_sure()) among the stacks.
 * Units      raw byte and block numbers in the two lines that scripts read, people's units
 *            elsewhere.
 * Degrades   what the profile does not have is not printed. Figures that are estimates say so.
 * Bounds     in brief: REPORT_LINES for each target, REPORT_WIDTH columns, or those of a narrower
 *            terminal. The whole is as long as options->top stacks or groups.
 * Threads    safe from any on different streams.
 */
#ifndef PYLEAKTRACE_VIEW_REPORT_H
#define PYLEAKTRACE_VIEW_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "model/profile.h"

#define REPORT_LINES        40
#define REPORT_WIDTH        100
#define REPORT_FRAMES       6
#define REPORT_FRAMES_LEAST 3

struct report_options {
	unsigned top;    /* stacks or groups shown at most; 0: all */
	unsigned frames; /* of a stack, in brief; 0: all; else REPORT_FRAMES_LEAST at least */
	unsigned lines;  /* for each target, in brief; 0: as many as it takes */
	bool color;      /* escape sequences for bold and colours may be written */
	unsigned width;  /* columns of the terminal, longer frames are cut in the middle; 0: none is
			  */
	bool whole;      /* not in brief */
	bool all_frames; /* of the whole: a line for each frame, also for frames that say nothing */
	bool quiet; /* leave out what is only confirmation: totals, cost, "Nothing was lost." */
	bool last;  /* the verdict stands at the end, too */
};

/* Write one report. Local time; names are escaped for terminals. */
void report_text(FILE *out, const struct profile *profile, const struct report_options *options);

#endif
