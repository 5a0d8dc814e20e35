/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names of native addresses: the ones that addr2line gives, with debug information of every form;
 * what is left in stripped files; which of several names is taken; the vdso, generated code; what
 * is remembered.
 */
#include "unit/names_library.h"

#include "code_map_at.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>

static void names_are_those_of_addr2line(void **state)
{
	(void)state;
	check_against_addr2line("plain.so", NULL, "plain.so", 300);
}

static void names_of_cxx_are_demangled(void **state)
{
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];
	uint64_t start, end;
	bool hidden = false, member = false;

	(void)state;
	run("g++ -g -O2 -fPIC -shared -o cxx.so $SOURCES/library.cc");
	names_target_load(&target, "cxx.so", NULL);
	assert_in_range(compare_with_addr2line(&target, "cxx.so", "cxx.so", 3), 300, 100000);
	text_of("cxx.so", &start, &end);
	for (uint64_t vaddr = start; vaddr < end; vaddr++) {
		size_t n = frames_at(&target, vaddr, true, frames);
		const char *function = frames[n - 1].function;

		hidden |= function && !strcmp(function, "shop::(anonymous namespace)::hidden");
		member |= function && !strcmp(function, "shop::Item::weight");
	}
	assert_true(hidden && member);
	names_target_unload(&target);
}

/* The ranges that clang writes as DWARF 5 addr2line 2.40 does not know: they are those of its DWARF
 * 4. */
static void compare_versions_of_clang(void)
{
	struct names_target four, five;
	uint64_t start, end;

	run("clang -gdwarf-5 " CFLAGS " -w -o five.so $SOURCES/library.c\n"
	    "clang -gdwarf-4 " CFLAGS " -w -o four.so $SOURCES/library.c");
	names_target_load(&four, "four.so", NULL);
	names_target_load(&five, "five.so", NULL);
	text_of("five.so", &start, &end);
	for (uint64_t vaddr = start; vaddr < end; vaddr++) {
		const char *name = names_at(&five, vaddr, true);

		if (!strstr(name, "five.so"))
			assert_string_equal(name, names_at(&four, vaddr, true));
	}
	names_target_unload(&five);
	names_target_unload(&four);
}

/* Every form that debug information comes in; clang writes no .debug_aranges. */
static void every_form_of_debug_information_is_read(void **state)
{
	static const char *const compilers[] = {
		"gcc -gdwarf-2",     "gcc -gdwarf-3",      "gcc -gdwarf-4",
		"gcc -gdwarf-5 -gz", "clang -gdwarf-4 -w", "gcc -g -flto -ffunction-sections"};

	(void)state;
	for (size_t i = 0; i < sizeof(compilers) / sizeof(compilers[0]); i++) {
		struct names_target target;
		char name[32];

		snprintf(name, sizeof(name), "form%zu.so", i);
		run("%s " CFLAGS " -o %s $SOURCES/library.c", compilers[i], name);
		names_target_load(&target, name, NULL);
		assert_in_range(compare_with_addr2line(&target, name, name, 1), 200, 100000);
		names_target_unload(&target);
	}
	compare_versions_of_clang();
}

/* ---- stripped files ------------------------------------------------------------------------- */

static void a_stripped_file_has_exported_names_and_offsets(void **state)
{
	uint64_t first, inside = local("plain.so", "local_function") + 5;
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];
	char expected[64];

	(void)state;
	names_target_load(&target, "stripped.so", NULL);
	first = exported(&target, "names_first");
	assert_string_equal(names_at(&target, first + 2, true), "names_first+0x2 [stripped.so]");
	/* a return address belongs to the call before it, with its own offset */
	assert_string_equal(names_at(&target, first + 2, false), "names_first+0x2 [stripped.so]");
	assert_int_equal(frames_at(&target, inside, true, frames), 1);
	assert_null(frames[0].function);
	assert_null(frames[0].file);
	assert_false(frames[0].inlined);
	assert_string_equal(frames[0].module, "stripped.so");
	assert_string_equal(frames[0].path, in_folder("stripped.so"));
	assert_int_equal(frames[0].offset, inside);
	assert_int_equal(frames[0].address, inside);
	/* never the name of what lies before it, but where it begins */
	assert_int_equal(frames[0].start, inside - 5);
	assert_true(frames[0].stripped);
	snprintf(expected, sizeof(expected), "stripped.so+0x%llx", (unsigned long long)inside);
	assert_string_equal(names_at(&target, inside, true), expected);
	/* a part of a function that lies elsewhere */
	assert_string_equal(names_at(&target, local("plain.so", "names_split.cold") + 1, true),
			    "names_split.cold+0x1 [stripped.so]");
	/* where there is no unwind information */
	assert_int_equal(frames_at(&target, local("plain.so", "_init"), true, frames), 1);
	assert_null(frames[0].function);
	assert_int_equal(frames[0].start, 0);
	names_target_unload(&target);
}

