/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unwind tables: pages, functions in any order and in each encoding, ELF files of several forms.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* this one first: its parameters have the name of the other one's image */
#include "elf_image.h"
#include "cfi_image.h"
#include "unwind/functions.h"

static const struct abi_unwind_page *page_at(uint64_t offset)
{
	return &table.pages[(IMAGE_TEXT + offset) / ABI_TEXT_PAGE - table.first_page];
}

/* ---- entries -------------------------------------------------------------------------------- */

/* Functions whose places are written in each way. */
static void places_are_read_in_every_encoding(void **state)
{
	static const struct {
		uint8_t encoding, size;
		uint64_t base;
	} cases[] = {
		{DW_EH_PE_absptr, 8, 0},
		{DW_EH_PE_udata4, 4, 0},
		{DW_EH_PE_textrel | DW_EH_PE_udata2, 2, IMAGE_TEXT},
		{DW_EH_PE_datarel | DW_EH_PE_sdata4, 4, IMAGE_TEXT + 0x40},
		{DW_EH_PE_aligned, 8, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&image, 0, sizeof(image));
		cfi_cie(&image, "zR", cases[i].encoding);
		cfi_fde_head(&image);
		while (cases[i].encoding == DW_EH_PE_aligned && image.size % 8)
			cfi_put(&image, 0, 1);
		cfi_put(&image, IMAGE_TEXT + 0x80 - cases[i].base, cases[i].size);
		cfi_put(&image, 0x10, cases[i].size);
		cfi_put(&image, 0, 1);
		cfi_end(&image);
		assert_int_equal(cfi_compile(&image, &table), 0);
		assert_int_equal(table.n_functions, 1);
		assert_int_equal(rule_at(0x7f)->kind, ABI_RULE_NONE);
		assert_int_equal(rule_at(0x80)->kind, ABI_RULE_CFA);
		assert_int_equal(rule_at(0x8f)->kind, ABI_RULE_CFA);
		assert_int_equal(rule_at(0x90)->kind, ABI_RULE_NONE);
		unwind_table_fini(&table);
	}
}

/* Augmentations: personality and LSDA are passed over; so is data that nobody knows. */
static void augmentations_are_passed_over(void **state)
{
	(void)state;
	memset(&image, 0, sizeof(image));
	cfi_cie_head(&image, "zPLRX", 1);
	cfi_ops(&image, 9, DW_EH_PE_indirect | PCREL4, 1, 2, 3, 4, DW_EH_PE_udata4, PCREL4, 0xaa,
		0xbb);
	cfi_ops(&image, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
	cfi_end(&image);
	cfi_fde_head(&image);
	cfi_put(&image, IMAGE_TEXT - (IMAGE_FRAME + image.size), 4);
	cfi_put(&image, 0x10, 4);
	cfi_ops(&image, 5, 1, 2, 3, 4, 5); /* of the function */
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16);
	cfi_end(&image);
	/* without 'z' there are no sizes, and addresses are absolute */
	cfi_cie(&image, "", DW_EH_PE_absptr);
	cfi_fde_head(&image);
	cfi_put(&image, IMAGE_TEXT + 0x20, 8);
	cfi_put(&image, 0x10, 8);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 24);
	cfi_end(&image);
	assert_int_equal(cfi_compile(&image, &table), 0);
	assert_int_equal(table.n_functions, 2);
	assert_int_equal(rule_at(0)->offset, 8);
	assert_int_equal(rule_at(1)->offset, 16);
	assert_int_equal(rule_at(0x20)->offset, 8);
	assert_int_equal(rule_at(0x21)->offset, 24);
	unwind_table_fini(&table);
}

/* ---- pages ---------------------------------------------------------------------------------- */

