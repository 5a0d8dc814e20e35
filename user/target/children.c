/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/children.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Parent and start time; the name before them may have blanks and parentheses in it. return false:
 * it is gone */
static bool read_line(pid_t pid, pid_t *parent, uint64_t *start_time)
{
	char path[64], line[2048];
	const char *at = NULL;
	FILE *file;
	int ppid;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(line, sizeof(line), file))
		at = strrchr(line, ')');
	fclose(file);
	/* state ppid, and 17 fields up to the start time */
	if (!at || sscanf(at + 1,
			  " %*c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			  "%*s %" SCNu64,
			  &ppid, start_time) != 2)
		return false;
	*parent = ppid;
	return true;
}

static double cpu_ns(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

void children_read(struct children *children, pid_t parent)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;

	memset(children, 0, sizeof(*children));
	if (!folder)
		return;
	while ((entry = readdir(folder))) {
		struct child child = {.pid = (pid_t)strtol(entry->d_name, NULL, 10)};
		pid_t of;

		if (child.pid <= 0 || !read_line(child.pid, &of, &child.start_time) || of != parent)
			continue;
		children->n_children++;
		if (child.start_time > children->newest)
			children->newest = child.start_time;
		child.cpu_ns = cpu_ns(child.pid);
		if (children->n_rows < CHILDREN_MAX)
			children->rows[children->n_rows++] = child;
	}
	closedir(folder);
}

double children_used(const struct children *before, const struct child *child)
{
	for (size_t i = 0; i < before->n_rows; i++)
		if (before->rows[i].pid == child->pid &&
		    before->rows[i].start_time == child->start_time)
			return child->cpu_ns > before->rows[i].cpu_ns
				       ? child->cpu_ns - before->rows[i].cpu_ns
				       : 0;
	/* one that there was no row for has not used all of it since */
	if (before->n_children > before->n_rows && child->start_time <= before->newest)
		return 0;
	return child->cpu_ns;
}
