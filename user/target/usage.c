/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/usage.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fmt.h"

/* What smaps says of one mapping. */
struct mapping {
	struct usage_range range;
	bool private, file;
	uint64_t anonymous, shared_clean, shared_dirty;
};

/* "7f..-7f.. rw-p 00000000 00:00 0    PATH"; fields begin with a capital letter */
static bool parse_head(struct mapping *mapping, const char *line)
{
	unsigned long start, end, inode;
	char flags[5];

	memset(mapping, 0, sizeof(*mapping));
	if (sscanf(line, "%lx-%lx %4s %*x %*x:%*x %lu", &start, &end, flags, &inode) != 4 ||
	    strlen(flags) != 4 || start >= end)
		return false;
	mapping->range.start = start;
	mapping->range.end = end;
	mapping->private = flags[3] == 'p';
	mapping->file = inode != 0;
	return true;
}

static void parse_field(struct mapping *mapping, const char *line)
{
	const struct {
		const char *name;
		uint64_t *bytes;
	} fields[] = {
		{"Rss:", &mapping->range.resident},
		{"Anonymous:", &mapping->anonymous},
		{"Shared_Clean:", &mapping->shared_clean},
		{"Shared_Dirty:", &mapping->shared_dirty},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t n = strlen(fields[i].name);
		unsigned long long kilobytes;

		if (strncmp(line, fields[i].name, n) != 0)
			continue;
		kilobytes = strtoull(line + n, NULL, 10);
		*fields[i].bytes = kilobytes < UINT64_MAX >> 10 ? kilobytes << 10 : 0;
	}
}

/* The clean pages of a file are shared with the page cache: reading them copies nothing. */
static uint64_t shared_of(const struct mapping *mapping)
{
	uint64_t shared = mapping->shared_dirty + (mapping->file ? 0 : mapping->shared_clean);

	return shared < mapping->anonymous ? shared : mapping->anonymous;
}

static int add(struct usage *usage, struct mapping *mapping)
{
	struct usage_range *ranges;

	if (!mapping->private)
		return 0;
	if ((usage->n & (usage->n - 1)) == 0) {
		ranges = realloc(usage->ranges, (usage->n ? 2 * usage->n : 1) * sizeof(*ranges));
		if (!ranges)
			return -1;
		usage->ranges = ranges;
	}
	mapping->range.shared = shared_of(mapping);
	usage->shared += mapping->range.shared;
	usage->ranges[usage->n++] = mapping->range;
	return 0;
}

int usage_parse(struct usage *usage, char *text)
{
	struct mapping mapping;
	bool have = false;
	char *next;
	int result = 0;

	*usage = (struct usage){0};
	for (char *line = text; (next = strchr(line, '\n')) && !result; line = next + 1) {
		*next = '\0';
		if (isupper((unsigned char)line[0])) {
			if (have)
				parse_field(&mapping, line);
			continue;
		}
		if (have)
			result = add(usage, &mapping);
		have = parse_head(&mapping, line);
	}
	if (have && !result)
		result = add(usage, &mapping);
	if (result)
		usage_free(usage);
	return result;
}

void usage_free(struct usage *usage)
{
	free(usage->ranges);
	*usage = (struct usage){0};
}

int usage_read(struct usage *usage, pid_t pid, struct err *err)
{
	char path[32], *text = NULL;
	size_t length;
	int result;

	*usage = (struct usage){0};
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	result = file_read_all(path, USAGE_TEXT_MAX, &text, &length);
	if (result == -EACCES || result == -EPERM)
		return err_set(err, ERR_PERMISSION, "%s: %s", path, strerror(-result));
	if (result == -ESRCH || result == -ENOENT)
		return err_set(err, ERR_TARGET, "pid %d has ended", (int)pid);
	if (!result && usage_parse(usage, text))
		result = -ENOMEM;
	free(text);
	return result ? err_set(err, ERR_FAILED, "%s: %s", path, strerror(-result)) : 0;
}

struct usage_range *usage_at(const struct usage *usage, uint64_t address)
{
	size_t low = 0, high = usage->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (usage->ranges[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < usage->n && usage->ranges[low].start <= address ? &usage->ranges[low] : NULL;
}

int usage_refuse_shared(const struct usage *usage, pid_t pid, struct err *err)
{
	if (!usage->shared)
		return 0;
	return err_set(
		err, ERR_PERMISSION,
		"pid %d shares %s with a process that it was forked from, or that it forked; "
		"/proc/%d/mem, which reads that without making it private, is another user's: "
		"run as root, or add CAP_DAC_READ_SEARCH",
		(int)pid, fmt_bytes(usage->shared).text, (int)pid);
}
