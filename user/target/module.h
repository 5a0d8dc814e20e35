/* SPDX-License-Identifier: BSD-2-Clause
 *
 * module: an ELF file as it is loaded in the target: file, bias, symbols at their real addresses.
 *
 * Place      layer 1; python finds the interpreter's and libc's module; probe plans on them.
 * Ownership  module_load() opens, module_unload() closes.
 */
#ifndef PYLEAKTRACE_TARGET_MODULE_H
#define PYLEAKTRACE_TARGET_MODULE_H

#include <limits.h>

#include "target/elf_file.h"

struct module {
	struct elf_file *elf;
	uint64_t bias;            /* address in the target = vaddr + bias */
	uint64_t start, end;      /* lowest and highest mapped address of the file */
	char path[PATH_MAX];      /* as the target sees it */
	char host_path[PATH_MAX]; /* opens from here; what uprobes are attached to */
	bool deleted;
};

/* Load the module that this range belongs to. */
int module_load(struct module *module, const struct maps *maps, const struct map_range *range,
		struct err *err);
void module_unload(struct module *module); /* accepts a zeroed struct */

/* Address in the target of an exported or local symbol; 0 when the file has none of this name. */
uint64_t module_symbol(const struct module *module, const char *name);

/* File offset behind an address in the target, for a uprobe; false when it is not file text. */
bool module_offset(const struct module *module, uint64_t address, uint64_t *offset);

#endif
