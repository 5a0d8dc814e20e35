/* SPDX-License-Identifier: BSD-2-Clause
 *
 * outputs: what commands do alike when they write: colours, and files named by -o.
 *
 * Place      layer 5.
 * Errors     of base/outfile.
 */
#ifndef PYLEAKTRACE_EXPORT_OUTPUTS_H
#define PYLEAKTRACE_EXPORT_OUTPUTS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

/* Standard output is a terminal, and neither the user nor NO_COLOR and CLICOLOR say otherwise. */
bool outputs_want_color(bool no_color);

/* Can the file be written? Said before anything is done. */
int outputs_check(const char *pattern, pid_t pid, struct err *err);

/* Write the file as a whole or not at all. */
int outputs_write(const char *pattern, pid_t pid, time_t time,
		  int (*write)(FILE *out, const void *context, struct err *err),
		  const void *context, struct err *err);

#endif
