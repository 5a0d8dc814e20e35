/* SPDX-License-Identifier: BSD-2-Clause
 *
 * frames_text: the frames of a stack -> lines of the report, leaf first, two tabs in.
 *
 * Own code is what package_is_own() says: neither of the standard library, nor installed.
 *
 * Place      layer 5, private to view; used by report.
 * Source     names of CPython's functions that call functions, 3.6 to 3.14: Objects/call.c,
 *            descrobject.c, methodobject.c, classobject.c, typeobject.c (slots), genobject.c,
 *            Python/ceval.c, pythonrun.c, Modules/main.c, _threadmodule.c.
 * Shapes     one line a frame. Two and more C frames of the interpreter in a row that only pass a
 *            call on, or have no name, are one line: "... 4 C frames of the interpreter", and at
 *            the root "... 14 C frames that start the thread", libc's part included. The leaf is
 *            never in such a line, nor are frames of extension modules and of libraries.
 * Threads    safe from any on different streams.
 */
#ifndef PYLEAKTRACE_VIEW_FRAMES_TEXT_H
#define PYLEAKTRACE_VIEW_FRAMES_TEXT_H

#include "model/profile.h"
#include "view/pen.h"

/*
 * in     interpreter: base name of the ELF file that holds it, or NULL: found by its usual names
 *        all: a line for every frame
 */
void frames_text(const struct pen *pen, const struct stack *stack, const char *interpreter,
		 bool all);

/*
 * A few of them, so that own code is among them: the leaf and what is near it, then the own code
 * that called it. Others' frames between are one line ("... 7 frames of http, socketserver"), and
 * so is what is left and what only passes a call on: "... 9 more frames". A recursion is shown
 * once:
 * "... the same 28 times more".
 *
 * in     most: lines, and one more for what is left; 0: all; else REPORT_FRAMES_LEAST at least
 */
void frames_text_short(const struct pen *pen, const struct stack *stack, const char *interpreter,
		       size_t most);

#endif
