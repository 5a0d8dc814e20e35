/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names of native addresses: those that addr2line gives, for a library with debug information of every kind and at
 * every place; what is left in stripped ones; which of several names is taken; the vdso, generated code, what is known.
 */
#include "unit/names_target.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#define CFLAGS "-O2 -fPIC -shared -Wl,--version-script,$SOURCES/library.map"

static int make_libraries(void **state)
{
	if (make_folder(state))
		return -1;
	run("gcc -g " CFLAGS " -o plain.so $SOURCES/library.c\n"
	    "objcopy --only-keep-debug plain.so plain.debug\n"
	    "strip --strip-all -o stripped.so plain.so\n"
	    "strip --strip-debug -o symtab.so plain.so\n"
	    "mkdir none");
	return 0;
}

/* ---- addr2line ------------------------------------------------------------------------------- */

struct place {
	char function[2048], file[128];
	unsigned line;
};

/* A name without parameters and without the marks of compilers' copies of a function. */
static void shorten(char *name)
{
	static const char *const marks[] = {" [clone", ".cold", ".part.", ".isra.", ".constprop."};
	static const char nameless[] = "(anonymous namespace)";

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		char *mark = strstr(name, marks[i]);

		if (mark)
			*mark = '\0';
	}
	for (char *at = name; *at; at++) {
		if (strncmp(at, nameless, strlen(nameless)) == 0)
			at += strlen(nameless) - 1;
		else if (*at == '(' && (at - name < 8 || memcmp(at - 8, "operator", 8) != 0))
			*at = '\0';
		if (!*at)
			break;
	}
}

/* Two lines of addr2line: a function; a file and a line. */
static void read_place(FILE *in, struct place *place)
{
	char line[16384], *colon, *slash;

	assert_non_null(fgets(line, sizeof(line), in));
	line[strcspn(line, "\n")] = '\0';
	shorten(line);
	snprintf(place->function, sizeof(place->function), "%.2047s", line);
	assert_non_null(fgets(line, sizeof(line), in));
	colon = strrchr(line, ':');
	assert_non_null(colon);
	*colon = '\0';
	place->line = (unsigned)strtoul(colon + 1, NULL, 10); /* "?": 0 */
	slash = strrchr(line, '/');
	snprintf(place->file, sizeof(place->file), "%.127s", slash ? slash + 1 : line);
}

/* Is the end of one the other, up to where a name begins? */
static bool ends_with(const char *text, const char *end, const char *between)
{
	size_t n = strlen(text), m = strlen(end), k = strlen(between);

	return n == m ? strcmp(text, end) == 0
		      : n >= m + k && strcmp(text + n - m, end) == 0 &&
				memcmp(text + n - m - k, between, k) == 0;
}

/*
 * addr2line writes what functions made from templates return, leaves out the namespace of what has only a local symbol,
 * takes a lambda and templates with one for the function that the lambda is in, calls the file of a function split by LTO
 * <artificial>, and writes ??:0 for what is not known.
 */
static bool same_place(const struct frame *frame, const struct place *place)
{
	char function[2048];
	const char *slash = frame->file ? strrchr(frame->file, '/') : NULL;

	snprintf(function, sizeof(function), "%.2047s", frame->function ? frame->function : "");
	shorten(function);
	if (!ends_with(place->function, function, " ") &&
	    !ends_with(function, place->function, "::") && !strstr(frame->function, "<lambda") &&
	    strcmp(function, "operator()") != 0)
		return false;
	if (!frame->file)
		return place->line == 0 && strcmp(place->file, "??") == 0;
	return frame->line == place->line && slash &&
	       (strcmp(slash + 1, place->file) == 0 || strcmp(place->file, "<artificial>") == 0);
}

/* What addr2line says about the address, up to the next one's line. */
static size_t read_places(FILE *in, struct place *places, size_t room)
{
	size_t n = 0;
	int next = 0;

	while (n < room && (next = fgetc(in)) != EOF && ungetc(next, in) != '0')
		read_place(in, &places[n++]);
	return n;
}

