/* SPDX-License-Identifier: BSD-2-Clause
 *
 * report: profile -> the text report.
 *
 * Place      layer 5; called by cli for each report, and by export for the text format.
 * Shapes     the profile is already sorted (profile_sort()). The first lines are those of bcc's
 *            memleak, with tabs: "[14:03:07] Top N stacks with outstanding allocations:", then for
 *            each stack "\t%d bytes in %d allocations from stack", more facts of ours after it on
 *            that line, and the frames, leaf first, two tabs in (frames_text.h). Of a grouped
 *            profile the groups take the place of the stacks: "\t%d bytes in %d allocations from
 *            module numpy (3 stacks, 81 %)", then the largest of their stacks, after a line with
 *            its own figures where there are several. Estimates that may be nothing
 *            (stack_is_sure()) are added up in one line, unless all are asked for; where there is
 *            nothing else the first few are listed. Then the totals, what was left out, what is
 *            covered, what was lost, what it cost, and what became of the target.
 * Units      raw byte and block numbers in the two lines that scripts read, people's units
 *            elsewhere.
 * Degrades   what the profile does not have is not printed. Figures that are estimates say so.
 * Bounds     no more memory than one frame's text; the report is as long as options->top stacks or
 *            groups.
 * Threads    safe from any on different streams.
 */
#ifndef PYLEAKTRACE_VIEW_REPORT_H
#define PYLEAKTRACE_VIEW_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "model/profile.h"

struct report_options {
	unsigned top;    /* stacks or groups shown at most; 0: all */
	bool color;      /* escape sequences for bold and colours may be written */
	unsigned width;  /* columns of the terminal, longer frames are cut in the middle; 0: none is
			  */
	bool all_frames; /* a line for each frame, also for frames that say nothing */
	bool quiet; /* leave out what is only confirmation: totals, cost, "Nothing was lost." */
};

/* Write one report. Local time; names are escaped for terminals. */
void report_text(FILE *out, const struct profile *profile, const struct report_options *options);

#endif
