/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is in objects: text as repr() writes it, and objects that this program makes in its own
 * memory, in the layout of every version; and bytes that are no objects.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/escape.h"
#include "base/xorshift.h"
#include "census/fields.h"
#include "census/value_text.h"
#include "census/values.h"

#define ROOM 65536 /* words */

/* ---- text ----------------------------------------------------------------------------------- */

static void expect_real(double value, const char *expected)
{
	struct value_text out;

	value_text_begin(&out, VALUE_TEXT_COLUMNS);
	value_text_real(&out, value);
	assert_string_equal(out.text, expected);
}

static void floats_are_written_as_python_writes_them(void **state)
{
	(void)state;
	expect_real(0, "0.0");
	expect_real(-0.0, "-0.0");
	expect_real(0.1, "0.1");
	expect_real(1.5, "1.5");
	expect_real(-17, "-17.0");
	expect_real(100, "100.0");
	expect_real(1e15, "1000000000000000.0");
	expect_real(1e16, "1e+16");
	expect_real(1.25e22, "1.25e+22");
	expect_real(123456.789, "123456.789");
	expect_real(0.0001, "0.0001");
	expect_real(0.00012, "0.00012");
	expect_real(0.00001, "1e-05");
	expect_real(1.0 / 3, "0.3333333333333333");
	expect_real(5e-324, "5e-324");
	expect_real(1.7976931348623157e308, "1.7976931348623157e+308");
	expect_real(9007199254740993.0, "9007199254740992.0");
	expect_real(INFINITY, "inf");
	expect_real(-INFINITY, "-inf");
	expect_real(NAN, "nan");
}

static void expect_complex(double real, double imaginary, const char *expected)
{
	struct value_text out;

	value_text_begin(&out, VALUE_TEXT_COLUMNS);
	value_text_complex(&out, real, imaginary);
	assert_string_equal(out.text, expected);
}

static void complex_numbers_too(void **state)
{
	(void)state;
	expect_complex(1, 2, "(1+2j)");
	expect_complex(0, 2.5, "2.5j");
	expect_complex(-0.0, -1, "(-0-1j)");
	expect_complex(1.5, -0.0, "(1.5-0j)");
	expect_complex(NAN, NAN, "(nan+nanj)");
	expect_complex(0, INFINITY, "infj");
}

static void expect_points(const uint32_t *points, size_t n, char quote, const char *expected)
{
	struct value_text out;

	value_text_begin(&out, VALUE_TEXT_COLUMNS);
	for (size_t i = 0; i < n; i++)
		assert_true(value_text_point(&out, points[i], quote));
	assert_string_equal(out.text, expected);
	/* what is printed is what is there */
	assert_int_equal(escape_columns(out.text), VALUE_TEXT_COLUMNS - out.columns);
}

static void characters_that_cannot_be_shown_are_escaped(void **state)
{
	const uint32_t points[] = {'a',  0,      '\n',   0x1b,   '\\',    '\'',     0x9b,
				   0xe9, 0x202e, 0xdc80, 0x4e2d, 0x1f600, 0x110000, 0xffffffff};

	(void)state;
	expect_points(points, 8, '\'', "a\\x00\\n\\x1b\\\\\\'\\u009b\xc3\xa9");
	expect_points(points + 8, 6, '\'',
		      "\\u202e\\udc80\xe4\xb8\xad\xf0\x9f\x98\x80\\U00110000\\Uffffffff");
	expect_points(points + 4, 2, 0, "\\'");
}

static void no_character_is_cut(void **state)
{
	struct value_text out;

	(void)state;
	value_text_begin(&out, 9);
	assert_true(value_text_point(&out, 0x202e, '\''));
	assert_false(value_text_point(&out, 0x202e, '\''));
	/* nothing behind it, though it would fit */
	assert_false(value_text_point(&out, 'a', '\''));
	assert_string_equal(out.text, "\\u202e");
	value_text_put(&out, "'...");
	assert_string_equal(out.text, "\\u202e'...");
	value_text_begin(&out, 1000);
	for (int i = 0; i < 1000; i++)
		value_text_point(&out, 0x1f600, '\'');
	assert_int_equal(strlen(out.text), 4 * VALUE_TEXT_COLUMNS);
	for (int i = 0; i < 100; i++)
		value_text_put(&out, "0123456789");
	assert_int_equal(strlen(out.text), sizeof(out.text) - 1);
}

/* ---- objects -------------------------------------------------------------------------------- */

