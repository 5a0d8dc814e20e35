/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/native_module.h"

#include <fcntl.h>
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

/* The separate file, and the one that it refers to. */
static void open_debug_files(struct native_module *module, const struct debug_places *places,
			     const char *path)
{
	struct debug_file file, alternate;

	debug_file_find(&file, places, module->elf, path);
	module->debug_fd = file.fd;
	if (file.fd >= 0)
		module->debug_elf = elf_part_open(file.fd);
	if (!module->debug_elf || !has(module->debug_elf, ".gnu_debugaltlink"))
		return;
	debug_file_find_alternate(&alternate, places, &file, module->debug_elf);
	module->alternate_fd = alternate.fd;
	if (alternate.fd >= 0)
		module->alternate_elf = elf_part_open(alternate.fd);
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
	}
	elf_symbols_sort(&module->symbols);
}

void native_module_open(struct native_module *module, const struct code_module *code, pid_t pid,
			const struct debug_places *places)
{
	*module = (struct native_module){.fd = -1, .debug_fd = -1, .alternate_fd = -1};
	if (code->kind == CODE_VDSO)
		open_vdso(module, code, pid);
	else if (code->kind == CODE_FILE && code->elf)
		module->fd = fcntl(code->fd, F_DUPFD_CLOEXEC, 0);
	if (module->fd >= 0)
		module->elf = elf_part_open(module->fd);
	if (!module->elf)
		return;
	if (module->fd >= 0 && (!has(module->elf, ".symtab") || !has(module->elf, ".debug_info")))
		open_debug_files(module, places, code->path);
	read_symbols(module);
	if (has(module->elf, ".debug_info"))
		module->info = debug_info_new(module->elf, NULL);
	else if (module->debug_elf)
		module->info = debug_info_new(module->debug_elf, module->alternate_elf);
}

void native_module_close(struct native_module *module)
{
	int fds[] = {module->fd, module->debug_fd, module->alternate_fd};

	debug_info_free(module->info);
	elf_symbols_fini(&module->symbols);
	mini_debug_close(&module->mini);
	elf_end(module->alternate_elf);
	elf_end(module->debug_elf);
	elf_end(module->elf);
	free(module->image);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*module = (struct native_module){.fd = -1, .debug_fd = -1, .alternate_fd = -1};
}
