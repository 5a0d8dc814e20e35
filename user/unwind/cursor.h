/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cursor: bytes of a hostile file, read one value after the other.
 *
 * Place      layer 3; used by cfi and rules.
 * Source     DWARF 5 section 7.6 (LEB128), LSB 5.0 "DWARF Exception Header Encoding".
 * Errors     what would read beyond the end gives 0 and sets `failed`, for good: callers look once, at the end.
 */
#ifndef PYLEAKTRACE_UNWIND_CURSOR_H
#define PYLEAKTRACE_UNWIND_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at;
	size_t left;
	uint64_t vaddr; /* link-time address of `at`; 0 where it does not matter */
	bool failed;
};

static inline struct cursor cursor_make(const uint8_t *bytes, size_t size)
{
	return (struct cursor){.at = bytes, .left = size};
}

void cursor_skip(struct cursor *cursor, uint64_t n);
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
/* Bits above the 64th are dropped. */
uint64_t cursor_uleb(struct cursor *cursor);
int64_t cursor_sleb(struct cursor *cursor);

/*
 * A pointer in one of the encodings of .eh_frame.
 *
 * in     data_base: what DW_EH_PE_datarel is relative to
 * note   of an indirect pointer the place is given, not its contents; text- and function-relative ones are refused
 *        (failed)
 */
uint64_t cursor_pointer(struct cursor *cursor, uint8_t encoding, uint64_t data_base);

#endif