/* ---- one of several names ------------------------------------------------------------------- */

static void the_name_that_says_most_is_taken(void **state)
{
	struct names_target target;
	uint64_t alias, unsized, outer;
	char expected[64];

	(void)state;
	names_target_load(&target, "symtab.so", NULL);
	alias = exported(&target, "names_alias");
	unsized = exported(&target, "names_unsized");
	outer = exported(&target, "names_outer");
	assert_string_equal(names_at(&target, alias, true), "names_alias+0x0 [symtab.so]");
	/* a label inside is no function */
	assert_string_equal(names_at(&target, alias + 1, true), "names_alias+0x1 [symtab.so]");
	/* behind its end nothing is known */
	snprintf(expected, sizeof(expected), "symtab.so+0x%llx", (unsigned long long)alias + 3);
	assert_string_equal(names_at(&target, alias + 3, true), expected);
	/* what has no size goes on to the next symbol */
	assert_string_equal(names_at(&target, unsized + 1, true), "names_unsized+0x1 [symtab.so]");
	assert_string_equal(names_at(&target, outer, true), "names_outer+0x0 [symtab.so]");
	assert_string_equal(names_at(&target, outer + 1, true), "names_inner+0x0 [symtab.so]");
	assert_string_equal(names_at(&target, outer + 2, true), "names_outer+0x2 [symtab.so]");
	/* the instruction after the call is another function's already */
	assert_string_equal(names_at(&target, outer, false), "names_unsized+0x2 [symtab.so]");
	assert_string_equal(names_at(&target, exported(&target, "names_versioned"), true),
			    "names_versioned+0x0 [symtab.so]");
	/* the address of an IFUNC is that of what chooses the function */
	assert_string_equal(names_at(&target, local("plain.so", "choose"), true),
			    "choose+0x0 [symtab.so]");
	assert_string_equal(names_at(&target, local("plain.so", "names_split.cold"), true),
			    "names_split.cold+0x0 [symtab.so]");
	names_target_unload(&target);
}

/* ---- inlined functions ---------------------------------------------------------------------- */

/* Deeper than there is room for: the innermost are there, and the function itself. */
static void of_deep_inlining_the_innermost_are_kept(void **state)
{
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];
	uint64_t deep;
	bool full = false;

	(void)state;
	names_target_load(&target, "plain.so", NULL);
	deep = exported(&target, "names_deep");
	for (uint64_t vaddr = deep;; vaddr++) {
		size_t n = frames_at(&target, vaddr, true, frames);

		if (!frames[n - 1].function || strcmp(frames[n - 1].function, "names_deep") != 0)
			break;
		assert_int_equal(frames[n - 1].offset, vaddr - deep);
		for (size_t i = 0; i + 1 < n; i++) {
			assert_true(frames[i].inlined);
			assert_string_equal(frames[i].module, "plain.so");
		}
		if (n == NATIVE_MAX_INLINED && strcmp(frames[0].function, "innermost") == 0) {
			full = true;
			assert_string_equal(frames[1].function, "level_1");
			assert_string_equal(frames[6].function, "level_6");
			assert_non_null(strstr(frames[7].file, "library.c"));
		}
	}
	assert_true(full);
	names_target_unload(&target);
}

/* ---- what is no file ------------------------------------------------------------------------ */

static void the_vdso_has_names(void **state)
{
	struct names_target target;
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	bool found = false;

	(void)state;
	if (!vdso) {
		print_message("skip: this kernel maps no vdso\n");
		skip();
	}
	names_target_load(&target, "plain.so", NULL);
	target.module = find_module_at(&target.map, vdso);
	assert_int_not_equal(target.module, CODE_NO_MODULE);
	target.bias = vdso;
	for (uint64_t offset = 0; offset < 0x2000 && !found; offset++)
		found = strcmp(names_at(&target, offset, true), "clock_gettime+0x0 [vdso]") == 0;
	assert_true(found);
	names_target_unload(&target);
}

