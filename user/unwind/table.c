/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/table.h"

#include <stdlib.h>
#include <string.h>

#include "unwind/cfi.h"
#include "unwind/rules.h"

struct builder {
	struct unwind_table *table;
	struct rules rules;
	uint32_t capacity; /* of table->rows */
	uint64_t end;      /* what lies below has its rows */
	bool full;
};

/* Append a row to the page that holds the address; addresses only grow. */
static void put_row(struct builder *builder, uint64_t vaddr, uint32_t rule)
{
	struct unwind_table *table = builder->table;
	struct abi_unwind_page *page = &table->pages[vaddr / ABI_TEXT_PAGE - table->first_page];
	uint32_t last;

	if (page->n_rows == 0) {
		/* what has no row has no rule: a page need not begin with one that says so */
		if (rule == 0)
			return;
		page->first_row = table->n_rows;
	} else {
		last = ABI_ROW_RULE(table->rows[table->n_rows - 1]);
		if (last == rule)
			return;
	}
	if (table->n_rows + 2 > builder->capacity) {
		uint32_t capacity = builder->capacity ? 2 * builder->capacity : 4096;
		uint32_t *larger;

		if (table->n_rows + 2 > UNWIND_MAX_ROWS ||
		    !(larger = realloc(table->rows, capacity * sizeof(*larger)))) {
			builder->full = true;
			return;
		}
		table->rows = larger;
		builder->capacity = capacity;
	}
	/* the first row of a page holds from its first byte on */
	if (page->n_rows == 0 && vaddr % ABI_TEXT_PAGE) {
		table->rows[table->n_rows++] = ABI_ROW(0, 0);
		page->n_rows++;
	}
	table->rows[table->n_rows++] = ABI_ROW(vaddr % ABI_TEXT_PAGE, rule);
	page->n_rows++;
}

/* [start, end) has this rule: a row where it begins and one in each further page. */
static void put_interval(struct builder *builder, uint64_t start, uint64_t end, uint32_t rule)
{
	for (uint64_t at = start; at < end && !builder->full;
	     at = (at / ABI_TEXT_PAGE + 1) * ABI_TEXT_PAGE)
		put_row(builder, at, rule);
}

static int on_row(void *context, uint64_t start, uint64_t end, bool signal,
		  const struct cfi_state *state)
{
	struct builder *builder = context;
	struct abi_unwind_rule rule;
	uint32_t number;

	/* damaged rows of a function before this one may have gone further than its end */
	if (start < builder->end)
		start = builder->end;
	if (start >= end)
		return 0;
	if (start > builder->end)
		put_interval(builder, builder->end, start, 0);
	rules_make(&rule, state, signal);
	number = rules_number(&builder->rules, &rule);
	if (number == UINT32_MAX)
		builder->full = true;
	if (builder->full)
		return 1;
	builder->table->unsupported += rule.kind == ABI_RULE_UNSUPPORTED;
	put_interval(builder, start, end, number);
	builder->end = end;
	return 0;
}

static int build(struct builder *builder, const struct cfi *cfi, struct err *err)
{
	struct unwind_table *table = builder->table;
	const struct cfi_function *functions;
	size_t n_functions;
	uint64_t start, end;

	cfi_text(cfi, &start, &end);
	table->first_page = start / ABI_TEXT_PAGE;
	table->n_pages = (uint32_t)((end - 1) / ABI_TEXT_PAGE - table->first_page + 1);
	table->pages = calloc(table->n_pages, sizeof(*table->pages));
	if (!table->pages || !rules_init(&builder->rules))
		return err_set(err, ERR_FAILED, "out of memory");
	builder->end = start;
	table->damaged = cfi_damaged(cfi);
	functions = cfi_functions(cfi, &n_functions);
	for (size_t i = 0; i < n_functions && !builder->full; i++) {
		if (cfi_rows(cfi, &functions[i], on_row, builder) < 0)
			table->damaged++;
		else
			table->n_functions++;
	}
	if (builder->end < end)
		put_interval(builder, builder->end, end, 0);
	if (builder->full)
		return err_set(err, ERR_FAILED, "too many unwind rows or rules, or out of memory");
	table->rules = builder->rules.all;
	table->n_rules = builder->rules.n;
	builder->rules.all = NULL;
	return 0;
}

static int build_from(struct unwind_table *table, struct cfi *cfi, struct err *err)
{
	struct builder builder = {.table = table};
	int result = build(&builder, cfi, err);

	rules_fini(&builder.rules);
	cfi_close(cfi);
	if (result)
		unwind_table_fini(table);
	return result;
}

int unwind_table_build(struct unwind_table *table, int fd, struct err *err)
{
	struct cfi *cfi;
	int result = cfi_open(&cfi, fd, err);

	memset(table, 0, sizeof(*table));
	return result ? result : build_from(table, cfi, err);
}

int unwind_table_build_image(struct unwind_table *table, void *image, size_t size, struct err *err)
{
	struct cfi *cfi;
	int result = cfi_open_image(&cfi, image, size, err);

	memset(table, 0, sizeof(*table));
	return result ? result : build_from(table, cfi, err);
}

void unwind_table_fini(struct unwind_table *table)
{
	free(table->pages);
	free(table->rows);
	free(table->rules);
	memset(table, 0, sizeof(*table));
}

const struct abi_unwind_rule *unwind_table_find(const struct unwind_table *table, uint64_t vaddr)
{
	uint64_t number = vaddr / ABI_TEXT_PAGE;
	const struct abi_unwind_page *page;
	uint32_t low = 0, high;

	if (number < table->first_page || number - table->first_page >= table->n_pages)
		return &table->rules[0];
	page = &table->pages[number - table->first_page];
	if (page->n_rows == 0)
		return &table->rules[0];
	/* the last row that does not begin above the address; the first one begins with the page */
	high = page->n_rows;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (ABI_ROW_OFFSET(table->rows[page->first_row + middle]) <= vaddr % ABI_TEXT_PAGE)
			low = middle;
		else
			high = middle;
	}
	return &table->rules[ABI_ROW_RULE(table->rows[page->first_row + low])];
}
