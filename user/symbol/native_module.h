/* SPDX-License-Identifier: BSD-2-Clause
 *
 * native_module: one module of the code map, open for looking up names.
 *
 * Place      layer 3; used by native_names.
 * Shapes     symbols come from the file's .symtab and .dynsym, else from its separate debug file,
 *            else from .gnu_debugdata; lines and inlined functions from the DWARF of the file, else
 *            of its debug file. The vdso is read from the target's memory.
 * Ownership  native_module_open() opens files of its own; what is looked up is borrowed until
 *            native_module_close().
 * Errors     none: a module that cannot be read has no names.
 * Bounds     see elf_part.h, elf_symbols.h, mini_debug.h, debug_image.h, debug_info.h.
 */
#ifndef PYLEAKTRACE_SYMBOL_NATIVE_MODULE_H
#define PYLEAKTRACE_SYMBOL_NATIVE_MODULE_H

#include <stdbool.h>

#include "symbol/debug_file.h"
#include "symbol/debug_info.h"
#include "symbol/elf_symbols.h"
#include "symbol/mini_debug.h"
#include "symbol/unnamed.h"
#include "target/code_map.h"

struct native_module {
	Elf *elf, *debug_elf; /* NULL: none */
	int fd, debug_fd;     /* -1: none */
	uint64_t bias;
	char *image; /* of the vdso */
	struct mini_debug mini;
	struct elf_symbols symbols;
	struct debug_info *info; /* NULL: no DWARF */
	bool stripped;           /* of its symbols only those are known that others can link to */
	struct unnamed unnamed;  /* loaded when it is first needed */
};

/* in     pid: whose memory the vdso is read from */
void native_module_open(struct native_module *module, const struct code_module *code, pid_t pid,
			const struct debug_places *places);
void native_module_close(struct native_module *module);

#endif
