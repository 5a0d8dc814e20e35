/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The executable memory of this very process -> what BPF sees of it: ranges with the part of their
 * table, on the side that counts. The maps are plain memory here.
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
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/code_tables.h"

static char folder[64] = "/tmp/pyleaktrace-tables-XXXXXX";

struct tables {
	struct code_map map;
	struct code_tables *tables;
	struct code_tables_maps maps;
	__u64 state;
};

static void start(struct tables *t)
{
	memset(t, 0, sizeof(*t));
	code_map_init(&t->map, getpid());
	assert_true(code_map_update(&t->map, NULL) > 0);
	t->tables = code_tables_new(&t->map);
	assert_non_null(t->tables);
	code_tables_compile(t->tables);
	code_tables_size(t->tables, &t->maps.size);
}

static void publish(struct tables *t)
{
	if (!t->maps.ranges) {
		t->maps.ranges = calloc(2 * ABI_MAX_RANGES, sizeof(*t->maps.ranges));
		t->maps.pages = calloc(t->maps.size.pages, sizeof(*t->maps.pages));
		t->maps.rows = calloc(t->maps.size.row_blocks, sizeof(*t->maps.rows));
		t->maps.rules = calloc(t->maps.size.rules, sizeof(*t->maps.rules));
		t->maps.state = &t->state;
	}
	code_tables_publish(t->tables, &t->maps);
}

static void end(struct tables *t)
{
	code_tables_free(t->tables);
	code_map_fini(&t->map);
	free(t->maps.ranges);
	free(t->maps.pages);
	free(t->maps.rows);
	free(t->maps.rules);
}

/* The range that holds the address, as BPF finds it; NULL: none does. */
static const struct abi_code_range *range_at(const struct tables *t, uint64_t address)
{
	const struct abi_code_range *side =
		&t->maps.ranges[ABI_CODE_SIDE(t->state) * ABI_MAX_RANGES];

	for (uint32_t i = 0; i < ABI_CODE_RANGES(t->state); i++) {
		if (i)
			assert_true(side[i - 1].end <= side[i].start);
		if (address >= side[i].start && address < side[i].end)
			return &side[i];
	}
	return NULL;
}

/* The rule for the address; NULL: there is none. */
static const struct abi_unwind_rule *rule_at(const struct tables *t, uint64_t address)
{
	const struct abi_code_range *range = range_at(t, address);
	const struct abi_unwind_page *page;
	uint32_t at = 0, row, offset = (uint32_t)(address % ABI_TEXT_PAGE);

	assert_non_null(range);
	if (range->first_page == ABI_NO_PAGES)
		return NULL;
	page = &t->maps.pages[range->first_page +
			      (uint32_t)(address / ABI_TEXT_PAGE - range->start / ABI_TEXT_PAGE)];
	if (!page->n_rows)
		return NULL;
	for (uint32_t i = page->first_row; i < page->first_row + page->n_rows; i++) {
		row = t->maps.rows[i / ABI_ROW_BLOCK].rows[i % ABI_ROW_BLOCK];
		if (ABI_ROW_OFFSET(row) <= offset)
			at = row;
	}
	return &t->maps.rules[ABI_ROW_RULE(at)];
}

static uint64_t address_of(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

/* At its first instruction a function's return address is on the top of the stack. */
static void check_entry(const struct tables *t, uint64_t function)
{
	const struct abi_unwind_rule *rule = rule_at(t, function);

	assert_non_null(rule);
	assert_int_equal(rule->kind, ABI_RULE_CFA);
	assert_int_equal(rule->reg, ABI_REG_SP);
	assert_int_equal(rule->offset, 8);
	assert_int_equal(rule->ra, -1);
}

static void code_of_this_process_has_rules(void **state)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct code_tables_stats stats;
	struct tables t;

	(void)state;
	start(&t);
	publish(&t);
	check_entry(&t, address_of(dlsym(RTLD_DEFAULT, "qsort")));
	check_entry(&t, address_of((const void *)(uintptr_t)code_tables_free));
	assert_null(rule_at(&t, address_of(code)));
	assert_null(range_at(&t, 0x1000));
	code_tables_stats(t.tables, &stats);
	assert_int_equal(stats.modules + stats.without, t.map.n_modules);
	assert_true(stats.without >= 1 && stats.no_room == 0);
	assert_true(stats.pages > 0 && stats.rows > stats.pages && stats.rules > 1);
	end(&t);
	munmap(code, 4096);
}

