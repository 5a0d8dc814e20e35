/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unwind tables: each rule is what libdw reads in the same file at the same address, on every library at hand; what is
 * damaged is left out; the cache believes only what is sound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unwind/cache.h"
#include "unwind/cfi.h"
#include "unwind/rules.h"

static const int dwarf_numbers[ABI_UNWIND_REGS] = {7, 6, 3, 12, 13, 14, 15};

/* ---- against libdw --------------------------------------------------------------------------- */

struct tally {
	unsigned long compared, unsupported;
};

static bool is_breg(const Dwarf_Op *op, int number, int64_t *offset)
{
	if (op->atom != (Dwarf_Op){0}.atom && op->atom == DW_OP_breg0 + number) {
		*offset = (int64_t)op->number;
		return true;
	}
	return false;
}

/* The CFA that libdw gives is the rule's. */
static bool same_cfa(const struct abi_unwind_rule *rule, const Dwarf_Op *ops, size_t n)
{
	int64_t offset = 0;

	if (n == 0)
		return false;
	switch (rule->kind) {
	case ABI_RULE_CFA:
		/* libdw writes register + offset as bregx register, offset */
		if (n == 1 && ops[0].atom == DW_OP_bregx)
			return (int)ops[0].number == dwarf_numbers[rule->reg] &&
			       (int64_t)ops[0].number2 == rule->offset;
		return n == 1 && is_breg(&ops[0], dwarf_numbers[rule->reg], &offset) &&
		       offset == rule->offset;
	case ABI_RULE_DEREF:
		return n >= 2 && is_breg(&ops[0], dwarf_numbers[rule->reg], &offset) &&
		       offset == rule->offset && ops[1].atom == DW_OP_deref &&
		       (n == 2 ? rule->add == 0
			       : n == 3 && ops[2].atom == DW_OP_plus_uconst &&
					 (int64_t)ops[2].number == rule->add);
	case ABI_RULE_PLT:
		return n == 9 && is_breg(&ops[0], 7, &offset) && offset == rule->offset &&
		       ops[4].atom == DW_OP_lit0 + rule->add;
	case ABI_RULE_SIGNAL:
		return n == 2 && is_breg(&ops[0], 7, &offset) && offset == rule->offset + 160;
	}
	return false;
}

/* libdw's words for "at cfa + offset": call_frame_cfa, plus_uconst offset */
static bool at_cfa(const Dwarf_Op *ops, size_t n, int64_t *offset)
{
	if (n < 1 || n > 2 || ops[0].atom != DW_OP_call_frame_cfa)
		return false;
	*offset = n == 2 && ops[1].atom == DW_OP_plus_uconst ? (int64_t)ops[1].number : 0;
	return n == 1 || ops[1].atom == DW_OP_plus_uconst;
}

static bool same_register(Dwarf_Frame *frame, const struct abi_unwind_rule *rule, unsigned reg)
{
	unsigned saved = ABI_RULE_SAVED(rule, reg);
	Dwarf_Op memory[3], *ops;
	int64_t offset;
	size_t n;

	if (dwarf_frame_register(frame, dwarf_numbers[reg], memory, &ops, &n))
		return false;
	if (n == 0) /* ops NULL: as it was; else undefined */
		return ops == NULL
			       ? saved == ABI_SAVED_SAME
			       /* of what a function does not mention libdw takes rbx for lost; the ABI says
				    * that a callee preserves it */
			       : saved == ABI_SAVED_LOST ||
					 (reg == ABI_REG_BX && saved == ABI_SAVED_SAME);
	if (at_cfa(ops, n, &offset) && offset % 8 == 0)
		return saved == ABI_SAVED_CFA && rule->at[reg - 1] == offset / 8;
	/* an expression, which begins with the CFA on its stack */
	if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && is_breg(&ops[1], 6, &offset))
		return saved == ABI_SAVED_BP && rule->at[reg - 1] == offset / 8;
	return saved == ABI_SAVED_LOST;
}

