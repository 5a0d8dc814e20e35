/* SPDX-License-Identifier: BSD-2-Clause
 *
 * exporter: the one table of output formats; a row is all that a format needs.
 *
 *      document (what was found) ──▶ row of the table (-f, or the end of a file's name) ──▶ bytes
 *
 * Place      layer 5; cli finds a row and writes with it.
 * Shapes     text .txt, json .json: of every document. folded .folded, svg .svg, html .html,
 *            speedscope .speedscope.json, pprof .pb.gz, otlp .otlp.pb: of traces; folded of
 *            differences, too. dot .dot, svg .svg: of chains and graphs of references.
 * Ownership  rows are static; a document borrows what it points to.
 * Errors     -ERR_USAGE from the two find functions: no such format, with the list of the ones that
 *            exist.
 * Bounds     write() needs memory for the stacks' tree, one stack's JSON at a time, or, of pprof
 *            and otlp, the whole file: 20,000 stacks of 40 frames are 3 MB. It reads nothing but
 *            the document and looks at no environment, so equal documents give equal bytes. Only
 *            the SVG of a graph is made by a program, dot of Graphviz.
 * Threads    safe from any on different streams.
 */
#ifndef PYLEAKTRACE_EXPORT_EXPORTER_H
#define PYLEAKTRACE_EXPORT_EXPORTER_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "model/difference.h"
#include "model/group.h"
#include "model/heap_types.h"
#include "model/heap_watch.h"
#include "model/profile.h"
#include "model/trend.h"

enum document_kind {
	DOCUMENT_TRACE, /* profile */
	DOCUMENT_HEAP,  /* heap: types, growth, containers */
	DOCUMENT_GRAPH, /* heap: chains, or a graph of references */
	DOCUMENT_TREND, /* trend */
	DOCUMENT_WATCH, /* watch */
	DOCUMENT_DIFF,  /* difference */
};

/* What a report is made from: the profile, and the member that its kind names. */
struct document {
	enum document_kind kind;
	/* of a trace all there is, sorted by profile_sort(); else the target, when, and what
	 * was lost */
	const struct profile *profile;
	const struct heap_report *heap;
	const struct trend *trend;
	const struct heap_watch *watch;
	const struct difference *difference; /* profile: of the growth, difference_growth() */
	bool last;                           /* of a trace: there will be no other report */
};

#define EXPORT_NO_PROGRAM (-1000)

struct exporter {
	const char *name;   /* of -f */
	const char *suffix; /* of file names, with the dot */
	unsigned kinds;     /* a bit for each enum document_kind that it writes */
	/*
	 * Write the document. Errors of the stream stay in the stream. NULL for text: that is the
	 * report, which cli has from view (with the user's --top), and export and view do not know
	 * each other.
	 *
	 * return 0; -ERR_FAILED: memory is out, or a program that it needs fails;
	 *        EXPORT_NO_PROGRAM: it is not installed
	 */
	int (*write)(FILE *out, const struct document *document, struct err *err);
	const char *instead; /* the format that is written for EXPORT_NO_PROGRAM; NULL: none */
	bool tree;    /* draws the stacks as a tree: groups of modules, threads, processes, and
			 findings are its roots */
	bool binary;  /* nothing for a terminal */
	bool answers; /* says itself which stack is a finding's: such are no roots */
};

/* Are groups by this the roots of the formats that draw a tree? A line is in the stacks already. */
bool exporter_has_roots(enum group_by by);

/* Write the document, with its groups as this format has them. Not for text. Return as write(). */
int exporter_write(const struct exporter *exporter, FILE *out, const struct document *document,
		   struct err *err);

/*
 * Find a format of this kind of document, by name (-f), or by the end of a file's name, in upper or
 * lower case.
 *
 * return a row, or NULL with err set
 */
const struct exporter *exporter_by_name(const char *name, enum document_kind kind, struct err *err);
const struct exporter *exporter_by_file(const char *path, enum document_kind kind, struct err *err);

/*
 * The names of the formats of this kind, or the ends of their files' names: "text, json, folded",
 * or ".txt, .json, .folded".
 */
void exporter_list(char *text, size_t size, enum document_kind kind, bool suffixes);

#endif