static void fail_with(uint64_t vaddr, const char *ours, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++)
		print_error("addr2line: %s (%s:%u)\n", places[i].function, places[i].file,
			    places[i].line);
	fail_msg("0x%llx is %s", (unsigned long long)vaddr, ours);
}

/*
 * Compare with addr2line, at every `step`th byte of the text. It does not tell padding between functions from the
 * functions, and knows no more of functions without debug information than their names.
 *
 * return how many addresses were compared
 */
static unsigned compare_with_addr2line(struct names_target *target, const char *symbols,
				       const char *text, unsigned step)
{
	struct place places[32];
	struct frame frames[NATIVE_MAX_INLINED];
	char command[512], line[64];
	uint64_t start, end, vaddr;
	unsigned compared = 0, all = 0;
	FILE *out;

	text_of(text, &start, &end);
	run("rm -f addresses");
	out = fopen(in_folder("addresses"), "w");
	assert_non_null(out);
	for (vaddr = start; vaddr < end; vaddr += step)
		fprintf(out, "0x%llx\n", (unsigned long long)vaddr);
	fclose(out);
	snprintf(command, sizeof(command), "cd %s && addr2line -a -f -i -C -e %s < addresses",
		 folder, symbols);
	out = popen(command, "r");
	assert_non_null(out);
	for (vaddr = start; vaddr < end; vaddr += step, all++) {
		size_t n, n_frames = frames_at(target, vaddr, true, frames);

		assert_non_null(fgets(line, sizeof(line), out));
		assert_int_equal(strtoull(line, NULL, 16), vaddr);
		n = read_places(out, places, 32);
		assert_in_range(n, 1, 31);
		if (!frames[n_frames - 1].function ||
		    (!frames[n_frames - 1].file && places[0].line == 0))
			continue;
		/* the innermost are kept, and the function itself */
		if (n > NATIVE_MAX_INLINED) {
			places[NATIVE_MAX_INLINED - 1] = places[n - 1];
			n = NATIVE_MAX_INLINED;
		}
		if (n_frames != n)
			fail_with(vaddr, names_at(target, vaddr, true), places, n);
		for (size_t i = 0; i < n; i++)
			if (!same_place(&frames[i], &places[i]) || frames[i].inlined != (i + 1 < n))
				fail_with(vaddr, names_at(target, vaddr, true), places, n);
		compared++;
	}
	assert_int_equal(pclose(out), 0);
	assert_true(compared > 0 && all > 0);
	return compared;
}

static void check_against_addr2line(const char *name, const char *debug_root, const char *symbols,
				    unsigned at_least)
{
	struct names_target target;

	names_target_load(&target, name, debug_root);
	assert_in_range(compare_with_addr2line(&target, symbols, "plain.so", 1), at_least, 100000);
	names_target_unload(&target);
}

static void test_names_are_those_of_addr2line(void **state)
{
	(void)state;
	check_against_addr2line("plain.so", NULL, "plain.so", 300);
}

static void test_cxx(void **state)
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

/* The ranges that clang writes as DWARF 5 addr2line 2.40 does not know: they are those of its DWARF 4. */
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

		if (!strstr(name, "[five.so"))
			assert_string_equal(name, names_at(&four, vaddr, true));
	}
	names_target_unload(&five);
	names_target_unload(&four);
}

/* Every form that debug information comes in; clang writes no .debug_aranges. */
static void test_forms_of_debug_information(void **state)
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

/* ---- separate debug files -------------------------------------------------------------------- */

