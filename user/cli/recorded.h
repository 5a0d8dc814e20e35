/* SPDX-License-Identifier: BSD-2-Clause
 *
 * recorded: what report and diff have in common: a recording opened, what is damaged in it said,
 * and the reports of a span found and read.
 *
 * Place      cli.
 * Errors     one line on stderr for each thing that is wrong. Damage is no error as long as a
 * report of the span can be read.
 */
#ifndef PYLEAKTRACE_CLI_RECORDED_H
#define PYLEAKTRACE_CLI_RECORDED_H

#include "base/fmt.h"
#include "cli/options.h"
#include "record/recording.h"

/* out  *code: exit code. return NULL: said why */
struct recording *recorded_open(const char *path, int *code);

struct recorded_span {
	size_t first, last; /* reports */
};

/* Which reports are in the span that was asked for. return 0, or an exit code after saying why */
int recorded_find(const struct recording *recording, const char *path,
		  const struct record_options *options, struct recorded_span *span);

/*
 * Read report `i`; where that cannot be, the nearest one towards `end` that can.
 *
 * out    *i: the one that was read
 * return NULL: none can, and said why
 */
struct profile *recorded_read(struct recording *recording, const char *path, size_t *i, size_t end);

/* "14:03:07" of the report, in local time */
struct fmt recorded_clock(const struct recording *recording, size_t i);

#endif
