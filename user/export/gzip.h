/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gzip: bytes -> a stream, compressed as gzip(1) does it.
 *
 * Place      layer 5, private to export; used by pprof.
 * Source     RFC 1952, by zlib. The header has no time and no name: equal bytes give equal bytes.
 * Errors     of the stream stay in the stream.
 * Bounds     256 KiB of zlib's, and 64 KiB.
 */
#ifndef PYLEAKTRACE_EXPORT_GZIP_H
#define PYLEAKTRACE_EXPORT_GZIP_H

#include <stddef.h>
#include <stdio.h>

/* return 0; -1: memory is out */
int gzip_write(FILE *out, const void *bytes, size_t size);

#endif
