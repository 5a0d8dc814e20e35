/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/reader.h"

#include <dwarf.h>

#define FORMAT_MASK 0x0f /* of an encoding: how the number is written */
#define BASE_MASK   0x70 /* of an encoding: what it is relative to */

static uint64_t fail(struct reader *reader)
{
	reader->bad = true;
	reader->at = reader->end;
	return 0;
}

uint64_t reader_fixed(struct reader *reader, size_t size)
{
	uint64_t value = 0;

	if ((size_t)(reader->end - reader->at) < size)
		return fail(reader);
	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)reader->at[i] << (8 * i);
	reader->at += size;
	return value;
}

uint64_t reader_uleb(struct reader *reader)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		uint64_t part;

		if (reader->at == reader->end)
			return fail(reader);
		byte = *reader->at++;
		part = byte & 0x7f;
		/* zeros may follow, as padding */
		if (part && (shift > 63 || part << shift >> shift != part))
			return fail(reader);
		if (part)
			value |= part << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while (byte & 0x80);
	return value;
}

int64_t reader_sleb(struct reader *reader)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		if (reader->at == reader->end)
			return (int64_t)fail(reader);
		byte = *reader->at++;
		if (shift < 63)
			value |= (uint64_t)(byte & 0x7f) << shift;
		else if ((byte & 0x7f) != 0 && (byte & 0x7f) != 0x7f)
			return (int64_t)fail(reader);
		else if (shift == 63)
			value |= (uint64_t)(byte & 1) << 63;
		shift = shift < 70 ? shift + 7 : shift;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~UINT64_C(0) << shift;
	return (int64_t)value;
}

const uint8_t *reader_skip(struct reader *reader, uint64_t size)
{
	const uint8_t *start = reader->at;

	if ((uint64_t)(reader->end - reader->at) < size) {
		fail(reader);
		return NULL;
	}
	reader->at += size;
	return start;
}

static uint64_t read_number(struct reader *reader, uint8_t encoding)
{
	switch (encoding & FORMAT_MASK) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return reader_fixed(reader, 8);
	case DW_EH_PE_udata2:
		return reader_fixed(reader, 2);
	case DW_EH_PE_udata4:
		return reader_fixed(reader, 4);
	case DW_EH_PE_sdata2:
		return (uint64_t)(int64_t)(int16_t)reader_fixed(reader, 2);
	case DW_EH_PE_sdata4:
		return (uint64_t)(int64_t)(int32_t)reader_fixed(reader, 4);
	case DW_EH_PE_uleb128:
		return reader_uleb(reader);
	case DW_EH_PE_sleb128:
		return (uint64_t)reader_sleb(reader);
	default:
		return fail(reader);
	}
}

/* Addresses that DW_EH_PE_aligned pads are those in memory, not offsets in the section. */
static uint64_t read_aligned(struct reader *reader, const struct reader_bases *bases)
{
	uint64_t address = bases->vaddr + (uint64_t)(reader->at - bases->bytes);

	reader_skip(reader, -address & 7);
	return reader_fixed(reader, 8);
}

uint64_t reader_pointer(struct reader *reader, uint8_t encoding, const struct reader_bases *bases)
{
	const uint8_t *at = reader->at;
	uint64_t base;

	if (encoding == DW_EH_PE_omit || (encoding & DW_EH_PE_indirect))
		return fail(reader);
	if (!bases)
		return read_number(reader, encoding);
	switch (encoding & BASE_MASK) {
	case DW_EH_PE_absptr:
		return read_number(reader, encoding);
	case DW_EH_PE_pcrel:
		base = bases->vaddr + (uint64_t)(at - bases->bytes);
		break;
	case DW_EH_PE_textrel:
		base = bases->text;
		break;
	case DW_EH_PE_datarel:
		base = bases->data;
		break;
	case DW_EH_PE_aligned:
		return read_aligned(reader, bases);
	default:
		return fail(reader);
	}
	return base ? base + read_number(reader, encoding) : fail(reader);
}
