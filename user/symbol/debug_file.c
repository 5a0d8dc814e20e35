/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/debug_file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <zlib.h>

#include "symbol/elf_part.h"
#include "target/open_below.h"

#define ID_MAX       64           /* bytes of a build id; 20 is usual */
#define CHECKSUM_MAX (1ull << 30) /* bytes of a file whose checksum is worth the time */
#define LINK_MAX     8192         /* bytes of a section that names another file */

/* What the file must be that is looked for. */
struct wanted {
	uint8_t id[ID_MAX];
	size_t id_length; /* 0: none */
	bool have_checksum;
	uint32_t checksum;
};

static bool has_checksum(int fd, uint32_t wanted)
{
	uint8_t buffer[65536];
	uLong sum = crc32(0, NULL, 0);
	uint64_t at = 0;
	ssize_t n;

	while (at < CHECKSUM_MAX && (n = pread(fd, buffer, sizeof(buffer), (off_t)at)) > 0) {
		sum = crc32(sum, buffer, (uInt)n);
		at += (uint64_t)n;
	}
	return at < CHECKSUM_MAX && n == 0 && sum == wanted;
}

static size_t read_id(Elf *elf, uint8_t *id)
{
	const void *bytes;
	ssize_t length = dwelf_elf_gnu_build_id(elf, &bytes);

	if (length < 2 || length > ID_MAX)
		return 0;
	memcpy(id, bytes, (size_t)length);
	return (size_t)length;
}

static bool is_wanted(int fd, const struct wanted *wanted)
{
	uint8_t id[ID_MAX];
	Elf *elf = elf_part_open(fd);
	size_t length;

	if (!elf)
		return false;
	length = read_id(elf, id);
	elf_end(elf);
	if (wanted->id_length && length)
		return length == wanted->id_length && memcmp(id, wanted->id, length) == 0;
	return wanted->have_checksum && has_checksum(fd, wanted->checksum);
}

/* Take this file if it is there and the right one. */
static bool take(struct debug_file *file, int root, const char *path, const struct wanted *wanted)
{
	int fd;

	if (root < 0 || strlen(path) >= sizeof(file->path))
		return false;
	fd = open_below(root, path);
	if (fd < 0)
		return false;
	if (!is_wanted(fd, wanted)) {
		close(fd);
		return false;
	}
	file->fd = fd;
	file->root = root;
	strcpy(file->path, path);
	return true;
}

static bool try_id(struct debug_file *file, const struct debug_places *places,
		   const struct wanted *wanted)
{
	char path[PATH_MAX], name[2 * ID_MAX + 1];

	if (!wanted->id_length)
		return false;
	for (size_t i = 0; i < wanted->id_length; i++)
		sprintf(name + 2 * i, "%02x", wanted->id[i]);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug",
			 i ? DEBUG_FILE_ROOT : places->host, name, name + 2);
		if (take(file, i ? places->target_root : places->own_root, path, wanted))
			return true;
	}
	return false;
}

static bool try_link(struct debug_file *file, const struct debug_places *places, const char *name,
		     const char *path, const struct wanted *wanted)
{
	const char *end = strrchr(path, '/');
	int folder = end ? (int)(end - path) : 0;
	struct {
		int root;
		const char *before, *after;
	} tries[] = {
		{places->target_root, "", "/"},
		{places->target_root, "", "/.debug/"},
		{places->own_root, places->host, "/"},
		{places->target_root, DEBUG_FILE_ROOT, "/"},
	};
	char candidate[PATH_MAX];

	if (!end || strchr(name, '/'))
		return false;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		int n = snprintf(candidate, sizeof(candidate), "%s%.*s%s%s", tries[i].before,
				 folder, path, tries[i].after, name);

		if (n > 0 && (size_t)n < sizeof(candidate) &&
		    take(file, tries[i].root, candidate, wanted))
			return true;
	}
	return false;
}

/*
 * Ask the servers of DEBUGINFOD_URLS. libdwfl does it as the last step of its own search; with
 * nothing but a build id to go by, the folder of build ids below /usr/lib/debug is all that it
 * tries before.
 */
static int ask_servers(const struct wanted *wanted)
{
	static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
						 .find_debuginfo = dwfl_standard_find_debuginfo};
	const char *urls = getenv("DEBUGINFOD_URLS");
	Dwfl *dwfl = urls && *urls && wanted->id_length ? dwfl_begin(&callbacks) : NULL;
	Dwfl_Module *module = dwfl ? dwfl_report_module(dwfl, "file", 0, UINT32_MAX) : NULL;
	char *name = NULL;
	int fd = -1;

	if (module && dwfl_module_report_build_id(module, wanted->id, wanted->id_length, 0) == 0)
		fd = dwfl_standard_find_debuginfo(module, NULL, "file", 0, NULL, NULL, 0, &name);
	free(name);
	dwfl_end(dwfl);
	if (fd >= 0 && !is_wanted(fd, wanted)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void debug_file_find(struct debug_file *file, const struct debug_places *places, Elf *elf,
		     const char *path)
{
	struct wanted wanted = {0};
	const char *name;
	GElf_Word checksum;

	*file = (struct debug_file){.fd = -1, .root = -1};
	wanted.id_length = read_id(elf, wanted.id);
	if (try_id(file, places, &wanted))
		return;
	name = dwelf_elf_gnu_debuglink(elf, &checksum);
	if (name) {
		wanted.have_checksum = true;
		wanted.checksum = checksum;
		if (try_link(file, places, name, path, &wanted))
			return;
	}
	file->fd = ask_servers(&wanted);
}

void debug_file_find_alternate(struct debug_file *file, const struct debug_places *places,
			       const struct debug_file *of, Elf *elf)
{
	struct wanted wanted = {0};
	size_t size;
	const char *name = elf_part_bytes(elf, ".gnu_debugaltlink", LINK_MAX, &size);
	const char *end = name ? memchr(name, '\0', size) : NULL;
	const char *folder = strrchr(of->path, '/');
	char path[PATH_MAX];
	int n;

	*file = (struct debug_file){.fd = -1, .root = -1};
	if (!end)
		return;
	wanted.id_length = size - (size_t)(end + 1 - name);
	if (wanted.id_length < 2 || wanted.id_length > ID_MAX)
		return;
	memcpy(wanted.id, end + 1, wanted.id_length);
	if (try_id(file, places, &wanted))
		return;
	n = snprintf(path, sizeof(path), "%.*s/%s",
		     *name != '/' && folder ? (int)(folder - of->path) : 0, of->path, name);
	if (n > 0 && (size_t)n < sizeof(path) &&
	    (take(file, of->root, path, &wanted) || take(file, places->own_root, path, &wanted)))
		return;
	file->fd = ask_servers(&wanted);
}