static void generated_code_has_its_address(void **state)
{
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char expected[64];

	(void)state;
	assert_ptr_not_equal(code, MAP_FAILED);
	names_target_load(&target, "plain.so", NULL);
	target.module = find_module_at(&target.map, (uint64_t)(uintptr_t)code);
	target.bias = 0;
	snprintf(expected, sizeof(expected), "0x%llx [generated code]",
		 (unsigned long long)(uintptr_t)code + 16);
	assert_string_equal(names_at(&target, (uint64_t)(uintptr_t)code + 16, false), expected);
	assert_int_equal(frames_at(&target, (uint64_t)(uintptr_t)code, true, frames), 1);
	assert_null(frames[0].path);
	/* in no module at all */
	target.module = CODE_NO_MODULE;
	assert_string_equal(names_at(&target, 0x10, true), "0x10");
	assert_int_equal(frames_at(&target, 0x10, true, frames), 1);
	assert_null(frames[0].module);
	names_target_unload(&target);
	munmap(code, 4096);
}

/* ---- what is known -------------------------------------------------------------------------- */

/* Names stay when their file is gone, and are given to any profile. */
static void names_outlive_their_file(void **state)
{
	struct names_target target;
	struct profile *other;
	struct frame a[NATIVE_MAX_INLINED], b[NATIVE_MAX_INLINED];
	uint64_t first;
	size_t n;

	(void)state;
	run("cp plain.so gone.so");
	names_target_load(&target, "gone.so", NULL);
	first = exported(&target, "names_first");
	run("rm gone.so");
	/* deleted before it was first asked for: it is held open */
	n = frames_at(&target, first, true, a);
	assert_string_equal(a[n - 1].function, "names_first");
	assert_non_null(a[n - 1].file);
	other = profile_new();
	assert_int_equal(native_names_lookup(target.names, other, target.module,
					     first + target.bias, true, b),
			 n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(frame_compare(&a[i], &b[i]), 0);
	assert_ptr_not_equal(a[0].function, b[0].function);
	profile_free(other);
	names_target_unload(&target);
}

static size_t open_files(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* When nothing new is asked for the files are closed; the next address opens them again. */
static void files_are_closed_when_idle(void **state)
{
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];
	uint64_t first;
	size_t before;

	(void)state;
	names_target_load(&target, "plain.so", NULL);
	first = exported(&target, "names_first");
	before = open_files();
	frames_at(&target, first, true, frames);
	assert_int_equal(open_files(), before + 1);
	for (int i = 0; i < NATIVE_NAMES_IDLE; i++)
		frames_at(&target, first, true, frames);
	assert_int_equal(open_files(), before + 1);
	frames_at(&target, first, true, frames);
	assert_int_equal(open_files(), before);
	assert_non_null(strstr(names_at(&target, first, true), "names_first+0x0 (library.c:"));
	assert_non_null(strstr(names_at(&target, first + 4, true), "names_first+0x4 (library.c:"));
	assert_int_equal(open_files(), before + 1);
	names_target_unload(&target);
}

/* More modules than are held open; an address by more than one name in turn. */
static void more_modules_than_are_open_have_names(void **state)
{
	struct names_target targets[NATIVE_MODULES_OPEN + 3];
	const size_t n = sizeof(targets) / sizeof(targets[0]);
	struct frame frames[NATIVE_MAX_INLINED];
	char name[32];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "many%zu.so", i);
		run("cp stripped.so %s", name);
		names_target_load(&targets[i], name, NULL);
	}
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < n; i++) {
			uint32_t module = CODE_NO_MODULE;
			const struct code_map *map = &targets[n - 1].map;
			uint64_t first = exported(&targets[i], "names_first") + (uint64_t)round;

			for (uint32_t m = 0; m < map->n_modules; m++)
				if (map->modules[m].elf && map->modules[m].bias == targets[i].bias)
					module = m;
			assert_int_not_equal(module, CODE_NO_MODULE);
			assert_int_equal(native_names_lookup(targets[n - 1].names,
							     targets[n - 1].profile, module,
							     first + targets[i].bias, true, frames),
					 1);
			snprintf(name, sizeof(name), "many%zu.so", i);
			assert_string_equal(frames[0].function, "names_first");
			assert_string_equal(frames[0].module, name);
		}
	for (size_t i = 0; i < n; i++)
		names_target_unload(&targets[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_addr2line),
		cmocka_unit_test(names_of_cxx_are_demangled),
		cmocka_unit_test(every_form_of_debug_information_is_read),
		cmocka_unit_test(a_stripped_file_has_exported_names_and_offsets),
		cmocka_unit_test(the_name_that_says_most_is_taken),
		cmocka_unit_test(of_deep_inlining_the_innermost_are_kept),
		cmocka_unit_test(the_vdso_has_names),
		cmocka_unit_test(generated_code_has_its_address),
		cmocka_unit_test(names_outlive_their_file),
		cmocka_unit_test(files_are_closed_when_idle),
		cmocka_unit_test(more_modules_than_are_open_have_names),
	};

	return cmocka_run_group_tests(tests, make_libraries, empty_folder);
}
