/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/layout.h"

#include <endian.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static const struct py_layout rows[] = {
#include "python/layout_table.inc"
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const struct py_layout *layout_row(unsigned index)
{
	return index < N_ROWS ? &rows[index] : NULL;
}

const struct py_layout *layout_find(unsigned minor, bool free_threaded)
{
	for (unsigned i = 0; i < N_ROWS; i++) {
		if (rows[i].minor == minor && rows[i].free_threaded == free_threaded)
			return &rows[i];
	}
	return NULL;
}

/*
 * _Py_DebugOffsets (Include/internal/pycore_debug_offsets.h; in pycore_runtime.h in 3.13): a
 * cookie, then words only. The places below are those of 3.13, 3.14 and 3.15; 0: that version does
 * not state it.
 */
#define FIRST_MINOR 13
#define N_MINORS    3
#define OFFSET_MAX  (64u << 10)

static const char cookie[8] = "xdebugpy";
static const uint32_t block_size[N_MINORS] = {584, 760, 888};

struct stated {
	size_t field;             /* int32_t in struct py_layout */
	uint16_t place[N_MINORS]; /* of the offset in the block */
	uint16_t size[N_MINORS];  /* of the size of the struct that the offset is in */
	uint8_t width; /* bytes of the field in the target; 0: the value is itself a size */
};

#define FIELD(name) offsetof(struct py_layout, name)
#define RUNTIME            \
	{                  \
		24, 24, 24 \
	}
#define INTERP             \
	{                  \
		48, 48, 48 \
	}
#define TSTATE                \
	{                     \
		152, 176, 176 \
	}
#define FRAME                 \
	{                     \
		224, 248, 312 \
	}
#define CODE                  \
	{                     \
		272, 312, 376 \
	}
#define TYPE                  \
	{                     \
		368, 416, 480 \
	}
#define TUPLE                 \
	{                     \
		400, 448, 544 \
	}
#define DICT                  \
	{                     \
		448, 528, 624 \
	}
#define BYTES                 \
	{                     \
		512, 592, 688 \
	}
#define STR                   \
	{                     \
		536, 616, 712 \
	}

static const struct stated stated[] = {
	{FIELD(runtime.interpreters_head), {40, 40, 40}, RUNTIME, 8},
	{FIELD(interp.next), {64, 64, 64}, INTERP, 8},
	{FIELD(interp.threads_head), {72, 72, 72}, INTERP, 8},
	{FIELD(interp.gc), {80, 88, 88}, INTERP, 8},
	{FIELD(interp.modules), {88, 96, 96}, INTERP, 8},
	{FIELD(tstate.next), {168, 192, 192}, TSTATE, 8},
	{FIELD(tstate.interp), {176, 200, 200}, TSTATE, 8},
	{FIELD(tstate.current_frame), {184, 208, 208}, TSTATE, 8},
	{FIELD(tstate.thread_id), {192, 216, 240}, TSTATE, 8},
	{FIELD(tstate.native_thread_id), {200, 224, 248}, TSTATE, 8},
	{FIELD(frame.previous), {232, 256, 320}, FRAME, 8},
	{FIELD(frame.code), {240, 264, 328}, FRAME, 8},
	{FIELD(frame.instr_ptr), {248, 272, 336}, FRAME, 8},
	{FIELD(frame.owner), {264, 288, 352}, FRAME, 1},
	{FIELD(frame.tlbc_index), {0, 304, 368}, FRAME, 4},
	{FIELD(code.size), {272, 312, 376}, CODE, 0},
	{FIELD(code.filename), {280, 320, 384}, CODE, 8},
	{FIELD(code.name), {288, 328, 392}, CODE, 8},
	{FIELD(code.qualname), {296, 336, 400}, CODE, 8},
	{FIELD(code.line_table), {304, 344, 408}, CODE, 8},
	{FIELD(code.firstlineno), {312, 352, 416}, CODE, 4},
	{FIELD(code.argcount), {320, 360, 424}, CODE, 4},
	{FIELD(code.code), {344, 384, 448}, CODE, 1},
	{FIELD(code.tlbc), {0, 392, 456}, CODE, 8},
	{FIELD(object.ob_type), {360, 408, 472}, {352, 400, 464}, 8},
	{FIELD(type.name), {376, 424, 488}, TYPE, 8},
	{FIELD(type.flags), {392, 440, 504}, TYPE, 8},
	{FIELD(type.basicsize), {0, 0, 512}, TYPE, 8},
	{FIELD(object.tuple_items), {408, 456, 552}, TUPLE, 8},
	{FIELD(object.var_size), {416, 464, 560}, TUPLE, 8},
	{FIELD(dict.keys), {456, 536, 632}, DICT, 8},
	{FIELD(dict.values), {464, 544, 640}, DICT, 8},
	{FIELD(object.bytes_data), {528, 608, 704}, BYTES, 1},
	{FIELD(str.state), {544, 624, 720}, STR, 4},
	{FIELD(str.length), {552, 632, 728}, STR, 8},
	{FIELD(str.ascii_data), {560, 640, 736}, STR, 0},
	{FIELD(str.compact_data), {0, 0, 744}, STR, 0},
};

