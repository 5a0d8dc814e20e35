/* SPDX-License-Identifier: BSD-2-Clause
 *
 * elf_words: an ELF file -> its code, and its data as they are when it was just loaded.
 *
 * Place      layer 3; used by unnamed and what belongs to it.
 * Source     ELF gABI; the relative relocations of x86-64 and AArch64 (RELA). Those of DT_RELR need
 *            nothing: their words are in the file.
 * Units      link-time addresses; so are the pointers among the words.
 * Ownership  elf_words_load() allocates, elf_words_fini() frees; the Elf may be closed in between.
 * Errors     false: the file cannot be read, or is too large. A word that is not in the file, or
 *            that the loader takes from another file, is 0.
 * Bounds     the file is hostile: ELF_WORDS_SEGMENTS segments, ELF_WORDS_BYTES of contents, and as
 *            many of relocations. They are read, never mapped.
 */
#ifndef PYLEAKTRACE_SYMBOL_ELF_WORDS_H
#define PYLEAKTRACE_SYMBOL_ELF_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libelf.h>

#define ELF_WORDS_SEGMENTS 64
#define ELF_WORDS_BYTES    (128ull << 20)

struct elf_words_segment {
	uint64_t start, size; /* of what is in the file */
	uint64_t reach;       /* of what is in memory; at least size */
	bool code;
	uint8_t *bytes;
};

struct elf_words {
	struct elf_words_segment segments[ELF_WORDS_SEGMENTS];
	unsigned n;
	uint16_t machine; /* EM_X86_64, EM_AARCH64 */
};

/* in     fd: of the same file */
bool elf_words_load(struct elf_words *words, Elf *elf, int fd);
void elf_words_fini(struct elf_words *words); /* accepts a zeroed struct */

/* The word at an address; 0 when there is none. */
uint64_t elf_words_at(const struct elf_words *words, uint64_t vaddr);

/* The bytes from an address to the end of its segment's part in the file, or NULL. Borrowed. */
const uint8_t *elf_words_bytes(const struct elf_words *words, uint64_t vaddr, uint64_t *available);

/* Is there something at this address? */
bool elf_words_holds(const struct elf_words *words, uint64_t vaddr);

/* The string at an address; NULL: there is none that ends within `most` bytes. Borrowed. */
const char *elf_words_string(const struct elf_words *words, uint64_t vaddr, size_t most);

#endif
