/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_picture: chains and graphs -> a .dot file, or an .svg file by Graphviz.
 *
 * Place      layer 5; called by cli.
 * Source     dot(1) of Graphviz, found in PATH: reads DOT, writes SVG.
 * Errors     of outputs; when the SVG cannot be made (Graphviz is not installed, or fails) the DOT
 *            is written beside it, with a word on stderr, and that is no error.
 * Bounds     dot may use PICTURE_CPU_S of CPU time.
 */
#ifndef PYLEAKTRACE_EXPORT_HEAP_PICTURE_H
#define PYLEAKTRACE_EXPORT_HEAP_PICTURE_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "model/heap_graph.h"

#define PICTURE_CPU_S 60

enum heap_picture { PICTURE_NONE, PICTURE_DOT, PICTURE_SVG };

struct heap_output {
	const char *pattern; /* file name with %p, %t */
	bool json;           /* else text */
	enum heap_picture picture;
};

/* output->picture: DOT or SVG */
int heap_picture_write(const struct heap_held *held, const struct heap_output *output, pid_t pid,
		       time_t time, struct err *err);

#endif
