/* SPDX-License-Identifier: BSD-2-Clause
 *
 * parts_text: how each part was traced, as the lines of a report that say so.
 *
 *      Traced: malloc, mmap: every call, for 2 min.
 *      Traced: object: 12 windows, 1.1 s of 60 s, the longest 164 ms; 145 blocks outlived them. ...
 *
 * Place      view; used by report.
 */
#ifndef PYLEAKTRACE_VIEW_PARTS_TEXT_H
#define PYLEAKTRACE_VIEW_PARTS_TEXT_H

#include "model/profile.h"
#include "view/pen.h"

void parts_text(const struct pen *pen, const struct profile *profile);

/* In one line: "Traced: malloc, mmap: 102 ms of 20 s; object: 8.2 ms of 20 s." */
void parts_text_brief(const struct pen *pen, const struct profile *profile);

#endif
