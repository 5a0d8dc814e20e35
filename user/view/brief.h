/* SPDX-License-Identifier: BSD-2-Clause
 *
 * brief: profile -> the text report as it is read on a screen: the answer, the evidence that there
 * is room for, the account in a few lines, and of the last report the answer again.
 *
 * Place      layer 5, private to view; used by report.
 * Shapes     what has to be said takes its lines first; what is left is for what grows and is not
 *            in the answer (a third), and for the stacks: first frames are left out, then stacks.
 * Bounds     options->lines for each target, the pen's width.
 */
#ifndef PYLEAKTRACE_VIEW_BRIEF_H
#define PYLEAKTRACE_VIEW_BRIEF_H

#include "view/pen.h"
#include "view/report.h"

void brief_text(const struct pen *pen, const struct profile *profile,
		const struct report_options *options);

#endif
