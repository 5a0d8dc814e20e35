/* SPDX-License-Identifier: BSD-2-Clause
 *
 * growing_text: containers, classes and types that grow, and who makes that, as parts of a trace's
 * report.
 *
 * Place      view; used by report.
 */
#ifndef PYLEAKTRACE_VIEW_GROWING_TEXT_H
#define PYLEAKTRACE_VIEW_GROWING_TEXT_H

#include "model/heap_watch.h"
#include "view/pen.h"

/* Nothing when there is nothing. */
void growing_text(const struct pen *pen, const struct profile *profile, bool all_frames);
void growing_text_classes(const struct pen *pen, const struct profile *profile);
void growing_text_types(const struct pen *pen, const struct profile *profile);

/* `most` rows that no verdict names, each with who fills it, in a line or two. */
void growing_text_brief(const struct pen *pen, const struct profile *profile, size_t most);
void growing_text_types_brief(const struct pen *pen, const struct profile *profile, size_t most);

#endif
