/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unwind tables of real files against libdw's answers: for every row of the C library, the dynamic
 * linker, Python, C++, cryptography, the vdso, and shared libraries that are installed for other
 * reasons. Rules and DWARF are both carried out, with made-up registers and memory, so that equal
 * means equal in effect, not in form.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "unwind/table.h"

#define MORE_LIBRARIES 24
#define MAX_FILE       (64 << 20)
#define STACK          16

/* DWARF's numbers of the registers of enum abi_unwind_reg, and of the return address */
static const int dwarf_number[] = {7, 6, 3, 12, 13, 14, 15};
#define DWARF_RA 16

/* Where uc_mcontext.gregs of struct ucontext has them: <sys/ucontext.h>, REG_RSP and so on. */
static const int in_gregs[] = {15, 10, 11, 4, 5, 6, 7};
#define GREGS_RIP 16

/* ---- a machine that is made up -------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ull;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 32;
}

static uint64_t memory_at(uint64_t address)
{
	return mix(address ^ 0x5bd1e995);
}

/* Stack pointers are multiples of 8, and far from each other. */
static uint64_t register_value(uint64_t number, uint64_t pc)
{
	return number == DWARF_RA ? pc : mix(number + 1) << 8 >> 16 << 3;
}

/* Where a register of the caller is. */
struct place {
	enum { SAME, LOST, IN_MEMORY, IS } kind;
	uint64_t value; /* address of the memory, or what it is */
};

struct answer {
	enum abi_rule_kind kind; /* NONE, END, UNSUPPORTED, or CFA for all that have a caller */
	uint64_t cfa;
	struct place ra, regs[ABI_UNWIND_REGS];
};

static bool same_place(const struct place *a, const struct place *b)
{
	return a->kind == b->kind && a->value == b->value;
}

/* ---- what rules say ------------------------------------------------------------------------- */

static struct place memory(uint64_t address)
{
	return (struct place){.kind = IN_MEMORY, .value = address};
}

static void carry_out_signal(const struct abi_unwind_rule *rule, struct answer *answer)
{
	uint64_t gregs = register_value(7, 0) + (int64_t)rule->offset + 40;

	for (unsigned r = 0; r < ABI_UNWIND_REGS; r++)
		answer->regs[r] = memory(gregs + 8 * in_gregs[r]);
	answer->ra = memory(gregs + 8 * GREGS_RIP);
	answer->cfa = memory_at(answer->regs[ABI_REG_SP].value);
	answer->regs[ABI_REG_SP] = (struct place){.kind = IS, .value = answer->cfa};
}

static struct answer carry_out(const struct abi_unwind_rule *rule, uint64_t pc)
{
	struct answer answer = {.kind = rule->kind};

	assert_true(rule->reg < ABI_UNWIND_REGS);
	switch (rule->kind) {
	case ABI_RULE_NONE:
	case ABI_RULE_END:
	case ABI_RULE_UNSUPPORTED:
		return answer;
	case ABI_RULE_SIGNAL:
		answer.kind = ABI_RULE_CFA;
		carry_out_signal(rule, &answer);
		return answer;
	case ABI_RULE_CFA:
		answer.cfa = register_value(dwarf_number[rule->reg], pc) + (int64_t)rule->offset;
		break;
	case ABI_RULE_DEREF:
		answer.cfa = memory_at(register_value(dwarf_number[rule->reg], pc) +
				       (int64_t)rule->offset) +
			     (int64_t)rule->add;
		break;
	case ABI_RULE_PLT:
		answer.cfa = register_value(7, pc) + (int64_t)rule->offset +
			     ((pc & 15) >= (uint64_t)rule->add ? 8 : 0);
		break;
	default:
		fail_msg("rule of kind %d", rule->kind);
	}
	answer.kind = ABI_RULE_CFA;
	answer.ra = memory(answer.cfa + 8 * (int64_t)rule->ra);
	answer.regs[ABI_REG_SP] = (struct place){.kind = IS, .value = answer.cfa};
	for (unsigned r = 1; r < ABI_UNWIND_REGS; r++) {
		int64_t offset = 8 * (int64_t)rule->at[r - 1];

		switch ((enum abi_saved)ABI_RULE_SAVED(rule, r)) {
		case ABI_SAVED_SAME:
			break;
		case ABI_SAVED_CFA:
			answer.regs[r] = memory(answer.cfa + offset);
			break;
		case ABI_SAVED_BP:
			answer.regs[r] = memory(register_value(6, pc) + offset);
			break;
		case ABI_SAVED_LOST:
			answer.regs[r].kind = LOST;
			break;
		}
	}
	return answer;
}

