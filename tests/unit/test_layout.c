/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rows are complete and plausible; _Py_DebugOffsets is taken over, or refused as a whole. (That
 * rows are true: test_object.c and test_code.c, against running interpreters, and tools/py-layout
 * --check.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "python/layout.h"

static void each_minor_version_has_its_layout(void **state)
{
	(void)state;
	for (unsigned minor = 0; minor < 40; minor++) {
		const struct py_layout *gil = layout_find(minor, false);
		const struct py_layout *free_threaded = layout_find(minor, true);

		assert_true(!gil == (minor < 6 || minor > 15));
		assert_true(!free_threaded == (minor < 13 || minor > 15));
		if (gil)
			assert_true(gil->minor == minor && !gil->free_threaded);
		if (free_threaded)
			assert_true(free_threaded->minor == minor && free_threaded->free_threaded);
	}
	assert_null(layout_row(13));
	assert_null(layout_row(UINT32_MAX));
}

/* Each version has its own fields and no others. */
static void each_version_has_its_own_fields(void **state)
{
	(void)state;
	for (unsigned i = 0; layout_row(i); i++) {
		const struct py_layout *row = layout_row(i);
		unsigned minor = row->minor;

		assert_non_null(strstr(row->source, "CPython 3."));
		assert_true((row->runtime.interpreters_head == LAYOUT_NONE) == (minor == 6));
		assert_true((row->runtime.tstate_current == LAYOUT_NONE) ==
			    (minor == 6 || minor > 11));
		assert_true((row->runtime.tss_key == LAYOUT_NONE) == (minor == 6 || minor > 14));
		assert_true((row->runtime.alloc_obj == LAYOUT_NONE) == (minor < 12));
		assert_true((row->tstate.frame == LAYOUT_NONE) == (minor > 10));
		assert_true((row->tstate.cframe == LAYOUT_NONE) == (minor != 11 && minor != 12));
		assert_true((row->cframe_current_frame == LAYOUT_NONE) ==
			    (minor != 11 && minor != 12));
		assert_true((row->tstate.current_frame == LAYOUT_NONE) == (minor < 13));
		assert_true((row->frame.lasti == LAYOUT_NONE) == (minor > 10));
		assert_true((row->frame.instr_ptr == LAYOUT_NONE) == (minor < 11));
		assert_true((row->frame.owner == LAYOUT_NONE) == (minor < 11));
		assert_true((row->frame.tlbc_index == LAYOUT_NONE) ==
			    !(minor > 13 && row->free_threaded));
		assert_true((row->code.qualname == LAYOUT_NONE) == (minor < 11));
		assert_true((row->code.firsttraceable == LAYOUT_NONE) == (minor < 11));
		assert_true((row->dict.keys_size == LAYOUT_NONE) == (minor > 10));
		assert_true((row->dict.keys_log2_index_bytes == LAYOUT_NONE) == (minor < 11));
		assert_true((row->str.wstr == LAYOUT_NONE) == (minor > 11));
		assert_true((row->gc_refs == LAYOUT_NONE) == (minor > 7));
		assert_true((row->gc.permanent == LAYOUT_NONE) == (minor == 6));
		assert_true((row->gc.stats == LAYOUT_NONE) == (minor == 6));
		assert_int_equal(row->gc.stats_ring, minor > 14);
		assert_true((row->threads.next_id == LAYOUT_NONE) == (minor == 6));
		assert_true((row->threads.id == LAYOUT_NONE) == (minor == 6));
		assert_int_equal(row->frame.lasti_unit, minor == 10 ? 2 : 1);
		assert_int_equal(row->arena_size, minor < 10 ? 256 << 10 : 1 << 20);
		assert_int_equal(row->small_threshold, 512);
		assert_true(row->code.size > row->code.line_table && row->code.size < 512);
		assert_true(row->type.heap_size > row->type.heap_qualname);
		assert_true(row->code.code == LAYOUT_NONE || row->code.code < row->code.size);
	}
}

/* ---- _Py_DebugOffsets ----------------------------------------------------------------------- */

static const uint32_t block_size[] = {584, 760, 888};

static void put(uint8_t *block, uint32_t place, uint64_t value)
{
	memcpy(block + place, &value, sizeof(value));
}

/*
 * A block whose sizes and offsets are the ones that the places of 3.14 give (Include/internal), for
 * the GIL build; all else is 8, which fits everything.
 */
static void make_block(uint8_t *block, uint32_t hexversion)
{
	static const uint16_t sizes[] = {24, 48, 176, 248, 312, 400, 416, 448, 496, 528, 592, 616};

	for (uint32_t place = 24; place < 760; place += 8)
		put(block, place, 8);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		put(block, sizes[i], 4096);
	memcpy(block, "xdebugpy", 8);
	put(block, 8, hexversion);
	put(block, 16, 0);
	put(block, 320, 1111); /* code.filename */
	put(block, 264, 2222); /* frame.executable */
	put(block, 232, 3333); /* thread_state.datastack_chunk: not in the layout */
}

static void a_layout_takes_what_the_interpreter_states(void **state)
{
	struct py_layout layout = *layout_find(14, false), before = layout;
	struct err err = ERR_INIT;
	uint8_t block[760];

	(void)state;
	make_block(block, 0x030e0af0);
	assert_int_equal(layout_refine(&layout, block, sizeof(block), &err), 0);
	assert_int_equal(layout.code.filename, 1111);
	assert_int_equal(layout.frame.code, 2222);
	assert_int_equal(layout.code.size, 4096);
	assert_int_equal(layout.interp.next, 8);
	/* what the block does not state, or what this build does not have, stays */
	assert_int_equal(layout.code.firsttraceable, before.code.firsttraceable);
	assert_int_equal(layout.frame.tlbc_index, LAYOUT_NONE);
	assert_int_equal(layout.code.tlbc, LAYOUT_NONE);
	assert_int_equal(layout.str.compact_data, before.str.compact_data);
	/* release candidates are as the release */
	make_block(block, 0x030e00c1);
	assert_int_equal(layout_refine(&layout, block, sizeof(block), &err), 0);
}

static void assert_refused(const struct py_layout *row, const uint8_t *block, uint32_t length,
			   const char *reason)
{
	struct py_layout layout = *row;
	struct err err = ERR_INIT;

	assert_int_equal(layout_refine(&layout, block, length, &err), -ERR_TARGET);
	assert_memory_equal(&layout, row, sizeof(layout));
	assert_non_null(strstr(err.text, reason));
	assert_int_equal(layout_refine(&layout, block, length, NULL), -ERR_TARGET);
}

static void a_block_that_does_not_fit_is_refused(void **state)
{
	const struct py_layout *row = layout_find(14, false);
	struct py_layout old = *layout_find(12, false);
	uint8_t block[760];

	(void)state;
	make_block(block, 0x030e0af0);
	assert_refused(row, block, 759, "759 bytes were read");
	assert_refused(row, block, 0, "0 bytes were read");
	assert_refused(layout_find(14, true), block, sizeof(block), "of a GIL build");
	assert_refused(layout_find(13, false), block, sizeof(block), "not of CPython 3.13");
	block[0] = 'X';
	assert_refused(row, block, sizeof(block), "does not begin with");
	make_block(block, 0x030e00b2);
	assert_refused(row, block, sizeof(block), "alpha or beta");
	make_block(block, 0x030e0af0);
	put(block, 8, 0x1030e0af0);
	assert_refused(row, block, sizeof(block), "not of CPython 3.14");
	make_block(block, 0x030e0af0);
	put(block, 320, 4089); /* eight bytes do not fit any more */
	assert_refused(row, block, sizeof(block), "4089 at byte 320");
	put(block, 320, UINT64_MAX - 3);
	assert_refused(row, block, sizeof(block), "at byte 320");
	put(block, 312, UINT64_MAX);
	put(block, 320, 1 << 16);
	assert_refused(row, block, sizeof(block), "at byte 31");
	/* versions without the block have nothing to take from it */
	assert_int_equal(layout_refine(&old, block, sizeof(block), NULL), 0);
	assert_memory_equal(&old, layout_find(12, false), sizeof(old));
}

static void a_random_block_leaves_a_layout_in_range(void **state)
{
	uint64_t seed = 20261124;

	(void)state;
	for (int round = 0; round < 30000; round++) {
		unsigned i = (unsigned)round % 3;
		struct py_layout layout = *layout_find(13 + i, round & 8);
		uint8_t *block = malloc(block_size[i]);

		assert_non_null(block);
		for (uint32_t place = 0; place < block_size[i]; place += 8) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			put(block, place, seed >> 33 >> (round & 16 ? seed % 31 : 18));
		}
		memcpy(block, "xdebugpy", 8);
		put(block, 8, 0x030d00f0 + (i << 16));
		put(block, 16, !!(round & 8));
		if (!layout_refine(&layout, block, block_size[i], NULL))
			assert_in_range(layout.code.filename, 0, 65535);
		free(block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_minor_version_has_its_layout),
		cmocka_unit_test(each_version_has_its_own_fields),
		cmocka_unit_test(a_layout_takes_what_the_interpreter_states),
		cmocka_unit_test(a_block_that_does_not_fit_is_refused),
		cmocka_unit_test(a_random_block_leaves_a_layout_in_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
