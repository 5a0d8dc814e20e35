/* SPDX-License-Identifier: BSD-2-Clause
 *
 * option_rows: the one table of options, and that of rarely needed settings (knobs: -X
 * name=value). Parsing,
 * --help, the man pages and the completions are made from it.
 *
 * Place      cli; a row's set() puts what is on the command line into struct options.
 * Errors     set() returns 0, or EINVAL after a line on stderr that says what is expected.
 */
#ifndef PYLEAKTRACE_CLI_OPTION_ROWS_H
#define PYLEAKTRACE_CLI_OPTION_ROWS_H

#include <errno.h>
#include <stddef.h>

#include "cli/verbs.h"

struct option_row {
	const char *name;  /* "top": --top; of a knob: -X top=...; NULL: a letter only */
	char letter;       /* of -T; 0: none */
	const char *value; /* what it is called in help; NULL: it has none */
	const char *help;  /* a sentence without a full stop; the default in parentheses */
	unsigned verbs;    /* a bit for each enum verb_id that has it */
	enum option_group { OPTION_TARGET, OPTION_SHOWN, OPTION_OUTPUT, OPTION_ABOUT } group;
	error_t (*set)(struct options *options, const struct option_row *row, char *word);
	size_t offset;        /* in struct options, of the value that a general set() writes */
	uint64_t least, most; /* that it may have */
	const char *const *choices; /* names of its values, from 0 on; ends with NULL */
};

/* Both end with a row whose help is NULL. */
extern const struct option_row option_rows[], option_knobs[];

/* row->help, with the formats that the verb has; cut to size. Returns text. */
const char *option_help(const struct option_row *row, const struct verb *verb, char *text,
			size_t size);

/* "Tracing:", "Output:", ...: the heading of a group in the help of a verb. */
const char *option_group_name(enum option_group group, const struct verb *verb);

#endif