/* ---- what DWARF says ------------------------------------------------------------------------ */

/* Value of an expression; *in_memory: it is the address of what is meant, not that itself. */
static uint64_t evaluate(const Dwarf_Op *ops, size_t count, uint64_t cfa, uint64_t pc,
			 bool *in_memory)
{
	uint64_t stack[STACK] = {0};
	unsigned top = 0; /* stack[top - 1] is the last */

	*in_memory = true;
	for (size_t i = 0; i < count; i++) {
		uint8_t op = ops[i].atom;

		assert_true(top < STACK);
		if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
			stack[top++] = register_value(op - DW_OP_breg0, pc) + ops[i].number;
			continue;
		}
		if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
			stack[top++] = op - DW_OP_lit0;
			continue;
		}
		switch (op) {
		case DW_OP_bregx:
			stack[top++] = register_value(ops[i].number, pc) + ops[i].number2;
			break;
		case DW_OP_call_frame_cfa:
			stack[top++] = cfa;
			break;
		case DW_OP_stack_value:
			*in_memory = false;
			break;
		case DW_OP_deref:
			stack[top - 1] = memory_at(stack[top - 1]);
			break;
		case DW_OP_plus_uconst:
			stack[top - 1] += ops[i].number;
			break;
		default:
			assert_true(top >= 2);
			top--;
			if (op == DW_OP_plus)
				stack[top - 1] += stack[top];
			else if (op == DW_OP_and)
				stack[top - 1] &= stack[top];
			else if (op == DW_OP_ge)
				stack[top - 1] = (int64_t)stack[top - 1] >= (int64_t)stack[top];
			else if (op == DW_OP_shl)
				stack[top - 1] <<= stack[top];
			else if (op == DW_OP_mul)
				stack[top - 1] *= stack[top];
			else
				fail_msg("libdw gave operation 0x%x", op);
		}
	}
	assert_true(top > 0);
	return stack[top - 1];
}

static struct place place_of(Dwarf_Frame *frame, int number, uint64_t cfa, uint64_t pc)
{
	Dwarf_Op memory_for_ops[3], *ops;
	size_t count;
	bool in_memory;
	struct place place = {.kind = SAME};

	assert_int_equal(dwarf_frame_register(frame, number, memory_for_ops, &ops, &count), 0);
	if (count == 0) {
		place.kind = ops == memory_for_ops ? LOST : SAME;
	} else if (count == 1 && ops[0].atom == DW_OP_regx) {
		place = (struct place){.kind = IS, .value = register_value(ops[0].number, pc)};
	} else {
		place.value = evaluate(ops, count, cfa, pc, &in_memory);
		place.kind = in_memory ? IN_MEMORY : IS;
	}
	return place;
}

/* False: libdw does not know the CFA: half of one that was an expression before (libgcrypt has
 * that). */
static bool ask_libdw(Dwarf_Frame *frame, uint64_t pc, struct answer *out)
{
	struct answer answer = {.kind = ABI_RULE_CFA};
	Dwarf_Op *ops;
	size_t count;
	bool in_memory;

	if (dwarf_frame_cfa(frame, &ops, &count) != 0)
		return false;
	answer.cfa = count ? evaluate(ops, count, 0, pc, &in_memory) : 0;
	answer.ra = place_of(frame, DWARF_RA, answer.cfa, pc);
	for (unsigned r = 0; r < ABI_UNWIND_REGS; r++)
		answer.regs[r] = place_of(frame, dwarf_number[r], answer.cfa, pc);
	if (answer.ra.kind == LOST)
		answer.kind = ABI_RULE_END;
	*out = answer;
	return true;
}

