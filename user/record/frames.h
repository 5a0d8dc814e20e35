/* SPDX-License-Identifier: BSD-2-Clause
 *
 * frames: the frames of zstd in a file, one after the other, and the gaps between those that are
 * whole.
 *
 * Place      record; the only file that knows zstd, with its other half frames_pack().
 * Source     the format of Zstandard, RFC 8878; zstd.h.
 * Ownership  text of frames_next() is the reader's and stays until the next call.
 * Errors     what is damaged is a gap, and no error: reading goes on at the next frame.
 * Bounds     a frame that says it is larger than RECORD_FRAME_MAX, or has no size or no checksum,
 * is damaged. Memory: one frame, as it is and unpacked. A file that grows meanwhile is read to
 *            where its end is.
 * Threads    one at a time per reader.
 */
#ifndef PYLEAKTRACE_RECORD_FRAMES_H
#define PYLEAKTRACE_RECORD_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct frames;

/* in  fd: borrowed; a regular file. NULL: memory is out */
struct frames *frames_new(int fd);
void frames_free(struct frames *frames);

struct frame_read {
	uint64_t offset; /* in the file */
	uint64_t bytes;  /* there */
	bool damaged;    /* no whole frame begins here; then no text */
	bool cut;        /* damaged, and it is the end of the file that is missing */
	char *text;      /* terminated, and may be changed */
	size_t length;
};

/* Go on at this offset. */
void frames_seek(struct frames *frames, uint64_t offset);

/* return 1: a frame, or what is damaged up to the next; 0: the file's end; < 0 with err set */
int frames_next(struct frames *frames, struct frame_read *frame, struct err *err);

/*
 * Pack text as a frame.
 *
 * out    *size: of it
 * return to be freed; NULL with err set
 */
void *frames_pack(const char *text, size_t length, size_t *size, struct err *err);

#endif
