/* SPDX-License-Identifier: BSD-2-Clause
 *
 * file: a path -> the whole contents of a small file, or a refusal. Made for /proc, whose files
 * have no size to ask for.
 *
 * Place      layer 0; used by target, trend and cli.
 * Ownership  file_read_all() allocates, the caller frees with free().
 * Errors     negative errno; -EFBIG: there is more than the limit (nothing is cut in silence).
 * Bounds     the limit that the caller gives; never blocks on a FIFO that somebody put in place of
 *            a file.
 * Example    char text[4096];
 *            if (file_read("/proc/self/stat", text, sizeof(text)) < 0)
 *                    return -1;
 */
#ifndef PYLEAKTRACE_BASE_FILE_H
#define PYLEAKTRACE_BASE_FILE_H

#include <stddef.h>

/*
 * Read a file into the caller's buffer and terminate it with NUL.
 *
 * in     size: of the buffer, at least 1; the file may have size - 1 bytes
 * return bytes read, or a negative errno (buffer is the empty string then)
 */
long file_read(const char *path, char *buffer, size_t size);

/*
 * Read a file of up to `limit` bytes into new memory, terminated with NUL.
 *
 * out    text: to be freed; NULL on failure. length: without the NUL
 * return 0 or a negative errno
 */
int file_read_all(const char *path, size_t limit, char **text, size_t *length);

#endif
