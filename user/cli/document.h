/* SPDX-License-Identifier: BSD-2-Clause
 *
 * document: a report that is complete -> standard output and the files of -o, in the formats that
 * the user asked for.
 *
 * Place      cli; every command that reports writes with it. Text is view's, the rest is export's.
 * Errors     one line on stderr for each place that cannot be written; the exit code of the first.
 */
#ifndef PYLEAKTRACE_CLI_DOCUMENT_H
#define PYLEAKTRACE_CLI_DOCUMENT_H

#include "cli/options.h"

/* Can the files be written, and can standard output take the format? Checked before anything is
 * done. */
int document_check(const struct options *options);

/* To standard output, and flush it. Errors of standard output itself are left to main().
 */
int document_print(const struct document *document, const struct options *options);

/* Columns of standard output; 0: it is no terminal. */
unsigned document_width(void);

/* To the files: without colors, with everything. */
int document_save(const struct document *document, const struct options *options);

/*
 * A machine's format on standard output is one document: the last report.
 *
 * return is a report, that is the last or is not, to be printed?
 */
static inline bool document_is_due(const struct options *options, bool last)
{
	return last || !options_machine(options);
}

#endif
