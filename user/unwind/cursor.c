/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/cursor.h"

#include <string.h>

#include <dwarf.h>

void cursor_skip(struct cursor *cursor, uint64_t n)
{
	if (n > cursor->left) {
		cursor->failed = true;
		n = cursor->left;
	}
	cursor->at += n;
	cursor->left -= n;
	cursor->vaddr += n;
}

/* x86-64 is little endian, and so is everything that is read here. */
static uint64_t take(struct cursor *cursor, size_t size)
{
	uint64_t value = 0;

	if (cursor->left < size)
		cursor->failed = true;
	else
		memcpy(&value, cursor->at, size);
	cursor_skip(cursor, size);
	return value;
}

uint8_t cursor_u8(struct cursor *cursor)
{
	return (uint8_t)take(cursor, 1);
}

uint16_t cursor_u16(struct cursor *cursor)
{
	return (uint16_t)take(cursor, 2);
}

uint32_t cursor_u32(struct cursor *cursor)
{
	return (uint32_t)take(cursor, 4);
}

uint64_t cursor_u64(struct cursor *cursor)
{
	return take(cursor, 8);
}

static uint64_t leb(struct cursor *cursor, bool is_signed)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = cursor_u8(cursor);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !cursor->failed);
	if (is_signed && byte & 0x40 && shift < 64)
		value |= ~0ull << shift;
	return value;
}

uint64_t cursor_uleb(struct cursor *cursor)
{
	return leb(cursor, false);
}

int64_t cursor_sleb(struct cursor *cursor)
{
	return (int64_t)leb(cursor, true);
}

static uint64_t formatted(struct cursor *cursor, uint8_t format)
{
	switch (format) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return cursor_u64(cursor);
	case DW_EH_PE_udata2:
		return cursor_u16(cursor);
	case DW_EH_PE_udata4:
		return cursor_u32(cursor);
	case DW_EH_PE_sdata2:
		return (uint64_t)(int64_t)(int16_t)cursor_u16(cursor);
	case DW_EH_PE_sdata4:
		return (uint64_t)(int64_t)(int32_t)cursor_u32(cursor);
	case DW_EH_PE_uleb128:
		return cursor_uleb(cursor);
	case DW_EH_PE_sleb128:
		return (uint64_t)cursor_sleb(cursor);
	}
	cursor->failed = true;
	return 0;
}

uint64_t cursor_pointer(struct cursor *cursor, uint8_t encoding, uint64_t data_base)
{
	uint64_t place, value;

	if (encoding == DW_EH_PE_omit)
		return 0;
	if (encoding == DW_EH_PE_aligned) {
		cursor_skip(cursor, -cursor->vaddr & 7);
		return cursor_u64(cursor);
	}
	place = cursor->vaddr;
	value = formatted(cursor, encoding & 0x0f);
	/* DW_EH_PE_indirect: the pointer's value is in the running program. It is used for personality routines,
	 * which are skipped here. */
	switch (encoding & 0x70) {
	case DW_EH_PE_absptr:
		return value;
	case DW_EH_PE_pcrel:
		return value + place;
	case DW_EH_PE_datarel:
		return value + data_base;
	}
	cursor->failed = true;
	return 0;
}
