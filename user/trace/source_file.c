/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/source_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/open_below.h"

/* The target's root, and in it the path. -1: not there */
static int open_source(const char *path, pid_t pid)
{
	char name[64], place[PATH_MAX], whole[PATH_MAX];
	ssize_t n = 0;
	int root, fd;

	if (*path != '/') {
		snprintf(name, sizeof(name), "/proc/%d/cwd", (int)pid);
		n = readlink(name, place, sizeof(place) - 1);
		if (n < 0)
			return -1;
	}
	place[n] = '\0';
	if ((size_t)snprintf(whole, sizeof(whole), "%s/%s", place, path) >= sizeof(whole))
		return -1;
	snprintf(name, sizeof(name), "/proc/%d/root", (int)pid);
	root = open(name, O_PATH | O_CLOEXEC | O_DIRECTORY);
	if (root < 0)
		return -1;
	fd = open_below(root, whole);
	close(root);
	return fd;
}

/* return bytes; 0: none, or too many */
static size_t read_all(int fd, char *bytes, size_t size)
{
	size_t used = 0;
	ssize_t n;

	while (used < size && (n = read(fd, bytes + used, size - used)) > 0)
		used += (size_t)n;
	return used;
}

static void split(struct profile *profile, struct source_file *file, char *bytes, size_t n)
{
	const char **lines;
	size_t n_lines = 1;

	for (size_t i = 0; i < n; i++)
		n_lines += bytes[i] == '\n';
	n_lines = n_lines < SOURCE_LINES_MAX ? n_lines : SOURCE_LINES_MAX;
	lines = profile_alloc(profile, n_lines * sizeof(*lines));
	for (size_t i = 0; i < n_lines; i++) {
		char *end = memchr(bytes, '\n', n);
		size_t length = end ? (size_t)(end - bytes) : n;

		lines[i] = bytes;
		bytes[length] = '\0';
		bytes += length + (end != NULL);
		n -= length + (end != NULL);
	}
	file->text = lines;
	file->n_text = n_lines;
}

static void read_file(struct profile *profile, struct source_file *file, pid_t pid)
{
	int fd = open_source(file->path, pid);
	struct stat seen;
	size_t n;

	if (fd < 0)
		return;
	if (!fstat(fd, &seen) && seen.st_size > 0 && seen.st_size <= (off_t)SOURCE_FILE_MAX) {
		char *bytes = profile_alloc(profile, (size_t)seen.st_size + 1);

		n = read_all(fd, bytes, (size_t)seen.st_size);
		if (n)
			split(profile, file, bytes, n);
	}
	close(fd);
}

void source_files_read(struct profile *profile, struct profile_sources *sources, pid_t pid)
{
	for (size_t i = 0; i < sources->n_files; i++)
		read_file(profile, &sources->files[i], pid);
}