/* It has no file; its table is made from its memory. */
static void the_vdso_has_a_table_made_from_its_memory(void **state)
{
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR), found = 0;
	const struct abi_code_range *range;
	struct tables t;

	(void)state;
	if (!vdso) {
		print_message("skip: this kernel maps no vdso\n");
		skip();
	}
	start(&t);
	publish(&t);
	range = range_at(&t, vdso);
	assert_non_null(range);
	assert_int_equal(t.map.modules[range->module].kind, CODE_VDSO);
	assert_int_not_equal(range->first_page, ABI_NO_PAGES);
	for (uint64_t address = range->start; address < range->end; address++) {
		const struct abi_unwind_rule *rule = rule_at(&t, address);

		found += rule && rule->kind == ABI_RULE_CFA;
	}
	/* clock_gettime() and gettimeofday() alone have more */
	assert_true(found > 256);
	end(&t);
}

static void *load(void)
{
	char path[128];
	void *library;

	snprintf(path, sizeof(path), "%s/a.so", folder);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		fail_msg("%s", dlerror());
	return library;
}

static void update(struct tables *t)
{
	assert_int_equal(code_map_update(&t->map, NULL), 1);
	code_tables_compile(t->tables);
	publish(t);
}

/* What comes later is put behind what is there, on the other side, and is found again when it comes
 * back. */
static void what_is_loaded_later_is_put_behind(void **state)
{
	struct code_tables_stats before, after;
	uint32_t first_page = 0, turns;
	struct tables t;

	(void)state;
	start(&t);
	publish(&t);
	turns = ABI_CODE_TURNS(t.state);
	code_tables_stats(t.tables, &before);
	for (int round = 0; round < 2; round++) {
		void *library = load();
		uint64_t value = address_of(dlsym(library, "value"));

		assert_null(range_at(&t, value));
		update(&t);
		check_entry(&t, value);
		code_tables_stats(t.tables, &after);
		assert_int_equal(after.modules, before.modules + 1);
		if (round == 0)
			first_page = range_at(&t, value)->first_page;
		assert_int_equal(range_at(&t, value)->first_page, first_page);
		assert_true(first_page >= before.pages && first_page < after.pages);
		dlclose(library);
		update(&t);
		assert_null(range_at(&t, value));
	}
	assert_int_equal(ABI_CODE_TURNS(t.state), turns + 4);
	end(&t);
}

/* A table for which there is no room is left out; its code is there without one, and what is there
 * stays. */
static void a_table_without_room_is_left_out(void **state)
{
	struct code_tables_stats stats;
	struct tables t;
	void *library;

	(void)state;
	start(&t);
	publish(&t);
	code_tables_stats(t.tables, &stats);
	t.maps.size.pages = stats.pages;
	library = load();
	update(&t);
	assert_null(rule_at(&t, address_of(dlsym(library, "value"))));
	check_entry(&t, address_of(dlsym(RTLD_DEFAULT, "qsort")));
	code_tables_stats(t.tables, &stats);
	assert_int_equal(stats.no_room, 1);
	assert_int_equal(stats.pages, t.maps.size.pages);
	dlclose(library);
	end(&t);
}

static int make_library(void **state)
{
	char command[256];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(command, sizeof(command),
		 "cd %s && echo 'int value(void) { return 1; }' > a.c && "
		 "gcc -O1 -fomit-frame-pointer -shared -fPIC -o a.so a.c",
		 folder);
	return system(command);
}

static int remove_library(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_of_this_process_has_rules),
		cmocka_unit_test(the_vdso_has_a_table_made_from_its_memory),
		cmocka_unit_test(what_is_loaded_later_is_put_behind),
		cmocka_unit_test(a_table_without_room_is_left_out),
	};

	return cmocka_run_group_tests(tests, make_library, remove_library);
}
