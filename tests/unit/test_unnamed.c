/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Functions that no symbol names: what CPython's tables say they are for, in files of several kinds
 * (tests/unit/names/tables.c), and in the interpreter of Debian, compared with what it says itself.
 */
#include "unit/names_target.h"

static int make_files(void **state)
{
	if (make_folder(state))
		return -1;
	run("gcc -O2 -fPIC -shared -o full.so $SOURCES/tables.c\n"
	    "clang -O2 -fPIC -shared -w -Wl,-z,pack-relative-relocs -o clang.full "
	    "$SOURCES/tables.c\n"
	    "gcc -O2 -no-pie -rdynamic -o program.full $SOURCES/tables.c\n"
	    "gcc -O2 -pie -fPIE -Wl,-z,noseparate-code -rdynamic -o pie.full $SOURCES/tables.c\n"
	    "sed 's/PyBag_Type/bag_type/' $SOURCES/tables.c > others.c\n"
	    "gcc -O2 -fPIC -shared -o others.full others.c\n"
	    "strip --strip-all -o tables.so full.so\n"
	    "for name in clang program pie others; do strip -o $name $name.full; done\n"
	    "mkdir none");
	return 0;
}

/* function, what it is called; NULL: by where it is */
static const char *const known[][2] = {
	{"bag_new", "shop.Bag.tp_new"},
	{"bag_dealloc", "shop.Bag.tp_dealloc"},
	{"bag_add", "shop.Bag.nb_add"},
	{"bag_put", "shop.Bag.put"},
	{"bag_take", "shop.Bag.take"},
	{"bag_size", "shop.Bag.size.get"},
	{"set_size", "shop.Bag.size.set"},
	{"sack_new", "shop.Sack.tp_new"},
	{"sack_put", "shop.Sack.put"},
	{"module_open", "shop.open"},
	{"module_exec", "shop.exec"},
	{"alone", "method alone"},
	/* by two tables */
	{"both", "shop.both|..."},
	{"twice", "shop.Bag.tp_str|..."},
	/* by none that can be one */
	{"wrong_flags", NULL},
	{"wrong_name", NULL},
	{"wrong_doc", NULL},
	{"wrong_type", NULL},
	{"untabled", NULL},
};

/* full: with symbols; is_pythons: it has a symbol of Python's */
static void check(const char *name, const char *full, bool is_pythons)
{
	struct names_target target;

	names_target_pretend(&target, name);
	target.module = 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint64_t at = local(full, known[i][0]) + 1;
		struct frame frames[NATIVE_MAX_INLINED];
		char expected[128];

		if (known[i][1] && is_pythons)
			snprintf(expected, sizeof(expected), "%s+0x1 [%s]", known[i][1], name);
		else
			snprintf(expected, sizeof(expected), "%s+0x%llx", name,
				 (unsigned long long)at);
		assert_string_equal(names_at(&target, at, true), expected);
		assert_int_equal(frames_at(&target, at, true, frames), 1);
		assert_true(frames[0].stripped);
		assert_int_equal(frames[0].start, frames[0].function ? 0 : at - 1);
	}
	names_target_end_pretence(&target);
}

static void tables_name_functions(void **state)
{
	(void)state;
	check("tables.so", "full.so", true);
	check("clang", "clang.full", true);
	check("program", "program.full", true);
	check("pie", "pie.full", true);
}

static void a_symbol_ends_with_its_function(void **state)
{
	struct names_target target;
	uint64_t unsized = local("full.so", "tables_unsized");
	uint64_t lone = local("full.so", "tables_short");

	(void)state;
	/* the next function has no symbol: nothing but the unwind information says that it is one
	 */
	assert_in_range(local("full.so", "untabled"), unsized + 1, unsized + 0x1000);
	names_target_pretend(&target, "tables.so");
	assert_string_equal(names_at(&target, unsized + 1, true), "tables_unsized+0x1 [tables.so]");
	assert_string_equal(names_at(&target, local("full.so", "bag_new") + 1, true),
			    "shop.Bag.tp_new+0x1 [tables.so]");
	assert_string_equal(names_at(&target, lone + 2, true), "tables_short+0x2 [tables.so]");
	names_target_end_pretence(&target);
}

static void what_is_not_pythons_has_no_tables(void **state)
{
	(void)state;
	check("others", "others.full", false);
}

/* A symbol says more, and so does debug information. */
static void symbols_come_first(void **state)
{
	struct names_target target;
	struct frame frames[NATIVE_MAX_INLINED];

	(void)state;
	names_target_pretend(&target, "full.so");
	assert_string_equal(names_at(&target, local("full.so", "bag_new") + 1, true),
			    "bag_new+0x1 [full.so]");
	frames_at(&target, local("full.so", "bag_new") + 1, true, frames);
	assert_false(frames[0].stripped);
	names_target_end_pretence(&target);
}

