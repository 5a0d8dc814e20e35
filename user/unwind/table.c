/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/table.h"

#include <errno.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/cfi.h"
#include "unwind/rules.h"
#include "unwind/section.h"

/* A row as it is collected: function by function, in the order of the section. */
struct collected {
	uint32_t offset; /* from the function's start */
	uint32_t rule;
};

struct span {
	uint64_t start, end;  /* of a function */
	uint32_t first, rows; /* in the array of collected rows */
};

struct compiler {
	const struct unwind_section *section;
	struct rules rules;
	struct collected *collected;
	uint32_t n_collected, rows_capacity;
	struct span *spans;
	uint32_t n_spans, spans_capacity;
	uint64_t function; /* start of the one that is being read */
	struct unwind_table *table;
	/* writing pages */
	uint32_t rows_room; /* of table->rows */
	uint32_t rule;      /* that holds at the end of what was written */
	uint32_t page;      /* that is being written */
	bool failed;        /* `err` says why */
	struct err *err;
};

/* Room for one more in an array that doubles; false: out of memory, or `most` are there. */
static bool grow(void **array, uint32_t n, uint32_t *capacity, uint32_t most, size_t size)
{
	uint32_t wanted = *capacity ? *capacity * 2 : 256;
	void *bigger;

	if (n < *capacity)
		return true;
	if (n >= most)
		return false;
	bigger = realloc(*array, wanted * size);
	if (!bigger)
		return false;
	*array = bigger;
	*capacity = wanted;
	return true;
}

static int too_many(struct compiler *compiler)
{
	return err_set(compiler->err, ERR_FAILED,
		       "out of memory, or more than %u rows of unwind information",
		       UNWIND_MAX_ROWS);
}

/* ---- functions -> collected rows ------------------------------------------------------------ */

static int on_row(void *arg, uint64_t start, const struct cfi_state *state)
{
	struct compiler *compiler = arg;
	struct span *span = &compiler->spans[compiler->n_spans];
	struct abi_unwind_rule rule = rules_translate(compiler->section, state);
	uint32_t number;
	int result = rules_number(&compiler->rules, &rule, &number, compiler->err);

	if (result)
		return result;
	if (span->rows && compiler->collected[span->first + span->rows - 1].rule == number)
		return 0;
	if (!grow((void **)&compiler->collected, compiler->n_collected, &compiler->rows_capacity,
		  UNWIND_MAX_ROWS, sizeof(*compiler->collected)))
		return too_many(compiler);
	compiler->collected[compiler->n_collected++] =
		(struct collected){.offset = (uint32_t)(start - span->start), .rule = number};
	span->rows++;
	return 0;
}

static bool is_text(const struct unwind_section *section, const struct cfi_function *function)
{
	for (unsigned i = 0; i < section->n_text; i++)
		if (function->start >= section->text[i].start &&
		    function->end <= section->text[i].end)
			return true;
	return false;
}

/* One function; a damaged one leaves nothing behind. */
static int collect_function(struct compiler *compiler, const struct cfi_function *function)
{
	struct span *span;
	int result;

	if (!is_text(compiler->section, function))
		return -EINVAL;
	if (!grow((void **)&compiler->spans, compiler->n_spans, &compiler->spans_capacity,
		  UNWIND_MAX_ROWS, sizeof(*compiler->spans)))
		return too_many(compiler);
	span = &compiler->spans[compiler->n_spans];
	*span = (struct span){
		.start = function->start, .end = function->end, .first = compiler->n_collected};
	result = cfi_run(&function->program, function->initial, function->start, function->end,
			 on_row, compiler);
	if (result)
		compiler->n_collected = span->first;
	else
		compiler->n_spans++;
	return result;
}

static int collect(struct compiler *compiler)
{
	struct cfi_function function;
	struct cfi cfi;
	int result = cfi_init(&cfi, compiler->section, compiler->err);

	if (result)
		return result;
	while ((result = cfi_next(&cfi, &function))) {
		if (result > 0)
			result = collect_function(compiler, &function);
		if (result == -EINVAL)
			compiler->table->damaged++;
		else if (result < 0)
			break;
	}
	cfi_fini(&cfi);
	compiler->table->n_functions = compiler->n_spans;
	return result;
}

