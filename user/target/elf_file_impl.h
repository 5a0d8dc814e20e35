/* SPDX-License-Identifier: BSD-2-Clause
 *
 * elf_file_impl: the inside of an ELF file, which elf_file.c (segments, sections, bytes) and
 * elf_file_symbols.c share.
 *
 * Place      target; those two files only.
 * Threads    callers hold the file's lock; elf_file_segment_at() needs none.
 */
#ifndef PYLEAKTRACE_TARGET_ELF_FILE_IMPL_H
#define PYLEAKTRACE_TARGET_ELF_FILE_IMPL_H

#include <gelf.h>

#include "base/lock.h"
#include "target/elf_file.h"

#define ELF_SEGMENTS_MAX 64 /* PT_LOADs; real files have 2 to 8 */
#define ELF_SECTIONS_MAX 65536

struct elf_segment {
	uint64_t vaddr, offset;
	uint64_t file_size; /* as the program header says, cut at the end of the file */
	uint64_t mem_size;
	unsigned flags; /* PF_R, PF_W, PF_X */
	uint8_t *bytes; /* the first n_bytes of the file part; read when first asked for */
	uint64_t n_bytes;
	bool tried;
};

struct elf_file {
	struct lock lock; /* of elf, and of what segments have read so far; recursive */
	char *path;
	int fd;
	Elf *elf;
	uint16_t machine, type;
	uint64_t size;
	char *soname;
	/* in the order of the file; never empty, never wrapping around */
	struct elf_segment segments[ELF_SEGMENTS_MAX];
	unsigned n_segments;
};

/* The next section of this type after `previous` (NULL: the first), with its header. */
Elf_Scn *elf_file_next_section(Elf *elf, Elf_Scn *previous, uint32_t type, GElf_Shdr *header);

/* The segment that the address belongs to in memory, file part or zeroed part; or NULL. */
const struct elf_segment *elf_file_segment_at(const struct elf_file *file, uint64_t vaddr);

#endif