/* A function over three pages, with a change in the last; then a gap, then a page of its own. */
static void each_page_has_its_rows(void **state)
{
	(void)state;
	memset(&image, 0, sizeof(image));
	cfi_cie(&image, "zR", PCREL4);
	cfi_fde(&image, IMAGE_TEXT + 0x0ff0, 0x2000);
	cfi_ops(&image, DW_CFA_advance_loc1, 8, DW_CFA_def_cfa_offset, 16);
	cfi_ops(&image, DW_CFA_advance_loc2, 0x08, 0x10, DW_CFA_def_cfa_offset, 24);
	cfi_end(&image);
	cfi_fde(&image, IMAGE_TEXT + 0x4000, 0x1000);
	cfi_end(&image);
	/* the last byte of the segment */
	cfi_fde(&image, IMAGE_TEXT_END - 1, 1);
	cfi_end(&image);
	assert_int_equal(cfi_compile(&image, &table), 0);
	assert_int_equal(table.first_page, IMAGE_TEXT / ABI_TEXT_PAGE);
	assert_int_equal(table.n_pages, (IMAGE_TEXT_END - IMAGE_TEXT) / ABI_TEXT_PAGE);
	assert_int_equal(page_at(0)->n_rows, 3);      /* none, 8, 16 */
	assert_int_equal(page_at(0x1000)->n_rows, 1); /* 16 */
	assert_int_equal(page_at(0x2000)->n_rows, 2); /* 24 from its first byte, none from 0xff0 */
	assert_int_equal(page_at(0x3000)->n_rows, 0);
	assert_int_equal(page_at(0x4000)->n_rows, 1);
	assert_int_equal(page_at(0x5000)->n_rows, 0);
	assert_int_equal(page_at(0xf000)->n_rows, 2);
	assert_int_equal(table.n_rows, 9);
	assert_int_equal(rule_at(0xfef)->kind, ABI_RULE_NONE);
	assert_int_equal(rule_at(0xff0)->offset, 8);
	assert_int_equal(rule_at(0xff7)->offset, 8);
	assert_int_equal(rule_at(0xff8)->offset, 16);
	assert_int_equal(rule_at(0x1fff)->offset, 16);
	assert_int_equal(rule_at(0x2000)->offset, 24);
	assert_int_equal(rule_at(0x2fef)->offset, 24);
	assert_int_equal(rule_at(0x2ff0)->kind, ABI_RULE_NONE);
	assert_int_equal(rule_at(0x4000)->offset, 8);
	assert_int_equal(rule_at(0x4fff)->offset, 8);
	assert_int_equal(rule_at(0x5000)->kind, ABI_RULE_NONE);
	assert_int_equal(rule_at(0xfffe)->kind, ABI_RULE_NONE);
	assert_int_equal(rule_at(0xffff)->kind, ABI_RULE_CFA);
	/* outside of all pages */
	assert_int_equal(rule_at(0x10000)->kind, ABI_RULE_NONE);
	assert_int_equal(rule_at(-1)->kind, ABI_RULE_NONE);
	assert_int_equal(unwind_table_find(&table, 0)->kind, ABI_RULE_NONE);
	assert_int_equal(unwind_table_find(&table, UINT64_MAX)->kind, ABI_RULE_NONE);
	unwind_table_fini(&table);
	assert_int_equal(unwind_table_find(&table, IMAGE_TEXT)->kind, ABI_RULE_NONE);
}

/* Rows stand only where the rule changes, from one function to the next too. */
static void rows_stand_only_where_the_rule_changes(void **state)
{
	(void)state;
	memset(&image, 0, sizeof(image));
	cfi_cie(&image, "zR", PCREL4);
	for (unsigned i = 0; i < 4; i++) {
		cfi_fde(&image, IMAGE_TEXT + 0x10 * i, 0x10);
		/* says twice what is so already */
		cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 8,
			DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 8);
		cfi_end(&image);
	}
	assert_int_equal(cfi_compile(&image, &table), 0);
	assert_int_equal(table.n_functions, 4);
	assert_int_equal(table.n_rows, 2); /* the rule, and none behind it */
	assert_int_equal(table.n_rules, 3);
	unwind_table_fini(&table);
}

/* start, end, its CFA's offset */
static void put_function(uint64_t start, uint64_t end, uint8_t offset)
{
	cfi_fde(&image, IMAGE_TEXT + start, end - start);
	cfi_ops(&image, DW_CFA_def_cfa_offset);
	cfi_put(&image, offset, 1);
	cfi_end(&image);
}

/* In no order, and one over the other: what starts first holds, then what comes first in the
 * section. */
