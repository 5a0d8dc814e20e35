/* SPDX-License-Identifier: BSD-2-Clause
 *
 * fuzz_unwind: hostile bytes -> the compiler of unwind tables and the reader of its cache
 * (libFuzzer).
 *
 * Shapes     the first byte of an input says what the rest is:
 *            E  an ELF file, read from a file and from memory
 *            F  .eh_frame, D  .debug_frame: struct place, then the section
 *            C  a file of the cache; its magic number and fingerprints are made right, or nothing
 *               would come further than they
 * Errors     what must hold of every table (unwind_table_valid()) is asserted; crashes, leaks, time
 *            and memory are libFuzzer's and the sanitizers' to find. tools/fuzz-unwind runs it.
 */
#include <stdlib.h>
#include <sys/mman.h>

/* what it keeps to itself is tried too */
#include "unwind/cache.c"

#include "unwind/functions.h"

#define ZEROS 64 /* as section_load() leaves behind the bytes */

struct place {
	uint64_t vaddr;            /* of the section */
	uint64_t text;             /* start of the only executable segment */
	uint32_t text_bytes;       /* of it, at least 1 */
	uint32_t textrel, datarel; /* what pointers may be relative to; 0: nothing */
} __attribute__((packed));

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_table(struct unwind_table *table)
{
	uint64_t start = table->first_page * ABI_TEXT_PAGE;

	require(unwind_table_valid(table));
	require(unwind_table_find(table, start - 1)->kind <= ABI_RULE_UNSUPPORTED);
	for (uint32_t i = 0; i < table->n_pages && i < 64; i++)
		for (uint32_t at = 0; at < ABI_TEXT_PAGE; at += 511)
			require(unwind_table_find(table, start + i * ABI_TEXT_PAGE + at)->kind <=
				ABI_RULE_UNSUPPORTED);
	unwind_table_fini(table);
}

static int file_of(const uint8_t *bytes, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void try_elf(const uint8_t *bytes, size_t size)
{
	struct unwind_functions functions;
	struct unwind_table table;
	char name[2 * MAX_BUILD_ID + 1];
	uint8_t *image = malloc(size);
	int fd = file_of(bytes, size);
	Elf *elf = section_open(fd, NULL);

	require(image);
	memcpy(image, bytes, size);
	if (unwind_table_build_image(&table, image, size, NULL) == 0)
		check_table(&table);
	free(image);
	if (elf && name_of(elf, name))
		require(strspn(name, "0123456789abcdef") == strlen(name));
	elf_end(elf);
	if (unwind_cache_get(-1, &table, fd, NULL) == 0)
		check_table(&table);
	require(lseek(fd, 0, SEEK_CUR) == 0);
	if (unwind_functions_load(&functions, fd, NULL) == 0) {
		for (size_t i = 0; i < functions.n; i++) {
			require(functions.all[i].start < functions.all[i].end);
			unwind_functions_find(&functions, functions.all[i].start);
		}
		unwind_functions_fini(&functions);
	}
	close(fd);
}

static void try_section(const uint8_t *bytes, size_t size, bool eh_frame)
{
	struct unwind_section section = {.eh_frame = eh_frame, .n_text = 1};
	struct unwind_table table;
	struct place place;

	if (size <= sizeof(place))
		return;
	memcpy(&place, bytes, sizeof(place));
	section.size = size - sizeof(place);
	section.bytes = calloc(1, section.size + ZEROS);
	require(section.bytes);
	memcpy(section.bytes, bytes + sizeof(place), section.size);
	section.bases = (struct reader_bases){.bytes = section.bytes,
					      .vaddr = place.vaddr,
					      .text = place.textrel,
					      .data = place.datarel};
	section.text[0].start = place.text;
	if (!__builtin_add_overflow(place.text, place.text_bytes, &section.text[0].end) &&
	    place.text_bytes && unwind_table_compile(&table, &section, NULL) == 0)
		check_table(&table);
	section_fini(&section);
}

static void try_cache(const uint8_t *bytes, size_t size)
{
	struct unwind_section section = {.n_text = 1};
	struct unwind_table table = {0}, view = {0};
	struct part parts[PARTS];
	struct head head;
	uint8_t *copy = malloc(size + 1);
	int fd;

	require(copy);
	memcpy(copy, bytes, size);
	if (size >= sizeof(head)) {
		memcpy(&head, copy, sizeof(head));
		memcpy(head.magic, MAGIC, sizeof(head.magic));
		head.compiler = UNWIND_COMPILER;
		head.zero = 0;
		head.source = source_of(&section, head.key);
		if (usable_head(&head) && parts_of(&head, &view, parts) == size) {
			/* the parts lie one behind the other */
			view.pages = (void *)(copy + sizeof(head));
			view.rules = (void *)(copy + sizeof(head) + parts[1].size);
			view.rows = (void *)(copy + sizeof(head) + parts[1].size + parts[2].size);
			head.contents = contents_of(head, &view);
		}
		memcpy(copy, &head, sizeof(head));
	}
	fd = file_of(copy, size);
	if (read_table(&table, fd, size, &section))
		check_table(&table);
	else
		unwind_table_fini(&table);
	close(fd);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size < 2)
		return 0;
	switch (bytes[0]) {
	case 'E':
		try_elf(bytes + 1, size - 1);
		break;
	case 'F':
	case 'D':
		try_section(bytes + 1, size - 1, bytes[0] == 'F');
		break;
	case 'C':
		try_cache(bytes + 1, size - 1);
		break;
	}
	return 0;
}
