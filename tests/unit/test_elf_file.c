/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/elf_file.h"
#include "unit/elf_image.h"

#define TEXT (IMAGE_BASE + IMAGE_PAGE)
#define DATA (TEXT + IMAGE_PAGE)

/* A file of these bytes, without a name on any disk. */
struct held_file {
	int fd;
	char path[64];
};

static void hold(struct held_file *file, const void *bytes, size_t size)
{
	file->fd = memfd_create("elf", MFD_CLOEXEC);
	assert_true(file->fd >= 0);
	assert_int_equal(write(file->fd, bytes, size), (ssize_t)size);
	snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

static struct elf_file *open_bytes(const void *bytes, size_t size, struct err *err)
{
	struct held_file held;
	struct elf_file *file;

	hold(&held, bytes, size);
	file = elf_file_open(held.path, err);
	close(held.fd); /* an open elf_file needs the path no more */
	return file;
}

static struct elf_file *open_image(unsigned type)
{
	struct elf_image image;
	struct err err = ERR_INIT;
	struct elf_file *file;

	image_build(&image, type);
	file = open_bytes(&image, sizeof(image), &err);
	if (!file)
		fail_msg("%s", err.text);
	return file;
}

static void a_file_has_its_machine_sections_and_text(void **state)
{
	struct elf_file *file = open_image(ET_EXEC);
	uint64_t vaddr, size;

	(void)state;
	assert_int_equal(elf_file_machine(file), EM_X86_64);
	assert_string_equal(elf_file_soname(file), "libimage.so.1");
	assert_true(elf_file_section(file, ".PyRuntime", &vaddr, &size));
	assert_int_equal(vaddr, DATA + 64);
	assert_int_equal(size, 128);
	assert_false(elf_file_section(file, ".symtab", &vaddr, &size)); /* never in memory */
	assert_false(elf_file_section(file, ".none", &vaddr, &size));
	assert_true(elf_file_text(file, 0, &vaddr, &size));
	assert_int_equal(vaddr, TEXT);
	assert_int_equal(size, 256);
	assert_false(elf_file_text(file, 1, &vaddr, &size));
	elf_file_close(file);
	elf_file_close(NULL);
}

static void a_symbol_is_found_in_its_default_version(void **state)
{
	struct elf_file *file = open_image(ET_DYN);
	struct elf_symbol symbol;

	(void)state;
	/* the default version, though the old one comes first */
	assert_true(elf_file_symbol(file, "twice", &symbol));
	assert_int_equal(symbol.vaddr, IMAGE_PAGE + 32);
	assert_int_equal(symbol.size, 9);
	assert_true(symbol.function && symbol.exported && !symbol.ifunc);
	assert_true(elf_file_symbol(file, "data_word", &symbol));
	assert_true(!symbol.function && symbol.exported);
	assert_true(elf_file_symbol(file, "hidden", &symbol));
	assert_true(symbol.function && symbol.ifunc && !symbol.exported);
	assert_true(elf_file_symbol(file, "thread_word", &symbol));
	assert_int_equal(symbol.vaddr, 24);
	assert_false(elf_file_symbol(file, "imported", &symbol));
	assert_false(elf_file_symbol(file, "outside", &symbol));
	assert_false(elf_file_symbol(file, "twic", &symbol));
	assert_false(elf_file_symbol(file, "", &symbol));
	elf_file_close(file);
}

struct heard {
	unsigned n;
	char names[64];
	uint64_t last;
};

static void hear(void *context, const char *name, const struct elf_symbol *symbol)
{
	struct heard *heard = context;

	assert_true(symbol->function);
	heard->n++;
	heard->last = symbol->vaddr;
	snprintf(heard->names + strlen(heard->names), sizeof(heard->names) - strlen(heard->names),
		 "%.20s ", name);
}

static void functions_are_neither_data_nor_imports(void **state)
{
	struct elf_file *file = open_image(ET_DYN);
	struct heard heard = {0};

	(void)state;
	elf_file_functions(file, hear, &heard);
	/* neither data nor what is elsewhere */
	assert_string_equal(heard.names, "twice twice hidden ");
	assert_int_equal(heard.last, IMAGE_PAGE + 48);
	elf_file_close(file);
}

static void imports_are_found_by_name_and_by_place(void **state)
{
	struct elf_file *file = open_image(ET_DYN);

	(void)state;
	assert_int_equal(elf_file_import_of(file, "imported"), 2 * IMAGE_PAGE + 16);
	assert_string_equal(elf_file_import_at(file, 2 * IMAGE_PAGE + 16), "imported");
	assert_int_equal(elf_file_import_of(file, "twice"), 0);
	/* relocated, but not by a symbol */
	assert_null(elf_file_import_at(file, 2 * IMAGE_PAGE));
	assert_null(elf_file_import_at(file, 0));
	elf_file_close(file);
}

/* Only an old version there: better than nothing. */
static void an_old_version_alone_is_found(void **state)
{
	struct elf_image image;
	struct elf_symbol symbol;
	struct elf_file *file;

	(void)state;
	image_build(&image, ET_DYN);
	image.dynsym[2].st_name = 0;
	file = open_bytes(&image, sizeof(image), NULL);
	assert_non_null(file);
	assert_true(elf_file_symbol(file, "twice", &symbol));
	assert_int_equal(symbol.vaddr, IMAGE_PAGE + 16);
	elf_file_close(file);
}

static void bytes_are_those_of_the_file_and_no_more(void **state)
{
	struct elf_file *file = open_image(ET_EXEC);
	const uint8_t *bytes;
	uint64_t offset;
	size_t available;

	(void)state;
	assert_true(elf_file_offset(file, TEXT + 5, &offset));
	assert_int_equal(offset, offsetof(struct elf_image, text) + 5);
	bytes = elf_file_bytes(file, TEXT + 5, &available);
	assert_non_null(bytes);
	assert_int_equal(available, 251);
	assert_int_equal(bytes[0], 5);
	assert_int_equal(bytes[250], 255);
	assert_null(elf_file_bytes(file, TEXT + 256, &available));
	assert_int_equal(available, 0);
	/* zeroed memory behind the data is in no file */
	assert_false(elf_file_offset(file, DATA + 256, &offset));
	assert_null(elf_file_bytes(file, DATA + 256, &available));
	assert_null(elf_file_bytes(file, 0, &available));
	assert_null(elf_file_bytes(file, UINT64_MAX, &available));
	elf_file_close(file);
}

/* Two segments share a page of the file and lie at different distances in memory. */
static void the_bias_is_that_of_the_segment_of_a_mapping(void **state)
{
	struct elf_image image;
	struct map_range range = {.readable = true};
	struct elf_file *file;
	uint64_t bias = 1;

	(void)state;
	image_build(&image, ET_DYN);
	file = open_bytes(&image, sizeof(image), NULL);
	assert_non_null(file);
	range.offset = offsetof(struct elf_image, text) & ~(uint64_t)(IMAGE_PAGE - 1);
	range.start = 0x7f0000000000ull;
	range.executable = true;
	assert_true(elf_file_bias(file, &range, &bias));
	assert_int_equal(range.start + offsetof(struct elf_image, text) - range.offset,
			 image.segments[0].p_vaddr + bias);
	range.executable = false;
	range.writable = true;
	assert_true(elf_file_bias(file, &range, &bias));
	assert_int_equal(range.start + offsetof(struct elf_image, data) - range.offset,
			 image.segments[1].p_vaddr + bias);
	range.offset = 1 << 20;
	assert_false(elf_file_bias(file, &range, &bias));
	elf_file_close(file);

	/* a program with fixed addresses, mapped elsewhere to be read only */
	file = open_image(ET_EXEC);
	range.offset = 0;
	assert_false(elf_file_bias(file, &range, &bias));
	elf_file_close(file);
}

static void refuse(const struct elf_image *image, size_t size, const char *why)
{
	struct err err = ERR_INIT;

	assert_null(open_bytes(image, size, &err));
	assert_int_equal(err.code, ERR_FAILED);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void what_is_no_program_for_this_is_refused(void **state)
{
	struct elf_image good, image;
	struct err err = ERR_INIT;

	(void)state;
	image_build(&good, ET_EXEC);
#define REFUSE(change, why)                         \
	do {                                        \
		image = good;                       \
		change;                             \
		refuse(&image, sizeof(image), why); \
	} while (0)
	REFUSE(image.header.e_ident[EI_CLASS] = ELFCLASS32, "32-bit");
	REFUSE(image.header.e_ident[EI_DATA] = ELFDATA2MSB, "big-endian");
	REFUSE(image.header.e_machine = EM_RISCV, "machine 243");
	REFUSE(image.header.e_type = ET_REL, "neither a program");
	REFUSE(image.header.e_ident[0] = 0, "not an ELF file");
	REFUSE(image.header.e_phnum = 0, "no loadable segment");
	REFUSE(image.segments[1].p_memsz = UINT64_MAX, "impossible size");
	REFUSE(image.segments[0].p_offset = UINT64_MAX, "impossible size");
#undef REFUSE
	refuse(&good, 0, "not an ELF file");
	assert_null(elf_file_open("/proc/self/no-such-file", &err));
	assert_non_null(strstr(err.text, "No such file"));
	assert_null(elf_file_open("/", &err));
	assert_null(elf_file_open("/dev/zero", &err));
	assert_non_null(strstr(err.text, "not a regular file"));
}

/* Nobody writes to it: opening must not wait for a writer. */
static void opening_a_fifo_does_not_wait(void **state)
{
	char folder[] = "/tmp/pyleaktrace-fifo-XXXXXX", path[64];
	struct err err = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(elf_file_open(path, &err));
	assert_non_null(strstr(err.text, "not a regular file"));
	unlink(path);
	rmdir(folder);
}

static void read_name(void *context, const char *name, const struct elf_symbol *symbol)
{
	*(size_t *)context += strlen(name) + symbol->function;
}

/* Ask everything that can be asked; whatever is answered must lie within the file. */
static void ask_everything(struct elf_file *file, size_t size)
{
	static const char *const names[] = {"twice", "data_word", "outside", "hidden", "no such"};
	struct map_range range = {.start = 0x7f0000000000ull, .executable = true};
	struct elf_symbol symbol;
	uint64_t vaddr, length, bias;
	size_t names_length = 0;
	unsigned i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t available;
		const uint8_t *bytes;
		volatile uint8_t sum = 0;

		if (!elf_file_symbol(file, names[i], &symbol))
			continue;
		bytes = elf_file_bytes(file, symbol.vaddr, &available);
		assert_true(available <= size);
		for (size_t at = 0; bytes && at < available; at++)
			sum = (uint8_t)(sum + bytes[at]); /* a sanitizer sees what is not ours */
	}
	for (i = 0; elf_file_text(file, i, &vaddr, &length); i++)
		assert_true(length <= size);
	elf_file_section(file, ".PyRuntime", &vaddr, &length);
	elf_file_section(file, "", &vaddr, &length);
	elf_file_functions(file, read_name, &names_length);
	elf_file_import_of(file, "imported");
	elf_file_import_at(file, 2 * IMAGE_PAGE + 16);
	for (range.offset = 0; range.offset < 2 * IMAGE_PAGE; range.offset += IMAGE_PAGE)
		elf_file_bias(file, &range, &bias);
}

static void ask_damaged(const void *bytes, size_t size)
{
	struct elf_file *file = open_bytes(bytes, size, NULL);

	if (file)
		ask_everything(file, size);
	elf_file_close(file);
}

static void a_file_cut_anywhere_does_no_harm(void **state)
{
	struct elf_image image;

	(void)state;
	image_build(&image, ET_DYN);
	for (size_t size = 0; size < sizeof(image); size++)
		ask_damaged(&image, size);
}

/* The file becomes shorter after it was opened: a mapping of it would end us by SIGBUS. */
static void a_file_that_shrinks_does_not_end_us(void **state)
{
	struct elf_image image;
	struct held_file held;
	struct elf_file *file;

	(void)state;
	image_build(&image, ET_DYN);
	hold(&held, &image, sizeof(image));
	file = elf_file_open(held.path, NULL);
	assert_non_null(file);
	assert_int_equal(ftruncate(held.fd, 64), 0);
	ask_everything(file, sizeof(image));
	elf_file_close(file);
	close(held.fd);
}

static void hostile_fields_do_no_harm(void **state)
{
	static const uint64_t values[] = {
		0,         1, 0x7fffffff, 0xffffffff, 0x100000000ull, INT64_MAX, UINT64_MAX - 7,
		UINT64_MAX};
	struct elf_image good, image;

	(void)state;
	image_build(&good, ET_DYN);
	/* every aligned word of the headers and tables, with every evil value */
	for (size_t at = 0; at < offsetof(struct elf_image, strings); at += 4) {
		for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			image = good;
			memcpy((char *)&image + at, &values[i], at % 8 ? 4 : 8);
			ask_damaged(&image, sizeof(image));
		}
	}
	image = good;
	image.header.e_shnum = 0; /* "the number is in the first section header" */
	image.sections[0].sh_size = UINT32_MAX;
	ask_damaged(&image, sizeof(image));
	image = good;
	image.header.e_phnum = PN_XNUM;
	image.sections[0].sh_info = UINT32_MAX;
	ask_damaged(&image, sizeof(image));
	image = good;
	memset(image.strings, 'x', sizeof(image.strings)); /* no name ever ends */
	ask_damaged(&image, sizeof(image));
}

