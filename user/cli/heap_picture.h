/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_picture: chains and graphs -> a .dot file, or an .svg file by Graphviz.
 *
 * Place      layer 6; called by heap_report.
 * Source     dot(1) of Graphviz, found in PATH: reads DOT, writes SVG.
 * Errors     of outputs; when the SVG cannot be made (Graphviz is not installed, or fails) the DOT is
 *            written beside it, with a word on stderr, and that is no error.
 * Bounds     dot may use PICTURE_CPU_S of CPU time.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_PICTURE_H
#define PYLEAKTRACE_CLI_HEAP_PICTURE_H

#include "cli/heap_options.h"
#include "model/heap_graph.h"

#define PICTURE_CPU_S 60

int heap_picture_write(const struct heap_held *held, const struct heap_output *output, pid_t pid,
		       time_t time, struct err *err);

#endif
