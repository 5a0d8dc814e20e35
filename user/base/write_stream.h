/* SPDX-License-Identifier: BSD-2-Clause
 *
 * write_stream: a descriptor -> a stream that remembers why a write failed. stdio keeps a flag
 * only, and errno is that of whatever came later.
 *
 * Place      layer 0; used by outfile and std_fds.
 * Ownership  the struct is the caller's and stays in place while the stream is open; the stream has
 *            the descriptor, which fclose() closes.
 * Errors     the stream's flag, and `error`.
 */
#ifndef PYLEAKTRACE_BASE_WRITE_STREAM_H
#define PYLEAKTRACE_BASE_WRITE_STREAM_H

#include <stdio.h>

struct write_stream {
	int fd;
	int error; /* errno of the first write that failed; 0: none */
};

/* NULL: memory is out, and the descriptor is still the caller's. */
FILE *write_stream_open(struct write_stream *stream, int fd);

#endif
