/* SPDX-License-Identifier: BSD-2-Clause
 *
 * formats: the write functions behind the rows of exporter.c, one a file. See struct exporter for
 * the contract.
 *
 * Place      layer 5, private to export and its tests.
 */
#ifndef PYLEAKTRACE_EXPORT_FORMATS_H
#define PYLEAKTRACE_EXPORT_FORMATS_H

#include <stdio.h>

#include "base/err.h"
#include "model/profile.h"

/*
 * json.c: JSON as pyleaktrace-1.schema.json describes it. One line for each part and for
 * each stack.
 */
int export_json(FILE *out, const struct profile *profile, struct err *err);

/* folded.c: "root;caller;leaf BYTES" for each stack with outstanding bytes */
int export_folded(FILE *out, const struct profile *profile, struct err *err);

/* svg.c: a picture of the call tree, root at the top, widths from bytes; needs no script */
int export_svg(FILE *out, const struct profile *profile, struct err *err);

/*
 * html.c: one page to work with, offline, for the first EXPORT_HTML_STACKS stacks (it says so when
 * there are more)
 */
int export_html(FILE *out, const struct profile *profile, struct err *err);

#define EXPORT_HTML_STACKS 20000

#endif
