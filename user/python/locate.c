/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/locate.h"

#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "python/version.h"
#include "target/remote_mem.h"

/* The mapped program files, each once, the likely ones first. */
struct candidates {
	const struct map_range *ranges[LOCATE_MAX_FILES];
	size_t n;
};

enum verdict {
	NOTHING,
	CPYTHON,     /* 3.6 or later */
	OLD_CPYTHON, /* 2.7 and everything before 3.6 */
	PYPY,
};

static bool is_exe(const struct map_range *range, const struct process *process)
{
	return strcmp(range->path, process->exe) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool already_in(const struct candidates *list, const struct map_range *range)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (list->ranges[i]->inode == range->inode &&
		    list->ranges[i]->dev_major == range->dev_major &&
		    list->ranges[i]->dev_minor == range->dev_minor)
			return true;
	}
	return false;
}

/* How early a file is looked at: 0 first, 2 last. */
static int rank(const struct map_range *range, const struct process *process,
		const char *const *hints)
{
	if (is_exe(range, process))
		return 0;
	for (; *hints; hints++) {
		if (strstr(base_name(range->path), *hints))
			return 1;
	}
	return 2;
}

static struct candidates *collect(const struct maps *maps, const struct process *process,
				  const char *const *hints)
{
	struct candidates *list = calloc(1, sizeof(*list));
	int wanted;
	size_t i;

	for (wanted = 0; list && wanted <= 2; wanted++) {
		for (i = 0; i < maps->n_ranges && list->n < LOCATE_MAX_FILES; i++) {
			const struct map_range *range = &maps->ranges[i];

			if (range->executable && range->inode && range->path[0] == '/' &&
			    rank(range, process, hints) == wanted && !already_in(list, range))
				list->ranges[list->n++] = range;
		}
	}
	return list;
}

static bool has_function(const struct module *module, const char *name)
{
	struct elf_symbol symbol;

	return elf_file_symbol(module->elf, name, &symbol) && symbol.function;
}

static enum verdict judge(const struct module *module)
{
	uint64_t vaddr, size;

	/*
	 * Functions, not variables: a program linked against a shared libpython may have a copy of
	 * _PyRuntime's symbol, but never the code.
	 */
	if (has_function(module, "_PyEval_EvalFrameDefault") ||
	    elf_file_section(module->elf, ".PyRuntime", &vaddr, &size))
		return CPYTHON;
	if (has_function(module, "pypy_execute_source") ||
	    has_function(module, "rpython_startup_code") ||
	    has_function(module, "pypy_main_startup"))
		return PYPY;
	if (has_function(module, "PyEval_EvalFrameEx") && has_function(module, "Py_GetVersion"))
		return OLD_CPYTHON;
	return NOTHING;
}

static int refuse_old(const struct module *module, const struct process *process, struct err *err)
{
	struct py_version version;
	char range[PY_VERSION_RANGE_BYTES];

	py_version_supported(range, sizeof(range));
	if (!py_version_find(&version, module, process->pid, 0))
		return err_set(err, ERR_TARGET,
			       "pid %d runs a CPython before 3.6 (%s); CPython %s are supported",
			       (int)process->pid, module->path, range);
	return err_set(err, ERR_TARGET, "pid %d runs CPython %s (%s); CPython %s are supported",
		       (int)process->pid, version.text, module->path, range);
}

static int refuse_stranger(const struct process *process, struct err *err)
{
	const char *name = process->exe[0] ? process->exe : process->comm;

	if (strncmp(base_name(name), "python", 6) == 0)
		return err_set(
			err, ERR_TARGET,
			"pid %d is %s, but no CPython is in its memory: still starting, or not "
			"a CPython; try again",
			(int)process->pid, name);
	return err_set(err, ERR_TARGET, "pid %d is %s, not a Python", (int)process->pid, name);
}

static int check_machine(const struct module *module, const struct process *process,
			 struct err *err)
{
	if (elf_file_machine(module->elf) == ARCH_MACHINE)
		return 0;
	return err_set(err, ERR_TARGET, "pid %d runs a Python made for another processor (%s)",
		       (int)process->pid, module->path);
}

