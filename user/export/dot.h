/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dot: who holds what -> a graph in the language of Graphviz.
 *
 * Place      layer 5; called by cli.
 * Source     the DOT language, https://graphviz.org/doc/info/lang.html: quoted strings.
 * Shapes     an arrow goes from the holder to what it holds, as objgraph draws it. Chains that
 *            share objects share nodes. Hidden links are left out of chains.
 * Errors     none of its own; the stream keeps its error flag.
 * Bounds     names are escaped, and cut to DOT_TEXT bytes.
 */
#ifndef PYLEAKTRACE_EXPORT_DOT_H
#define PYLEAKTRACE_EXPORT_DOT_H

#include <stdio.h>

#include "model/heap_graph.h"

#define DOT_TEXT 120

void export_dot(FILE *out, const struct heap_held *held);

#endif
