/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "probe/prober.h"
#include "target/children.h"
#include "target/image.h"
#include "target/maps.h"
#include "target/pagemap.h"

/* How long what the kernel puts there is, and how it is aligned. */
#define BREAKPOINT (sizeof(ARCH_BREAKPOINT) - 1)

/* pages whose entries are read at once */
#define ENTRIES 512

struct search {
	struct leftovers *leftovers;
	int memory, pagemap;
	unsigned char *theirs, *original; /* a page each */
};

/* ---- search --------------------------------------------------------------------------------- */

/* Does the page differ in breakpoints, and in nothing else? */
static bool only_breakpoints(const struct search *search, size_t size)
{
	for (size_t i = 0; i + BREAKPOINT <= size; i += BREAKPOINT)
		if (memcmp(search->theirs + i, search->original + i, BREAKPOINT) != 0 &&
		    memcmp(search->theirs + i, ARCH_BREAKPOINT, BREAKPOINT) != 0)
			return false;
	return true;
}

static int add(struct leftovers *leftovers, uint64_t address, uint64_t offset, const char *file,
	       struct err *err)
{
	unsigned n = leftovers->n;

	if (n == LEFTOVERS_MAX)
		return 0;
	if ((n & (n - 1)) == 0) {
		struct leftover *places =
			realloc(leftovers->places, (n ? 2 * n : 1) * sizeof(*places));

		if (!places)
			return err_set(err, ERR_FAILED, "out of memory");
		leftovers->places = places;
	}
	leftovers->places[leftovers->n++] = (struct leftover){address, offset, file};
	return 0;
}

/* No probe of ours is ever here. */
static bool is_unprobed(const unsigned char *original, size_t size)
{
	size_t n = sizeof(ARCH_UNPROBED) - 1;

	return n && size >= n && memcmp(original, ARCH_UNPROBED, n) == 0;
}

static int look_at_page(struct search *search, int file, const char *path, uint64_t address,
			uint64_t offset, struct err *err)
{
	ssize_t size = pread(file, search->original, PAGEMAP_PAGE, (off_t)offset);
	int result = 0;

	/* a page that has gone since, or that lies behind the end of the file */
	if (size <= 0 ||
	    pread(search->memory, search->theirs, (size_t)size, (off_t)address) != size ||
	    !only_breakpoints(search, (size_t)size))
		return 0;
	for (size_t i = 0; i + BREAKPOINT <= (size_t)size && !result; i += BREAKPOINT)
		if (memcmp(search->theirs + i, search->original + i, BREAKPOINT) != 0 &&
		    !is_unprobed(search->original + i, (size_t)size - i))
			result = add(search->leftovers, address + i, offset + i, path, err);
	return result;
}

/* Keep the name of a file as long as the leftovers; NULL: no memory. */
static const char *keep_name(struct leftovers *leftovers, const char *path)
{
	char **files = realloc(leftovers->files, (leftovers->n_files + 1) * sizeof(*files));

	if (!files)
		return NULL;
	leftovers->files = files;
	files[leftovers->n_files] = strdup(path);
	return files[leftovers->n_files] ? files[leftovers->n_files++] : NULL;
}

static bool is_own_copy(uint64_t entry)
{
	return entry & (PAGE_PRESENT | PAGE_SWAPPED) && !(entry & PAGE_OF_FILE);
}

/* The file of a range, opened at the first page that is of interest. */
static int open_file(struct search *search, const struct maps *maps, const struct map_range *range,
		     const char **path)
{
	char name[PATH_MAX];

	if (maps_file_path(maps, range, name, sizeof(name)))
		return -1;
	*path = keep_name(search->leftovers, name);
	return *path ? open(name, O_RDONLY | O_CLOEXEC) : -1;
}

static int look_at_range(struct search *search, const struct maps *maps,
			 const struct map_range *range, struct err *err)
{
	uint64_t entries[ENTRIES], n_pages = (range->end - range->start) / PAGEMAP_PAGE;
	const char *path = NULL;
	int file = -1, result = 0;

	for (uint64_t first = 0; first < n_pages && !result; first += ENTRIES) {
		size_t n = n_pages - first < ENTRIES ? n_pages - first : ENTRIES;
		ssize_t got = pagemap_read(search->pagemap, range->start + first * PAGEMAP_PAGE,
					   entries, n);

		for (ssize_t i = 0; i < got && !result; i++) {
			uint64_t distance = (first + (uint64_t)i) * PAGEMAP_PAGE;

			if (!is_own_copy(entries[i]))
				continue;
			if (file < 0)
				file = open_file(search, maps, range, &path);
			/* text of a file that cannot be opened, and so cannot be probed */
			if (file < 0)
				return 0;
			result = look_at_page(search, file, path, range->start + distance,
					      range->offset + distance, err);
		}
	}
	if (file >= 0)
		close(file);
	return result;
}