static void of_functions_that_overlap_the_first_holds(void **state)
{
	static const struct {
		uint64_t start, end;
		int32_t offset; /* 0: nothing is known */
	} expected[] = {
		{0x00, 0x40, 0}, {0x40, 0x80, 16}, {0x80, 0x90, 24},
		{0x90, 0xa0, 0}, {0xa0, 0xb0, 40}, {0xb0, 0xc0, 48},
		{0xc0, 0xd0, 0}, {0xd0, 0xe0, 64}, {0xe0, 0x100, 0},
	};

	(void)state;
	memset(&image, 0, sizeof(image));
	cfi_cie(&image, "zR", PCREL4);
	put_function(0xd0, 0xe0, 64);
	put_function(0x60, 0x90, 24); /* its first half belongs to the next one */
	put_function(0x40, 0x80, 16);
	put_function(0x50, 0x70, 32); /* within it: nowhere */
	put_function(0xb0, 0xc0, 48);
	put_function(0xa0, 0xb0, 40);
	put_function(0xa0, 0xb0, 56); /* the same again */
	assert_int_equal(cfi_compile(&image, &table), 0);
	assert_int_equal(table.n_functions, 7);
	for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		for (uint64_t at = expected[i].start; at < expected[i].end; at++)
			assert_int_equal(rule_at(at)->offset, expected[i].offset);
	unwind_table_fini(&table);
}

/* .debug_frame: absolute numbers of CIEs, which may stand behind their functions. */
static void debug_frame_is_read_as_eh_frame(void **state)
{
	(void)state;
	memset(&image, 0, sizeof(image));
	image.debug_frame = true;
	image.cie = 4 + 4 + 8 + 8 + 3;
	cfi_fde(&image, IMAGE_TEXT, 0x10);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16);
	cfi_end(&image);
	cfi_cie(&image, "", DW_EH_PE_absptr);
	cfi_fde(&image, IMAGE_TEXT + 0x10, 0x10);
	cfi_end(&image);
	assert_int_equal(cfi_compile(&image, &table), 0);
	assert_int_equal(table.damaged, 0);
	assert_int_equal(table.n_functions, 2);
	assert_int_equal(rule_at(0)->offset, 8);
	assert_int_equal(rule_at(1)->offset, 16);
	assert_int_equal(rule_at(0x10)->offset, 8);
	unwind_table_fini(&table);
}

