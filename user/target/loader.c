/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/loader.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#define AUXV_MOST 256

/* Where the loader is mapped; 0: the program has none, or is one that was started by hand. */
static uint64_t base(pid_t pid)
{
	Elf64_auxv_t words[AUXV_MOST];
	size_t n = 0;
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	file = fopen(path, "re");
	if (file) {
		n = fread(words, sizeof(words[0]), AUXV_MOST, file);
		fclose(file);
	}
	for (size_t i = 0; i < n; i++)
		if (words[i].a_type == AT_BASE)
			return words[i].a_un.a_val;
	return 0;
}

static bool load(struct module *module, pid_t pid)
{
	uint64_t address = base(pid);
	const struct map_range *range;
	struct maps maps;
	bool loaded;

	if (!address || maps_read(&maps, pid, NULL))
		return false;
	range = maps_find(&maps, address);
	loaded = range && range->inode && module_load(module, &maps, range, NULL) == 0;
	maps_fini(&maps);
	return loaded;
}

bool loader_find(struct loader *loader, pid_t pid)
{
	uint64_t function, debug;

	memset(loader, 0, sizeof(*loader));
	if (!load(&loader->module, pid))
		return false;
	function = module_symbol(&loader->module, "_dl_debug_state");
	debug = module_symbol(&loader->module, "_r_debug");
	if (!function || !debug || !module_offset(&loader->module, function, &loader->offset)) {
		loader_close(loader);
		return false;
	}
	loader->state = debug + offsetof(struct r_debug, r_state);
	/* exported from the same version on */
	if (module_symbol(&loader->module, "__rseq_offset"))
		loader->version = debug + offsetof(struct r_debug, r_version);
	return true;
}

void loader_close(struct loader *loader)
{
	module_unload(&loader->module);
	memset(loader, 0, sizeof(*loader));
}
