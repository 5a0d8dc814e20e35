/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Numbers and pointers as unwind information encodes them: each form, its limits, and what is cut
 * off.
 */
#include <dwarf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unwind/reader.h"

struct number {
	uint8_t bytes[14];
	uint8_t n;
	bool bad;
	uint64_t value;
};

static struct reader reader_of(const struct number *number)
{
	return (struct reader){.at = number->bytes, .end = number->bytes + number->n};
}

static void unsigned_numbers_are_read_within_64_bits(void **state)
{
	static const struct number numbers[] = {
		{{0}, 1, false, 0},
		{{0x7f}, 1, false, 127},
		{{0x80, 0x01}, 2, false, 128},
		{{0x80, 0x80, 0x80, 0x00}, 4, false, 0}, /* padded */
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		 10,
		 false,
		 UINT64_MAX},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x80, 0},
		 12,
		 false,
		 UINT64_MAX},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 10, true, 0},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x01}, 11, true, 0},
		{{0x80}, 1, true, 0},
		{{0}, 0, true, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct reader reader = reader_of(&numbers[i]);

		assert_int_equal(reader_uleb(&reader), numbers[i].value);
		assert_int_equal(reader.bad, numbers[i].bad);
		assert_ptr_equal(reader.at, reader.end);
	}
}

static void signed_numbers_are_read_within_64_bits(void **state)
{
	static const struct number numbers[] = {
		{{0x3f}, 1, false, 63},
		{{0x40}, 1, false, -64ull},
		{{0x7f}, 1, false, -1ull},
		{{0xff, 0x00}, 2, false, 127},
		{{0x80, 0x7f}, 2, false, -128ull},
		{{0xff, 0xff, 0xff, 0x7f}, 4, false, -1ull}, /* padded */
		{{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f},
		 10,
		 false,
		 (uint64_t)INT64_MIN},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},
		 10,
		 false,
		 INT64_MAX},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		 11,
		 false,
		 -1ull},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 10, true, 0},
		{{0xff}, 1, true, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct reader reader = reader_of(&numbers[i]);

		assert_int_equal((uint64_t)reader_sleb(&reader), numbers[i].value);
		assert_int_equal(reader.bad, numbers[i].bad);
	}
}

/* Every encoding, of a pointer that stands 3 bytes behind address 0x1001. */
static void pointers_are_read_in_every_encoding(void **state)
{
	static const uint8_t bytes[] = {0,    0,    0,    0xfe, 0xff, 0xff, 0xff,
					0xff, 0xff, 0xff, 0xff, 0x7f, 0,    0};
	static const struct {
		uint8_t encoding, size;
		uint64_t value;
	} cases[] = {
		{DW_EH_PE_absptr, 8, UINT64_MAX - 1},
		{DW_EH_PE_udata2, 2, 0xfffe},
		{DW_EH_PE_udata4, 4, 0xfffffffe},
		{DW_EH_PE_udata8, 8, UINT64_MAX - 1},
		{DW_EH_PE_sdata2, 2, -2ull},
		{DW_EH_PE_sdata4, 4, -2ull},
		{DW_EH_PE_sdata8, 8, -2ull},
		{DW_EH_PE_sleb128, 9, -2ull},
		{DW_EH_PE_pcrel | DW_EH_PE_sdata4, 4, 0x1004 - 2},
		{DW_EH_PE_pcrel | DW_EH_PE_udata2, 2, 0x1004 + 0xfffe},
		{DW_EH_PE_textrel | DW_EH_PE_sdata2, 2, 0x5000 - 2},
		{DW_EH_PE_datarel | DW_EH_PE_sdata8, 8, 0x6000 - 2},
		{DW_EH_PE_uleb128, 9, INT64_MAX - 1},
		{DW_EH_PE_omit, 0, 0},
		{DW_EH_PE_funcrel | DW_EH_PE_udata4, 0, 0},
		{DW_EH_PE_indirect | DW_EH_PE_absptr, 0, 0},
		{0x07, 0, 0},
		{0x70, 0, 0},
	};
	struct reader_bases bases = {
		.bytes = bytes, .vaddr = 0x1001, .text = 0x5000, .data = 0x6000};
	struct reader reader;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reader = (struct reader){.at = bytes + 3, .end = bytes + sizeof(bytes) - 2};
		assert_int_equal(reader_pointer(&reader, cases[i].encoding, &bases),
				 cases[i].value);
		assert_int_equal(reader.bad, cases[i].size == 0);
		if (!reader.bad)
			assert_int_equal(reader.at - (bytes + 3), cases[i].size);
	}
	/* 0x1004 is aligned up to 0x1008: 4 bytes further, of which 5 are left */
	reader = (struct reader){.at = bytes + 3, .end = bytes + 12};
	reader_pointer(&reader, DW_EH_PE_aligned, &bases);
	assert_true(reader.bad);
	bases.vaddr = 0x1005; /* 0x1008: no padding */
	reader = (struct reader){.at = bytes + 3, .end = bytes + 12};
	assert_int_equal(reader_pointer(&reader, DW_EH_PE_aligned, &bases), UINT64_MAX - 1);
	assert_false(reader.bad);
	/* a base that is not there; a length is not relative to one */
	bases.text = 0;
	reader = (struct reader){.at = bytes + 3, .end = bytes + 12};
	reader_pointer(&reader, DW_EH_PE_textrel | DW_EH_PE_udata4, &bases);
	assert_true(reader.bad);
	reader = (struct reader){.at = bytes + 3, .end = bytes + 12};
	assert_int_equal(reader_pointer(&reader, DW_EH_PE_textrel | DW_EH_PE_udata2, NULL), 0xfffe);
	assert_false(reader.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unsigned_numbers_are_read_within_64_bits),
		cmocka_unit_test(signed_numbers_are_read_within_64_bits),
		cmocka_unit_test(pointers_are_read_in_every_encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