/* ---- comparison ----------------------------------------------------------------------------- */

struct totals {
	uint64_t files, rows, unsupported, lost, not_known;
	unsigned kinds; /* bit N: there is a rule of kind N */
};

struct comparison {
	const char *path;
	const struct unwind_table *table;
	Dwarf_CFI *cfi;
	uint64_t random;
	struct totals *totals;
};

/* A place that rules have no words for: only then may we say that a register is lost. */
static bool is_beyond_words(const struct place *place, uint64_t cfa, uint64_t pc)
{
	int64_t from_cfa = (int64_t)(place->value - cfa),
		from_bp = (int64_t)(place->value - register_value(6, pc));

	if (place->kind == IS)
		return true;
	return place->kind == IN_MEMORY &&
	       (from_cfa % 8 || from_cfa / 8 != (int16_t)(from_cfa / 8)) &&
	       (from_bp % 8 || from_bp / 8 != (int16_t)(from_bp / 8));
}

static void compare_registers(struct comparison *comparison, const struct answer *ours,
			      struct answer *theirs, uint64_t pc)
{
	for (unsigned r = 0; r < ABI_UNWIND_REGS; r++) {
		/* what is in memory there and what has that value are one */
		if (r == ABI_REG_SP && theirs->regs[r].kind == IN_MEMORY)
			theirs->regs[r] = (struct place){.kind = IS,
							 .value = memory_at(theirs->regs[r].value)};
		/* libdw 0.188 takes register 0 for rbx where it begins with what the ABI
		 * preserves */
		if (r == ABI_REG_BX && theirs->regs[r].kind == LOST)
			theirs->regs[r].kind = ours->regs[r].kind == SAME ? SAME : LOST;
		if (ours->regs[r].kind == LOST &&
		    is_beyond_words(&theirs->regs[r], theirs->cfa, pc))
			comparison->totals->lost++;
		else if (!same_place(&ours->regs[r], &theirs->regs[r]))
			fail_msg("%s: 0x%lx: register %u is elsewhere", comparison->path, pc, r);
	}
}

static void compare(struct comparison *comparison, Dwarf_Frame *frame, uint64_t pc)
{
	const struct abi_unwind_rule *rule = unwind_table_find(comparison->table, pc);
	struct answer ours = carry_out(rule, pc), theirs;

	if (!frame) {
		if (ours.kind != ABI_RULE_NONE)
			fail_msg("%s: 0x%lx: kind %d where libdw knows nothing", comparison->path,
				 pc, ours.kind);
		return;
	}
	if (ours.kind == ABI_RULE_UNSUPPORTED)
		return;
	if (!ask_libdw(frame, pc, &theirs)) {
		comparison->totals->not_known++;
		return;
	}
	if (ours.kind != theirs.kind)
		fail_msg("%s: 0x%lx: kind %d, libdw %d", comparison->path, pc, ours.kind,
			 theirs.kind);
	if (ours.kind == ABI_RULE_END)
		return;
	if (ours.cfa != theirs.cfa)
		fail_msg("%s: 0x%lx: another CFA", comparison->path, pc);
	if (!same_place(&ours.ra, &theirs.ra))
		fail_msg("%s: 0x%lx: another return address", comparison->path, pc);
	compare_registers(comparison, &ours, &theirs, pc);
}

/* The row of libdw that begins here, at its first, its last and an address in between; its end. */
static uint64_t compare_row(struct comparison *comparison, uint64_t pc, uint64_t end)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr row_start, row_end;
	uint64_t most = end;

	if (dwarf_cfi_addrframe(comparison->cfi, pc, &frame) == 0) {
		dwarf_frame_info(frame, &row_start, &row_end, NULL);
		assert_true(row_end > pc);
		most = row_end < end ? row_end : end;
		comparison->totals->rows++;
		comparison->totals->unsupported +=
			unwind_table_find(comparison->table, pc)->kind == ABI_RULE_UNSUPPORTED;
	}
	comparison->random = mix(comparison->random + 1);
	compare(comparison, frame, pc);
	compare(comparison, frame, pc + comparison->random % (most - pc));
	compare(comparison, frame, most - 1);
	free(frame);
	return most;
}