/* ---- collected rows -> pages ---------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct span *one = a, *other = b;

	if (one->start != other->start)
		return one->start < other->start ? -1 : 1;
	return one->first < other->first ? -1 : one->first > other->first;
}

static int alloc_pages(struct compiler *compiler)
{
	struct unwind_table *table = compiler->table;
	const struct unwind_section *section = compiler->section;
	uint64_t least = UINT64_MAX, most = 0;

	for (unsigned i = 0; i < section->n_text; i++) {
		least = section->text[i].start < least ? section->text[i].start : least;
		most = section->text[i].end > most ? section->text[i].end : most;
	}
	table->first_page = least / ABI_TEXT_PAGE;
	table->n_pages = (uint32_t)((most - 1) / ABI_TEXT_PAGE - table->first_page + 1);
	table->pages = calloc(table->n_pages, sizeof(*table->pages));
	return table->pages ? 0 : too_many(compiler);
}

static int push(struct compiler *compiler, uint32_t offset, uint32_t rule)
{
	struct unwind_table *table = compiler->table;

	if (!grow((void **)&table->rows, table->n_rows, &compiler->rows_room, UNWIND_MAX_ROWS,
		  sizeof(*table->rows)))
		return too_many(compiler);
	table->rows[table->n_rows++] = ABI_ROW(offset, rule);
	table->pages[compiler->page].n_rows++;
	return 0;
}

/* Begin the pages up to this one, each with the rule that still holds. */
static int turn_to(struct compiler *compiler, uint32_t page)
{
	struct unwind_table *table = compiler->table;
	int result = 0;

	while (!result && compiler->page < page) {
		compiler->page++;
		table->pages[compiler->page].first_row = table->n_rows;
		if (compiler->rule != RULE_NONE)
			result = push(compiler, 0, compiler->rule);
	}
	return result;
}

/* From this address on, which is above those before, another rule holds. */
static int put(struct compiler *compiler, uint64_t vaddr, uint32_t rule)
{
	struct unwind_table *table = compiler->table;
	uint32_t offset = vaddr % ABI_TEXT_PAGE;
	struct abi_unwind_page *page;
	int result = 0;

	if (rule == compiler->rule)
		return 0;
	/* the end of the last function may be that of the last page */
	if (vaddr / ABI_TEXT_PAGE - table->first_page >= table->n_pages)
		return turn_to(compiler, table->n_pages - 1);
	result = turn_to(compiler, (uint32_t)(vaddr / ABI_TEXT_PAGE - table->first_page));
	page = &table->pages[compiler->page];
	if (offset == 0 && page->n_rows) {
		page->n_rows--;
		table->n_rows--;
	}
	if (!result && offset && page->n_rows == 0)
		result = push(compiler, 0, compiler->rule);
	if (!result && (page->n_rows || rule != RULE_NONE))
		result = push(compiler, offset, rule);
	compiler->rule = rule;
	return result;
}

/* Rows of a function from `from` on: what lies before belongs to another function. */
static int put_span(struct compiler *compiler, const struct span *span, uint64_t from)
{
	const struct collected *rows = compiler->collected + span->first;
	int result = 0;

	for (uint32_t i = 0; !result && i < span->rows; i++) {
		uint64_t start = span->start + rows[i].offset,
			 end = i + 1 < span->rows ? span->start + rows[i + 1].offset : span->end;

		if (end > from)
			result = put(compiler, start > from ? start : from, rows[i].rule);
	}
	return result;
}

