/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/module.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool same_file(const struct map_range *a, const struct map_range *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

int module_load(struct module *module, const struct maps *maps, const struct map_range *range,
		struct err *err)
{
	size_t i;

	memset(module, 0, sizeof(*module));
	snprintf(module->path, sizeof(module->path), "%s", range->path);
	module->deleted = range->deleted;
	errno = 0;
	if (maps_file_path(maps, range, module->host_path, sizeof(module->host_path)) != 0)
		return err_set(err, ERR_FAILED, "%s (mapped by pid %d) cannot be opened%s",
			       range->path, (int)maps->pid, err_remedy(errno));
	module->elf = elf_file_open(module->host_path, err);
	if (!module->elf) {
		if (err)
			err_prefix(err, "%s of pid %d: ", range->path, (int)maps->pid);
		return err ? -(int)err->code : -(int)ERR_FAILED;
	}
	if (!elf_file_bias(module->elf, range, &module->bias)) {
		module_unload(module);
		return err_set(err, ERR_FAILED, "%s is not mapped by pid %d as its headers say",
			       range->path, (int)maps->pid);
	}
	module->start = range->start;
	module->end = range->end;
	for (i = 0; i < maps->n_ranges; i++) {
		const struct map_range *other = &maps->ranges[i];
		uint64_t bias;

		/* a file may be mapped more than once: only ranges of this very copy count */
		if (!same_file(range, other) || !elf_file_bias(module->elf, other, &bias) ||
		    bias != module->bias)
			continue;
		if (other->start < module->start)
			module->start = other->start;
		if (other->end > module->end)
			module->end = other->end;
	}
	return 0;
}

void module_unload(struct module *module)
{
	elf_file_close(module->elf);
	module->elf = NULL;
}

uint64_t module_symbol(const struct module *module, const char *name)
{
	struct elf_symbol symbol;

	if (!module->elf || !elf_file_symbol(module->elf, name, &symbol))
		return 0;
	return symbol.vaddr + module->bias;
}

bool module_offset(const struct module *module, uint64_t address, uint64_t *offset)
{
	uint64_t vaddr = address - module->bias, start, size;
	unsigned i;

	for (i = 0; module->elf && elf_file_text(module->elf, i, &start, &size); i++) {
		if (vaddr >= start && vaddr - start < size)
			return elf_file_offset(module->elf, vaddr, offset);
	}
	return false;
}