/* All of the table's rows; libdw's rows are shorter or the same. */
static void compare_table(struct comparison *comparison)
{
	const struct unwind_table *table = comparison->table;

	for (uint32_t p = 0; p < table->n_pages; p++) {
		const struct abi_unwind_page *page = &table->pages[p];
		uint64_t start = (table->first_page + p) * ABI_TEXT_PAGE,
			 page_end = start + ABI_TEXT_PAGE;

		if (page->n_rows == 0)
			compare_row(comparison, start, page_end);
		for (uint32_t i = 0; i < page->n_rows; i++) {
			const uint32_t *row = &table->rows[page->first_row + i];
			uint64_t pc = start + ABI_ROW_OFFSET(*row),
				 end = i + 1 < page->n_rows ? start + ABI_ROW_OFFSET(row[1])
							    : page_end;

			while (pc < end)
				pc = compare_row(comparison, pc, end);
		}
	}
}

static void compare_with(const char *path, const struct unwind_table *table, Elf *elf,
			 struct totals *totals)
{
	struct comparison comparison = {
		.path = path, .table = table, .cfi = dwarf_getcfi_elf(elf), .totals = totals};

	assert_non_null(comparison.cfi);
	assert_true(unwind_table_valid(table));
	if (table->damaged)
		fail_msg("%s: %u damaged functions", path, table->damaged);
	compare_table(&comparison);
	for (uint32_t i = 0; i < table->n_rules; i++)
		totals->kinds |= 1u << table->rules[i].kind;
	totals->files++;
	dwarf_cfi_end(comparison.cfi);
}

static bool same_table(const struct unwind_table *a, const struct unwind_table *b)
{
	return a->first_page == b->first_page && a->n_pages == b->n_pages &&
	       a->n_rows == b->n_rows && a->n_rules == b->n_rules &&
	       memcmp(a->pages, b->pages, a->n_pages * sizeof(*a->pages)) == 0 &&
	       memcmp(a->rows, b->rows, a->n_rows * sizeof(*a->rows)) == 0 &&
	       memcmp(a->rules, b->rules, a->n_rules * sizeof(*a->rules)) == 0;
}

/* The same file from memory, and without section headers: the same table. */
static void compare_images(const char *path, const struct unwind_table *table, int fd, size_t size)
{
	uint8_t *bytes = malloc(size);
	Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
	struct unwind_table other;

	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, size, 0), size);
	for (unsigned headers = 0; headers < 2; headers++) {
		if (unwind_table_build_image(&other, bytes, size, NULL) ||
		    !same_table(table, &other))
			fail_msg("%s: another table from %s", path,
				 headers ? "its segments" : "memory");
		unwind_table_fini(&other);
		header->e_shoff = 0;
		header->e_shnum = header->e_shstrndx = 0;
	}
	free(bytes);
}

/* A file that has no unwind information, as those of data alone, is passed over. */
static void compare_file(const char *path, struct totals *totals)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unwind_table table;
	struct stat stat;
	Elf *elf;

	if (fd >= 0 && fstat(fd, &stat) == 0 && stat.st_size < MAX_FILE &&
	    unwind_table_build(&table, fd, NULL) == 0) {
		elf = elf_begin(fd, ELF_C_READ, NULL);
		compare_with(path, &table, elf, totals);
		compare_images(path, &table, fd, (size_t)stat.st_size);
		elf_end(elf);
		unwind_table_fini(&table);
	}
	close(fd);
}

/* in: most: this many of the matching ones are taken, evenly */
static void compare_matching(const char *pattern, size_t most, struct totals *totals)
{
	glob_t found = {0};

	if (glob(pattern, GLOB_TILDE, NULL, &found) == 0)
		for (size_t i = 0; i < most && i < found.gl_pathc; i++)
			compare_file(
				found.gl_pathv[most < found.gl_pathc ? i * found.gl_pathc / most
								     : i],
				totals);
	globfree(&found);
}

