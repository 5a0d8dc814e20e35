/* SPDX-License-Identifier: BSD-2-Clause
 *
 * growing_text: containers that grow, and who puts into them, as a part of a trace's report.
 *
 * Place      view; used by report.
 */
#ifndef PYLEAKTRACE_VIEW_GROWING_TEXT_H
#define PYLEAKTRACE_VIEW_GROWING_TEXT_H

#include "model/heap_watch.h"
#include "view/pen.h"

/* Nothing when there is nothing. */
void growing_text(const struct pen *pen, const struct profile *profile, bool all_frames);

#endif
