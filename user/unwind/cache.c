/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/cache.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <libelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "unwind/cache_folder.h"
#include "unwind/fingerprint.h"

#define MAGIC        "PLTunwnd"
#define MAX_BUILD_ID 64 /* bytes; linkers write 8 to 32 */
#define PARTS        4  /* of a file: head, pages, rules, rows */

/* A file of the cache: this, then pages, rules and rows as they are in struct unwind_table. */
struct head {
	char magic[8];
	uint32_t compiler; /* UNWIND_COMPILER: checksum of the sources that make tables */
	uint32_t n_pages, n_rows, n_rules;
	uint32_t n_functions, damaged, unsupported;
	uint32_t zero;
	uint64_t first_page;
	uint64_t key;      /* of the fingerprints; random for each file */
	uint64_t source;   /* fingerprint of the unwind information that was compiled */
	uint64_t contents; /* fingerprint of this head, with 0 here, and of what follows */
};

struct part {
	const void *bytes;
	size_t size;
};

/* ---- fingerprints --------------------------------------------------------------------------- */

/* All that a table depends on. */
static uint64_t source_of(const struct unwind_section *section, uint64_t key)
{
	uint64_t scalars[] = {section->size,       section->eh_frame,   section->bases.vaddr,
			      section->bases.text, section->bases.data, section->n_text};
	struct fingerprint fingerprint;

	fingerprint_init(&fingerprint, key);
	fingerprint_add(&fingerprint, scalars, sizeof(scalars));
	fingerprint_add(&fingerprint, section->text, section->n_text * sizeof(section->text[0]));
	fingerprint_add(&fingerprint, section->bytes, section->size);
	return fingerprint_value(&fingerprint);
}

/* The parts of a file, in their order; out: their bytes in all */
static uint64_t parts_of(struct head *head, const struct unwind_table *table,
			 struct part parts[PARTS])
{
	uint64_t bytes = 0;

	parts[0] = (struct part){head, sizeof(*head)};
	parts[1] = (struct part){table->pages, head->n_pages * sizeof(*table->pages)};
	parts[2] = (struct part){table->rules, head->n_rules * sizeof(*table->rules)};
	parts[3] = (struct part){table->rows, head->n_rows * sizeof(*table->rows)};
	for (unsigned i = 0; i < PARTS; i++)
		bytes += parts[i].size;
	return bytes;
}

static uint64_t contents_of(struct head head, const struct unwind_table *table)
{
	struct fingerprint fingerprint;
	struct part parts[PARTS];

	head.contents = 0;
	parts_of(&head, table, parts);
	fingerprint_init(&fingerprint, head.key);
	for (unsigned i = 0; i < PARTS; i++)
		fingerprint_add(&fingerprint, parts[i].bytes, parts[i].size);
	return fingerprint_value(&fingerprint);
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool read_exactly(int file, void *buffer, size_t size)
{
	uint8_t *at = buffer;

	while (size) {
		ssize_t n = read(file, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static bool usable_head(const struct head *head)
{
	return memcmp(head->magic, MAGIC, sizeof(head->magic)) == 0 &&
	       head->compiler == UNWIND_COMPILER && head->zero == 0 &&
	       head->n_pages <= UNWIND_MAX_PAGES && head->n_rows <= UNWIND_MAX_ROWS &&
	       head->n_rules <= UNWIND_MAX_RULES;
}

/* in: size: of the file, which says no more than there is */
static bool read_table(struct unwind_table *table, int file, uint64_t size,
		       const struct unwind_section *section)
{
	struct part parts[PARTS];
	struct head head;

	if (!read_exactly(file, &head, sizeof(head)) || !usable_head(&head) ||
	    parts_of(&head, table, parts) != size || head.source != source_of(section, head.key))
		return false;
	*table = (struct unwind_table){.first_page = head.first_page,
				       .n_pages = head.n_pages,
				       .n_rows = head.n_rows,
				       .n_rules = head.n_rules,
				       .pages = malloc(parts[1].size + 1),
				       .rules = malloc(parts[2].size + 1),
				       .rows = malloc(parts[3].size + 1),
				       .n_functions = head.n_functions,
				       .damaged = head.damaged,
				       .unsupported = head.unsupported};
	return table->pages && table->rules && table->rows &&
	       read_exactly(file, table->pages, parts[1].size) &&
	       read_exactly(file, table->rules, parts[2].size) &&
	       read_exactly(file, table->rows, parts[3].size) &&
	       head.contents == contents_of(head, table) && unwind_table_valid(table);
}

static bool load(struct unwind_table *table, int folder, const char *name,
		 const struct unwind_section *section)
{
	off_t size;
	int file = cache_folder_file(folder, name, &size);
	bool loaded;

	if (file < 0)
		return false;
	loaded = read_table(table, file, (uint64_t)size, section);
	close(file);
	if (!loaded)
		unwind_table_fini(table);
	return loaded;
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool write_all(int file, const struct part *part)
{
	const uint8_t *at = part->bytes;
	size_t left = part->size;

	while (left) {
		ssize_t n = write(file, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		left -= (size_t)n;
	}
	return true;
}

static void keep(const struct unwind_table *table, int folder, const char *name,
		 const struct unwind_section *section)
{
	struct head head = {.magic = MAGIC,
			    .compiler = UNWIND_COMPILER,
			    .n_pages = table->n_pages,
			    .n_rows = table->n_rows,
			    .n_rules = table->n_rules,
			    .n_functions = table->n_functions,
			    .damaged = table->damaged,
			    .unsupported = table->unsupported,
			    .first_page = table->first_page};
	struct part parts[PARTS];
	char temporary[NAME_MAX + 1];
	bool whole = true;
	int file;

	if (parts_of(&head, table, parts) > UNWIND_CACHE_MAX_BYTES ||
	    getrandom(&head.key, sizeof(head.key), 0) != sizeof(head.key))
		return;
	head.source = source_of(section, head.key);
	head.contents = contents_of(head, table);
	file = cache_folder_begin(folder, temporary);
	if (file < 0)
		return;
	for (unsigned i = 0; whole && i < PARTS; i++)
		whole = write_all(file, &parts[i]);
	cache_folder_end(folder, file, temporary, name, whole);
	cache_folder_shrink(folder, UNWIND_CACHE_MAX_BYTES);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* The name of a file's table; false: it has no build id. */
static bool name_of(Elf *elf, char name[2 * MAX_BUILD_ID + 1])
{
	const void *id;
	ssize_t length = dwelf_elf_gnu_build_id(elf, &id);

	if (length <= 0 || length > MAX_BUILD_ID)
		return false;
	for (ssize_t i = 0; i < length; i++)
		snprintf(name + 2 * i, 3, "%02x", ((const uint8_t *)id)[i]);
	return true;
}

int unwind_cache_open(void)
{
	return cache_folder_open();
}

int unwind_cache_get(int folder, struct unwind_table *table, int fd, struct err *err)
{
	struct unwind_section section = {0};
	char name[2 * MAX_BUILD_ID + 1];
	bool named;
	int result;
	Elf *elf;

	*table = (struct unwind_table){0};
	elf = section_open(fd, err);
	if (!elf)
		return -(int)ERR_FAILED;
	result = section_load(&section, elf, err);
	named = !result && folder >= 0 && name_of(elf, name);
	elf_end(elf);
	if (result)
		return result;
	if (!named || !load(table, folder, name, &section)) {
		result = unwind_table_compile(table, &section, err);
		if (!result && named)
			keep(table, folder, name, &section);
	}
	section_fini(&section);
	return result;
}
