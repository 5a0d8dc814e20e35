/* SPDX-License-Identifier: BSD-2-Clause
 *
 * names_target: libraries compiled while the test runs and loaded into this very process, which is
 * the target; the names of their addresses.
 *
 * Example    struct names_target target;
 *            run("gcc -shared -o %s/a.so %s/library.c", folder, NAMES_SOURCES);
 *            names_target_load(&target, "a.so", NULL);
 *            assert_string_equal(names_at(&target, 0x1234, true), "f+0x4 (library.c:7)");
 *            names_target_unload(&target);
 */
#ifndef PYLEAKTRACE_TESTS_UNIT_NAMES_TARGET_H
#define PYLEAKTRACE_TESTS_UNIT_NAMES_TARGET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "symbol/native_names.h"
#include "target/elf_file.h"

#define NAMES_SOURCES "tests/unit/names"

/* Where everything is made; emptied at the end. */
static char folder[64] = "/tmp/pyleaktrace-names-XXXXXX";

static inline int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

/* A shell command that must work; the working directory is the folder, $SOURCES is where the
 * sources are. */
__attribute__((format(printf, 1, 2))) static inline void run(const char *format, ...)
{
	char command[4096], *sources = realpath(NAMES_SOURCES, NULL);
	va_list arguments;
	int n = snprintf(command, sizeof(command), "cd %s && SOURCES=%s && set -e; ", folder,
			 sources);

	va_start(arguments, format);
	vsnprintf(command + n, sizeof(command) - (size_t)n, format, arguments);
	va_end(arguments);
	free(sources);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static inline int empty_folder(void **state)
{
	(void)state;
	run("rm -rf %s", folder);
	return 0;
}

static inline const char *in_folder(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

struct names_target {
	void *library;
	struct code_map map;
	struct native_names *names;
	struct profile *profile;
	uint32_t module;
	uint64_t bias;
};

/* debug_root: in the folder; NULL: there are no debug files but the ones next to the library */
static inline void names_target_load(struct names_target *target, const char *name,
				     const char *debug_root)
{
	struct err err = ERR_INIT;
	const char *path = in_folder(name);

	memset(target, 0, sizeof(*target));
	target->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!target->library)
		fail_msg("%s", dlerror());
	code_map_init(&target->map, getpid());
	assert_int_equal(code_map_update(&target->map, &err), 1);
	target->names = native_names_new(&target->map);
	target->profile = profile_new();
	native_names_set_debug_root(target->names, in_folder(debug_root ? debug_root : "none"));
	target->module = CODE_NO_MODULE;
	for (uint32_t i = 0; i < target->map.n_modules; i++)
		if (strcmp(target->map.modules[i].path, path) == 0)
			target->module = i;
	assert_int_not_equal(target->module, CODE_NO_MODULE);
	assert_true(target->map.modules[target->module].elf);
	target->bias = target->map.modules[target->module].bias;
}

static inline void names_target_unload(struct names_target *target)
{
	native_names_free(target->names);
	profile_free(target->profile);
	code_map_fini(&target->map);
	assert_int_equal(dlclose(target->library), 0);
}

/* A file as if it were loaded with bias 0. Nothing checks that it fits its mapping, as code_map
 * does. */
static inline void names_target_pretend(struct names_target *target, const char *name)
{
	struct code_map *map = &target->map;

	memset(target, 0, sizeof(*target));
	code_map_init(map, getpid());
	map->modules = calloc(1, sizeof(*map->modules));
	map->n_modules = map->capacity = 1;
	map->modules[0] = (struct code_module){.kind = CODE_FILE,
					       .path = strdup(in_folder(name)),
					       .elf = true,
					       .fd = open(in_folder(name), O_RDONLY | O_CLOEXEC),
					       .end = UINT64_MAX};
	assert_true(map->modules[0].fd >= 0);
	target->names = native_names_new(map);
	target->profile = profile_new();
	native_names_set_debug_root(target->names, in_folder("none"));
}

static inline void names_target_end_pretence(struct names_target *target)
{
	native_names_free(target->names);
	profile_free(target->profile);
	code_map_fini(&target->map);
}

/* Link-time address of a symbol that is exported. */
static inline uint64_t exported(const struct names_target *target, const char *name)
{
	void *address = dlsym(target->library, name);

	if (!address)
		fail_msg("%s", dlerror());
	return (uint64_t)(uintptr_t)address - target->bias;
}

static inline size_t frames_at(struct names_target *target, uint64_t vaddr, bool exact,
			       struct frame *frames)
{
	return native_names_lookup(target->names, target->profile, target->module,
				   vaddr + target->bias, exact, frames);
}

/* The frames of an address, leaf first, joined by "; ". Valid until the fourth next call. */
static inline const char *names_at(struct names_target *target, uint64_t vaddr, bool exact)
{
	static char texts[4][8192];
	static unsigned next;
	char *text = texts[next++ % 4], one[FRAME_TEXT_MAX];
	struct frame frames[NATIVE_MAX_INLINED];
	size_t n = frames_at(target, vaddr, exact, frames), used = 0;

	assert_in_range(n, 1, NATIVE_MAX_INLINED);
	for (size_t i = 0; i < n && used < sizeof(texts[0]); i++)
		used += (size_t)snprintf(text + used, sizeof(texts[0]) - used, "%s%s",
					 i ? "; " : "", frame_text(&frames[i], one, sizeof(one)));
	return text;
}

/* Address of a local function, by nm. */
static inline uint64_t local(const char *library, const char *name)
{
	char command[512], line[64] = "";
	FILE *in;

	snprintf(command, sizeof(command), "nm %s | sed -n 's/ [a-zA-Z] %s$//p'",
		 in_folder(library), name);
	in = popen(command, "r");
	assert_non_null(in);
	assert_non_null(fgets(line, sizeof(line), in));
	assert_int_equal(pclose(in), 0);
	return strtoull(line, NULL, 16);
}

/* Bounds of the .text of a library in the folder. */
static inline void text_of(const char *name, uint64_t *start, uint64_t *end)
{
	struct elf_file *file = elf_file_open(in_folder(name), NULL);
	uint64_t size;

	assert_non_null(file);
	assert_true(elf_file_section(file, ".text", start, &size));
	*end = *start + size;
	elf_file_close(file);
}

#endif