static int write_pages(struct compiler *compiler)
{
	uint64_t end = 0; /* of what was written */
	bool sorted = true;
	int result = alloc_pages(compiler);

	for (uint32_t i = 1; sorted && i < compiler->n_spans; i++)
		sorted = by_start(&compiler->spans[i - 1], &compiler->spans[i]) < 0;
	if (!sorted)
		qsort(compiler->spans, compiler->n_spans, sizeof(*compiler->spans), by_start);
	for (uint32_t i = 0; !result && i < compiler->n_spans; i++) {
		const struct span *span = &compiler->spans[i];

		if (span->start > end)
			result = put(compiler, end, RULE_NONE);
		if (!result && span->end > end)
			result = put_span(compiler, span, end);
		end = span->end > end ? span->end : end;
	}
	if (!result)
		result = put(compiler, end, RULE_NONE);
	return result ? result : turn_to(compiler, compiler->table->n_pages - 1);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int finish(struct compiler *compiler)
{
	struct unwind_table *table = compiler->table;
	uint32_t *rows = realloc(table->rows, table->n_rows ? table->n_rows * sizeof(*rows) : 1);

	if (rows)
		table->rows = rows;
	table->rules = rules_take(&compiler->rules);
	if (!table->rules)
		return too_many(compiler);
	table->n_rules = compiler->rules.n;
	for (uint32_t i = 0; i < table->n_rows; i++)
		table->unsupported += ABI_ROW_RULE(table->rows[i]) == RULE_UNSUPPORTED;
	return 0;
}

int unwind_table_compile(struct unwind_table *table, const struct unwind_section *section,
			 struct err *err)
{
	struct compiler compiler = {.section = section, .table = table, .err = err};
	int result = rules_init(&compiler.rules, err);

	*table = (struct unwind_table){0};
	if (!result)
		result = collect(&compiler);
	if (!result && compiler.n_spans == 0)
		result = err_set(err, ERR_FAILED, "it has no usable unwind information");
	if (!result)
		result = write_pages(&compiler);
	if (!result)
		result = finish(&compiler);
	free(compiler.collected);
	free(compiler.spans);
	rules_fini(&compiler.rules);
	if (result)
		unwind_table_fini(table);
	return result;
}

static int build(struct unwind_table *table, Elf *elf, struct err *err)
{
	struct unwind_section section = {0};
	int result = section_load(&section, elf, err);

	elf_end(elf);
	if (!result)
		result = unwind_table_compile(table, &section, err);
	section_fini(&section);
	return result;
}

int unwind_table_build(struct unwind_table *table, int fd, struct err *err)
{
	Elf *elf = section_open(fd, err);

	*table = (struct unwind_table){0};
	return elf ? build(table, elf, err) : -(int)ERR_FAILED;
}

int unwind_table_build_image(struct unwind_table *table, void *image, size_t size, struct err *err)
{
	Elf *elf;

	*table = (struct unwind_table){0};
	elf_version(EV_CURRENT);
	elf = elf_memory(image, size);
	if (!elf)
		return err_set(err, ERR_FAILED, "not an ELF image: %s", elf_errmsg(-1));
	return build(table, elf, err);
}

void unwind_table_fini(struct unwind_table *table)
{
	free(table->pages);
	free(table->rows);
	free(table->rules);
	*table = (struct unwind_table){0};
}

const struct abi_unwind_rule *unwind_table_find(const struct unwind_table *table, uint64_t vaddr)
{
	static const struct abi_unwind_rule none = {.kind = ABI_RULE_NONE};
	uint64_t number = vaddr / ABI_TEXT_PAGE - table->first_page;
	const struct abi_unwind_page *page;
	uint32_t low, high;

	if (number >= table->n_pages || table->pages[number].n_rows == 0)
		return table->rules ? &table->rules[RULE_NONE] : &none;
	page = &table->pages[number];
	low = page->first_row;
	high = low + page->n_rows;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (ABI_ROW_OFFSET(table->rows[middle]) <= vaddr % ABI_TEXT_PAGE)
			low = middle;
		else
			high = middle;
	}
	return &table->rules[ABI_ROW_RULE(table->rows[low])];
}

/* ---- what holds of every table -------------------------------------------------------------- */

static bool valid_rule(const struct abi_unwind_rule *rule)
{
	static const uint8_t zero[sizeof(rule->zero)];

	return rule->kind <= ABI_RULE_UNSUPPORTED && rule->reg < ABI_UNWIND_REGS &&
	       memcmp(rule->zero, zero, sizeof(zero)) == 0;
}

static bool valid_page(const struct unwind_table *table, const struct abi_unwind_page *page)
{
	const uint32_t *rows = table->rows + page->first_row;

	if (page->first_row > table->n_rows || page->n_rows > table->n_rows - page->first_row ||
	    page->n_rows > ABI_MAX_PAGE_ROWS)
		return false;
	for (uint32_t i = 0; i < page->n_rows; i++) {
		if (ABI_ROW_RULE(rows[i]) >= table->n_rules)
			return false;
		if (i == 0 ? ABI_ROW_OFFSET(rows[i]) != 0
			   : ABI_ROW_OFFSET(rows[i]) <= ABI_ROW_OFFSET(rows[i - 1]))
			return false;
	}
	return true;
}

bool unwind_table_valid(const struct unwind_table *table)
{
	if (table->n_pages == 0 || table->n_pages > UNWIND_MAX_PAGES ||
	    table->n_rows > UNWIND_MAX_ROWS || table->n_rules == 0 ||
	    table->n_rules > UNWIND_MAX_RULES || table->rules[0].kind != ABI_RULE_NONE ||
	    table->first_page > UINT64_MAX / ABI_TEXT_PAGE)
		return false;
	for (uint32_t i = 0; i < table->n_rules; i++)
		if (!valid_rule(&table->rules[i]))
			return false;
	for (uint32_t i = 0; i < table->n_pages; i++)
		if (!valid_page(table, &table->pages[i]))
			return false;
	return true;
}
