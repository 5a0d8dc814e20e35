/* SPDX-License-Identifier: BSD-2-Clause
 *
 * protobuf_reader: what protobuf.h wrote, read by rules of its own, so that a mistake is not made
 * twice. What is not well-formed fails the test.
 */
#ifndef PYLEAKTRACE_GOLDEN_PROTOBUF_READER_H
#define PYLEAKTRACE_GOLDEN_PROTOBUF_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct message {
	const unsigned char *at, *end;
};

struct field {
	unsigned number, wire;
	uint64_t value;        /* of wire types 0 and 1 */
	struct message inside; /* of wire type 2: message, text or packed numbers */
};

static inline uint64_t read_varint(struct message *message)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		assert_true(message->at < message->end);
		value |= (uint64_t)(*message->at & 0x7f) << (shift < 64 ? shift : 63);
		if (!(*message->at++ & 0x80))
			return value;
	}
	fail_msg("a number has no end");
	return 0;
}

/* return false: the message is at its end */
static inline bool read_field(struct message *message, struct field *field)
{
	uint64_t tag;

	if (message->at == message->end)
		return false;
	tag = read_varint(message);
	*field = (struct field){.number = (unsigned)(tag >> 3), .wire = tag & 7};
	assert_true(field->number > 0);
	if (field->wire == 0) {
		field->value = read_varint(message);
	} else if (field->wire == 1) {
		assert_true(message->end - message->at >= 8);
		for (unsigned i = 0; i < 8; i++)
			field->value |= (uint64_t)*message->at++ << 8 * i;
	} else {
		uint64_t length;

		assert_int_equal(field->wire, 2);
		length = read_varint(message);
		assert_true(length <= (uint64_t)(message->end - message->at));
		field->inside = (struct message){message->at, message->at + length};
		message->at += length;
	}
	return true;
}

/* The number of fields of this number. */
static inline size_t count_fields(struct message message, unsigned number)
{
	struct field field;
	size_t n = 0;

	while (read_field(&message, &field))
		n += field.number == number;
	return n;
}

/* The i-th field of this number; it has to be there. */
static inline struct field get_field(struct message message, unsigned number, size_t i)
{
	struct field field;

	while (read_field(&message, &field))
		if (field.number == number && !i--)
			return field;
	fail_msg("field %u is missing", number);
	return (struct field){0};
}

static inline struct message get_message(struct message message, unsigned number, size_t i)
{
	return get_field(message, number, i).inside;
}

/* A number that is missing is 0. */
static inline uint64_t get_number(struct message message, unsigned number)
{
	return count_fields(message, number) ? get_field(message, number, 0).value : 0;
}

static inline bool message_is_text(struct message message, const char *text)
{
	size_t size = (size_t)(message.end - message.at);

	return strlen(text) == size && !memcmp(message.at, text, size);
}

#endif