/* A thousand times the bytes take about a thousand times as long: each row looks at few others. */
static void a_table_is_made_in_linear_time(void **state)
{
	static const unsigned counts[] = {20, 20000};
	double seconds[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct timespec begin, end;

		cfi_one(&image);
		for (unsigned n = 0; n < counts[i]; n++)
			cfi_ops(&image, DW_CFA_advance_loc, DW_CFA_remember_state,
				DW_CFA_restore_state);
		cfi_end(&image);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
		for (unsigned n = 0; n < 20000 / counts[i]; n++) {
			assert_int_equal(cfi_compile(&image, &table), 0);
			unwind_table_fini(&table);
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
		seconds[i] = (double)(end.tv_sec - begin.tv_sec) +
			     (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	}
	/* as many instructions both times; quadratic would be 1,000 times slower */
	assert_true(seconds[1] < 20 * seconds[0] + 0.05);
}

/* ---- files ---------------------------------------------------------------------------------- */

static char folder[] = "/tmp/pyleaktrace-unwind-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* Build the fuzzer's seed with these options, change it with objcopy; open for reading and
 * writing. */
static int build(const char *name, const char *options, const char *changes)
{
	char path[128], command[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	/* the same addresses whatever else is in the file */
	snprintf(command, sizeof(command),
		 "gcc -nostdlib -pie -Wl,-z,noseparate-code -Wl,-Ttext=0x10000 -Wl,--eh-frame-hdr "
		 "%s "
		 "tests/fuzz/seed.s -o %s && { [ -z '%s' ] || objcopy %s %s; }",
		 options, path, changes, changes, path);
	assert_int_equal(system(command), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void build_table(struct unwind_table *out, int fd)
{
	struct err err = ERR_INIT;

	assert_int_equal(lseek(fd, 17, SEEK_SET), 17);
	if (unwind_table_build(out, fd, &err))
		fail_msg("%s", err.text);
	assert_true(unwind_table_valid(out));
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 17);
}

static bool same_rules(const struct unwind_table *one, const struct unwind_table *other)
{
	for (uint64_t at = 0x10000; at < 0x11000; at++)
		if (memcmp(unwind_table_find(one, at), unwind_table_find(other, at),
			   sizeof(struct abi_unwind_rule)) != 0)
			return false;
	return true;
}

static void the_same_rules_come_from_every_kind_of_file(void **state)
{
	static const struct {
		const char *name, *options, *changes;
	} cases[] = {
		{"plain", "", ""},
		{"debug-frame", "-Wa,--defsym,DEBUG_FRAME=1", ""},
		{"compressed", "-Wa,--defsym,DEBUG_FRAME=1", "--compress-debug-sections=zlib"},
		{"stripped", "-s", ""},
	};
	struct unwind_table first = {0}, other;
	unsigned kinds[ABI_RULE_UNSUPPORTED + 1] = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = build(cases[i].name, cases[i].options, cases[i].changes);

		build_table(i ? &other : &first, fd);
		assert_int_equal((i ? &other : &first)->n_functions, 6);
		assert_int_equal((i ? &other : &first)->damaged, 0);
		if (i) {
			if (!same_rules(&first, &other))
				fail_msg("%s: other rules", cases[i].name);
			unwind_table_fini(&other);
		}
		close(fd);
	}
	for (uint32_t i = 0; i < first.n_rules; i++)
		kinds[first.rules[i].kind]++;
	for (unsigned kind = 0; kind <= ABI_RULE_UNSUPPORTED; kind++)
		assert_true(kinds[kind] > 0);
	unwind_table_fini(&first);
}

/* Without section headers .eh_frame is found through its segment; and in memory. */
static void the_frames_are_found_without_section_headers(void **state)
{
	static uint8_t bytes[1 << 16];
	struct unwind_table first, other;
	int fd = build("headers", "", "");
	Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
	Elf64_Phdr *segments;
	ssize_t size;

	(void)state;
	build_table(&first, fd);
	size = pread(fd, bytes, sizeof(bytes), 0);
	assert_true(size > 0 && size < (ssize_t)sizeof(bytes));
	header->e_shoff = 0;
	header->e_shnum = header->e_shstrndx = 0;
	assert_int_equal(pwrite(fd, bytes, sizeof(*header), 0), sizeof(*header));
	build_table(&other, fd);
	assert_true(same_rules(&first, &other));
	unwind_table_fini(&other);
	assert_int_equal(unwind_table_build_image(&other, bytes, (size_t)size, NULL), 0);
	assert_true(same_rules(&first, &other));
	unwind_table_fini(&other);
	unwind_table_fini(&first);
	/* nor with the segment */
	segments = (Elf64_Phdr *)(bytes + header->e_phoff);
	for (unsigned i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_GNU_EH_FRAME)
			segments[i].p_type = PT_NULL;
	assert_true(unwind_table_build_image(&other, bytes, (size_t)size, NULL) < 0);
	close(fd);
}

static void functions_are_listed_with_their_bounds(void **state)
{
	struct unwind_functions functions;
	const struct unwind_function *function;
	int fd = build("functions", "", "");

	(void)state;
	assert_int_equal(unwind_functions_load(&functions, fd, NULL), 0);
	assert_int_equal(functions.n, 6);
	function = unwind_functions_find(&functions, 0x10000);
	assert_non_null(function);
	assert_int_equal(function->start, 0x10000);
	assert_int_equal(function->end, 0x10001);
	assert_true(function->called);
	function = unwind_functions_find(&functions, 0x10001);
	assert_int_equal(function->start, 0x10001);
	assert_ptr_equal(unwind_functions_find(&functions, function->end - 1), function);
	assert_null(unwind_functions_find(&functions, 0xffff));
	assert_null(unwind_functions_find(&functions, functions.all[5].end));
	/* the trampoline is called by nobody */
	assert_false(functions.all[4].called);
	unwind_functions_fini(&functions);
	close(fd);
}

/* ---- files that are refused ----------------------------------------------------------------- */

static void assert_refused(struct elf_image *elf, size_t size, const char *why)
{
	struct err err = ERR_INIT;
	struct unwind_table refused;
	int fd = memfd_create("refused", MFD_CLOEXEC);

	assert_true(fd >= 0 && write(fd, elf, size) == (ssize_t)size);
	assert_int_equal(unwind_table_build(&refused, fd, &err), -ERR_FAILED);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" instead of \"%s\"", err.text, why);
	assert_null(refused.pages);
	assert_null(refused.rows);
	assert_null(refused.rules);
	close(fd);
}

static void files_without_unwind_tables_are_refused(void **state)
{
	static struct elf_image elf;

	(void)state;
	image_build(&elf, ET_DYN);
	assert_refused(&elf, sizeof(elf), "no unwind information");
	assert_refused(&elf, 0, "ELF");
	assert_refused(&elf, 3, "ELF");
	assert_refused(&elf, sizeof(Elf64_Ehdr) - 1, "ELF");
	elf.header.e_machine = EM_AARCH64;
	assert_refused(&elf, sizeof(elf), "x86-64");
	elf.header.e_machine = EM_X86_64;
	elf.header.e_type = ET_REL;
	assert_refused(&elf, sizeof(elf), "neither");
	elf.header.e_type = ET_DYN;
	elf.header.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_refused(&elf, sizeof(elf), "x86-64");
	elf.header.e_ident[EI_DATA] = ELFDATA2LSB;
	elf.segments[0].p_flags = PF_R;
	assert_refused(&elf, sizeof(elf), "no executable segment");
	elf.segments[0].p_flags = PF_R | PF_X;
	elf.segments[0].p_memsz = UINT64_MAX;
	assert_refused(&elf, sizeof(elf), "impossible size");
	elf.segments[0].p_memsz = 5ull << 30;
	assert_refused(&elf, sizeof(elf), "4 GiB");
	elf.segments[0].p_memsz = 256;
	elf.segments[1].p_type = PT_GNU_EH_FRAME;
	assert_refused(&elf, sizeof(elf), "damaged");
	elf.segments[1].p_offset = UINT64_MAX - 8;
	assert_refused(&elf, sizeof(elf), "cannot be read");
}

/* A section that says that it is huge, in a file that is not, and in one that has only a hole
 * there. */
static void a_section_said_to_be_huge_is_refused(void **state)
{
	static struct elf_image elf;
	struct err err = ERR_INIT;
	struct unwind_table refused;
	int fd = memfd_create("huge", MFD_CLOEXEC);

	(void)state;
	image_build(&elf, ET_DYN);
	/* the section that was called .PyRuntime */
	memcpy(elf.strings + elf.sections[SECTION_RUNTIME].sh_name, ".eh_frame",
	       sizeof(".eh_frame"));
	elf.sections[SECTION_RUNTIME].sh_size = 1ull << 40;
	assert_refused(&elf, sizeof(elf), "256 MiB");
	elf.sections[SECTION_RUNTIME].sh_size = 255 << 20;
	assert_refused(&elf, sizeof(elf), "cannot be read");
	elf.sections[SECTION_RUNTIME].sh_offset = UINT64_MAX;
	assert_refused(&elf, sizeof(elf), "outside");
	elf.sections[SECTION_RUNTIME].sh_offset = 1 << 20;
	elf.sections[SECTION_RUNTIME].sh_size = 1 << 20;
	assert_int_equal(pwrite(fd, &elf, sizeof(elf), 0), sizeof(elf));
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_int_equal(unwind_table_build(&refused, fd, &err), -ERR_FAILED);
	assert_non_null(strstr(err.text, "no usable unwind information"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_read_in_every_encoding),
		cmocka_unit_test(augmentations_are_passed_over),
		cmocka_unit_test(each_page_has_its_rows),
		cmocka_unit_test(rows_stand_only_where_the_rule_changes),
		cmocka_unit_test(of_functions_that_overlap_the_first_holds),
		cmocka_unit_test(debug_frame_is_read_as_eh_frame),
		cmocka_unit_test(a_table_is_made_in_linear_time),
		cmocka_unit_test(the_same_rules_come_from_every_kind_of_file),
		cmocka_unit_test(the_frames_are_found_without_section_headers),
		cmocka_unit_test(functions_are_listed_with_their_bounds),
		cmocka_unit_test(files_without_unwind_tables_are_refused),
		cmocka_unit_test(a_section_said_to_be_huge_is_refused),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
