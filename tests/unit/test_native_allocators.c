/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which allocators a file has, and which functions they consist of: real ones of Debian, libc,
 * musl's libc, and files that have none; and where functions end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/function_ends.h"
#include "probe/native_allocators.h"
#include "probe/place.h"

#ifdef __x86_64__

#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"

static struct native_allocator allocator;

/* A file as if it were loaded at its link-time addresses. */
static void open_module(struct module *module, const char *path)
{
	memset(module, 0, sizeof(*module));
	snprintf(module->path, sizeof(module->path), "%s", path);
	snprintf(module->host_path, sizeof(module->host_path), "%s", path);
	module->elf = elf_file_open(path, NULL);
	if (!module->elf)
		fail_msg("%s cannot be read; tools/setup test installs it", path);
}

static const struct native_function *function_of(const char *name)
{
	for (unsigned i = 0; i < allocator.n_functions; i++)
		if (strcmp(allocator.functions[i].name, name) == 0)
			return &allocator.functions[i];
	return NULL;
}

static void check_function(const char *name, enum abi_call_kind kind)
{
	const struct native_function *function = function_of(name);

	if (!function)
		fail_msg("no %s", name);
	assert_int_equal(function->kind, kind);
}

/* Names share addresses, and each address is there once. */
static void check_once(void)
{
	for (unsigned i = 0; i < allocator.n_functions; i++)
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(allocator.functions[i].address,
					     allocator.functions[k].address);
}

/* Every function has a place for a probe, and functions that may throw have ends: each an
 * instruction `ret`. */
static void check_places(const struct module *module)
{
	static const struct place_need need = {INSN_ARG(0), false, -1, 0};

	for (unsigned i = 0; i < allocator.n_functions; i++) {
		const struct native_function *function = &allocator.functions[i];
		uint64_t ends[FUNCTION_ENDS_MAX];
		struct place place;
		unsigned n;

		assert_true(place_find(&place, module, function->address, &need));
		if (function->kind != ABI_CALL_NEW)
			continue;
		n = function_ends(ends, module, function->address);
		if (!n)
			fail_msg("no ends of %s", function->name);
		for (unsigned k = 0; k < n; k++) {
			size_t available;
			const uint8_t *bytes = elf_file_bytes(module->elf, ends[k], &available);

			assert_non_null(bytes);
			assert_int_equal(bytes[0], 0xc3);
		}
	}
}

static void jemallocs_functions_are_found(void **state)
{
	struct module module;

	(void)state;
	open_module(&module, LIBRARIES "libjemalloc.so.2");
	assert_true(native_allocator_find(&allocator, &module, false, false));
	assert_string_equal(allocator.brand, "jemalloc");
	assert_true(allocator.replaces_libc);
	assert_int_equal(allocator.n_prefixes, 1);
	assert_string_equal(allocator.prefixes[0], "");
	check_function("malloc", ABI_CALL_MALLOC);
	check_function("calloc", ABI_CALL_CALLOC);
	check_function("free", ABI_CALL_FREE);
	check_function("posix_memalign", ABI_CALL_POSIX_MEMALIGN);
	check_function("mallocx", ABI_CALL_MALLOC);
	check_function("rallocx", ABI_CALL_REALLOC);
	check_function("sdallocx", ABI_CALL_DELETE);
	check_function("operator new", ABI_CALL_NEW);
	check_function("operator new, nothrow", ABI_CALL_MALLOC);
	check_function("operator delete[], sized", ABI_CALL_DELETE);
	/* it has no such function, and asks nothing of size */
	assert_null(function_of("pvalloc"));
	assert_null(function_of("malloc_usable_size"));
	check_once();
	check_places(&module);
	module_unload(&module);
}

static void tcmallocs_functions_are_found_once_each(void **state)
{
	struct module module;

	(void)state;
	open_module(&module, LIBRARIES "libtcmalloc_minimal.so.4");
	assert_true(native_allocator_find(&allocator, &module, false, false));
	assert_string_equal(allocator.brand, "tcmalloc");
	assert_int_equal(allocator.n_prefixes, 2);
	assert_string_equal(allocator.prefixes[0], "");
	assert_string_equal(allocator.prefixes[1], "tc_");
	/* one address has several names; aligned_alloc is memalign, cfree and operator delete are
	 * free */
	check_function("malloc", ABI_CALL_MALLOC);
	check_function("free", ABI_CALL_FREE);
	check_function("operator new", ABI_CALL_NEW);
	check_function("pvalloc", ABI_CALL_PVALLOC);
	assert_true(function_of("memalign") || function_of("aligned_alloc"));
	assert_null(function_of("tc_malloc"));
	assert_null(function_of("operator delete"));
	check_once();
	check_places(&module);
	module_unload(&module);
}