static void test_debug_file_by_build_id(void **state)
{
	(void)state;
	run("id=$(readelf -n plain.so | sed -n 's/.*Build ID: //p')\n"
	    "folder=ids/.build-id/$(echo $id | cut -c 1-2)\n"
	    "mkdir -p $folder && cp plain.debug $folder/$(echo $id | cut -c 3-).debug");
	check_against_addr2line("stripped.so", "ids", "plain.so", 300);
	check_against_addr2line("symtab.so", "ids", "plain.so", 300);
}

/* What is at its place, but of another build, is not believed. */
static void test_debug_file_of_another_build(void **state)
{
	struct names_target target;

	(void)state;
	run("id=$(readelf -n plain.so | sed -n 's/.*Build ID: //p')\n"
	    "folder=wrong/.build-id/$(echo $id | cut -c 1-2)\n"
	    "gcc -g " CFLAGS " -O1 -o other.so $SOURCES/library.c\n"
	    "mkdir -p $folder && cp other.so $folder/$(echo $id | cut -c 3-).debug");
	names_target_load(&target, "stripped.so", "wrong");
	assert_string_equal(names_at(&target, exported(&target, "names_first"), true),
			    "names_first+0x0 [stripped.so]");
	names_target_unload(&target);
}

static void test_debug_file_by_link(void **state)
{
	struct names_target target;

	(void)state;
	run("gcc -g " CFLAGS " -Wl,--build-id=none -o linked.full $SOURCES/library.c\n"
	    "objcopy --only-keep-debug linked.full linked.debug\n"
	    "for place in beside below root gone; do\n"
	    "	objcopy --strip-all --add-gnu-debuglink=linked.debug linked.full $place.so\n"
	    "	mkdir $place && mv $place.so $place\n"
	    "done\n"
	    "cp linked.debug beside\n"
	    "mkdir below/.debug && cp linked.debug below/.debug\n"
	    "mkdir -p roots/$PWD/root && cp linked.debug roots/$PWD/root\n"
	    "cp linked.debug gone && printf x >> gone/linked.debug");
	check_against_addr2line("beside/beside.so", NULL, "linked.full", 300);
	check_against_addr2line("below/below.so", NULL, "linked.full", 300);
	check_against_addr2line("root/root.so", "roots", "linked.full", 300);
	/* the checksum is wrong */
	names_target_load(&target, "gone/gone.so", "roots");
	assert_string_equal(names_at(&target, exported(&target, "names_first"), true),
			    "names_first+0x0 [gone.so]");
	names_target_unload(&target);
}

/* dwz moves what two files have in common into a third. */
static void test_parts_shared_with_another_file(void **state)
{
	if (system("command -v dwz > /dev/null") != 0) {
		print_message("skip: dwz is not installed\n");
		skip();
	}
	(void)state;
	run("mkdir -p dwz/.build-id/sh\n"
	    "for n in 1 2; do gcc -g " CFLAGS " -DCOPY=$n -o shared$n.so $SOURCES/library.c; done\n"
	    "cp shared1.so shared.full\n"
	    "dwz -m common.debug shared1.so shared2.so");
	check_against_addr2line("shared1.so", NULL, "shared.full", 300);
	/* without the third file half of the information is none */
	run("rm common.debug && cp shared1.so shared3.so");
	{
		struct names_target target;

		names_target_load(&target, "shared3.so", NULL);
		assert_string_equal(names_at(&target, exported(&target, "names_first"), true),
				    "names_first+0x0 [shared3.so]");
		names_target_unload(&target);
	}
}

/* ---- stripped files -------------------------------------------------------------------------- */

/* Address of a local function, by nm. */
static uint64_t local(const char *library, const char *name)
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

static void test_stripped(void **state)
{
	uint64_t first, inside = local("plain.so", "local_function") + 5;
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];

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
	assert_non_null(frames[0].near);
	assert_string_equal(frames[0].near, "names_versioned");
	/* where no function is below */
	assert_int_equal(frames_at(&target, local("plain.so", "_init"), true, frames), 1);
	assert_null(frames[0].near);
	names_target_unload(&target);
}

