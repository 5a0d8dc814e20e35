/* SPDX-License-Identifier: BSD-2-Clause
 *
 * formats: the write functions behind the rows of exporter.c, one a file. See struct exporter for
 * the contract.
 *
 * Place      layer 5, private to export and its tests.
 */
#ifndef PYLEAKTRACE_EXPORT_FORMATS_H
#define PYLEAKTRACE_EXPORT_FORMATS_H

#include "export/exporter.h"

/*
 * json.c: JSON as pyleaktrace-2.schema.json describes it. One line for each part and for each
 * stack.
 */
int export_json(FILE *out, const struct document *document, struct err *err);

/* folded.c: "root;caller;leaf BYTES" for each stack with outstanding bytes */
int export_folded(FILE *out, const struct document *document, struct err *err);

/* svg.c: a picture of the call tree, root at the top, widths from bytes; needs no script */
int export_svg(FILE *out, const struct document *document, struct err *err);

/*
 * html.c: one page to work with, offline, for the first EXPORT_HTML_STACKS stacks (it says so when
 * there are more)
 */
int export_html(FILE *out, const struct document *document, struct err *err);

#define EXPORT_HTML_STACKS 20000

/*
 * speedscope.c: JSON for speedscope.app: outstanding bytes and allocations by stack, and the growth
 * of findings. Stacks without outstanding bytes are left out of the first, and so on.
 */
int export_speedscope(FILE *out, const struct document *document, struct err *err);

/*
 * pprof.c: profile.proto of google/pprof, in gzip: inuse_space, inuse_objects, alloc_space and
 * alloc_objects of each stack with labels (labels.h), and growth_per_minute of each finding. What
 * was found, lost and noted are comments.
 */
int export_pprof(FILE *out, const struct document *document, struct err *err);

/* otlp.c: ProfilesData of OpenTelemetry, with the same numbers; not compressed */
int export_otlp(FILE *out, const struct document *document, struct err *err);

/*
 * dot.c: chains and graphs of references in the language of Graphviz. An arrow goes from the holder
 * to what it holds, as objgraph draws it. Chains that share objects share nodes; hidden links are
 * left out of chains. Names are escaped, and cut to EXPORT_DOT_TEXT bytes.
 */
int export_dot(FILE *out, const struct document *document, struct err *err);

#define EXPORT_DOT_TEXT 120

/*
 * dot_svg.c: the same as a picture, by dot(1) of Graphviz, which is found in PATH and may use
 * EXPORT_DOT_CPU_S of CPU time
 */
int export_dot_svg(FILE *out, const struct document *document, struct err *err);

#define EXPORT_DOT_CPU_S 60

#endif
