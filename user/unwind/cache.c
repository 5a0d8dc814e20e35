/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>
#include <zlib.h>

#define CACHE_MAGIC   0x57554c50u /* "PLUW" */
#define CACHE_VERSION 1u /* grows whenever a table's form, or what is compiled into it, changes */

#define MAX_BUILD_ID  64
#define MAX_FILES     65536

struct cache_header {
	uint32_t magic, version;
	uint64_t first_page;
	uint32_t n_pages, n_rows, n_rules, n_functions, damaged, unsupported;
	uint32_t checksum; /* CRC-32 of the arrays behind the header */
	uint32_t pad;
};

/* ---- the folder ------------------------------------------------------------------------------ */

static bool is_ours(int fd, mode_t type)
{
	struct stat info;

	return fstat(fd, &info) == 0 && (info.st_mode & S_IFMT) == type &&
	       info.st_uid == geteuid() && !(info.st_mode & (S_IWGRP | S_IWOTH));
}

/* A folder in another one, made when it is not there; closes `parent`. */
static int enter(int parent, const char *name)
{
	int fd;

	if (parent < 0)
		return -1;
	mkdirat(parent, name, 0700);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(parent);
	if (fd >= 0 && !is_ours(fd, S_IFDIR)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_base(void)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	/* as root the environment may be another user's (sudo) */
	if (geteuid() == 0)
		return open("/var/cache", flags);
	if (base && *base == '/')
		return open(base, flags);
	return home && *home == '/' ? enter(open(home, flags), ".cache") : -1;
}

int unwind_cache_open(void)
{
	return enter(enter(open_base(), "pyleaktrace"), "unwind");
}

/* ---- one table ------------------------------------------------------------------------------- */

static bool find_name(int fd, char *name)
{
	bool found = false;
	const void *id;
	Elf *elf;
	ssize_t n;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	n = elf ? dwelf_elf_gnu_build_id(elf, &id) : -1;
	if (n >= 8 && n <= MAX_BUILD_ID) {
		for (ssize_t i = 0; i < n; i++)
			sprintf(name + 2 * i, "%02x", ((const uint8_t *)id)[i]);
		found = true;
	}
	elf_end(elf);
	return found;
}

static uint32_t checksum(const struct unwind_table *table)
{
	uLong sum = crc32_z(0, (const Bytef *)table->pages, table->n_pages * sizeof(*table->pages));

	sum = crc32_z(sum, (const Bytef *)table->rows, table->n_rows * sizeof(*table->rows));
	sum = crc32_z(sum, (const Bytef *)table->rules, table->n_rules * sizeof(*table->rules));
	return (uint32_t)sum;
}

/* Every index leads to something, and the rows of a page are in order from its beginning on. */
static bool is_sound(const struct unwind_table *table)
{
	if (table->n_rules == 0 || table->rules[0].kind != ABI_RULE_NONE)
		return false;
	for (uint32_t i = 0; i < table->n_rules; i++)
		if (table->rules[i].kind > ABI_RULE_UNSUPPORTED ||
		    table->rules[i].reg >= ABI_UNWIND_REGS)
			return false;
	for (uint32_t i = 0; i < table->n_pages; i++) {
		const struct abi_unwind_page *page = &table->pages[i];

		if (page->n_rows > ABI_MAX_PAGE_ROWS || page->first_row > table->n_rows ||
		    page->n_rows > table->n_rows - page->first_row)
			return false;
		for (uint32_t k = 0; k < page->n_rows; k++) {
			const uint32_t *row = &table->rows[page->first_row + k];

			if (ABI_ROW_RULE(*row) >= table->n_rules ||
			    (k ? row[0] <= row[-1] : ABI_ROW_OFFSET(*row) != 0))
				return false;
		}
	}
	return true;
}

static bool read_all(int fd, void *buffer, size_t size)
{
	char *at = buffer;

	while (size) {
		ssize_t n = read(fd, at, size);

		if (n <= 0)
			return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static bool read_table(int fd, struct unwind_table *table)
{
	struct cache_header header;
	struct stat info;
	char past;

	if (fstat(fd, &info) || !read_all(fd, &header, sizeof(header)) ||
	    header.magic != CACHE_MAGIC || header.version != CACHE_VERSION ||
	    header.n_rows > UNWIND_MAX_ROWS || header.n_rules > UNWIND_MAX_RULES ||
	    (uint64_t)info.st_size != sizeof(header) +
					      (uint64_t)header.n_pages * sizeof(*table->pages) +
					      (uint64_t)header.n_rows * sizeof(*table->rows) +
					      (uint64_t)header.n_rules * sizeof(*table->rules))
		return false;
	table->first_page = header.first_page;
	table->n_pages = header.n_pages;
	table->n_rows = header.n_rows;
	table->n_rules = header.n_rules;
	table->n_functions = header.n_functions;
	table->damaged = header.damaged;
	table->unsupported = header.unsupported;
	table->pages = calloc(header.n_pages + 1ul, sizeof(*table->pages));
	table->rows = calloc(header.n_rows + 1ul, sizeof(*table->rows));
	table->rules = calloc(header.n_rules + 1ul, sizeof(*table->rules));
	return table->pages && table->rows && table->rules &&
	       read_all(fd, table->pages, header.n_pages * sizeof(*table->pages)) &&
	       read_all(fd, table->rows, header.n_rows * sizeof(*table->rows)) &&
	       read_all(fd, table->rules, header.n_rules * sizeof(*table->rules)) &&
	       read(fd, &past, 1) == 0 && checksum(table) == header.checksum && is_sound(table);
}

static bool load(int folder, const char *name, struct unwind_table *table)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	memset(table, 0, sizeof(*table));
	good = is_ours(fd, S_IFREG) && read_table(fd, table);
	if (good)
		futimens(fd, NULL); /* used now: it stays longer than others */
	else
		unwind_table_fini(table);
	close(fd);
	return good;
}

static bool write_table(FILE *out, const struct unwind_table *table)
{
	const struct cache_header header = {
		.magic = CACHE_MAGIC,
		.version = CACHE_VERSION,
		.first_page = table->first_page,
		.n_pages = table->n_pages,
		.n_rows = table->n_rows,
		.n_rules = table->n_rules,
		.n_functions = table->n_functions,
		.damaged = table->damaged,
		.unsupported = table->unsupported,
		.checksum = checksum(table),
	};

	return fwrite(&header, sizeof(header), 1, out) == 1 &&
	       fwrite(table->pages, sizeof(*table->pages), table->n_pages, out) == table->n_pages &&
	       fwrite(table->rows, sizeof(*table->rows), table->n_rows, out) == table->n_rows &&
	       fwrite(table->rules, sizeof(*table->rules), table->n_rules, out) == table->n_rules;
}

/* Written beside and renamed: a reader sees a whole table or none. */
static void keep(int folder, const char *name, const struct unwind_table *table)
{
	char beside[2 * MAX_BUILD_ID + 32];
	bool good;
	FILE *out;
	int fd;

	snprintf(beside, sizeof(beside), "%s.%d", name, (int)getpid());
	fd = openat(folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	out = fdopen(fd, "w");
	if (!out)
		close(fd);
	good = out && write_table(out, table);
	if (out && fclose(out))
		good = false;
	if (!good || renameat(folder, beside, folder, name))
		unlinkat(folder, beside, 0);
	else
		unwind_cache_trim(folder, UNWIND_CACHE_MAX_BYTES);
}

int unwind_cache_get(int folder, struct unwind_table *table, int fd, struct err *err)
{
	char name[2 * MAX_BUILD_ID + 1];
	bool named = folder >= 0 && find_name(fd, name);
	int result;

	if (named && load(folder, name, table))
		return 0;
	result = unwind_table_build(table, fd, err);
	if (!result && named)
		keep(folder, name, table);
	return result;
}

/* ---- its size -------------------------------------------------------------------------------- */

struct kept {
	struct timespec used;
	off_t bytes;
	char name[2 * MAX_BUILD_ID + 32];
};

static int by_use(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return x->used.tv_nsec < y->used.tv_nsec ? -1 : x->used.tv_nsec > y->used.tv_nsec;
}

static struct kept *list(int folder, size_t *n_kept, unsigned long long *bytes)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct kept *all = NULL;
	struct dirent *entry;
	size_t n = 0;

	*bytes = 0;
	if (!dir && fd >= 0)
		close(fd);
	while (dir && n < MAX_FILES && (entry = readdir(dir))) {
		struct kept *larger;
		struct stat info;

		if (strlen(entry->d_name) >= sizeof(all->name) ||
		    fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(info.st_mode))
			continue;
		larger = realloc(all, (n + 1) * sizeof(*all));
		if (!larger)
			break;
		all = larger;
		all[n].used = info.st_mtim;
		all[n].bytes = info.st_size;
		*bytes += (unsigned long long)info.st_size;
		strcpy(all[n++].name, entry->d_name);
	}
	if (dir)
		closedir(dir);
	*n_kept = n;
	return all;
}

void unwind_cache_trim(int folder, unsigned long long max_bytes)
{
	unsigned long long bytes;
	size_t n;
	struct kept *all = list(folder, &n, &bytes);

	if (all && bytes > max_bytes)
		qsort(all, n, sizeof(*all), by_use);
	for (size_t i = 0; all && i < n && bytes > max_bytes; i++) {
		unlinkat(folder, all[i].name, 0);
		bytes -= (unsigned long long)all[i].bytes;
	}
	free(all);
}
