/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/cache_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static bool is_ours(const struct stat *stat)
{
	return stat->st_uid == geteuid() && !(stat->st_mode & (S_IWGRP | S_IWOTH));
}

/* Step into a folder, which is made if it is not there; `parent` is closed. */
static int step_into(int parent, const char *name)
{
	struct stat stat;
	int folder;

	if (parent < 0)
		return -1;
	mkdirat(parent, name,
		0700); /* that it is there already is fine; anything else shows below */
	folder = openat(parent, name, FOLDER_FLAGS);
	close(parent);
	if (folder >= 0 && (fstat(folder, &stat) != 0 || !is_ours(&stat))) {
		close(folder);
		return -1;
	}
	return folder;
}

int cache_folder_open_below(const char *base)
{
	/* links in the path to it are its owner's business */
	int folder = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return step_into(step_into(folder, "pyleaktrace"), "unwind");
}

int cache_folder_open(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];
	int length;

	if (geteuid() == 0)
		return cache_folder_open_below("/var/cache");
	if (xdg && xdg[0] == '/') {
		length = snprintf(path, sizeof(path), "%s", xdg);
	} else if (home && home[0] == '/') {
		length = snprintf(path, sizeof(path), "%s/.cache", home);
	} else {
		return -1;
	}
	if (length >= (int)sizeof(path))
		return -1;
	mkdir(path, 0700);
	return cache_folder_open_below(path);
}

int cache_folder_file(int folder, const char *name, off_t *size)
{
	/* non-blocking: should it be a FIFO, it is not waited for */
	int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat stat;

	if (file < 0)
		return -1;
	if (fstat(file, &stat) != 0 || !S_ISREG(stat.st_mode) || !is_ours(&stat)) {
		close(file);
		return -1;
	}
	futimens(file, NULL);
	*size = stat.st_size;
	return file;
}

int cache_folder_begin(int folder, char *name)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -1;
	snprintf(name, NAME_MAX + 1, "%016llx~", (unsigned long long)random);
	return openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

void cache_folder_end(int folder, int file, const char *name, const char *final, bool keep)
{
	/* not flushed to the disk: what a crash leaves of it fails its checks */
	if (close(file) != 0 || !keep || renameat(folder, name, folder, final) != 0)
		unlinkat(folder, name, 0);
}

/* ---- how much is there ---------------------------------------------------------------------- */

struct entry {
	char name[NAME_MAX + 1];
	uint64_t size;
	struct timespec used;
};

struct listing {
	struct entry *entries;
	size_t n, capacity;
	uint64_t bytes;
};

static int oldest_first(const void *a, const void *b)
{
	const struct entry *one = a, *other = b;

	if (one->used.tv_sec != other->used.tv_sec)
		return one->used.tv_sec < other->used.tv_sec ? -1 : 1;
	if (one->used.tv_nsec != other->used.tv_nsec)
		return one->used.tv_nsec < other->used.tv_nsec ? -1 : 1;
	return strcmp(one->name, other->name);
}

static bool add_entry(struct listing *listing, const char *name, const struct stat *stat)
{
	struct entry *entry;

	if (listing->n == listing->capacity) {
		size_t wanted = listing->capacity ? listing->capacity * 2 : 64;
		struct entry *entries = realloc(listing->entries, wanted * sizeof(*entries));

		if (!entries)
			return false;
		listing->entries = entries;
		listing->capacity = wanted;
	}
	entry = &listing->entries[listing->n++];
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	entry->size = (uint64_t)stat->st_size;
	entry->used = stat->st_mtim;
	listing->bytes += entry->size;
	return true;
}

static void list(struct listing *listing, DIR *stream)
{
	const struct dirent *found;

	while ((found = readdir(stream))) {
		struct stat stat;

		if (fstatat(dirfd(stream), found->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(stat.st_mode) && !add_entry(listing, found->d_name, &stat))
			return;
	}
}

void cache_folder_shrink(int folder, uint64_t max_bytes)
{
	struct listing listing = {0};
	int again = openat(folder, ".", FOLDER_FLAGS);
	DIR *stream = again < 0 ? NULL : fdopendir(again);

	if (!stream) {
		if (again >= 0)
			close(again);
		return;
	}
	list(&listing, stream);
	closedir(stream);
	if (listing.bytes > max_bytes)
		qsort(listing.entries, listing.n, sizeof(*listing.entries), oldest_first);
	for (size_t i = 0; i < listing.n && listing.bytes > max_bytes; i++) {
		unlinkat(folder, listing.entries[i].name, 0);
		listing.bytes -= listing.entries[i].size;
	}
	free(listing.entries);
}
