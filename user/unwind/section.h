/* SPDX-License-Identifier: BSD-2-Clause
 *
 * section: an ELF file -> its unwind information as bytes, and where its code is.
 *
 * Place      layer 3; used by cfi and table.
 * Source     ELF gABI; .eh_frame_hdr: LSB 5.0 Core, section 10.6.2.
 * Shapes     .eh_frame, found by its section header, else (a file without section headers) through
 *            the segment PT_GNU_EH_FRAME; .debug_frame, compressed or not, where neither is there.
 * Ownership  section_load() allocates, section_fini() frees; the Elf may be closed in between.
 * Errors     -ERR_FAILED with a sentence.
 * Bounds     the file is hostile: UNWIND_MAX_BYTES of unwind information, UNWIND_MAX_SEGMENTS
 *            executable segments within UNWIND_MAX_TEXT bytes of each other.
 */
#ifndef PYLEAKTRACE_UNWIND_SECTION_H
#define PYLEAKTRACE_UNWIND_SECTION_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "unwind/reader.h"

#define UNWIND_MAX_BYTES    (256ull << 20)
#define UNWIND_MAX_TEXT     (4ull << 30)
#define UNWIND_MAX_SEGMENTS 64

struct unwind_text {
	uint64_t start, end; /* link-time addresses of an executable segment: [start, end) */
};

struct unwind_section {
	uint8_t *bytes; /* behind them lie some zero bytes, for readers that look too far */
	size_t size;
	bool eh_frame; /* else .debug_frame, which has another form of heads */
	struct reader_bases bases;
	struct unwind_text text[UNWIND_MAX_SEGMENTS]; /* in the order of the file */
	unsigned n_text;                              /* at least 1 */
};

/* An open file, to be closed with elf_end(); NULL with err set: it is not an ELF file. */
Elf *section_open(int fd, struct err *err);

int section_load(struct unwind_section *section, Elf *elf, struct err *err);

void section_fini(struct unwind_section *section); /* accepts a zeroed struct */

#endif