static uint64_t word(const uint8_t *block, uint32_t place)
{
	uint64_t value;

	memcpy(&value, block + place, sizeof(value));
	return le64toh(value);
}

/* The block is of this row's version and kind. */
static int check_block(const struct py_layout *layout, const uint8_t *block, uint32_t length,
		       struct err *err)
{
	unsigned i = layout->minor - FIRST_MINOR;
	uint64_t version;

	if (i >= N_MINORS)
		return err_set(err, ERR_TARGET,
			       "CPython 3.%u: places in _Py_DebugOffsets are not known",
			       layout->minor);
	if (length < block_size[i])
		return err_set(err, ERR_TARGET,
			       "_Py_DebugOffsets: %u bytes were read, CPython 3.%u has %u", length,
			       layout->minor, block_size[i]);
	if (memcmp(block, cookie, sizeof(cookie)) != 0)
		return err_set(err, ERR_TARGET, "_PyRuntime does not begin with _Py_DebugOffsets");
	version = word(block, 8);
	if (version >> 16 != (3u << 8 | layout->minor))
		return err_set(err, ERR_TARGET,
			       "_Py_DebugOffsets is of version 0x%" PRIx64 ", not of CPython 3.%u",
			       version, layout->minor);
	if ((version & 0xf0) < 0xc0)
		return err_set(err, ERR_TARGET,
			       "CPython 3.%u is an alpha or beta (0x%" PRIx64
			       "), its structs may lie "
			       "elsewhere",
			       layout->minor, version);
	if (word(block, 16) != layout->free_threaded)
		return err_set(err, ERR_TARGET, "_Py_DebugOffsets is of a %s build",
			       layout->free_threaded ? "GIL" : "free-threaded");
	return 0;
}

int layout_refine(struct py_layout *layout, const uint8_t *debug_offsets, uint32_t length,
		  struct err *err)
{
	struct py_layout refined = *layout;
	int status;

	if (layout->minor < FIRST_MINOR)
		return 0;
	status = check_block(layout, debug_offsets, length, err);
	if (status)
		return status;
	for (size_t i = 0; i < sizeof(stated) / sizeof(stated[0]); i++) {
		const struct stated *row = &stated[i];
		uint16_t place = row->place[layout->minor - FIRST_MINOR];
		uint64_t size = word(debug_offsets, row->size[layout->minor - FIRST_MINOR]);
		uint64_t value;
		int32_t *field = (int32_t *)((char *)&refined + row->field);

		/* 0 stands there too for what this build does not have */
		if (!place || *field == LAYOUT_NONE)
			continue;
		value = word(debug_offsets, place);
		if (value >= OFFSET_MAX || value + row->width > size)
			return err_set(err, ERR_TARGET,
				       "_Py_DebugOffsets: %" PRIu64
				       " at byte %u is not an offset in "
				       "%" PRIu64 " bytes",
				       value, place, size);
		*field = (int32_t)value;
	}
	*layout = refined;
	return 0;
}