static void print_totals(const struct totals *totals)
{
	printf("%lu files, %lu rows of libdw: %lu in a form that rules do not have, "
	       "%lu registers given up\n",
	       totals->files, totals->rows, totals->unsupported, totals->lost);
}

/* ---- the files ------------------------------------------------------------------------------ */

static void tables_of_libraries_are_those_of_libdw(void **state)
{
	const unsigned in_libc =
		1 << ABI_RULE_CFA | 1 << ABI_RULE_PLT | 1 << ABI_RULE_SIGNAL | 1 << ABI_RULE_END;
	struct totals totals = {0};
	uint64_t not_known;

	(void)state;
	compare_matching("/lib/x86_64-linux-gnu/libc.so.6", 1, &totals);
	/* it has a section of lazy binding stubs, a signal's trampoline, and the start of
	 * threads */
	assert_int_equal(totals.kinds & in_libc, in_libc);
	compare_matching("/lib64/ld-linux-x86-64.so.2", 1, &totals);
	assert_int_equal(totals.files, 2); /* these are everywhere */
	compare_matching("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", 1, &totals);
	compare_matching("/usr/lib/x86_64-linux-gnu/libcrypto.so.3", 1, &totals);
	compare_matching("/usr/lib/x86_64-linux-gnu/libgcrypt.so.20", 1, &totals);
	compare_matching("/lib/x86_64-linux-gnu/libm.so.6", 1, &totals);
	/* some that libdw does not evaluate are in libgcrypt: 24 in Debian 12's */
	assert_true(totals.not_known * 1000 < totals.rows);
	not_known = totals.not_known;
	compare_matching("/usr/lib/x86_64-linux-gnu/*.so.*", MORE_LIBRARIES, &totals);
	print_totals(&totals);
	assert_true(totals.files > 20);
	assert_true(totals.rows > 100000);
	assert_true(totals.unsupported * 200 < totals.rows); /* 0.5 % */
	assert_true(totals.lost * 200 < totals.rows);
	/* of which libraries there are is chance, and libgcrypt may be one of them again */
	assert_true(totals.not_known < 2 * not_known + totals.rows / 10000);
}

static void tables_of_pythons_are_those_of_libdw(void **state)
{
	struct totals totals = {0};

	(void)state;
	compare_matching("/usr/bin/python3.[0-9]*", 4, &totals);
	compare_matching("~/.pyenv/versions/3.*/lib/libpython3.*.so.1.0", 3, &totals);
	compare_matching("build/pythons/bin/python3*", 2, &totals);
	print_totals(&totals);
	assert_true(totals.rows > 10000);
	assert_true(totals.unsupported * 1000 < totals.rows);
}

/* It is in no file: an image of two pages, in the memory of every process. */
static void the_table_of_the_vdso_is_that_of_libdw(void **state)
{
	const uint8_t *vdso = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)vdso;
	struct totals totals = {0};
	struct unwind_table table;
	size_t size;
	uint8_t *copy;
	Elf *elf;

	(void)state;
	assert_non_null(vdso);
	size = header->e_shoff + header->e_shnum * sizeof(Elf64_Shdr);
	copy = malloc(size);
	assert_non_null(copy);
	memcpy(copy, vdso, size);
	assert_int_equal(unwind_table_build_image(&table, copy, size, NULL), 0);
	elf = elf_memory((char *)copy, size);
	compare_with("[vdso]", &table, elf, &totals);
	print_totals(&totals);
	assert_true(totals.rows > 10);
	elf_end(elf);
	unwind_table_fini(&table);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_of_libraries_are_those_of_libdw),
		cmocka_unit_test(tables_of_pythons_are_those_of_libdw),
		cmocka_unit_test(the_table_of_the_vdso_is_that_of_libdw),
	};

	elf_version(EV_CURRENT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