/* A heap in this program's memory. */
struct heap {
	struct py_runtime runtime;
	uint64_t words[ROOM];
	size_t used;
};

static struct heap heap;

static const struct py_layout *layout_of_heap(void)
{
	return &heap.runtime.layout;
}

static uint64_t place(size_t bytes)
{
	size_t at = heap.used;

	heap.used += (bytes + 7) / 8 + 2;
	assert_true(heap.used < ROOM);
	return (uint64_t)(uintptr_t)&heap.words[at];
}

static void put_bytes_at(uint64_t at, const void *bytes, size_t n)
{
	if (n)
		memcpy((void *)(uintptr_t)at, bytes, n);
}

static void put(uint64_t object, int32_t offset, uint64_t word)
{
	put_bytes_at(object + (uint64_t)offset, &word, 8);
}

/* Of the part behind PyObject. */
static void put_behind(uint64_t object, int32_t offset, uint64_t word)
{
	put(object, (int32_t)py_head_bytes(layout_of_heap()) + offset, word);
}

static uint64_t make_type(const char *name, uint64_t flags)
{
	const struct py_layout *layout = layout_of_heap();
	uint64_t type = place(1024), text = place(strlen(name) + 1);

	put_bytes_at(text, name, strlen(name) + 1);
	put(type, layout->object.ob_type, heap.runtime.type_type ? heap.runtime.type_type : type);
	put(type, layout->type.name, text);
	put(type, layout->type.basicsize, 64);
	put(type, layout->type.flags, flags | PY_TYPE_READY);
	return type;
}

static void begin(unsigned row)
{
	memset(&heap, 0, sizeof(heap));
	heap.runtime.layout = *layout_row(row);
	heap.runtime.type_type = make_type("type", PY_TYPE_TYPE);
}

static uint64_t make(uint64_t type, size_t bytes)
{
	uint64_t object = place(bytes + 64);

	put(object, layout_of_heap()->object.ob_type, type);
	return object;
}

/* Compact, with 1, 2 or 4 bytes a character. */
static uint64_t make_str(const void *characters, size_t n, unsigned kind, bool ascii)
{
	const struct py_layout *layout = layout_of_heap();
	uint64_t object = make(make_type("str", PY_TYPE_STR), 128 + n * kind);
	uint32_t state = kind << layout->str.kind_shift | 1u << layout->str.compact_bit |
			 (uint32_t)ascii << layout->str.ascii_bit;

	if (layout->str.ready_bit != 0xff)
		state |= 1u << layout->str.ready_bit;
	put(object, layout->str.length, n);
	put_bytes_at(object + (uint64_t)layout->str.state, &state, 4);
	put_bytes_at(object + (uint64_t)(ascii ? layout->str.ascii_data : layout->str.compact_data),
		     characters, n * kind);
	return object;
}

static uint64_t make_text(const char *text)
{
	return make_str(text, strlen(text), 1, true);
}

static uint64_t make_int(const char *name, int sign, const uint32_t *digits, uint64_t n)
{
	const struct py_layout *layout = layout_of_heap();
	uint64_t object = make(make_type(name, PY_TYPE_INT), 64 + 4 * n);

	put(object, layout->object.var_size,
	    layout->minor >= 12 ? n << 3 | (sign < 0 ? 2
					    : n      ? 0
						     : 1)
	    : sign < 0          ? -n
				: n);
	put_bytes_at(object + (uint64_t)layout->object.var_size + 8, digits, 4 * n);
	return object;
}

static uint64_t make_small(uint32_t value)
{
	return make_int("int", 1, &value, value != 0);
}

static uint64_t make_bytes(const void *bytes, size_t n)
{
	const struct py_layout *layout = layout_of_heap();
	uint64_t object = make(make_type("bytes", PY_TYPE_BYTES), 64 + n);

	put(object, layout->object.var_size, n);
	put_bytes_at(object + (uint64_t)layout->object.bytes_data, bytes, n);
	return object;
}

static uint64_t make_list(const uint64_t *items, size_t n, uint64_t claimed)
{
	uint64_t object = make(make_type("list", PY_TYPE_LIST), 64), array = place(8 * n);

	put_bytes_at(array, items, 8 * n);
	put(object, layout_of_heap()->object.var_size, claimed);
	put_behind(object, LIST_ITEMS, array);
	return object;
}

