/* SPDX-License-Identifier: BSD-2-Clause
 *
 * std_fds: descriptors 0, 1 and 2 are there, and what is written to standard output is written or
 * its failure known.
 *
 * A program that is started without one of them would get it for the next file it opens, a socket
 * or the target's memory, and print a report into that.
 *
 * Place      layer 0; main.c, and commands that end early when nobody reads.
 * Threads    the first call before there are any.
 */
#ifndef PYLEAKTRACE_BASE_STD_FDS_H
#define PYLEAKTRACE_BASE_STD_FDS_H

#include <stddef.h>

/*
 * Put /dev/null where one is missing: 0 has no bytes, writing to 1 fails, 2 takes all. stdout is a
 * write_stream from here on. To be called first of all.
 */
void std_fds_secure(void);

/* errno of the first write to standard output that failed; 0: none */
int std_fds_error(void);

/* "standard output is closed", "standard output: No space left on device" */
const char *std_fds_reason(char *text, size_t size);

#endif
