/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/protobuf.h"

#include <stdlib.h>
#include <string.h>

enum wire {
	WIRE_VARINT = 0,
	WIRE_64 = 1,
	WIRE_LENGTH = 2,
};

#define VARINT_MAX 10 /* bytes of 64 bits, 7 in each */

void protobuf_fini(struct protobuf *out)
{
	free(out->bytes);
	*out = (struct protobuf){0};
}

static bool make_room(struct protobuf *out, size_t more)
{
	unsigned char *bytes;
	size_t room;

	if (out->failed)
		return false;
	if (more <= out->room - out->size)
		return true;
	room = out->size + more + out->size / 2 + 256;
	bytes = realloc(out->bytes, room);
	if (!bytes) {
		out->failed = true;
		return false;
	}
	out->bytes = bytes;
	out->room = room;
	return true;
}

/* return the number of bytes */
static size_t encode(unsigned char *bytes, uint64_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (unsigned char)(value | 0x80);
	bytes[n++] = (unsigned char)value;
	return n;
}

void protobuf_varint(struct protobuf *out, uint64_t value)
{
	if (make_room(out, VARINT_MAX))
		out->size += encode(out->bytes + out->size, value);
}

static void put_tag(struct protobuf *out, unsigned field, enum wire wire)
{
	protobuf_varint(out, (uint64_t)field << 3 | wire);
}

void protobuf_uint(struct protobuf *out, unsigned field, uint64_t value)
{
	if (!value)
		return;
	put_tag(out, field, WIRE_VARINT);
	protobuf_varint(out, value);
}

void protobuf_fixed64(struct protobuf *out, unsigned field, uint64_t value)
{
	if (!value)
		return;
	put_tag(out, field, WIRE_64);
	if (!make_room(out, sizeof(value)))
		return;
	for (size_t i = 0; i < sizeof(value); i++)
		out->bytes[out->size++] = (unsigned char)(value >> 8 * i);
}

void protobuf_bytes(struct protobuf *out, unsigned field, const void *bytes, size_t size)
{
	put_tag(out, field, WIRE_LENGTH);
	protobuf_varint(out, size);
	if (!size || !make_room(out, size))
		return;
	memcpy(out->bytes + out->size, bytes, size);
	out->size += size;
}

size_t protobuf_begin(struct protobuf *out, unsigned field)
{
	put_tag(out, field, WIRE_LENGTH);
	if (make_room(out, 1))
		out->size++; /* most lengths are of one byte */
	return out->size;
}

void protobuf_end(struct protobuf *out, size_t mark)
{
	size_t length = out->size - mark, n;
	unsigned char bytes[VARINT_MAX];

	if (!make_room(out, VARINT_MAX))
		return;
	n = encode(bytes, length);
	memmove(out->bytes + mark - 1 + n, out->bytes + mark, length);
	memcpy(out->bytes + mark - 1, bytes, n);
	out->size += n - 1;
}
