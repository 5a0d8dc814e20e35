/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verdict_text: the answer, before everything else:
 *
 *      LEAK  +66.4 MiB/min; 98 % of it explained.
 *        1. +41.0 MiB/min  container   app.cache.SESSIONS (dict, 120,431 Session, +5,700/min) ...
 *                          filled by   remember (app/cache.py:41) < handle (app/web.py:88)
 *           +1.3 MiB/min   not explained yet
 *      Next: pyleaktrace chain -p 4242 app.cache.Session
 *
 * Place      view; called by report.
 * Bounds     VERDICT_WIDTH columns, or those of the pen; names are escaped. Shortened, a finding is
 *            of three lines at most, and what there is no room for is counted.
 */
#ifndef PYLEAKTRACE_VIEW_VERDICT_TEXT_H
#define PYLEAKTRACE_VIEW_VERDICT_TEXT_H

#include "model/verdict.h"
#include "view/pen.h"

#define VERDICT_WIDTH 100

/*
 * in     interpreter: base name of the file that holds it, or NULL
 *        lines: at most; 0: as many as it takes, and sentences as long as they are
 */
void verdict_text(const struct pen *pen, const struct verdict *verdict, const char *interpreter,
		  size_t lines);

#endif
