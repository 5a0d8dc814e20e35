/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "record/format.h"

/* Reports are few: what it takes is milliseconds, and what it saves is on the disk for long. */
#define LEVEL      9
#define READ_LEAST ((size_t)64 << 10)

struct frames {
	int fd;
	uint64_t at;  /* where the next frame is */
	char *packed; /* what is in memory of the file */
	size_t begin; /* in packed: what is at `at` */
	size_t n;     /* bytes from there on */
	size_t room;  /* of packed */
	bool at_end;  /* the file has no more */
	char *text;
	size_t text_room;
};

struct frames *frames_new(int fd)
{
	struct frames *frames = calloc(1, sizeof(*frames));

	if (frames)
		frames->fd = fd;
	return frames;
}

void frames_free(struct frames *frames)
{
	if (!frames)
		return;
	free(frames->packed);
	free(frames->text);
	free(frames);
}

void frames_seek(struct frames *frames, uint64_t offset)
{
	frames->at = offset;
	frames->begin = frames->n = 0;
	frames->at_end = false;
}

/* Have more of the file in memory: twice as much as there is. */
static int read_more(struct frames *frames, struct err *err)
{
	size_t room = 2 * frames->n < READ_LEAST ? READ_LEAST : 2 * frames->n;
	ssize_t n;

	if (frames->begin)
		memmove(frames->packed, frames->packed + frames->begin, frames->n);
	frames->begin = 0;
	if (frames->room < room) {
		char *packed = realloc(frames->packed, room);

		if (!packed)
			return err_set(err, ERR_FAILED, "out of memory");
		frames->packed = packed;
		frames->room = room;
	}
	n = pread(frames->fd, frames->packed + frames->n, frames->room - frames->n,
		  (off_t)(frames->at + frames->n));
	if (n < 0)
		return err_set(err, ERR_FAILED, "%s", strerror(errno));
	frames->at_end = n == 0;
	frames->n += (size_t)n;
	return 0;
}

static void take(struct frames *frames, size_t n)
{
	frames->begin += n;
	frames->n -= n;
	frames->at += n;
}

/* Of what begins here: 1: a whole frame of *size bytes; 0: not all of it is in memory; -1: none */
static int look(const struct frames *frames, size_t *size)
{
	const char *at = frames->packed + frames->begin;

	if (frames->n <= RECORD_MAGIC_LEN)
		return frames->n && memcmp(at, RECORD_MAGIC, frames->n) ? -1 : 0;
	if (memcmp(at, RECORD_MAGIC, RECORD_MAGIC_LEN) || !(at[RECORD_MAGIC_LEN] & RECORD_CHECKSUM))
		return -1;
	*size = ZSTD_findFrameCompressedSize(at, frames->n);
	if (!ZSTD_isError(*size))
		return 1;
	return ZSTD_getErrorCode(*size) == ZSTD_error_srcSize_wrong &&
			       frames->n < ZSTD_compressBound(RECORD_FRAME_MAX)
		       ? 0
		       : -1;
}

/* return 0; 1: its contents are not what they were; < 0 with err set */
static int unpack(struct frames *frames, size_t size, struct frame_read *frame, struct err *err)
{
	const char *at = frames->packed + frames->begin;
	unsigned long long length = ZSTD_getFrameContentSize(at, size);

	if (length == ZSTD_CONTENTSIZE_UNKNOWN || length == ZSTD_CONTENTSIZE_ERROR ||
	    length > RECORD_FRAME_MAX)
		return 1;
	if (frames->text_room < length + 1) {
		char *text = realloc(frames->text, length + 1);

		if (!text)
			return err_set(err, ERR_FAILED, "out of memory");
		frames->text = text;
		frames->text_room = length + 1;
	}
	if (ZSTD_decompress(frames->text, length, at, size) != length)
		return 1;
	frames->text[length] = '\0';
	*frame = (struct frame_read){
		.offset = frames->at, .bytes = size, .text = frames->text, .length = length};
	return 0;
}

/* return 1: a whole frame begins here; 0: none does; < 0 with err set. *cut: the file ends in it */
static int try_here(struct frames *frames, struct frame_read *frame, bool *cut, struct err *err)
{
	size_t size = 0;
	int found, result;

	while (!(found = look(frames, &size))) {
		*cut = frames->at_end;
		if (frames->at_end)
			return 0;
		result = read_more(frames, err);
		if (result)
			return result;
	}
	if (found < 0)
		return 0;
	result = unpack(frames, size, frame, err);
	return result < 0 ? result : !result;
}

/* To where the next frame may begin. */
static void step(struct frames *frames)
{
	const char *at = frames->packed + frames->begin, *next;

	next = frames->n > 1 ? memchr(at + 1, RECORD_MAGIC[0], frames->n - 1) : NULL;
	take(frames, next ? (size_t)(next - at) : frames->n);
}

int frames_next(struct frames *frames, struct frame_read *frame, struct err *err)
{
	uint64_t from = frames->at;
	bool cut = false, other = false;
	int found;

	while ((found = try_here(frames, frame, frames->at == from ? &cut : &other, err)) == 0) {
		if (!frames->n)
			break; /* the end */
		step(frames);
	}
	if (found < 0)
		return found;
	if (frames->at == from) {
		take(frames, found ? frame->bytes : 0);
		return found;
	}
	*frame = (struct frame_read){
		.offset = from, .bytes = frames->at - from, .damaged = true, .cut = cut && !found};
	return 1;
}

void *frames_pack(const char *text, size_t length, size_t *size, struct err *err)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(length);
	void *packed = malloc(room);

	*size = 0;
	if (context && packed) {
		ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
		ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
		*size = ZSTD_compress2(context, packed, room, text, length);
	}
	if (!context || !packed || ZSTD_isError(*size)) {
		err_set(err, ERR_FAILED, "a report cannot be packed: %s",
			packed && context ? ZSTD_getErrorName(*size) : "out of memory");
		free(packed);
		packed = NULL;
	}
	ZSTD_freeCCtx(context);
	return packed;
}