/* What only the target says: which functions allocate its objects. */
static void functions_that_are_given_have_their_names(void **state)
{
	const uint64_t untabled = local("full.so", "untabled"), both = local("full.so", "both");
	const struct native_known given[NATIVE_KNOWN] = {{untabled, "obj.malloc"},
							 {both + 1, "obj.free"}};
	struct names_target target;

	(void)state;
	names_target_pretend(&target, "tables.so");
	native_names_set_known(target.names, given);
	assert_string_equal(names_at(&target, untabled + 1, true), "obj.malloc+0x1 [tables.so]");
	/* not where a function begins */
	assert_string_equal(names_at(&target, both + 2, true), "shop.both|...+0x2 [tables.so]");
	names_target_end_pretence(&target);
	names_target_pretend(&target, "full.so");
	native_names_set_known(target.names, given);
	assert_string_equal(names_at(&target, untabled + 1, true), "untabled+0x1 [full.so]");
	names_target_end_pretence(&target);
}

static void a_cold_part_has_the_name_of_its_function(void **state)
{
	struct names_target target;

	(void)state;
	names_target_pretend(&target, "tables.so");
	assert_string_equal(names_at(&target, local("full.so", "bag_take.cold") + 1, true),
			    "shop.Bag.take.cold+0x1 [tables.so]");
	names_target_end_pretence(&target);
}

/* Address of an entry of the linkage table, as objdump has it. */
static uint64_t entry_of(const char *name)
{
	char command[256], line[64] = "";
	FILE *in;

	snprintf(command, sizeof(command), "objdump -d %s | sed -n 's/ <%s@plt>:$//p'",
		 in_folder("full.so"), name);
	in = popen(command, "r");
	assert_non_null(in);
	assert_non_null(fgets(line, sizeof(line), in));
	assert_int_equal(pclose(in), 0);
	return strtoull(line, NULL, 16);
}

static void an_entry_of_the_linkage_table_has_its_targets_name(void **state)
{
	struct names_target target;
	uint64_t entry = entry_of("malloc"), first = entry_of("abort");
	char expected[64];

	(void)state;
	names_target_pretend(&target, "tables.so");
	assert_string_equal(names_at(&target, entry, true), "malloc@plt+0x0 [tables.so]");
	assert_string_equal(names_at(&target, entry + 6, true), "malloc@plt+0x6 [tables.so]");
	/* the entry before them belongs to the loader */
	snprintf(expected, sizeof(expected), "tables.so+0x%llx",
		 (unsigned long long)(entry < first ? entry : first) - 16);
	assert_string_equal(names_at(&target, (entry < first ? entry : first) - 16, true),
			    expected);
	names_target_end_pretence(&target);
}

/* ---- the interpreter itself ----------------------------------------------------------------- */

#define PYTHON "/usr/bin/python3.11"

struct truth {
	char line[1 << 14]; /* address, then its names, each after a tab */
};

static bool is_stripped_program(const char *path)
{
	struct elf_file *file = elf_file_open(path, NULL);
	uint64_t vaddr, size;
	bool stripped = file && !elf_file_section(file, ".symtab", &vaddr, &size);

	elf_file_close(file);
	return stripped;
}

/* Every name that is given to what the interpreter says it calls is one that it has there. */
static void names_are_those_that_the_interpreter_has(void **state)
{
	static struct truth truth;
	struct names_target target;
	unsigned n = 0, n_exported = 0, n_unknown = 0;
	FILE *in;

	(void)state;
	if (access(PYTHON, X_OK) || !is_stripped_program(PYTHON)) {
		print_message("skip: there is no stripped " PYTHON "\n");
		skip();
	}
	run("ln -s " PYTHON " python && " PYTHON " $SOURCES/../print_api.py > truth");
	names_target_pretend(&target, "python");
	in = fopen(in_folder("truth"), "r");
	assert_non_null(in);
	while (fgets(truth.line, sizeof(truth.line), in)) {
		char *names, wanted[256];
		uint64_t at = strtoull(truth.line, &names, 16);
		struct frame frames[NATIVE_MAX_INLINED];
		const char *function;

		truth.line[strcspn(truth.line, "\n")] = '\t';
		assert_int_equal(frames_at(&target, at, true, frames), 1);
		function = frames[0].function;
		assert_true(!function || frames[0].offset == 0);
		if (function && !strchr(function, '.')) {
			n_exported++;
			continue;
		}
		if (!function || strncmp(function, "method ", 7) == 0) {
			n_unknown++;
			continue;
		}
		snprintf(wanted, sizeof(wanted), "\t%.*s\t", (int)strcspn(function, "|"), function);
		if (!strstr(names, wanted))
			fail_msg("%s is%s", function, names);
		n++;
	}
	fclose(in);
	print_message("%u names, %u symbols, %u without\n", n, n_exported, n_unknown);
	assert_in_range(n, 1000, 100000);
	assert_in_range(n_unknown, 0, n / 20);
	names_target_end_pretence(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_name_functions),
		cmocka_unit_test(a_symbol_ends_with_its_function),
		cmocka_unit_test(what_is_not_pythons_has_no_tables),
		cmocka_unit_test(symbols_come_first),
		cmocka_unit_test(functions_that_are_given_have_their_names),
		cmocka_unit_test(a_cold_part_has_the_name_of_its_function),
		cmocka_unit_test(an_entry_of_the_linkage_table_has_its_targets_name),
		cmocka_unit_test(names_are_those_that_the_interpreter_has),
	};

	return cmocka_run_group_tests(tests, make_files, empty_folder);
}