/* Look at one file; what makes a refusal more exact is kept in `verdict` and `refusal`. */
static bool try_file(struct module *module, const struct maps *maps, const struct process *process,
		     const struct map_range *range, enum verdict *verdict, struct err *refusal)
{
	struct err cause = ERR_INIT;
	enum verdict found;

	if (module_load(module, maps, range, &cause) != 0) {
		if (is_exe(range, process) && *verdict == NOTHING)
			*refusal = cause;
		return false;
	}
	found = judge(module);
	if (found == CPYTHON)
		return true;
	if (found != NOTHING && *verdict == NOTHING) {
		*verdict = found;
		if (found == OLD_CPYTHON)
			refuse_old(module, process, refusal);
		else
			err_set(refusal, ERR_TARGET, "pid %d runs PyPy (%s), not CPython",
				(int)process->pid, module->path);
	}
	module_unload(module);
	return false;
}

int py_locate_python(struct module *python, const struct maps *maps, const struct process *process,
		     struct err *err)
{
	static const char *const hints[] = {"python", NULL};
	struct candidates *list = collect(maps, process, hints);
	struct err refusal = ERR_INIT;
	enum verdict verdict = NOTHING;
	bool found = false;
	size_t i;

	if (!list)
		return err_set(err, ERR_FAILED, "out of memory");
	for (i = 0; i < list->n && !found; i++)
		found = try_file(python, maps, process, list->ranges[i], &verdict, &refusal);
	free(list);
	if (found) {
		int result = check_machine(python, process, err);

		if (result)
			module_unload(python);
		return result;
	}
	if (refusal.code == ERR_NONE)
		return refuse_stranger(process, err);
	/* the program itself was not readable: that is a fact about the target */
	return err_set(err, refusal.code == ERR_FAILED ? ERR_TARGET : refusal.code, "%s",
		       refusal.text);
}

static bool is_libc(const struct module *module)
{
	return has_function(module, "malloc") && has_function(module, "__libc_start_main");
}

int py_locate_libc(struct module *libc, bool *is_musl, const struct maps *maps,
		   const struct process *process, struct err *err)
{
	static const char *const hints[] = {"libc.so", "libc-", "musl", NULL};
	struct candidates *list = collect(maps, process, hints);
	const struct map_range *exe = NULL;
	const char *soname;
	int result = -1;
	size_t i;

	if (!list)
		return err_set(err, ERR_FAILED, "out of memory");
	for (i = 0; i < list->n; i++) {
		if (is_exe(list->ranges[i], process))
			exe = list->ranges[i];
		if (module_load(libc, maps, list->ranges[i], NULL) != 0)
			continue;
		if (is_libc(libc)) {
			result = 0;
			break;
		}
		module_unload(libc);
	}
	/* linked statically and stripped: it must be in the program, though no symbol says so */
	if (result && exe)
		result = module_load(libc, maps, exe, err);
	else if (result)
		result = err_set(err, ERR_TARGET, "pid %d has no known C library",
				 (int)process->pid);
	free(list);
	if (result)
		return result;
	soname = elf_file_soname(libc->elf);
	*is_musl = strstr(base_name(libc->path), "musl") ||
		   (soname && (strstr(soname, "musl") || strcmp(soname, "libc.so") == 0));
	return 0;
}

uint64_t py_locate_malloc(const struct module *python, const struct maps *maps)
{
	uint64_t slot = python->elf ? elf_file_import_of(python->elf, "malloc") : 0, address;
	const struct map_range *range;

	/* linked in: no loader has a say */
	if (!slot)
		return module_symbol(python, "malloc");
	if (remote_read_u64(maps->pid, slot + python->bias, &address))
		return 0;
	range = maps_find(maps, address);
	if (!range || !range->inode)
		return 0;
	/* before its first call it leads back into the interpreter's own PLT */
	if (address >= python->start && address < python->end &&
	    address != module_symbol(python, "malloc"))
		return 0;
	return address;
}

uint64_t py_locate_data(const struct module *python, const struct maps *maps,
			const struct process *process, const char *name)
{
	uint64_t address = 0;
	size_t i;

	for (i = 0; strcmp(python->path, process->exe) != 0 && i < maps->n_ranges; i++) {
		const struct map_range *range = &maps->ranges[i];
		struct elf_symbol symbol;
		struct module exe;

		if (!range->executable || !is_exe(range, process))
			continue;
		if (module_load(&exe, maps, range, NULL) == 0) {
			if (elf_file_symbol(exe.elf, name, &symbol) && symbol.exported &&
			    !symbol.function)
				address = symbol.vaddr + exe.bias;
			module_unload(&exe);
		}
		break;
	}
	return address ? address : module_symbol(python, name);
}