static void mimallocs_functions_are_found(void **state)
{
	struct module module;

	(void)state;
	/* 2.0 of Debian 12, 2.1 of Ubuntu 24.04, 3.0 of Debian 13 */
	open_module(&module, access(LIBRARIES "libmimalloc.so.2", R_OK)
				     ? LIBRARIES "libmimalloc.so.3"
				     : LIBRARIES "libmimalloc.so.2");
	assert_true(native_allocator_find(&allocator, &module, false, false));
	assert_string_equal(allocator.brand, "mimalloc");
	assert_int_equal(allocator.n_prefixes, 2);
	check_function("malloc", ABI_CALL_MALLOC);
	check_function("mi_posix_memalign", ABI_CALL_POSIX_MEMALIGN);
	check_function("mi_heap_malloc", ABI_CALL_PY_MALLOC);
	check_function("mi_calloc_aligned", ABI_CALL_CALLOC);
	check_function("mi_recalloc", ABI_CALL_REALLOCARRAY);
	check_function("operator new", ABI_CALL_NEW);
	assert_null(function_of("mi_malloc"));
	check_once();
	check_places(&module);

	/* CPython has a copy in its inside that it does not export; this one is exported, wherever
	 * it is */
	assert_true(native_allocator_find(&allocator, &module, false, true));
	assert_int_equal(allocator.n_prefixes, 2);
	module_unload(&module);
}

/* musl's libc is its loader, too: a libc whose functions jump to others. */
static void musl_is_a_libc_with_places_in_its_functions(void **state)
{
	static const char *const names[] = {"malloc",        "calloc",   "realloc",
					    "reallocarray",  "free",     "posix_memalign",
					    "aligned_alloc", "memalign", "valloc"};
	struct place_need need = {INSN_ARG(0) | INSN_ARG(1), true, -1, 0};
	struct module module;

	(void)state;
	open_module(&module, "/lib/ld-musl-x86_64.so.1");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t function = module_symbol(&module, names[i]);
		struct place place;

		assert_int_not_equal(function, 0);
		need.args = i < 4 ? INSN_ARG(0) : INSN_ARG(0) | INSN_ARG(1);
		assert_true(place_find(&place, &module, function, &need));
		/* within this function, not in the one to which it jumps */
		assert_true(place.address - function < 16);
	}
	/* it is the libc: nothing but its own functions */
	assert_false(native_allocator_find(&allocator, &module, true, false));
	/* and had it been found next to another libc, it would be an allocator */
	assert_true(native_allocator_find(&allocator, &module, false, false));
	assert_string_equal(allocator.brand, "malloc");
	check_function("memalign", ABI_CALL_ALIGNED);
	check_once();
	module_unload(&module);
}

static void other_libraries_are_no_allocators(void **state)
{
	static const char *const paths[] = {
		LIBRARIES "libz.so.1",
		LIBRARIES "libstdc++.so.6", /* its operator new calls malloc */
		"/lib64/ld-linux-x86-64.so.2",
		"/bin/sh",
	};
	struct module module;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		open_module(&module, paths[i]);
		assert_false(native_allocator_find(&allocator, &module, false, false));
		module_unload(&module);
	}
	open_module(&module, LIBRARIES "libc.so.6");
	assert_false(native_allocator_find(&allocator, &module, true, false));
	module_unload(&module);
	/* no allocator either, but of interest where operator new may throw */
	open_module(&module, LIBRARIES "libgcc_s.so.1");
	assert_true(native_allocator_find(&allocator, &module, false, false));
	assert_int_equal(allocator.n_functions, 0);
	assert_null(allocator.brand);
	assert_int_not_equal(allocator.throws, 0);
	module_unload(&module);
}

/* ---- this program has functions with such names, too ---------------------------------------- */