static void check_address(const char *path, Dwarf_CFI *dwarf, const struct unwind_table *table,
			  uint64_t vaddr, struct tally *tally)
{
	const struct abi_unwind_rule *rule = unwind_table_find(table, vaddr);
	Dwarf_Op memory[3], *ops;
	Dwarf_Frame *frame;
	int64_t offset;
	bool same = false;
	size_t n;

	tally->compared++;
	if (rule->kind == ABI_RULE_UNSUPPORTED) {
		tally->unsupported++;
		return;
	}
	if (dwarf_cfi_addrframe(dwarf, vaddr, &frame)) {
		if (rule->kind != ABI_RULE_NONE)
			fail_msg("%s 0x%lx: libdw knows nothing here", path, (unsigned long)vaddr);
		return;
	}
	if (rule->kind == ABI_RULE_END) {
		same = dwarf_frame_register(frame, 16, memory, &ops, &n) == 0 && n == 0 && ops;
	} else {
		same = dwarf_frame_cfa(frame, &ops, &n) == 0 && same_cfa(rule, ops, n);
		if (rule->kind != ABI_RULE_SIGNAL) {
			same = same && dwarf_frame_register(frame, 16, memory, &ops, &n) == 0 &&
			       at_cfa(ops, n, &offset) && rule->ra == offset / 8;
			for (unsigned reg = 1; same && reg < ABI_UNWIND_REGS; reg++)
				same = same_register(frame, rule, reg);
		}
	}
	free(frame);
	if (!same)
		fail_msg("%s 0x%lx: kind %u is not what libdw says", path, (unsigned long)vaddr,
			 rule->kind);
}

struct rows {
	const char *path;
	Dwarf_CFI *dwarf;
	const struct unwind_table *table;
	struct tally *tally;
	unsigned long every, n;
};

static int check_row(void *context, uint64_t start, uint64_t end, bool signal,
		     const struct cfi_state *state)
{
	struct rows *rows = context;

	(void)signal;
	(void)state;
	/* libdw begins at the function's first row for each question: not every row can be asked for */
	if (rows->n++ % rows->every)
		return 0;
	check_address(rows->path, rows->dwarf, rows->table, start, rows->tally);
	check_address(rows->path, rows->dwarf, rows->table, end - 1, rows->tally);
	return 0;
}

static void check_file(const char *path, struct tally *tally)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct cfi_function *functions;
	struct rows rows = {.path = path, .tally = tally};
	struct unwind_table table;
	struct cfi *cfi;
	size_t n;
	Elf *elf;

	elf_version(EV_CURRENT);
	if (fd < 0)
		return;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	rows.dwarf = elf ? dwarf_getcfi_elf(elf) : NULL;
	if (rows.dwarf && unwind_table_build(&table, fd, NULL) == 0) {
		assert_int_equal(table.damaged, 0);
		assert_int_equal(cfi_open(&cfi, fd, NULL), 0);
		functions = cfi_functions(cfi, &n);
		rows.table = &table;
		/* about 20,000 rows of each file */
		rows.every = table.n_rows / 20000 + 1;
		for (size_t i = 0; i < n; i++) {
			cfi_rows(cfi, &functions[i], check_row, &rows);
			/* where nothing is described */
			if (i && functions[i - 1].end < functions[i].start)
				assert_int_equal(
					unwind_table_find(&table, functions[i - 1].end)->kind,
					ABI_RULE_NONE);
		}
		cfi_close(cfi);
		unwind_table_fini(&table);
	}
	if (rows.dwarf)
		dwarf_cfi_end(rows.dwarf);
	elf_end(elf);
	close(fd);
}

static void test_every_library(void **state)
{
	static const char *const patterns[] = {
		"/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/usr/lib/x86_64-linux-gnu/lib[cglmspz]*.so.*",
		"/usr/bin/python3.*",
	};
	struct tally tally = {0};
	glob_t found;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_true(glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found) == 0 || i > 1);
	for (size_t i = 0; i < found.gl_pathc && i < 60; i++)
		check_file(found.gl_pathv[i], &tally);
	globfree(&found);
	printf("%lu addresses compared, %lu with rules in an unsupported form\n", tally.compared,
	       tally.unsupported);
	assert_true(tally.compared > 100000);
	/* expressions of OpenSSL's assembly, mostly */
	assert_true(tally.unsupported * 200 < tally.compared);
}

/* ---- rules ----------------------------------------------------------------------------------- */

#define EXPRESSION(...)                               \
	.expression = (const uint8_t[]){__VA_ARGS__}, \
	.expression_size = sizeof((const uint8_t[]){__VA_ARGS__})

static struct cfi_state plain(unsigned reg, int64_t offset)
{
	struct cfi_state state = {.cfa = {.how = CFI_OFFSET, .offset = offset},
				  .cfa_register = reg};

	state.registers[CFI_RA] = (struct cfi_rule){.how = CFI_OFFSET, .offset = -8};
	return state;
}

static void check_kind(const struct cfi_state *state, enum abi_rule_kind kind)
{
	struct abi_unwind_rule rule;

	rules_make(&rule, state, false);
	assert_int_equal(rule.kind, kind);
}

