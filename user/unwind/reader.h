/* SPDX-License-Identifier: BSD-2-Clause
 *
 * reader: bytes of unwind information -> numbers, never a byte further than the end.
 *
 * Place      layer 3; used by section and cfi.
 * Source     LEB128: DWARF 5 section 7.6. Pointer encodings (DW_EH_PE_*): LSB 5.0 Core, section
 *            10.5.1.
 * Shapes     a struct reader stands between two bytes. Reading moves it; a read that does not fit
 *            gives 0, sets `bad` and moves it to the end, so that a caller may look at `bad` once,
 *            after several reads.
 * Bounds     time linear in the bytes that are passed.
 */
#ifndef PYLEAKTRACE_UNWIND_READER_H
#define PYLEAKTRACE_UNWIND_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *at, *end;
	bool bad;
};

/* What encoded pointers may be relative to. */
struct reader_bases {
	const uint8_t *bytes; /* the byte that is at link-time address vaddr, for DW_EH_PE_pcrel */
	uint64_t vaddr;
	uint64_t text, data; /* for DW_EH_PE_textrel, DW_EH_PE_datarel; 0: there is none */
};

/* The next `size` bytes as a little endian number; size: 1 to 8. */
uint64_t reader_fixed(struct reader *reader, size_t size);

/* LEB128; numbers that do not fit 64 bits are bad. */
uint64_t reader_uleb(struct reader *reader);
int64_t reader_sleb(struct reader *reader);

/* Step over bytes: NULL when there are not as many, else the first of them. */
const uint8_t *reader_skip(struct reader *reader, uint64_t size);

/*
 * A pointer as its encoding says.
 *
 * in     bases: NULL: only the number is needed (a length), whatever it would be relative to
 * note   DW_EH_PE_omit, DW_EH_PE_funcrel and DW_EH_PE_indirect (the pointer lies in memory that is
 *        written when the program runs) are bad, and so is a base that is not there
 */
uint64_t reader_pointer(struct reader *reader, uint8_t encoding, const struct reader_bases *bases);

#endif