/* With entries of hash, key, value; deleted ones have no value. */
static uint64_t make_dict(const uint64_t (*items)[2], size_t n, uint64_t used)
{
	const struct py_layout *layout = layout_of_heap();
	uint64_t object = make(make_type("dict", PY_TYPE_DICT), 128), keys = place(128 + 24 * n);

	put(object, layout->dict.used, used);
	put(object, layout->dict.keys, keys);
	put(keys, layout->dict.keys_nentries, n);
	if (layout->dict.keys_size != LAYOUT_NONE)
		put(keys, layout->dict.keys_size, 8);
	else
		*(uint8_t *)(uintptr_t)(keys + (uint64_t)layout->dict.keys_log2_index_bytes) = 3;
	for (size_t i = 0; i < n; i++) {
		put(keys, layout->dict.keys_indices + 8 + 24 * (int32_t)i + 8, items[i][0]);
		put(keys, layout->dict.keys_indices + 8 + 24 * (int32_t)i + 16, items[i][1]);
	}
	return object;
}

static const struct values reader = {.names = {.runtime = &heap.runtime}};

/* parts: "NAME|TEXT", up to a NULL */
static void expect(uint64_t object, const char *text, const char *const *parts, uint64_t more)
{
	struct values values = reader;
	struct err err = ERR_INIT;
	struct heap_value value;
	char part[256];
	size_t n = 0;

	values.names.pid = getpid();
	assert_int_equal(values_read(&value, &values, object, &err), 0);
	assert_string_equal(value.text, text);
	for (; parts[n]; n++) {
		assert_true(n < value.n_parts);
		snprintf(part, sizeof(part), "%s|%s", value.parts[n].name, value.parts[n].text);
		assert_string_equal(part, parts[n]);
	}
	assert_int_equal(value.n_parts, n);
	assert_int_equal(value.more, more);
	heap_value_fini(&value);
}

#define EXPECT(object, text, more, ...) \
	expect(object, text, (const char *const[]){__VA_ARGS__, NULL}, more)
#define EXPECT_TEXT(object, text) expect(object, text, (const char *const[]){NULL}, 0)

#define EACH_LAYOUT(body)                                \
	for (unsigned row = 0; layout_row(row); row++) { \
		begin(row);                              \
		body();                                  \
	}

