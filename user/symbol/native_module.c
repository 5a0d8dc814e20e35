/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/native_module.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "symbol/elf_part.h"
#include "target/remote_mem.h"

#define VDSO_MAX (1u << 20) /* real ones have 2 pages */

static void open_vdso(struct native_module *module, const struct code_module *code, pid_t pid)
{
	uint64_t size = code->end - code->start;

	if (size > VDSO_MAX)
		return;
	module->image = malloc(size);
	if (module->image && remote_read(pid, code->start, module->image, size) == 0)
		module->elf = elf_part_open_image(module->image, size);
}

static bool has(Elf *elf, const char *section)
{
	GElf_Shdr header;

	return elf_part_find(elf, section, &header) != NULL;
}

static void read_symbols(struct native_module *module)
{
	elf_symbols_add(&module->symbols, module->elf);
	if (!has(module->elf, ".symtab")) {
		if (module->debug_elf && has(module->debug_elf, ".symtab"))
			elf_symbols_add(&module->symbols, module->debug_elf);
		else
			mini_debug_open(&module->mini, module->elf);
		if (module->mini.elf)
			elf_symbols_add(&module->symbols, module->mini.elf);
		else
			module->stripped = !module->debug_elf || !has(module->debug_elf, ".symtab");
	}
	elf_symbols_sort(&module->symbols);
}

/* in     file: where the source was found, so that the file that it refers to is found from
 *        there */
static struct debug_info *read_debug_info(const struct debug_places *places,
					  const struct debug_source *source,
					  const struct debug_file *file)
{
	struct debug_source alternate = {.fd = -1};
	struct debug_info *info = NULL;
	struct debug_file found;

	if (!has(source->elf, ".gnu_debugaltlink"))
		return debug_info_new(source, NULL);
	debug_file_find_alternate(&found, places, file, source->elf);
	if (found.fd < 0)
		return NULL;
	alternate = (struct debug_source){.elf = elf_part_open(found.fd), .fd = found.fd};
	/* without it what is in the file is only half of what it says */
	if (alternate.elf)
		info = debug_info_new(source, &alternate);
	elf_end(alternate.elf);
	close(found.fd);
	return info;
}

void native_module_open(struct native_module *module, const struct code_module *code, pid_t pid,
			const struct debug_places *places)
{
	struct debug_file own = {.root = places->target_root}, separate;
	bool own_info;

	*module = (struct native_module){.fd = -1, .debug_fd = -1, .bias = code->bias};
	if (code->kind == CODE_VDSO)
		open_vdso(module, code, pid);
	else if (code->kind == CODE_FILE && code->elf)
		module->fd = fcntl(code->fd, F_DUPFD_CLOEXEC, 0);
	if (module->fd >= 0)
		module->elf = elf_part_open(module->fd);
	if (!module->elf)
		return;
	own_info = has(module->elf, ".debug_info") || has(module->elf, ".zdebug_info");
	if (module->fd >= 0 && (!own_info || !has(module->elf, ".symtab"))) {
		debug_file_find(&separate, places, module->elf, code->path);
		module->debug_fd = separate.fd;
		if (separate.fd >= 0)
			module->debug_elf = elf_part_open(separate.fd);
	}
	read_symbols(module);
	snprintf(own.path, sizeof(own.path), "%s", code->path);
	if (own_info)
		module->info = read_debug_info(
			places, &(struct debug_source){module->elf, module->fd}, &own);
	else if (module->debug_elf)
		module->info = read_debug_info(
			places, &(struct debug_source){module->debug_elf, module->debug_fd},
			&separate);
}

void native_module_close(struct native_module *module)
{
	int fds[] = {module->fd, module->debug_fd};

	debug_info_free(module->info);
	elf_symbols_fini(&module->symbols);
	unnamed_fini(&module->unnamed);
	mini_debug_close(&module->mini);
	elf_end(module->debug_elf);
	elf_end(module->elf);
	free(module->image);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*module = (struct native_module){.fd = -1, .debug_fd = -1};
}
