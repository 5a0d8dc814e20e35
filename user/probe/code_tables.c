/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/code_tables.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uthash.h>

#include "target/remote_mem.h"
#include "unwind/cache.h"

/* the vdso is two pages; anything larger is not it */
#define VDSO_MAX_BYTES (1u << 20)

enum table_state {
	TABLE_NONE,     /* it has none */
	TABLE_COMPILED, /* not yet in the maps */
	TABLE_LOADED,
	TABLE_NO_ROOM,
};

struct module_table {
	enum table_state state;
	struct unwind_table compiled; /* TABLE_COMPILED */
	uint64_t first_vpage;         /* link-time page number of its first page */
	uint32_t first_page, n_pages; /* TABLE_LOADED: in the map */
};

struct known_rule {
	struct abi_unwind_rule rule;
	uint32_t id;
	UT_hash_handle hh;
};

struct code_tables {
	const struct code_map *map;
	struct module_table *modules; /* by module id */
	uint32_t n_modules, capacity;
	struct known_rule *rules;
	uint32_t n_pages, n_rows, n_rules; /* in the maps */
};

struct code_tables *code_tables_new(const struct code_map *map)
{
	struct code_tables *tables = calloc(1, sizeof(*tables));

	if (tables)
		tables->map = map;
	return tables;
}

void code_tables_free(struct code_tables *tables)
{
	struct known_rule *known, *next;

	if (!tables)
		return;
	HASH_ITER (hh, tables->rules, known, next) {
		HASH_DEL(tables->rules, known);
		free(known);
	}
	for (uint32_t i = 0; i < tables->n_modules; i++)
		unwind_table_fini(&tables->modules[i].compiled);
	free(tables->modules);
	free(tables);
}

/* ---- compiling ------------------------------------------------------------------------------ */

static int compile_vdso(struct unwind_table *table, pid_t pid, const struct code_module *module)
{
	uint64_t size = module->end - module->start;
	void *image;
	int result;

	if (size > VDSO_MAX_BYTES)
		return -1;
	image = malloc(size);
	if (!image)
		return -1;
	result = remote_read(pid, module->start, image, size);
	if (!result)
		result = unwind_table_build_image(table, image, size, NULL);
	free(image);
	return result;
}

static void compile(struct module_table *out, pid_t pid, const struct code_module *module,
		    int cache)
{
	int result = -1;

	if (module->kind == CODE_VDSO)
		result = compile_vdso(&out->compiled, pid, module);
	else if (module->kind == CODE_FILE && module->elf)
		result = unwind_cache_get(cache, &out->compiled, module->fd, NULL);
	if (result)
		return;
	out->state = TABLE_COMPILED;
	out->first_vpage = out->compiled.first_page;
	out->n_pages = out->compiled.n_pages;
}

void code_tables_compile(struct code_tables *tables)
{
	const struct code_map *map = tables->map;
	int cache;

	if (map->n_modules > tables->capacity) {
		struct module_table *larger =
			realloc(tables->modules, map->capacity * sizeof(*larger));

		if (!larger)
			return;
		memset(larger + tables->capacity, 0,
		       (map->capacity - tables->capacity) * sizeof(*larger));
		tables->modules = larger;
		tables->capacity = map->capacity;
	}
	if (tables->n_modules == map->n_modules)
		return;
	cache = unwind_cache_open();
	for (; tables->n_modules < map->n_modules; tables->n_modules++)
		compile(&tables->modules[tables->n_modules], map->pid,
			&map->modules[tables->n_modules], cache);
	if (cache >= 0)
		close(cache);
}

void code_tables_size(const struct code_tables *tables, struct code_tables_size *size)
{
	uint64_t pages = CODE_TABLES_ROOM_PAGES, rows = CODE_TABLES_ROOM_ROWS,
		 rules = CODE_TABLES_ROOM_RULES;

	for (uint32_t i = 0; i < tables->n_modules; i++) {
		const struct unwind_table *table = &tables->modules[i].compiled;

		pages += 2ull * table->n_pages;
		rows += 2ull * table->n_rows;
		rules += table->n_rules;
	}
	size->pages = pages < 1u << 30 ? (uint32_t)pages : 1u << 30;
	size->row_blocks = (uint32_t)((rows < 1u << 30 ? rows : 1u << 30) / ABI_ROW_BLOCK + 1);
	size->rules = rules < ABI_RULES_MAX_ID ? (uint32_t)rules : ABI_RULES_MAX_ID;
}

/* ---- into the maps -------------------------------------------------------------------------- */

