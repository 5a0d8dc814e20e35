/* SPDX-License-Identifier: BSD-2-Clause
 *
 * names_library: the library of tests/unit/names, compiled in several forms; its names compared
 * with addr2line's.
 */
#ifndef PYLEAKTRACE_TESTS_UNIT_NAMES_LIBRARY_H
#define PYLEAKTRACE_TESTS_UNIT_NAMES_LIBRARY_H

#include "unit/names_target.h"

#define CFLAGS "-O2 -fPIC -shared -Wl,--version-script,$SOURCES/library.map"

/* plain.so has all, symtab.so no debug information, stripped.so only what is exported. */
static inline int make_libraries(void **state)
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

/* ---- addr2line ------------------------------------------------------------------------------ */

struct place {
	char function[2048], file[128];
	unsigned line;
};

/* A name without parameters and without the marks of compilers' copies of a function. */
static inline void shorten(char *name)
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
static inline void read_place(FILE *in, struct place *place)
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
static inline bool ends_with(const char *text, const char *end, const char *between)
{
	size_t n = strlen(text), m = strlen(end), k = strlen(between);

	return n == m ? strcmp(text, end) == 0
		      : n >= m + k && strcmp(text + n - m, end) == 0 &&
				memcmp(text + n - m - k, between, k) == 0;
}

/*
 * addr2line writes what functions made from templates return, leaves out the namespace of what has
 * only a local symbol, takes a lambda and templates with one for the function that the lambda is
 * in, calls the file of a function split by LTO <artificial>, and writes ??:0 for what is not
 * known.
 */
static inline bool same_place(const struct frame *frame, const struct place *place)
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
static inline size_t read_places(FILE *in, struct place *places, size_t room)
{
	size_t n = 0;
	int next = 0;

	while (n < room && (next = fgetc(in)) != EOF && ungetc(next, in) != '0')
		read_place(in, &places[n++]);
	return n;
}

static inline void fail_with(uint64_t vaddr, const char *ours, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++)
		print_error("addr2line: %s (%s:%u)\n", places[i].function, places[i].file,
			    places[i].line);
	fail_msg("0x%llx is %s", (unsigned long long)vaddr, ours);
}

/*
 * Compare with addr2line, at every `step`th byte of the text. It does not distinguish padding
 * between functions from the functions, and knows no more of functions without debug information
 * than their names.
 *
 * return how many addresses were compared
 */
static inline unsigned compare_with_addr2line(struct names_target *target, const char *symbols,
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

static inline void check_against_addr2line(const char *name, const char *debug_root,
					   const char *symbols, unsigned at_least)
{
	struct names_target target;

	names_target_load(&target, name, debug_root);
	assert_in_range(compare_with_addr2line(&target, symbols, "plain.so", 1), at_least, 100000);
	names_target_unload(&target);
}

#endif
