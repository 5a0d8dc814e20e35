/* SPDX-License-Identifier: BSD-2-Clause
 *
 * elf_file: one ELF file -> segments, sections, symbols, bytes. A thin, bounded layer over libelf.
 *
 * Place      layer 1; used by python (locating) and probe (planning).
 * Source     ELF gABI; elfutils libelf. x86-64 and AArch64, 64-bit, little endian; everything else
 *            is refused.
 * Units      vaddr: link-time address in the file; a loaded object adds a bias (see
 *            elf_file_bias()). offset: in the file; what uprobes want.
 * Ownership  elf_file_open()/elf_file_close(); names and bytes are borrowed until close.
 * Errors     -ERR_FAILED with the path. The file is hostile: every offset and count is checked
 *            against its size.
 * Threads    any number: libelf reads a file as it goes, so a lookup holds the file's lock. What
 *            `each` of elf_file_functions() calls may look into the same file.
 * Bounds     symbols are not copied; a lookup walks the symbol table (at most 4 M entries).
 */
#ifndef PYLEAKTRACE_TARGET_ELF_FILE_H
#define PYLEAKTRACE_TARGET_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "target/maps.h"

struct elf_file; /* opaque */

struct elf_symbol {
	uint64_t vaddr;
	uint64_t size; /* 0: the file does not say */
	bool function; /* STT_FUNC (or IFUNC: ifunc is set too), else an object or TLS */
	bool ifunc;
	bool exported; /* from .dynsym; else only in .symtab */
};

struct elf_file *elf_file_open(const char *path, struct err *err);
void elf_file_close(struct elf_file *file);

uint16_t elf_file_machine(const struct elf_file *file); /* EM_X86_64, EM_AARCH64 */

/* SONAME, or NULL. */
const char *elf_file_soname(const struct elf_file *file);

/* Find a defined symbol by exact name: .dynsym first, then .symtab. Versions are ignored, default
 * wins. */
bool elf_file_symbol(struct elf_file *file, const char *name, struct elf_symbol *out);

/*
 * Call `each` with every defined function that has a name: .dynsym first, then .symtab; many are in
 * both. An IFUNC's address is that of its chooser.
 */
void elf_file_functions(struct elf_file *file,
			void (*each)(void *context, const char *name,
				     const struct elf_symbol *symbol),
			void *context);

/* Where the nearest function symbol at or below this address begins; 0: there is none. */
uint64_t elf_file_symbol_before(struct elf_file *file, uint64_t vaddr);

/*
 * The words into which the loader puts addresses of symbols, other files' too: the name behind one,
 * NULL when it is none; and where the one for a name is, 0 when there is none.
 */
const char *elf_file_import_at(struct elf_file *file, uint64_t vaddr);
uint64_t elf_file_import_of(struct elf_file *file, const char *name);

/* The section of this name: vaddr and size, or false. */
bool elf_file_section(struct elf_file *file, const char *name, uint64_t *vaddr, uint64_t *size);

/* File offset of a link-time address that lies in a PT_LOAD's file part, or false. */
bool elf_file_offset(const struct elf_file *file, uint64_t vaddr, uint64_t *offset);

/*
 * Bytes at a link-time address, borrowed; at most up to the end of the PT_LOAD's file part.
 *
 * out    available: number of bytes there (may be more or less than wanted)
 * return NULL when the address is not in the file
 */
const uint8_t *elf_file_bytes(const struct elf_file *file, uint64_t vaddr, size_t *available);

/* The executable PT_LOAD segments, one after another: false after the last. */
bool elf_file_text(const struct elf_file *file, unsigned index, uint64_t *vaddr, uint64_t *size);

/*
 * What has to be added to a vaddr to get the address in the target: 0 for ET_EXEC.
 *
 * in     range: any mapping of this very file in the target
 * return false when the range fits no PT_LOAD
 */
bool elf_file_bias(const struct elf_file *file, const struct map_range *range, uint64_t *bias);

#endif
