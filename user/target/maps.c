/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* 512 for each of MAPS_MAX_RANGES lines: 73 fixed characters, then mostly a short path */
#define MAPS_MAX_BYTES (128UL << 20)

/* The kernel writes a line break in a file name as "\012", and escapes nothing else. */
static void undo_escapes(char *path)
{
	char *out = path;

	while (*path) {
		if (strncmp(path, "\\012", 4) == 0) {
			*out++ = '\n';
			path += 4;
		} else {
			*out++ = *path++;
		}
	}
	*out = '\0';
}

static bool cut_suffix(char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	if (n <= m || strcmp(text + n - m, suffix) != 0)
		return false;
	text[n - m] = '\0';
	return true;
}

/*
 * "START-END rwxp OFFSET MAJOR:MINOR INODE   PATH", numbers hexadecimal but the inode. The line
 * ends with NUL; its path part stays where it is.
 */
static bool parse_line(char *line, struct map_range *range)
{
	char flags[5];
	unsigned long start, end, offset, inode;
	unsigned major, minor;
	int path_at = 0;

	memset(range, 0, sizeof(*range));
	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &start, &end, flags, &offset, &major,
		   &minor, &inode, &path_at) < 7 ||
	    end <= start || strlen(flags) != 4 || path_at == 0)
		return false;
	range->start = start;
	range->end = end;
	range->offset = offset;
	range->dev_major = major;
	range->dev_minor = minor;
	range->inode = inode;
	range->readable = flags[0] == 'r';
	range->writable = flags[1] == 'w';
	range->executable = flags[2] == 'x';
	range->shared = flags[3] == 's';
	if (line[path_at] == '/') {
		range->deleted = cut_suffix(line + path_at, " (deleted)");
		undo_escapes(line + path_at);
	}
	range->path = line + path_at;
	return true;
}

static int parse_text(struct maps *maps, struct err *err)
{
	size_t lines = 0;
	char *line, *next;

	for (line = maps->text; (line = strchr(line, '\n')); line++)
		lines++;
	if (lines > MAPS_MAX_RANGES)
		return err_set(err, ERR_FAILED,
			       "pid %d has %zu mappings; at most %d can be followed",
			       (int)maps->pid, lines, MAPS_MAX_RANGES);
	maps->ranges = calloc(lines ? lines : 1, sizeof(*maps->ranges));
	if (!maps->ranges)
		return err_set(err, ERR_FAILED, "out of memory for the mappings of pid %d",
			       (int)maps->pid);
	for (line = maps->text; (next = strchr(line, '\n')); line = next + 1) {
		struct map_range *range = &maps->ranges[maps->n_ranges];

		*next = '\0';
		if (!parse_line(line, range))
			return err_set(err, ERR_FAILED,
				       "/proc/%d/maps has a line that cannot be parsed",
				       (int)maps->pid);
		/* read in several calls while the target goes on: a range may come twice */
		if (maps->n_ranges && range->start < range[-1].end)
			continue;
		maps->n_ranges++;
	}
	return 0;
}

int maps_read(struct maps *maps, pid_t pid, struct err *err)
{
	char path[32];
	size_t length;
	int result;

	*maps = (struct maps){.pid = pid};
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	result = file_read_all(path, MAPS_MAX_BYTES, &maps->text, &length);
	if (result == -EACCES || result == -EPERM)
		return err_set(err, ERR_PERMISSION, "%s: %s; run as root or with CAP_SYS_PTRACE",
			       path, strerror(-result));
	if (result == -ENOENT || result == -ESRCH)
		return err_set(err, ERR_TARGET, "pid %d has ended", (int)pid);
	if (result)
		return err_set(err, ERR_FAILED, "%s: %s", path, strerror(-result));
	result = parse_text(maps, err);
	if (!result && maps->n_ranges == 0)
		result = err_set(err, ERR_TARGET, "pid %d has no memory of its own: it has ended",
				 (int)pid);
	if (result)
		maps_fini(maps);
	return result;
}

void maps_fini(struct maps *maps)
{
	free(maps->ranges);
	free(maps->text);
	maps->ranges = NULL;
	maps->text = NULL;
	maps->n_ranges = 0;
}

const struct map_range *maps_find(const struct maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->n_ranges;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct map_range *range = &maps->ranges[middle];

		if (address < range->start)
			high = middle;
		else if (address >= range->end)
			low = middle + 1;
		else
			return range;
	}
	return NULL;
}

static bool opens(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int maps_file_path(const struct maps *maps, const struct map_range *range, char *buffer,
		   size_t size)
{
	struct stat seen;
	int n;

	if (range->inode == 0)
		return -1;
	n = snprintf(buffer, size, "/proc/%d/map_files/%lx-%lx", (int)maps->pid,
		     (unsigned long)range->start, (unsigned long)range->end);
	if (n > 0 && (size_t)n < size && opens(buffer))
		return 0;
	/* map_files needs CAP_CHECKPOINT_RESTORE (or CAP_SYS_ADMIN) */
	n = snprintf(buffer, size, "/proc/%d/root%s", (int)maps->pid, range->path);
	if (range->path[0] == '/' && n > 0 && (size_t)n < size && opens(buffer))
		return 0;
	/* the kernel names files as seen from our root: right as it is for a target in a chroot */
	n = snprintf(buffer, size, "%s", range->path);
	if (range->path[0] == '/' && (size_t)n < size && stat(buffer, &seen) == 0 &&
	    seen.st_ino == range->inode && opens(buffer))
		return 0;
	return -1;
}