static void check_strings(void)
{
	const uint8_t latin[] = {'a', 0xe9, 0x9b};
	const uint16_t two[] = {0x4e2d, 0xd800, 0x202e};
	const uint32_t four[] = {0x1f600, 0, 0xffffff};
	char many[5000];

	memset(many, 'x', sizeof(many));
	EXPECT_TEXT(make_text(""), "''");
	EXPECT_TEXT(make_text("it's\033[2J"), "'it\\'s\\x1b[2J'");
	EXPECT_TEXT(make_str(latin, 3, 1, false), "'a\xc3\xa9\\u009b'");
	EXPECT_TEXT(make_str(two, 3, 2, false), "'\xe4\xb8\xad\\ud800\\u202e'");
	EXPECT_TEXT(make_str(four, 3, 4, false), "'\xf0\x9f\x98\x80\\x00\\U00ffffff'");
	EXPECT_TEXT(make_str(many, sizeof(many), 1, true),
		    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'... "
		    "(5,000 characters)");
	EXPECT_TEXT(make_str(many, 60, 1, true),
		    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'");
	/* no such kind */
	EXPECT_TEXT(make_str(many, 3, 7, false), "<str>");
	EXPECT_TEXT(make_bytes("a\0'\n\xff\\", 6), "b'a\\x00\\'\\n\\xff\\\\'");
	EXPECT_TEXT(make_bytes("", 0), "b''");
	EXPECT_TEXT(make_bytes(many, 4096),
		    "b'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'... "
		    "(4,096 bytes)");
}

static void strings_and_bytes_are_quoted_and_cut(void **state)
{
	(void)state;
	EACH_LAYOUT(check_strings);
}

static void check_numbers(void)
{
	const uint32_t full = (1u << 30) - 1, most[] = {full, full, 15}, over[] = {full, full, 16},
		       huge[] = {0, 0, 0, 0, 1};
	const double half = 0.5;
	uint64_t number;

	EXPECT_TEXT(make_small(0), "0");
	EXPECT_TEXT(make_small(7), "7");
	EXPECT_TEXT(make_int("int", -1, &full, 1), "-1073741823");
	EXPECT_TEXT(make_int("int", 1, most, 3), "18446744073709551615");
	EXPECT_TEXT(make_int("int", -1, most, 3), "-18446744073709551615");
	EXPECT_TEXT(make_int("int", 1, over, 3), "<int of 65 bits>");
	EXPECT_TEXT(make_int("int", 1, huge, 5), "<int of 121 bits>");
	EXPECT_TEXT(make_int("bool", 1, (const uint32_t[]){1}, 1), "True");
	EXPECT_TEXT(make_int("bool", 1, &full, 0), "False");
	/* of a class that derives from int */
	EXPECT_TEXT(make_int("app.Code", 1, (const uint32_t[]){404}, 1), "404");
	number = make(make_type("float", 0), 64);
	put_bytes_at(number + (uint64_t)py_head_bytes(layout_of_heap()), &half, 8);
	EXPECT_TEXT(number, "0.5");
	EXPECT_TEXT(make(make_type("complex", 0), 64), "0j");
	EXPECT_TEXT(make(make_type("NoneType", 0), 16), "None");
	EXPECT_TEXT(make_type("app.Session", 0), "<class app.Session>");
	EXPECT_TEXT(make(make_type("app.\033[2J", 0), 64), "<app.\\x1b[2J>");
}

static void numbers_are_written_up_to_64_bits(void **state)
{
	(void)state;
	EACH_LAYOUT(check_numbers);
}

static void check_containers(void)
{
	const struct py_layout *layout = layout_of_heap();
	uint64_t two[2] = {make_small(1), make_text("b")}, eight[8], inner, object, table,
		 blocks[2];
	uint64_t items[5][2];

	for (uint32_t i = 0; i < 8; i++)
		eight[i] = make_small(i);
	inner = make_list(two, 2, 2);
	EXPECT(inner, "<list of 2>", 0, "[0]|1", "[1]|'b'");
	EXPECT(make_list(eight, 8, 8), "<list of 8>", 3, "[0]|0", "[1]|1", "[2]|2", "[3]|3",
	       "[4]|4");
	EXPECT(make_list(&inner, 1, 1), "<list of 1>", 0, "[0]|<list of 2>");
	EXPECT_TEXT(make_list(NULL, 0, 0), "<list of 0>");
	/* lengths that cannot be */
	EXPECT_TEXT(make_list(NULL, 0, UINT64_MAX), "<list>");
	/* what is no object */
	EXPECT(make_list((const uint64_t[]){0, 3, 0x1000}, 3, 3), "<list of 3>", 0, "[0]|?",
	       "[1]|?", "[2]|?");

	object = make(make_type("tuple", PY_TYPE_TUPLE), 128);
	put(object, layout->object.var_size, 2);
	put_bytes_at(object + (uint64_t)layout->object.tuple_items, two, sizeof(two));
	EXPECT(object, "<tuple of 2>", 0, "[0]|1", "[1]|'b'");

	for (size_t i = 0; i < 5; i++) {
		items[i][0] = i == 1 ? make_text("a'\n") : eight[i];
		items[i][1] = i == 2 ? 0 : i == 3 ? inner : eight[i];
	}
	EXPECT(make_dict((const uint64_t(*)[2])items, 5, 4), "<dict of 4>", 0, "[0]|0",
	       "['a\\'\\n']|1", "[3]|<list of 2>", "[4]|4");
	EXPECT_TEXT(make_dict(NULL, 0, 0), "<dict of 0>");

	/* a dummy, an empty place, two members */
	object = make(make_type("frozenset", 0), 256);
	table = place(16 * 4);
	put_behind(object, SET_USED, 2);
	put_behind(object, SET_MASK, 3);
	put_behind(object, SET_TABLE, table);
	put_bytes_at(table, (const uint64_t[]){eight[0], UINT64_MAX, 0, 0, two[1], 77, eight[5], 5},
		     64);
	EXPECT(object, "<frozenset of 2>", 0, "|'b'", "|5");

	/* from the last place of a block on */
	object = make(make_type("collections.deque", 0), 256);
	blocks[0] = place(66 * 8);
	blocks[1] = place(66 * 8);
	put(object, layout->object.var_size, 2);
	put_behind(object, DEQUE_LEFT, blocks[0]);
	put_behind(object, DEQUE_LEFT_INDEX, 63);
	put(blocks[0], 8 * 64, two[0]);
	put(blocks[0], 8 * 65, blocks[1]);
	put(blocks[1], 8, two[1]);
	EXPECT(object, "<collections.deque of 2>", 0, "[0]|1", "[1]|'b'");
}

static void containers_show_their_first_items(void **state)
{
	(void)state;
	EACH_LAYOUT(check_containers);
}

/* tp_dictoffset says where the dict of attributes is; tp_members where slots are. */
static void check_attributes(void)
{
	const struct py_layout *layout = layout_of_heap();
	const uint64_t member = 16, number = 1; /* T_OBJECT_EX, T_INT */
	uint64_t type = make_type("app.User", 0), object = make(type, 128), slots = place(40 * 4),
		 names[3], items[7][2];
	int32_t head = (int32_t)py_head_bytes(layout);
	const char *const texts[] = {"number", "name", "__hidden"};

	for (size_t i = 0; i < 7; i++) {
		char text[32];

		snprintf(text, sizeof(text), i == 1 ? "b\n" : "a%zu", i);
		items[i][0] = make_text(text);
		items[i][1] = make_small((uint32_t)i);
	}
	put(type, layout->type.dict + 24, (uint64_t)head);
	put(object, head, make_dict((const uint64_t(*)[2])items, 7, 7));
	EXPECT(object, "<app.User>", 2, ".a0|0", ".b\\n|1", ".a2|2", ".a3|3", ".a4|4");

	type = make_type("app.Slotted", 0);
	object = make(type, 128);
	for (size_t i = 0; i < 3; i++) {
		names[i] = place(16);
		put_bytes_at(names[i], texts[i], strlen(texts[i]) + 1);
	}
	put_bytes_at(slots, (const uint64_t[]){names[0], number, (uint64_t)head}, 24);
	put_bytes_at(slots + 40, (const uint64_t[]){names[1], member, (uint64_t)head + 8}, 24);
	put_bytes_at(slots + 80, (const uint64_t[]){names[2], member, (uint64_t)head + 16}, 24);
	put(type, layout->type.base - 16, slots);
	put(object, head, items[1][0]);
	EXPECT_TEXT(object, "<app.Slotted>"); /* not set */
	put(object, head + 8, items[2][0]);
	put(object, head + 16, items[3][0]);
	EXPECT(object, "<app.Slotted>", 0, ".name|'a2'");
}

static void attributes_are_those_of_dict_and_slots(void **state)
{
	(void)state;
	EACH_LAYOUT(check_attributes);
}

/* Objects whose words are anything, of every type: it ends, and writes what fits. */
static void damaged_objects_end_somewhere(void **state)
{
	static const struct {
		const char *name;
		uint64_t flags;
	} types[] = {
		{"str", PY_TYPE_STR},
		{"bytes", PY_TYPE_BYTES},
		{"int", PY_TYPE_INT},
		{"list", PY_TYPE_LIST},
		{"tuple", PY_TYPE_TUPLE},
		{"dict", PY_TYPE_DICT},
		{"set", 0},
		{"bytearray", 0},
		{"collections.deque", 0},
		{"float", 0},
		{"bool", PY_TYPE_INT},
		{"app.User", PY_TYPE_MANAGED_DICT},
	};
	uint64_t seed = 20261124;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		struct values values = reader;
		struct err err = ERR_INIT;
		struct heap_value value;
		uint64_t object;
		unsigned n = 0;

		while (layout_row(n))
			n++;
		begin(round % n);
		heap.used += 8;
		object = make(make_type(types[round % 12].name, types[round % 12].flags), 256);
		for (int32_t at = (int32_t)py_head_bytes(layout_of_heap()); at < 256; at += 8) {
			uint64_t word = xorshift_next(&seed);

			put(object, at,
			    word & 1 ? (uint64_t)(uintptr_t)&heap.words[word % 4096]
				     : word >> (word % 64));
		}
		values.names.pid = getpid();
		assert_int_equal(values_read(&value, &values, object, &err), 0);
		assert_true(value.n_parts <= 2 * VALUES_PARTS);
		assert_true(escape_columns(value.text) <= VALUE_TEXT_COLUMNS + VALUE_TEXT_PLAIN);
		heap_value_fini(&value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(floats_are_written_as_python_writes_them),
		cmocka_unit_test(complex_numbers_too),
		cmocka_unit_test(characters_that_cannot_be_shown_are_escaped),
		cmocka_unit_test(no_character_is_cut),
		cmocka_unit_test(strings_and_bytes_are_quoted_and_cut),
		cmocka_unit_test(numbers_are_written_up_to_64_bits),
		cmocka_unit_test(containers_show_their_first_items),
		cmocka_unit_test(attributes_are_those_of_dict_and_slots),
		cmocka_unit_test(damaged_objects_end_somewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