static void test_rules(void **state)
{
	static const uint8_t plt[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
	struct cfi_state row = plain(CFI_RSP, 16);
	struct abi_unwind_rule rule;

	(void)state;
	row.registers[CFI_RBP] = (struct cfi_rule){.how = CFI_OFFSET, .offset = -16};
	row.registers[12] = (struct cfi_rule){EXPRESSION(0x76, 0x78), .how = CFI_EXPRESSION};
	row.registers[13] = (struct cfi_rule){.how = CFI_UNDEFINED};
	row.registers[14] = (struct cfi_rule){.how = CFI_OFFSET, .offset = -12};
	row.registers[15] = (struct cfi_rule){.how = CFI_VALUE_OFFSET, .offset = -16};
	rules_make(&rule, &row, false);
	assert_int_equal(rule.kind, ABI_RULE_CFA);
	assert_int_equal(rule.offset, 16);
	assert_int_equal(rule.ra, -1);
	assert_int_equal(ABI_RULE_SAVED(&rule, ABI_REG_BP), ABI_SAVED_CFA);
	assert_int_equal(rule.at[ABI_REG_BP - 1], -2);
	assert_int_equal(ABI_RULE_SAVED(&rule, ABI_REG_BX), ABI_SAVED_SAME);
	assert_int_equal(ABI_RULE_SAVED(&rule, ABI_REG_R12), ABI_SAVED_BP);
	assert_int_equal(rule.at[ABI_REG_R12 - 1], -1);
	for (unsigned reg = ABI_REG_R13; reg < ABI_UNWIND_REGS; reg++)
		assert_int_equal(ABI_RULE_SAVED(&rule, reg), ABI_SAVED_LOST);

	row = plain(CFI_RSP, 8);
	row.registers[CFI_RA].how = CFI_UNDEFINED;
	check_kind(&row, ABI_RULE_END);
	row = plain(10, 8); /* a register that no callee preserves */
	check_kind(&row, ABI_RULE_UNSUPPORTED);
	row = plain(CFI_RSP, 8);
	row.registers[CFI_RA].offset = -4;
	check_kind(&row, ABI_RULE_UNSUPPORTED);
	row = plain(CFI_RSP, 1ll << 40);
	check_kind(&row, ABI_RULE_UNSUPPORTED);

	row = plain(0, 0);
	row.cfa = (struct cfi_rule){EXPRESSION(0x76, 0x78, 0x06), .how = CFI_VALUE_EXPRESSION};
	rules_make(&rule, &row, false);
	assert_int_equal(rule.kind, ABI_RULE_DEREF);
	assert_int_equal(rule.reg, ABI_REG_BP);
	assert_int_equal(rule.offset, -8);
	row.cfa = (struct cfi_rule){
		.how = CFI_VALUE_EXPRESSION, .expression = plt, .expression_size = sizeof(plt)};
	rules_make(&rule, &row, false);
	assert_int_equal(rule.kind, ABI_RULE_PLT);
	assert_int_equal(rule.offset, 8);
	assert_int_equal(rule.add, 11);
	for (size_t n = 0; n < sizeof(plt); n++) {
		/* cut anywhere it is none; its first operation alone is register + offset */
		row.cfa.expression_size = n;
		check_kind(&row, n == 2 ? ABI_RULE_CFA : ABI_RULE_UNSUPPORTED);
	}
}

/* ---- damage ---------------------------------------------------------------------------------- */

static int temporary(char *path)
{
	strcpy(path, "/tmp/pyleaktrace-unwind.XXXXXX");
	return mkstemp(path);
}

/* Bytes of a real file, changed here and there: an error or a table, but nothing else. */
static void test_damaged_files(void **state)
{
	unsigned seed = 1, built = 0;
	char path[64], *bytes, *damaged;
	struct stat info;
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = temporary(path);

	(void)state;
	assert_true(from >= 0 && fd >= 0 && fstat(from, &info) == 0);
	bytes = malloc((size_t)info.st_size);
	damaged = malloc((size_t)info.st_size);
	assert_int_equal(pread(from, bytes, (size_t)info.st_size, 0), info.st_size);
	for (unsigned round = 0; round < 300; round++) {
		size_t size = (size_t)info.st_size;
		struct unwind_table table;

		memcpy(damaged, bytes, size);
		if (round % 3 == 0)
			size = size * (round + 1) / 301;
		for (unsigned i = 0; i < 1 + round % 40; i++)
			damaged[((size_t)rand_r(&seed) * 2147483647u + (size_t)rand_r(&seed)) %
				(round % 2 ? 4096 : (size ? size : 1))] = (char)rand_r(&seed);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, damaged, size, 0), size);
		if (unwind_table_build(&table, fd, NULL))
			continue;
		built++;
		assert_int_equal(unwind_table_find(&table, 0xdeadbeef000)->kind, ABI_RULE_NONE);
		for (uint32_t i = 0; i < table.n_rows; i++)
			assert_true(ABI_ROW_RULE(table.rows[i]) < table.n_rules);
		unwind_table_fini(&table);
	}
	assert_true(built > 0);
	free(bytes);
	free(damaged);
	close(from);
	close(fd);
	unlink(path);
}

