/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/code_map.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/elf_file.h"

void code_map_init(struct code_map *map, pid_t pid)
{
	memset(map, 0, sizeof(*map));
	map->pid = pid;
}

void code_map_fini(struct code_map *map)
{
	for (uint32_t i = 0; i < map->n_modules; i++) {
		free(map->modules[i].path);
		if (map->modules[i].fd >= 0)
			close(map->modules[i].fd);
	}
	free(map->modules);
	free(map->ranges);
	memset(map, 0, sizeof(*map));
}

/* ---- modules -------------------------------------------------------------------------------- */

/* Shared anonymous memory has a file that only the kernel knows; this is its name. */
static bool is_shared_memory(const struct map_range *range)
{
	return range->deleted && strcmp(range->path, "/dev/zero") == 0;
}

static enum code_kind kind_of(const struct map_range *range)
{
	if (range->inode && !is_shared_memory(range))
		return CODE_FILE;
	return strcmp(range->path, "[vdso]") == 0 ? CODE_VDSO : CODE_ANONYMOUS;
}

/* The name of a module whose path the file system does not give. */
static const char *name_of(const struct map_range *range)
{
	if (kind_of(range) != CODE_ANONYMOUS)
		return range->path;
	/* where the kernel has the instructions that probes have displaced, and the way back of
	 * return probes */
	return strcmp(range->path, "[uprobes]") == 0 ? range->path : "generated code";
}

static bool same_file(const struct code_module *module, const struct map_range *range)
{
	return module->inode == range->inode && module->dev_major == range->dev_major &&
	       module->dev_minor == range->dev_minor;
}

/* The load bias of this mapping, by the file's own headers; false when they do not fit. */
static bool find_bias(int fd, const struct map_range *range, uint64_t *bias)
{
	struct elf_file *elf;
	char path[32];
	bool fits;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	elf = elf_file_open(path, NULL);
	fits = elf && elf_file_bias(elf, range, bias);
	elf_file_close(elf);
	return fits;
}

/*
 * The file behind a range, or -1. Under the path of a deleted one there may be another by now, so
 * only what the kernel itself leads to will do then.
 */
static int open_file(const struct maps *maps, const struct map_range *range)
{
	char path[PATH_MAX], mapped[64];
	struct stat seen;
	int fd;

	if (maps_file_path(maps, range, path, sizeof(path)))
		return -1;
	snprintf(mapped, sizeof(mapped), "/proc/%d/map_files/", (int)maps->pid);
	if (range->deleted && strncmp(path, mapped, strlen(mapped)) != 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && (fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * Does this range belong to a module that is known? Two copies of one ELF file are distinguished by
 * their bias.
 */
static bool is_of_module(const struct code_module *module, const struct map_range *range)
{
	uint64_t bias;
	bool fits;

	if (module->kind != kind_of(range))
		return false;
	if (module->kind == CODE_VDSO)
		return module->start == range->start && module->end == range->end;
	if (module->kind == CODE_ANONYMOUS)
		return strcmp(module->path, name_of(range)) == 0;
	if (!same_file(module, range))
		return false;
	fits = module->fd >= 0 && find_bias(module->fd, range, &bias);
	return fits == module->elf && (!fits || bias == module->bias);
}

static uint32_t add_module(struct code_map *map, const struct maps *maps,
			   const struct map_range *range)
{
	struct code_module *module;

	if (map->n_modules == map->capacity) {
		uint32_t capacity = map->capacity ? 2 * map->capacity : 64;
		struct code_module *larger;

		if (capacity > CODE_MAX_MODULES)
			capacity = CODE_MAX_MODULES;
		if (map->n_modules == capacity)
			return CODE_NO_MODULE;
		larger = realloc(map->modules, capacity * sizeof(*larger));
		if (!larger)
			return CODE_NO_MODULE;
		map->modules = larger;
		map->capacity = capacity;
	}
	module = &map->modules[map->n_modules];
	*module = (struct code_module){
		.kind = kind_of(range),
		.path = strdup(name_of(range)),
		.fd = -1,
		.deleted = range->deleted,
		.start = range->start,
		.end = range->end,
		.dev_major = range->dev_major,
		.dev_minor = range->dev_minor,
		.inode = range->inode,
	};
	if (!module->path)
		return CODE_NO_MODULE;
	if (module->kind == CODE_VDSO)
		module->bias = range->start;
	if (module->kind == CODE_FILE)
		module->fd = open_file(maps, range);
	if (module->fd >= 0)
		module->elf = find_bias(module->fd, range, &module->bias);
	if (!module->elf && module->kind == CODE_FILE)
		module->bias = 0;
	return map->n_modules++;
}

/* ---- ranges --------------------------------------------------------------------------------- */

/* The range of the last update at this very place, when the same file is still behind it. */
static const struct code_range *known_range(const struct code_map *map,
					    const struct map_range *range)
{
	uint32_t low = 0, high = map->n_ranges;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (map->ranges[middle].start < range->start)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == map->n_ranges || map->ranges[low].start != range->start ||
	    map->ranges[low].end != range->end)
		return NULL;
	if (map->modules[map->ranges[low].module].kind != kind_of(range) ||
	    !same_file(&map->modules[map->ranges[low].module], range))
		return NULL;
	return &map->ranges[low];
}

static uint32_t find_module(struct code_map *map, const struct maps *maps,
			    const struct map_range *range)
{
	const struct code_range *known = known_range(map, range);

	if (known)
		return known->module;
	/* the newest first: the ranges of one file follow each other */
	for (uint32_t i = map->n_modules; i-- > 0;)
		if (is_of_module(&map->modules[i], range))
			return i;
	return add_module(map, maps, range);
}

static bool same_ranges(const struct code_map *map, const struct code_range *ranges, uint32_t n)
{
	if (n != map->n_ranges)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (ranges[i].start != map->ranges[i].start ||
		    ranges[i].end != map->ranges[i].end ||
		    ranges[i].module != map->ranges[i].module)
			return false;
	return true;
}

int code_map_update(struct code_map *map, struct err *err)
{
	struct code_range *ranges;
	uint32_t n = 0, left_out = 0;
	struct maps maps;
	bool changed;
	int result = maps_read(&maps, map->pid, err);

	if (result)
		return result;
	ranges = calloc(CODE_MAX_RANGES, sizeof(*ranges));
	if (!ranges) {
		maps_fini(&maps);
		return err_set(err, ERR_FAILED, "out of memory");
	}
	for (size_t i = 0; i < maps.n_ranges; i++) {
		const struct map_range *range = &maps.ranges[i];
		uint32_t module;

		/* [vsyscall] is not memory that a process can have its return addresses in */
		if (!range->executable || strcmp(range->path, "[vsyscall]") == 0)
			continue;
		module = n < CODE_MAX_RANGES ? find_module(map, &maps, range) : CODE_NO_MODULE;
		if (module == CODE_NO_MODULE) {
			left_out++;
			continue;
		}
		if (range->start < map->modules[module].start)
			map->modules[module].start = range->start;
		if (range->end > map->modules[module].end)
			map->modules[module].end = range->end;
		ranges[n++] = (struct code_range){range->start, range->end, module};
	}
	maps_fini(&maps);
	changed = !same_ranges(map, ranges, n);
	free(map->ranges);
	map->ranges = ranges;
	map->n_ranges = n;
	map->left_out = left_out;
	return changed;
}