/* clang-format off */
__asm__(".pushsection .text\n"
#define FUNCTION(name) ".balign 16, 0xcc\n.type " #name ", @function\n.globl " #name "\n" #name ":\n.cfi_startproc\n"
#define END(name)      ".cfi_endproc\n.size " #name ", . - " #name "\n"
	FUNCTION(x_malloc) "push %rbx\npop %rbx\nret\n" END(x_malloc)
	FUNCTION(x_free) "push %rbx\npop %rbx\nret\n" END(x_free)
	FUNCTION(x_malloc_usable_size) "ret\n" END(x_malloc_usable_size)
	/* a prefix with a function that only an allocator has, but none that frees */
	FUNCTION(y_mallocx) "ret\n" END(y_mallocx)
	/* wrappers: nothing says that these are an allocator */
	FUNCTION(z_malloc) "ret\n" END(z_malloc)
	FUNCTION(z_free) "ret\n" END(z_free)

	/* ends: its own, behind a branch, in another function, and none behind the call that never
	 * returns */
	FUNCTION(ends_other) "test %rdi, %rdi\nje 1f\nret\n1: call *%rax\n" END(ends_other)
	FUNCTION(ends_three) "cmp $1, %rdi\njb 1f\nja 2f\nret\n1: pop %rax\nret\n2: jmp ends_other\n" END(ends_three)
	FUNCTION(ends_loop) "1: dec %rdi\njne 1b\nud2\n" END(ends_loop)
	FUNCTION(ends_computed) "test %rdi, %rdi\nje 1f\nret\n1: jmp *%rax\n" END(ends_computed)
	FUNCTION(ends_elsewhere) "jmp *there(%rip)\n" END(ends_elsewhere)
	".popsection\n"
	".pushsection .data\nthere: .quad ends_three\n.popsection\n");
/* clang-format on */

void ends_three(void);
void ends_loop(void);
void ends_computed(void);
void ends_elsewhere(void);

/* This program, from its own maps. */
static void open_self(struct module *module)
{
	struct maps maps;

	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	assert_int_equal(module_load(module, &maps, maps_find(&maps, (uintptr_t)ends_three), NULL),
			 0);
	maps_fini(&maps);
}

static void an_allocator_may_have_a_prefix(void **state)
{
	struct module module;

	(void)state;
	open_self(&module);
	assert_true(native_allocator_find(&allocator, &module, false, false));
	assert_int_equal(allocator.n_prefixes, 1);
	assert_string_equal(allocator.prefixes[0], "x_");
	assert_false(allocator.replaces_libc);
	assert_int_equal(allocator.n_functions, 2);
	check_function("x_malloc", ABI_CALL_MALLOC);
	check_function("x_free", ABI_CALL_FREE);
	module_unload(&module);
}

static void the_ends_of_a_function_are_found_or_none(void **state)
{
	uint64_t ends[FUNCTION_ENDS_MAX];
	struct module module;

	(void)state;
	open_self(&module);
	assert_int_equal(function_ends(ends, &module, (uintptr_t)ends_three), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(*(const uint8_t *)(uintptr_t)ends[i], 0xc3);
	/* one that never comes back; jumps nobody can follow */
	assert_int_equal(function_ends(ends, &module, (uintptr_t)ends_loop), 0);
	assert_int_equal(function_ends(ends, &module, (uintptr_t)ends_computed), 0);
	assert_int_equal(function_ends(ends, &module, (uintptr_t)ends_elsewhere), 0);
	/* no code at all */
	assert_int_equal(function_ends(ends, &module, (uintptr_t)&allocator), 0);
	module_unload(&module);
}

/* Files are looked at once. */
static void files_are_looked_at_once(void **state)
{
	struct native_allocators list = {0};
	struct module none = {0};
	struct maps maps;
	size_t n;

	(void)state;
	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	native_allocators_update(&list, &maps, &none, &none);
	n = list.n_files;
	assert_true(n >= 3);
	assert_int_equal(native_allocators_update(&list, &maps, &none, &none), 0);
	assert_int_equal(list.n_files, n);
	maps_fini(&maps);
	native_allocators_fini(&list);
	native_allocators_fini(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jemallocs_functions_are_found),
		cmocka_unit_test(tcmallocs_functions_are_found_once_each),
		cmocka_unit_test(mimallocs_functions_are_found),
		cmocka_unit_test(musl_is_a_libc_with_places_in_its_functions),
		cmocka_unit_test(other_libraries_are_no_allocators),
		cmocka_unit_test(an_allocator_may_have_a_prefix),
		cmocka_unit_test(the_ends_of_a_function_are_found_or_none),
		cmocka_unit_test(files_are_looked_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 0;
}

#endif
