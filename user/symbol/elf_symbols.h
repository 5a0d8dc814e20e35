/* SPDX-License-Identifier: BSD-2-Clause
 *
 * elf_symbols: the symbol tables of an ELF file and its companions -> which function holds an
 * address.
 *
 * Place      layer 3; used by native_names.
 * Source     ELF gABI: .symtab and .dynsym.
 * Shapes     functions only (and untyped symbols, as hand-written assembly has them) in executable
 *            sections. A symbol holds [value, value + size); one of size 0 holds what is up to the
 *            next symbol or the end of its section, but is a mere label inside one with a size, and
 *            left out. Of several that hold an address, one with a size comes first, then the one
 *            that begins last; of several that begin there the one that says most to a reader: a
 *            function before an IFUNC (whose address is that of its chooser) and an untyped symbol,
 *            one that others can link to before a file's own, fewest underscores in front, global
 *            before weak, the shorter, the first by alphabet.
 * Units      link-time addresses.
 * Ownership  elf_symbols_add() reads; names are borrowed from the Elf, which must live as long.
 * Errors     none: a damaged table gives fewer symbols.
 * Bounds     the file is hostile: at most ELF_SYMBOLS_MAX symbols are kept; a lookup looks at
 *            ELF_SYMBOLS_DEPTH symbols that overlap.
 */
#ifndef PYLEAKTRACE_SYMBOL_ELF_SYMBOLS_H
#define PYLEAKTRACE_SYMBOL_ELF_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libelf.h>

#define ELF_SYMBOLS_MAX   (2u << 20)
#define ELF_SYMBOLS_DEPTH 1024

struct elf_function {
	uint64_t start, end;
	uint64_t reach; /* the highest end of this one and all before it */
	uint64_t section_end;
	const char *name;
	uint32_t rank; /* lower is better, among those with the same start */
	bool sized;    /* the file says where it ends */
};

struct elf_symbols {
	struct elf_function *functions; /* by start, then by rank */
	size_t n, capacity;
};

/* Take in the .symtab and .dynsym of one file; several are taken one after another. */
void elf_symbols_add(struct elf_symbols *symbols, Elf *elf);

/* After the last elf_symbols_add(), before the first elf_symbols_find(). */
void elf_symbols_sort(struct elf_symbols *symbols);

void elf_symbols_fini(struct elf_symbols *symbols); /* accepts a zeroed struct */

/*
 * The function that holds the address, or NULL.
 *
 * out    below: when NULL is returned, the nearest function that ends before the address in the
 *        same section; NULL: there is none
 */
const struct elf_function *elf_symbols_find(const struct elf_symbols *symbols, uint64_t vaddr,
					    const struct elf_function **below);

#endif
