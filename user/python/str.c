/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/str.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "target/remote_mem.h"

#define CHUNK_BYTES 1024
#define REPLACEMENT 0xfffd
#define HEADER_MAX  128 /* bytes; layout_refine() lets larger ones through */

/* ---- code points -> UTF-8 ------------------------------------------------------------------- */

struct text {
	char *buffer;
	size_t size, length;
	bool full; /* a character did not fit: nothing after it may be put in */
};

static void put_bytes(struct text *text, const char *bytes, size_t n)
{
	if (text->full || text->length + n >= text->size) {
		text->full = true;
		return;
	}
	memcpy(text->buffer + text->length, bytes, n);
	text->length += n;
}

static void put(struct text *text, uint32_t c)
{
	char bytes[4];
	size_t n = 0;

	if (c >= 0xdc80 && c <= 0xdcff) {
		bytes[n++] = (char)(c - 0xdc00);
		put_bytes(text, bytes, n);
		return;
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = REPLACEMENT;
	if (c < 0x80) {
		bytes[n++] = (char)c;
	} else if (c < 0x800) {
		bytes[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		bytes[n++] = (char)(0xe0 | c >> 12);
		bytes[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		bytes[n++] = (char)(0xf0 | c >> 18);
		bytes[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		bytes[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		bytes[n++] = (char)(0x80 | (c & 0x3f));
	put_bytes(text, bytes, n);
}

/* n characters of `kind` bytes each */
static void put_many(struct text *text, const uint8_t *data, size_t n, unsigned kind)
{
	for (size_t i = 0; i < n && !text->full; i++) {
		uint32_t c = 0;

		memcpy(&c, data + i * kind, kind);
		put(text, c);
	}
}

/* ---- the object ----------------------------------------------------------------------------- */

/* Where the characters are, as the header says. */
struct characters {
	uint64_t address;
	uint64_t count;
	unsigned kind;
};

static uint64_t field(const uint8_t *head, size_t length, int32_t offset, size_t width)
{
	uint64_t value = 0;

	if (offset >= 0 && (size_t)offset + width <= length)
		memcpy(&value, head + offset, width);
	return value;
}

/* bytes from the object that describe all of it but the characters */
static size_t header_length(const struct py_layout *layout)
{
	int32_t end = layout->str.any_data + 8;

	return end < layout->str.compact_data ? (size_t)layout->str.compact_data : (size_t)end;
}

/* Up to 3.11: a str made by an old C function whose characters are still only wchar_t. */
static int locate_not_ready(struct characters *where, const struct py_layout *layout,
			    const uint8_t *head, size_t length)
{
	if (layout->str.wstr == LAYOUT_NONE || layout->str.wstr_length == LAYOUT_NONE)
		return -EINVAL;
	where->address = field(head, length, layout->str.wstr, 8);
	where->count = field(head, length, layout->str.wstr_length, 8);
	where->kind = 4;
	return 0;
}

/*
 * return 0; -EINVAL: not a str; -EAGAIN: this kind needs header_length() bytes, `length` are less
 */
static int locate(struct characters *where, const struct py_layout *layout, uint64_t address,
		  const uint8_t *head, size_t length)
{
	uint32_t state = (uint32_t)field(head, length, layout->str.state, 4);
	bool compact = state >> layout->str.compact_bit & 1;
	bool ascii = state >> layout->str.ascii_bit & 1;
	bool ready = layout->str.ready_bit == 0xff || (state >> layout->str.ready_bit & 1);

	where->kind = state >> layout->str.kind_shift & 7;
	where->count = field(head, length, layout->str.length, 8);
	if (!(compact && ascii) && length < header_length(layout))
		return -EAGAIN;
	if (!ready && !compact)
		return locate_not_ready(where, layout, head, length);
	if (where->kind != 1 && where->kind != 2 && where->kind != 4)
		return -EINVAL;
	if (ascii && where->kind != 1)
		return -EINVAL;
	if (!compact)
		where->address = field(head, length, layout->str.any_data, 8);
	else if (ascii)
		where->address = address + (uint64_t)layout->str.ascii_data;
	else
		where->address = address + (uint64_t)layout->str.compact_data;
	return 0;
}

/* Read what is not in `have` bytes at `from`; the buffer bounds how much. */
static long read_characters(pid_t pid, const struct characters *where, uint64_t from,
			    const uint8_t *head, size_t have, struct text *text)
{
	uint8_t chunk[CHUNK_BYTES];
	uint64_t left = where->count, at = where->address;

	if (at >= from && at < from + have) {
		uint64_t n = (from + have - at) / where->kind;

		n = n < left ? n : left;
		put_many(text, head + (at - from), n, where->kind);
		left -= n;
		at += n * where->kind;
	}
	while (left && !text->full && text->length + 1 < text->size) {
		size_t n = sizeof(chunk) / where->kind;
		size_t room = text->size - text->length; /* a character takes a byte or more */
		int result;

		n = n < left ? n : (size_t)left;
		n = n < room ? n : room;
		result = remote_read(pid, at, chunk, n * where->kind);
		if (result)
			return result;
		put_many(text, chunk, n, where->kind);
		left -= n;
		at += n * where->kind;
	}
	return (long)text->length;
}

size_t py_str_head_length(const struct py_layout *layout, uint64_t address)
{
	size_t to_page_end = 4096 - (address & 4095);
	size_t length = to_page_end < PY_STR_HEAD_MAX ? to_page_end : PY_STR_HEAD_MAX;

	/* every str has this much, wherever the page ends */
	if (length < (size_t)layout->str.ascii_data)
		length = (size_t)layout->str.ascii_data;
	return length < PY_STR_HEAD_MAX ? length : PY_STR_HEAD_MAX;
}

long py_str_finish(pid_t pid, const struct py_layout *layout, uint64_t address, const uint8_t *head,
		   size_t head_length, char *buffer, size_t size)
{
	struct text text = {buffer, size, 0, false};
	struct characters where;
	uint8_t whole[HEADER_MAX];
	long result;

	result = locate(&where, layout, address, head, head_length);
	if (result == -EAGAIN && header_length(layout) <= sizeof(whole)) {
		head = whole;
		head_length = header_length(layout);
		result = remote_read(pid, address, whole, head_length);
		if (!result)
			result = locate(&where, layout, address, head, head_length);
	}
	if (!result)
		result = read_characters(pid, &where, address, head, head_length, &text);
	buffer[result < 0 ? 0 : text.length] = '\0';
	return result == -EAGAIN ? -EINVAL : result;
}

long py_str_points(pid_t pid, const struct py_layout *layout, uint64_t address, uint32_t *points,
		   size_t n, uint64_t *length)
{
	uint8_t head[HEADER_MAX], bytes[CHUNK_BYTES];
	size_t have = (size_t)layout->str.ascii_data;
	struct characters where = {0};
	int result = have <= sizeof(head) ? remote_read(pid, address, head, have) : -EINVAL;

	*length = 0;
	if (!result)
		result = locate(&where, layout, address, head, have);
	if (result == -EAGAIN && header_length(layout) <= sizeof(head)) {
		have = header_length(layout);
		result = remote_read(pid, address, head, have);
		if (!result)
			result = locate(&where, layout, address, head, have);
	}
	/* a length is not negative */
	if (result || where.count > INT64_MAX)
		return result && result != -EAGAIN ? result : -EINVAL;
	n = n < where.count ? n : (size_t)where.count;
	for (size_t done = 0; done < n;) {
		size_t piece = sizeof(bytes) / where.kind;

		piece = piece < n - done ? piece : n - done;
		result = remote_read(pid, where.address + done * where.kind, bytes,
				     piece * where.kind);
		if (result)
			return result;
		for (size_t i = 0; i < piece; i++) {
			points[done + i] = 0;
			memcpy(&points[done + i], bytes + i * where.kind, where.kind);
		}
		done += piece;
	}
	*length = where.count;
	return (long)n;
}

long py_str_read(pid_t pid, const struct py_layout *layout, uint64_t address, char *buffer,
		 size_t size)
{
	uint8_t head[PY_STR_HEAD_MAX];
	size_t length = py_str_head_length(layout, address);
	int result = remote_read(pid, address, head, length);

	if (result) {
		buffer[0] = '\0';
		return result;
	}
	return py_str_finish(pid, layout, address, head, length, buffer, size);
}