static int open_memory(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int cannot_read(pid_t pid, const char *name, struct err *err)
{
	return err_set(err, errno == EACCES || errno == EPERM ? ERR_PERMISSION : ERR_FAILED,
		       "/proc/%d/%s: %s", pid, name, strerror(errno));
}

int leftovers_find(struct leftovers *leftovers, pid_t pid, struct err *err)
{
	struct search search = {.leftovers = leftovers, .memory = -1, .pagemap = -1};
	struct maps maps;
	int result;

	memset(leftovers, 0, sizeof(*leftovers));
	result = maps_read(&maps, pid, err);
	if (result)
		return result;
	search.theirs = malloc(PAGEMAP_PAGE);
	search.original = malloc(PAGEMAP_PAGE);
	if (!search.theirs || !search.original)
		result = err_set(err, ERR_FAILED, "out of memory");
	if (!result && (search.memory = open_memory(pid)) < 0)
		result = cannot_read(pid, "mem", err);
	if (!result && (search.pagemap = pagemap_open(pid)) < 0)
		result = cannot_read(pid, "pagemap", err);
	for (size_t i = 0; i < maps.n_ranges && !result; i++) {
		const struct map_range *range = &maps.ranges[i];

		if (range->executable && range->inode && !range->shared)
			result = look_at_range(&search, &maps, range, err);
	}
	if (search.memory >= 0)
		close(search.memory);
	if (search.pagemap >= 0)
		close(search.pagemap);
	free(search.theirs);
	free(search.original);
	maps_fini(&maps);
	if (result)
		leftovers_free(leftovers);
	return result;
}

void leftovers_free(struct leftovers *leftovers)
{
	for (unsigned i = 0; i < leftovers->n_files; i++)
		free(leftovers->files[i]);
	free(leftovers->files);
	free(leftovers->places);
	memset(leftovers, 0, sizeof(*leftovers));
}

/* ---- out of there --------------------------------------------------------------------------- */

/* May the breakpoints of this process be others than those of uprobes? */
static int check_process(pid_t pid, struct err *err)
{
	unsigned long long caught = 0;
	char path[64], line[256];
	int tracer = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	if (!status)
		return err_set(err, ERR_FAILED, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), status)) {
		sscanf(line, "TracerPid: %d", &tracer);
		sscanf(line, "SigCgt: %llx", &caught);
	}
	fclose(status);
	if (tracer)
		return err_set(err, ERR_FAILED,
			       "pid %d is traced by pid %d: breakpoints of a debugger cannot be "
			       "distinguished from those left by a killed tool; detach it first",
			       pid, tracer);
	if (caught >> (SIGTRAP - 1) & 1)
		return err_set(
			err, ERR_FAILED,
			"pid %d handles SIGTRAP itself: the breakpoints in its text may be its "
			"own",
			pid);
	return 0;
}

/*
 * Nor may they be in children that have the target's text: the kernel takes breakpoints out
 * of forked children too.
 */
static int check_others(pid_t pid, struct err *err)
{
	int result = check_process(pid, err);
	struct children children;
	struct image target, image;

	if (result || !image_read(&target, pid) || !target.inode)
		return result;
	children_read(&children, pid);
	for (size_t i = 0; i < children.n_rows && !result; i++) {
		pid_t child = children.rows[i].pid;

		if (!image_read(&image, child) || image.inode != target.inode ||
		    image.device != target.device)
			continue;
		result = check_process(child, err);
		/* one that has ended meanwhile has no breakpoints */
		if (result && (!image_read(&image, child) || !image.inode))
			result = 0;
	}
	return result;
}

/* Closing waits for the kernel: all at the same time. */
static void *close_one(void *fd)
{
	prober_close(*(const int *)fd);
	return NULL;
}

static void close_together(int *fds, unsigned n)
{
	pthread_t *threads = calloc(n, sizeof(*threads));
	unsigned n_threads = 0;

	for (unsigned i = 0; i < n; i++)
		if (!threads || pthread_create(&threads[n_threads], NULL, close_one, &fds[i]))
			close_one(&fds[i]);
		else
			n_threads++;
	while (n_threads)
		pthread_join(threads[--n_threads], NULL);
	free(threads);
}

int leftovers_remove(const struct leftovers *leftovers, pid_t pid, struct err *err)
{
	int result = check_others(pid, err);
	unsigned n = 0;
	int *fds;

	if (result || !leftovers->n)
		return result;
	fds = calloc(leftovers->n, sizeof(*fds));
	if (!fds)
		return err_set(err, ERR_FAILED, "out of memory");
	for (unsigned i = 0; i < leftovers->n; i++) {
		const struct leftover *place = &leftovers->places[i];
		int fd = prober_open(place->file, place->offset, pid);

		if (fd >= 0)
			fds[n++] = fd;
		else if (!result)
			result = err_set(err,
					 errno == EACCES || errno == EPERM ? ERR_PERMISSION
									   : ERR_FAILED,
					 "a breakpoint left in pid %d at 0x%llx cannot be "
					 "taken out: %s",
					 pid, (unsigned long long)place->address, strerror(errno));
	}
	close_together(fds, n);
	free(fds);
	return result;
}
