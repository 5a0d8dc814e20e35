/* SPDX-License-Identifier: BSD-2-Clause
 *
 * elf_part: a hostile ELF file -> libelf's handle on it, when reading it cannot cost too much; its
 * sections by name.
 *
 * Place      layer 3; used by native_names and what belongs to it.
 * Shapes     the file is read, never mapped: a mapped file that its owner truncates would end us
 *            with SIGBUS.
 * Errors     NULL: there is none, or it is damaged.
 * Bounds     at most ELF_PART_SECTIONS sections, and ELF_PART_TABLES bytes of symbols, names and
 *            notes together; libelf itself reads what a header says, however much. Everything else
 *            is up to the callers.
 */
#ifndef PYLEAKTRACE_SYMBOL_ELF_PART_H
#define PYLEAKTRACE_SYMBOL_ELF_PART_H

#include <stddef.h>

#include <gelf.h>

#define ELF_PART_SECTIONS 0xff00
#define ELF_PART_TABLES   (512ull << 20)

/* fd: open for reading; stays the caller's and must stay open as long as the Elf; close with
 * elf_end(). */
Elf *elf_part_open(int fd);

/* The same for an image in memory, which must live as long. */
Elf *elf_part_open_image(char *image, size_t size);

/* The section with this name that has contents in the file, with its header. */
Elf_Scn *elf_part_find(Elf *elf, const char *name, GElf_Shdr *header);

/* Its bytes as they are in the file, borrowed from the Elf; NULL also when there are more than
 * most. */
const void *elf_part_bytes(Elf *elf, const char *name, size_t most, size_t *size);

#endif
