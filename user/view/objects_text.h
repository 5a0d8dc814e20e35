/* SPDX-License-Identifier: BSD-2-Clause
 *
 * objects_text: the newest objects of a type -> text: a line each, with age, size, address and
 * path, and below it what is in the object.
 *
 * Place      layer 5, private to view; called by held_text.
 * Shapes     OBJECTS_TEXT_WIDTH columns: a path that does not fit is cut in its middle.
 * Errors     none of its own; the stream keeps its error flag.
 */
#ifndef PYLEAKTRACE_VIEW_OBJECTS_TEXT_H
#define PYLEAKTRACE_VIEW_OBJECTS_TEXT_H

#include "model/heap_graph.h"
#include "view/pen.h"

#define OBJECTS_TEXT_WIDTH 100

void objects_text(const struct pen *pen, const struct heap_held *held);

#endif
