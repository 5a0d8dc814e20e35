/* SPDX-License-Identifier: BSD-2-Clause
 *
 * plt: an address in the procedure linkage table of an ELF file -> the function that it passes
 * calls on to.
 *
 * Place      layer 3; used by native_names.
 * Source     System V ABI, x86-64 supplement: an entry jumps through a word that the loader fills
 *            in, and that a relocation gives the name of. .plt, .plt.sec, .plt.got.
 * Errors     NULL: no entry, or not of x86-64.
 * Bounds     the file is hostile: PLT_BYTES of relocations are looked at.
 */
#ifndef PYLEAKTRACE_SYMBOL_PLT_H
#define PYLEAKTRACE_SYMBOL_PLT_H

#include <stdint.h>

#include <libelf.h>

#define PLT_BYTES (32u << 20)

/* out    start: of the entry
 * return the name as the file has it ("malloc"), borrowed from the Elf */
const char *plt_target(Elf *elf, uint64_t vaddr, uint64_t *start);

#endif