/* The number of this rule in the maps; UINT32_MAX when there is no room for it. */
static uint32_t place_rule(struct code_tables *tables, const struct code_tables_maps *maps,
			   const struct abi_unwind_rule *rule)
{
	struct known_rule *known;

	HASH_FIND(hh, tables->rules, rule, sizeof(*rule), known);
	if (known)
		return known->id;
	if (tables->n_rules >= maps->size.rules)
		return UINT32_MAX;
	known = malloc(sizeof(*known));
	if (!known)
		return UINT32_MAX;
	known->rule = *rule;
	known->id = tables->n_rules++;
	maps->rules[known->id] = *rule;
	HASH_ADD(hh, tables->rules, rule, sizeof(*rule), known);
	return known->id;
}

static bool load_rows(struct code_tables *tables, const struct code_tables_maps *maps,
		      const struct unwind_table *table)
{
	uint32_t *ids = calloc(table->n_rules, sizeof(*ids));
	bool fits = ids != NULL;

	for (uint32_t i = 0; fits && i < table->n_rules; i++) {
		ids[i] = place_rule(tables, maps, &table->rules[i]);
		fits = ids[i] != UINT32_MAX;
	}
	for (uint32_t i = 0; fits && i < table->n_rows; i++) {
		uint32_t at = tables->n_rows + i, rule = ABI_ROW_RULE(table->rows[i]);

		maps->rows[at / ABI_ROW_BLOCK].rows[at % ABI_ROW_BLOCK] = ABI_ROW(
			ABI_ROW_OFFSET(table->rows[i]), rule < table->n_rules ? ids[rule] : ids[0]);
	}
	free(ids);
	return fits;
}

/* Append a compiled table; it is found only when a range leads to it. */
static void load(struct code_tables *tables, const struct code_tables_maps *maps,
		 struct module_table *module)
{
	const struct unwind_table *table = &module->compiled;
	uint64_t row_room = (uint64_t)maps->size.row_blocks * ABI_ROW_BLOCK;

	module->state = TABLE_NO_ROOM;
	if (table->n_pages <= maps->size.pages - tables->n_pages &&
	    table->n_rows <= row_room - tables->n_rows && load_rows(tables, maps, table)) {
		for (uint32_t i = 0; i < table->n_pages; i++) {
			struct abi_unwind_page *page = &maps->pages[tables->n_pages + i];

			page->first_row = tables->n_rows + table->pages[i].first_row;
			page->n_rows = table->pages[i].n_rows;
		}
		module->first_page = tables->n_pages;
		module->state = TABLE_LOADED;
		tables->n_pages += table->n_pages;
		tables->n_rows += table->n_rows;
	}
	unwind_table_fini(&module->compiled);
	memset(&module->compiled, 0, sizeof(module->compiled));
}

/* The range as BPF sees it: with the part of the module's table that belongs to it. */
static struct abi_code_range make_range(const struct code_tables *tables,
					const struct code_range *range)
{
	const struct module_table *table = &tables->modules[range->module];
	struct abi_code_range out = {
		.start = range->start,
		.end = range->end,
		.first_page = ABI_NO_PAGES,
		.module = range->module,
	};
	uint64_t vpage, bias = tables->map->modules[range->module].bias;

	if (table->state != TABLE_LOADED)
		return out;
	vpage = (range->start - bias) / ABI_TEXT_PAGE;
	if (vpage < table->first_vpage || vpage - table->first_vpage >= table->n_pages)
		return out;
	out.first_page = table->first_page + (uint32_t)(vpage - table->first_vpage);
	/* what is mapped beyond the table must not lead into the next one */
	if ((out.end - out.start) / ABI_TEXT_PAGE > table->n_pages - (vpage - table->first_vpage))
		out.end =
			out.start + (table->n_pages - (vpage - table->first_vpage)) * ABI_TEXT_PAGE;
	return out;
}

void code_tables_publish(struct code_tables *tables, const struct code_tables_maps *maps)
{
	const struct code_map *map = tables->map;
	uint32_t turns = ABI_CODE_TURNS(*maps->state) + 1, n = 0;
	struct abi_code_range *side = maps->ranges + (turns & 1) * ABI_MAX_RANGES;

	for (uint32_t i = 0; i < tables->n_modules; i++)
		if (tables->modules[i].state == TABLE_COMPILED)
			load(tables, maps, &tables->modules[i]);
	for (uint32_t i = 0; i < map->n_ranges && n < ABI_MAX_RANGES; i++)
		if (map->ranges[i].module < tables->n_modules)
			side[n++] = make_range(tables, &map->ranges[i]);
	__atomic_store_n(maps->state, ABI_CODE_STATE(turns, n), __ATOMIC_RELEASE);
}

void code_tables_stats(const struct code_tables *tables, struct code_tables_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	for (uint32_t i = 0; i < tables->n_modules; i++) {
		stats->modules += tables->modules[i].state == TABLE_LOADED;
		stats->without += tables->modules[i].state == TABLE_NONE;
		stats->no_room += tables->modules[i].state == TABLE_NO_ROOM;
	}
	stats->pages = tables->n_pages;
	stats->rows = tables->n_rows;
	stats->rules = tables->n_rules;
}
