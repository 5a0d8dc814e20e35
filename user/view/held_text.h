/* SPDX-License-Identifier: BSD-2-Clause
 *
 * held_text: who holds what -> text: holders, chains, the graph of what refers to what, what no
 * root reaches, and the newest objects (objects_text.h).
 *
 * Place      layer 5, private to view; called by census_text.
 * Shapes     a holder is a line: "PATH TYPE N items +R/min". A chain is its root, then a line for
 *            each link. A graph is a tree of referrers, each node once.
 * Errors     none of its own; the stream keeps its error flag.
 * Bounds     rows as the options say; names are escaped.
 */
#ifndef PYLEAKTRACE_VIEW_HELD_TEXT_H
#define PYLEAKTRACE_VIEW_HELD_TEXT_H

#include "model/heap_graph.h"
#include "view/pen.h"

void held_text(const struct pen *pen, const struct heap_held *held, unsigned top, bool quiet);

#endif