static void test_mini_debug_info(void **state)
{
	struct names_target target;
	uint64_t inside = local("plain.so", "local_function") + 5;

	(void)state;
	run("objcopy --strip-debug plain.debug mini && xz mini\n"
	    "objcopy --add-section .gnu_debugdata=mini.xz stripped.so mini.so\n"
	    "printf damaged > damaged.xz\n"
	    "objcopy --add-section .gnu_debugdata=damaged.xz stripped.so damaged.so");
	names_target_load(&target, "mini.so", NULL);
	assert_string_equal(names_at(&target, inside, true), "local_function+0x5 [mini.so]");
	assert_string_equal(names_at(&target, exported(&target, "names_alias"), true),
			    "names_alias+0x0 [mini.so]");
	names_target_unload(&target);
	names_target_load(&target, "damaged.so", NULL);
	assert_true(strstr(names_at(&target, inside, true), ", after names_versioned]"));
	names_target_unload(&target);
}

/* ---- one of several names -------------------------------------------------------------------- */

static void test_the_name_that_says_most(void **state)
{
	struct names_target target;
	uint64_t alias, unsized, outer;

	(void)state;
	names_target_load(&target, "symtab.so", NULL);
	alias = exported(&target, "names_alias");
	unsized = exported(&target, "names_unsized");
	outer = exported(&target, "names_outer");
	assert_string_equal(names_at(&target, alias, true), "names_alias+0x0 [symtab.so]");
	/* a label inside is no function */
	assert_string_equal(names_at(&target, alias + 1, true), "names_alias+0x1 [symtab.so]");
	/* behind its end: the nearest that begins below is the label */
	assert_true(strstr(names_at(&target, alias + 3, true), "[symtab.so, after names_"));
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

/* ---- inlined functions ----------------------------------------------------------------------- */

/* Deeper than there is room for: the innermost are there, and the function itself. */
static void test_deeply_inlined(void **state)
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

/* ---- what is no file ------------------------------------------------------------------------- */

static void test_vdso(void **state)
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
	target.module = code_map_find(&target.map, vdso);
	assert_int_not_equal(target.module, CODE_NO_MODULE);
	target.bias = vdso;
	for (uint64_t offset = 0; offset < 0x2000 && !found; offset++)
		found = strcmp(names_at(&target, offset, true), "clock_gettime+0x0 [vdso]") == 0;
	assert_true(found);
	names_target_unload(&target);
}

static void test_generated_code(void **state)
{
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char expected[64];

	(void)state;
	assert_ptr_not_equal(code, MAP_FAILED);
	names_target_load(&target, "plain.so", NULL);
	target.module = code_map_find(&target.map, (uint64_t)(uintptr_t)code);
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

/* ---- what is known --------------------------------------------------------------------------- */

/* Names stay when their file is gone, and are given to any profile. */
static void test_names_outlive_their_file(void **state)
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
static void test_files_are_closed_when_idle(void **state)
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
static void test_many_modules(void **state)
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
		cmocka_unit_test(test_names_are_those_of_addr2line),
		cmocka_unit_test(test_cxx),
		cmocka_unit_test(test_forms_of_debug_information),
		cmocka_unit_test(test_debug_file_by_build_id),
		cmocka_unit_test(test_debug_file_of_another_build),
		cmocka_unit_test(test_debug_file_by_link),
		cmocka_unit_test(test_parts_shared_with_another_file),
		cmocka_unit_test(test_stripped),
		cmocka_unit_test(test_mini_debug_info),
		cmocka_unit_test(test_the_name_that_says_most),
		cmocka_unit_test(test_deeply_inlined),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_generated_code),
		cmocka_unit_test(test_names_outlive_their_file),
		cmocka_unit_test(test_files_are_closed_when_idle),
		cmocka_unit_test(test_many_modules),
	};

	return cmocka_run_group_tests(tests, make_libraries, empty_folder);
}