/* Text at the very end of the address space, where the next page is the first again: it is refused. */
static void test_text_at_the_end(void **state)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct unwind_table table;
	struct stat info;
	Elf64_Phdr *p;
	char *image;

	(void)state;
	assert_true(from >= 0 && fstat(from, &info) == 0);
	image = malloc((size_t)info.st_size);
	assert_int_equal(pread(from, image, (size_t)info.st_size, 0), info.st_size);
	p = (Elf64_Phdr *)(image + ((Elf64_Ehdr *)image)->e_phoff);
	for (unsigned i = 0; i < ((Elf64_Ehdr *)image)->e_phnum; i++)
		if (p[i].p_type == PT_LOAD && p[i].p_flags & PF_X)
			p[i].p_vaddr = -p[i].p_filesz - 1;
	assert_true(unwind_table_build_image(&table, image, (size_t)info.st_size, NULL) != 0);
	free(image);
	close(from);
}

/* ---- the cache ------------------------------------------------------------------------------- */

static int open_folder(char *path)
{
	strcpy(path, "/tmp/pyleaktrace-cache.XXXXXX");
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void only_file(const char *folder, char *path, size_t size)
{
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*", folder);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	snprintf(path, size, "%s", found.gl_pathv[0]);
	globfree(&found);
}

static void remove_folder(const char *folder)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

/* A table that only the cache can have: a rule that is in no file. */
static bool from_cache(int folder, int fd)
{
	struct unwind_table table;
	bool marked;

	assert_int_equal(unwind_cache_get(folder, &table, fd, NULL), 0);
	marked = table.damaged == 4711;
	unwind_table_fini(&table);
	return marked;
}

/* offset of `damaged` in the file's header, which the checksum does not cover */
#define DAMAGED_AT 32

static void test_cache(void **state)
{
	int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC), folder, file;
	const uint32_t mark = 4711;
	char path[64], name[256];
	struct unwind_table first;
	struct stat info;
	uint8_t byte;

	(void)state;
	folder = open_folder(path);
	assert_true(fd >= 0 && folder >= 0);
	assert_int_equal(unwind_cache_get(folder, &first, fd, NULL), 0);
	unwind_table_fini(&first);
	only_file(path, name, sizeof(name));
	file = open(name, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(file, &mark, 4, DAMAGED_AT), 4);
	assert_true(from_cache(folder, fd));

	/* writable for others: not believed, and made anew */
	assert_int_equal(chmod(name, 0666), 0);
	assert_false(from_cache(folder, fd));
	close(file);
	/* a changed byte of the contents */
	file = open(name, O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(file, &info), 0);
	assert_int_equal(pwrite(file, &mark, 4, DAMAGED_AT), 4);
	assert_true(from_cache(folder, fd));
	assert_int_equal(pread(file, &byte, 1, info.st_size / 2), 1);
	byte ^= 1;
	assert_int_equal(pwrite(file, &byte, 1, info.st_size / 2), 1);
	assert_false(from_cache(folder, fd));
	close(file);
	/* cut off; too long */
	assert_int_equal(truncate(name, info.st_size - 1), 0);
	assert_false(from_cache(folder, fd));
	assert_int_equal(truncate(name, info.st_size + 1), 0);
	assert_false(from_cache(folder, fd));
	/* a link */
	assert_int_equal(unlink(name), 0);
	assert_int_equal(symlink("/lib/x86_64-linux-gnu/libc.so.6", name), 0);
	assert_false(from_cache(folder, fd));

	unwind_cache_trim(folder, 0);
	assert_int_equal(access(name, F_OK), lstat(name, &info) == 0 ? 0 : -1);
	remove_folder(path);
	close(folder);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),         cmocka_unit_test(test_every_library),
		cmocka_unit_test(test_damaged_files), cmocka_unit_test(test_text_at_the_end),
		cmocka_unit_test(test_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
