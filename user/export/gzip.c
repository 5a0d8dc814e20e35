/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/gzip.h"

#include <limits.h>

#include <zlib.h>

#define CHUNK  65536
#define WINDOW (15 + 16) /* the largest; + 16: with gzip's header and not zlib's */
#define MEMORY 8         /* zlib's default */

int gzip_write(FILE *out, const void *bytes, size_t size)
{
	unsigned char chunk[CHUNK];
	z_stream stream = {.next_in = (unsigned char *)bytes};
	int state;

	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	do {
		if (!stream.avail_in) {
			stream.avail_in = size < INT_MAX ? (unsigned)size : INT_MAX;
			size -= stream.avail_in;
		}
		stream.next_out = chunk;
		stream.avail_out = sizeof(chunk);
		state = deflate(&stream, size ? Z_NO_FLUSH : Z_FINISH);
		fwrite(chunk, 1, sizeof(chunk) - stream.avail_out, out);
	} while (state == Z_OK || state == Z_BUF_ERROR);
	deflateEnd(&stream);
	return state == Z_STREAM_END ? 0 : -1;
}
