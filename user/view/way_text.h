/* SPDX-License-Identifier: BSD-2-Clause
 *
 * way_text: a stack -> a part of a line: who did it, own code first.
 *
 *      remember (app/cache.py:41) < handle (app/web.py:88)
 *      json.loads < decode (app/wire.py:27) < ... < main (app/main.py:3)
 *
 * Place      view; used by verdict_text and growing_text.
 * Shapes     up to three frames of own code, from the innermost one outward ("..." where others'
 *            code is between); before them the function of a library that it called, where there is
 *            room; behind them how many frames of Python there are further out, where there is
 *            room. A stack without own code has its innermost frames. Of a path its last two parts
 *            are shown, or as many as tell it from the others' paths.
 * Bounds     one line of `room` columns, cut with "..."; names are escaped. Where the innermost
 * frame does not fit it has less of its path and of its name, and its line all the same.
 */
#ifndef PYLEAKTRACE_VIEW_WAY_TEXT_H
#define PYLEAKTRACE_VIEW_WAY_TEXT_H

#include "model/profile.h"
#include "view/pen.h"

struct way {
	const struct stack *stack;
	const char *interpreter; /* base name of its file; NULL: found by its usual names */
	const char *said;        /* a C function that is named already; NULL: none */
	bool python;             /* C functions are not shown */
	const struct stack *const *others; /* n_others whose paths stand near it */
	size_t n_others;
};

void way_text(const struct pen *pen, const struct way *way, size_t room);

/* The end of a path that is shown; a part of `path`. */
const char *way_path(const char *path, const struct stack *const *others, size_t n_others);

#endif
