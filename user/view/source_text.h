/* SPDX-License-Identifier: BSD-2-Clause
 *
 * source_text: the program's own files, line by line, with what each line has outstanding, as a
 * part of a trace's report.
 *
 * Place      layer 5, private to view; used by report.
 * Shapes     for each file a heading, then the lines with figures and SOURCE_TEXT_AROUND lines
 *            around them; "..." where lines are left out. "~" before an estimate.
 */
#ifndef PYLEAKTRACE_VIEW_SOURCE_TEXT_H
#define PYLEAKTRACE_VIEW_SOURCE_TEXT_H

#include "model/sources.h"
#include "view/pen.h"

#define SOURCE_TEXT_AROUND 2

/* Nothing where sources were not asked for. */
void source_text(const struct pen *pen, const struct profile *profile);

#endif
