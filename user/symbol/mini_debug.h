/* SPDX-License-Identifier: BSD-2-Clause
 *
 * mini_debug: an ELF file -> the symbol table that is packed into it (.gnu_debugdata).
 *
 * Place      layer 3; used by native_names.
 * Source     "MiniDebugInfo" of the gdb manual: an ELF file with nothing but a .symtab, packed by
 *            xz.
 * Ownership  the Elf lies in memory that is its own; both are freed by mini_debug_close().
 * Bounds     MINI_DEBUG_MAX bytes unpacked; a file that promises more has none.
 */
#ifndef PYLEAKTRACE_SYMBOL_MINI_DEBUG_H
#define PYLEAKTRACE_SYMBOL_MINI_DEBUG_H

#include <libelf.h>

#define MINI_DEBUG_MAX (64u << 20)

struct mini_debug {
	Elf *elf; /* NULL: the file has none, or a damaged one */
	char *image;
};

void mini_debug_open(struct mini_debug *mini, Elf *file);
void mini_debug_close(struct mini_debug *mini); /* accepts a zeroed struct */

#endif
