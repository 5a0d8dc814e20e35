/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The executable memory of this very process, and which file is behind it, while mappings come and
 * go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/code_map.h"

#include "code_map_at.h"

#define PAGE 4096u

static char folder[64] = "/tmp/pyleaktrace-code-XXXXXX";

static int make_libraries(void **state)
{
	char command[512];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(command, sizeof(command),
		 "cd %s && echo 'int value(void) { return 1; }' > a.c && gcc -shared -fPIC -o a.so "
		 "a.c && cp a.so b.so && "
		 "echo 'int value(void) { return 2; } int other(void) { return 3; }' > c.c && gcc "
		 "-shared -fPIC -o c.so c.c",
		 folder);
	return system(command);
}

static int remove_libraries(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static const char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static uint64_t address_of(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static void *load(const char *name)
{
	void *library = dlopen(in_folder(name), RTLD_NOW | RTLD_LOCAL);

	if (!library)
		fail_msg("%s", dlerror());
	return library;
}

static void start(struct code_map *map)
{
	struct err err = ERR_INIT;

	code_map_init(map, getpid());
	assert_int_equal(code_map_update(map, &err), 1);
}

static void assert_update(struct code_map *map, int expected)
{
	struct err err = ERR_INIT;

	assert_int_equal(code_map_update(map, &err), expected);
}

static const struct code_module *module_at(const struct code_map *map, uint64_t address)
{
	uint32_t id = find_module_at(map, address);

	assert_int_not_equal(id, CODE_NO_MODULE);
	return &map->modules[id];
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* Every function of this program and its libraries is found, with the file that it comes from. */
static void every_function_is_in_the_file_it_comes_from(void **state)
{
	struct code_map map;
	const struct code_module *own, *libc;
	struct link_map *loaded = NULL;
	Dl_info info;
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	(void)state;
	assert_true(n > 0);
	exe[n] = '\0';
	start(&map);
	own = module_at(&map, address_of((void *)every_function_is_in_the_file_it_comes_from));
	assert_int_equal(own->kind, CODE_FILE);
	assert_true(own->elf && own->fd >= 0 && !own->deleted);
	assert_string_equal(own->path, exe);
	assert_true(own->start <= address_of((void *)every_function_is_in_the_file_it_comes_from) &&
		    address_of((void *)every_function_is_in_the_file_it_comes_from) < own->end);
	libc = module_at(&map, address_of(dlsym(RTLD_DEFAULT, "qsort")));
	assert_true(libc != own && libc->elf);
	assert_int_not_equal(
		dladdr1(dlsym(RTLD_DEFAULT, "qsort"), &info, (void **)&loaded, RTLD_DL_LINKMAP), 0);
	assert_int_equal(libc->bias, loaded->l_addr);
	/* nothing has changed, and the map is as it was */
	assert_update(&map, 0);
	for (uint32_t i = 0; i < map.n_ranges; i++) {
		const struct code_range *range = &map.ranges[i];

		assert_true(range->start < range->end && range->module < map.n_modules);
		assert_true(i == 0 || map.ranges[i - 1].end <= range->start);
		assert_int_equal(find_module_at(&map, range->start), range->module);
		assert_int_equal(find_module_at(&map, range->end - 1), range->module);
		if (i + 1 == map.n_ranges || map.ranges[i + 1].start != range->end)
			assert_int_equal(find_module_at(&map, range->end), CODE_NO_MODULE);
	}
	assert_int_equal(find_module_at(&map, 0), CODE_NO_MODULE);
	assert_int_equal(find_module_at(&map, UINT64_MAX), CODE_NO_MODULE);
	assert_int_equal(map.left_out, 0);
	code_map_fini(&map);
}

/* A module keeps its number when it is gone; one that comes to the same place gets another. */
static void a_module_keeps_its_number(void **state)
{
	struct code_map map;
	void *library;
	uint64_t value, bias;
	uint32_t a, n;

	(void)state;
	start(&map);
	n = map.n_modules;
	library = load("a.so");
	value = address_of(dlsym(library, "value"));
	assert_int_equal(find_module_at(&map, value), CODE_NO_MODULE);
	assert_update(&map, 1);
	a = find_module_at(&map, value);
	assert_int_equal(a, n);
	bias = map.modules[a].bias;
	assert_int_equal(bias, ((struct link_map *)library)->l_addr);
	dlclose(library);
	assert_update(&map, 1);
	assert_int_equal(find_module_at(&map, value), CODE_NO_MODULE);
	assert_string_equal(map.modules[a].path, in_folder("a.so"));
	/* a file of the same contents, most likely at the same place */
	library = load("b.so");
	value = address_of(dlsym(library, "value"));
	assert_update(&map, 1);
	assert_int_equal(find_module_at(&map, value), n + 1);
	assert_string_equal(map.modules[n + 1].path, in_folder("b.so"));
	dlclose(library);
	/* the first again, at the place that it had or at another: as before, or a new copy */
	library = load("a.so");
	value = address_of(dlsym(library, "value"));
	assert_update(&map, 1);
	assert_int_equal(find_module_at(&map, value),
			 ((struct link_map *)library)->l_addr == bias ? a : n + 2);
	dlclose(library);
	code_map_fini(&map);
}

/* Two copies of one file, as dlmopen() makes them, are two modules: their bias differs. */
static void two_copies_of_a_file_are_two_modules(void **state)
{
	struct code_map map;
	void *one = load("a.so"), *two;
	const struct code_module *first, *second;

	(void)state;
	two = dlmopen(LM_ID_NEWLM, in_folder("a.so"), RTLD_NOW | RTLD_LOCAL);
	if (!two)
		fail_msg("%s", dlerror());
	start(&map);
	first = module_at(&map, address_of(dlsym(one, "value")));
	second = module_at(&map, address_of(dlsym(two, "value")));
	assert_ptr_not_equal(first, second);
	assert_int_equal(first->inode, second->inode);
	assert_int_equal(first->bias, ((struct link_map *)one)->l_addr);
	assert_int_equal(second->bias, ((struct link_map *)two)->l_addr);
	code_map_fini(&map);
	dlclose(two);
	dlclose(one);
}

/* A file that was deleted, or replaced by another of its name, is read as it was mapped; or not at
 * all. */
static void a_deleted_file_is_read_as_it_was_mapped(void **state)
{
	struct code_map map;
	const struct code_module *module;
	struct stat seen;
	void *library = load("b.so");
	char from[128], to[128];

	(void)state;
	snprintf(from, sizeof(from), "%s/c.so", folder);
	snprintf(to, sizeof(to), "%s/b.so", folder);
	assert_int_equal(rename(from, to), 0);
	start(&map);
	module = module_at(&map, address_of(dlsym(library, "value")));
	assert_true(module->deleted);
	assert_string_equal(module->path, to);
	if (geteuid() == 0) {
		assert_true(module->fd >= 0 && module->elf);
		assert_int_equal(fstat(module->fd, &seen), 0);
		assert_int_equal(seen.st_ino, module->inode);
		assert_int_equal(seen.st_nlink, 0);
	} else {
		/* only root is led to it by the kernel */
		assert_true(module->fd < 0 && !module->elf);
	}
	code_map_fini(&map);
	dlclose(library);
}

static void *map_code(int fd, size_t size)
{
	void *code = mmap(NULL, size, PROT_READ | PROT_EXEC,
			  fd >= 0 ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);

	assert_ptr_not_equal(code, MAP_FAILED);
	return code;
}

/* All generated code is one module, so that a program that makes much of it does not use up the
 * numbers. */
static void all_generated_code_is_one_module(void **state)
{
	struct code_map map;
	char *one = map_code(-1, PAGE), *hole = map_code(-1, 3 * PAGE);
	/* /dev/zero in the mappings */
	void *shared = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t n, id;

	(void)state;
	assert_ptr_not_equal(shared, MAP_FAILED);
	assert_int_equal(munmap(hole + PAGE, PAGE), 0);
	start(&map);
	id = find_module_at(&map, address_of(one));
	assert_int_equal(map.modules[id].kind, CODE_ANONYMOUS);
	assert_string_equal(map.modules[id].path, "generated code");
	assert_true(map.modules[id].fd < 0 && !map.modules[id].elf);
	assert_int_equal(find_module_at(&map, address_of(hole)), id);
	assert_int_equal(find_module_at(&map, address_of(hole + PAGE)), CODE_NO_MODULE);
	assert_int_equal(find_module_at(&map, address_of(hole + 2 * PAGE)), id);
	assert_int_equal(find_module_at(&map, address_of(shared)), id);
	n = map.n_modules;
	for (int i = 0; i < 20; i++) {
		void *more = map_code(-1, PAGE * (1 + (unsigned)i));

		assert_update(&map, 1);
		assert_int_equal(find_module_at(&map, address_of(more)), id);
		munmap(more, PAGE * (1 + (unsigned)i));
	}
	assert_int_equal(map.n_modules, n);
	code_map_fini(&map);
	munmap(one, PAGE);
	munmap(hole, 3 * PAGE);
	munmap(shared, PAGE);
}

/* Executable, but no ELF file: what a JIT writes through a memfd, an archive. One module, wherever
 * it is mapped. */
static void code_that_is_no_elf_is_one_module(void **state)
{
	struct code_map map;
	int fd = memfd_create("jit", MFD_CLOEXEC);
	char *one, *two;
	const struct code_module *module;

	(void)state;
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	one = map_code(fd, PAGE);
	two = map_code(fd, 4 * PAGE);
	start(&map);
	module = module_at(&map, address_of(one));
	assert_int_equal(module->kind, CODE_FILE);
	assert_false(module->elf);
	assert_int_equal(module->bias, 0);
	assert_string_equal(module->path, "/memfd:jit");
	assert_ptr_equal(module_at(&map, address_of(two)), module);
	code_map_fini(&map);
	munmap(one, PAGE);
	munmap(two, 4 * PAGE);
	close(fd);
}

/* An ELF file that was not loaded, but mapped as it is, is another copy than the one that was. */
static void a_file_mapped_as_it_is_is_another_copy(void **state)
{
	struct code_map map;
	int fd = open(in_folder("a.so"), O_RDONLY | O_CLOEXEC);
	void *library = load("a.so"), *copy = map_code(fd, 3 * PAGE);
	const struct code_module *loaded, *mapped;

	(void)state;
	start(&map);
	loaded = module_at(&map, address_of(dlsym(library, "value")));
	assert_int_equal(loaded->bias, ((struct link_map *)library)->l_addr);
	mapped = module_at(&map, address_of(copy));
	assert_ptr_not_equal(loaded, mapped);
	code_map_fini(&map);
	munmap(copy, 3 * PAGE);
	dlclose(library);
	close(fd);
}

static void the_vdso_is_a_module_of_its_own(void **state)
{
	struct code_map map;
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);

	(void)state;
	if (!vdso) {
		print_message("skip: this kernel maps no vdso\n");
		skip();
	}
	start(&map);
	assert_int_equal(module_at(&map, vdso)->kind, CODE_VDSO);
	assert_int_equal(module_at(&map, vdso)->bias, vdso);
	assert_string_equal(module_at(&map, vdso)->path, "[vdso]");
	code_map_fini(&map);
}

/* More ranges than there is room for: what is there is right, and the rest is counted. */
static void ranges_without_room_are_counted(void **state)
{
	const size_t more = 100, size = 2 * (CODE_MAX_RANGES + more) * PAGE;
	char *pages = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct code_map map;

	(void)state;
	assert_ptr_not_equal(pages, MAP_FAILED);
	for (size_t i = 0; i < CODE_MAX_RANGES + more; i++)
		assert_int_equal(mprotect(pages + 2 * i * PAGE, PAGE, PROT_READ | PROT_EXEC), 0);
	start(&map);
	assert_int_equal(map.n_ranges, CODE_MAX_RANGES);
	assert_in_range(map.left_out, more, more + 100);
	assert_in_range(map.n_modules, 1, 100);
	munmap(pages, size);
	assert_update(&map, 1);
	assert_int_equal(map.left_out, 0);
	code_map_fini(&map);
}

static void an_ended_process_has_no_map(void **state)
{
	struct err err = ERR_INIT;
	struct code_map map;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	code_map_init(&map, pid);
	assert_int_equal(code_map_update(&map, &err), -ERR_TARGET);
	assert_int_equal(map.n_modules + map.n_ranges, 0);
	code_map_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_is_in_the_file_it_comes_from),
		cmocka_unit_test(a_module_keeps_its_number),
		cmocka_unit_test(two_copies_of_a_file_are_two_modules),
		cmocka_unit_test(a_deleted_file_is_read_as_it_was_mapped),
		cmocka_unit_test(all_generated_code_is_one_module),
		cmocka_unit_test(code_that_is_no_elf_is_one_module),
		cmocka_unit_test(a_file_mapped_as_it_is_is_another_copy),
		cmocka_unit_test(the_vdso_is_a_module_of_its_own),
		cmocka_unit_test(ranges_without_room_are_counted),
		cmocka_unit_test(an_ended_process_has_no_map),
	};

	return cmocka_run_group_tests(tests, make_libraries, remove_libraries);
}
