/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "golden/protobuf_reader.h"

#include "export/dictionary.h"
#include "export/protobuf.h"

static void check(struct protobuf *out, const char *bytes, size_t size)
{
	assert_false(out->failed);
	assert_int_equal(out->size, size);
	assert_memory_equal(out->bytes, bytes, size);
	protobuf_fini(out);
	assert_null(out->bytes);
}

/* The examples of the guide to the encoding. */
static void bytes_are_those_of_the_guide(void **state)
{
	struct protobuf out = {0};
	size_t mark, packed;

	(void)state;
	protobuf_uint(&out, 1, 150);
	check(&out, "\x08\x96\x01", 3);
	protobuf_bytes(&out, 2, "testing", 7);
	check(&out, "\x12\x07testing", 9);
	mark = protobuf_begin(&out, 3);
	protobuf_uint(&out, 1, 150);
	protobuf_end(&out, mark);
	check(&out, "\x1a\x03\x08\x96\x01", 5);
	packed = protobuf_begin(&out, 6);
	protobuf_varint(&out, 3);
	protobuf_varint(&out, 270);
	protobuf_varint(&out, 86942);
	protobuf_end(&out, packed);
	check(&out, "\x32\x06\x03\x8e\x02\x9e\xa7\x05", 8);
}

static void ends_of_numbers(void **state)
{
	struct protobuf out = {0};

	(void)state;
	protobuf_uint(&out, 1, 0);
	protobuf_fixed64(&out, 1, 0);
	assert_int_equal(out.size, 0);
	protobuf_uint(&out, 1, UINT64_MAX);
	check(&out, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
	protobuf_fixed64(&out, 16, 0x0102030405060708);
	check(&out, "\x81\x01\x08\x07\x06\x05\x04\x03\x02\x01", 10);
	protobuf_bytes(&out, 5, NULL, 0);
	check(&out, "\x2a\x00", 2);
}

/* Lengths of one, two and three bytes, of messages in messages. */
static void messages_of_every_length(void **state)
{
	static const size_t sizes[] = {0, 1, 120, 127, 128, 16380, 16384, 70000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct protobuf out = {0};
		char *text = test_calloc(sizes[i] + 1, 1);
		size_t outer, inner;
		struct message all, message;

		memset(text, 'a', sizes[i]);
		outer = protobuf_begin(&out, 1);
		inner = protobuf_begin(&out, 2);
		protobuf_bytes(&out, 3, text, sizes[i]);
		protobuf_end(&out, inner);
		protobuf_uint(&out, 4, 7);
		protobuf_end(&out, outer);
		protobuf_uint(&out, 5, 8);
		all = (struct message){out.bytes, out.bytes + out.size};
		message = get_message(all, 1, 0);
		assert_true(message_is_text(get_message(get_message(message, 2, 0), 3, 0), text));
		assert_int_equal(get_number(message, 4), 7);
		assert_int_equal(get_number(all, 5), 8);
		test_free(text);
		protobuf_fini(&out);
	}
}

static void equal_keys_have_one_number(void **state)
{
	struct dictionary dictionary = {0};
	const struct dictionary_entry **entries;
	uint32_t expected = 1;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(dictionary_number(&dictionary, &i, sizeof(i)), i + 1);
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(dictionary_number(&dictionary, &i, sizeof(i)), i + 1);
	/* a shorter key is another one */
	assert_int_equal(dictionary_number(&dictionary, "\0\0\0", 3), 10001);
	entries = dictionary_by_number(&dictionary);
	assert_null(entries[0]);
	for (const struct dictionary_entry *entry = dictionary.first; entry;
	     entry = dictionary_next(entry)) {
		assert_int_equal(entry->number, expected);
		assert_ptr_equal(entries[expected++], entry);
	}
	assert_int_equal(expected, 10002);
	free(entries);
	dictionary_fini(&dictionary);
	assert_null(dictionary.first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_those_of_the_guide),
		cmocka_unit_test(ends_of_numbers),
		cmocka_unit_test(messages_of_every_length),
		cmocka_unit_test(equal_keys_have_one_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