/* Damage at random places; the same places every time. */
static void random_damage_does_no_harm(void **state)
{
	struct elf_image good, image;
	uint64_t seed = 0x9e3779b97f4a7c15ull;

	(void)state;
	image_build(&good, ET_DYN);
	for (unsigned round = 0; round < 4000; round++) {
		image = good;
		for (unsigned i = 0; i < 1 + round % 8; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			((uint8_t *)&image)[seed % offsetof(struct elf_image, padding)] =
				(uint8_t)(seed >> 32);
		}
		ask_damaged(&image, sizeof(image));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_has_its_machine_sections_and_text),
		cmocka_unit_test(a_symbol_is_found_in_its_default_version),
		cmocka_unit_test(functions_are_neither_data_nor_imports),
		cmocka_unit_test(imports_are_found_by_name_and_by_place),
		cmocka_unit_test(an_old_version_alone_is_found),
		cmocka_unit_test(bytes_are_those_of_the_file_and_no_more),
		cmocka_unit_test(the_bias_is_that_of_the_segment_of_a_mapping),
		cmocka_unit_test(what_is_no_program_for_this_is_refused),
		cmocka_unit_test(opening_a_fifo_does_not_wait),
		cmocka_unit_test(a_file_cut_anywhere_does_no_harm),
		cmocka_unit_test(a_file_that_shrinks_does_not_end_us),
		cmocka_unit_test(hostile_fields_do_no_harm),
		cmocka_unit_test(random_damage_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
