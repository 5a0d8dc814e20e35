/* SPDX-License-Identifier: BSD-2-Clause */
#include "trend/proc_memory.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* What smaps says of one mapping. */
struct mapping {
	bool readable, writable, shared, file;
	bool shm, sums; /* sums: smaps_rollup's only one, of all mappings */
	char name[32];  /* the start of the path, or "[heap]" */
	uint64_t rss, pss, anonymous, swap;
	uint64_t private_clean, private_dirty, shared_clean, shared_dirty;
};

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* "7f..-7f.. rw-p 00000000 00:00 0    PATH"; fields begin with a capital letter */
static bool parse_head(struct mapping *mapping, const char *line)
{
	unsigned long start, end, inode;
	char flags[5];
	int at = 0;

	if (sscanf(line, "%lx-%lx %4s %*x %*x:%*x %lu %n", &start, &end, flags, &inode, &at) < 4 ||
	    strlen(flags) != 4 || !at)
		return false;
	memset(mapping, 0, sizeof(*mapping));
	mapping->readable = flags[0] == 'r';
	mapping->writable = flags[1] == 'w';
	mapping->shared = flags[3] == 's';
	mapping->file = inode != 0;
	snprintf(mapping->name, sizeof(mapping->name), "%s", line + at);
	mapping->sums = starts(line + at, "[rollup]");
	mapping->shm = starts(line + at, "/dev/shm/") || starts(line + at, "/dev/zero") ||
		       starts(line + at, "/memfd:") || starts(line + at, "/SYSV");
	return true;
}

static bool take_field(const char *line, const char *name, uint64_t *bytes)
{
	size_t n = strlen(name);
	char *end;
	unsigned long long kilobytes;

	if (strncmp(line, name, n) != 0 || line[n] != ':')
		return false;
	kilobytes = strtoull(line + n + 1, &end, 10);
	if (end != line + n + 1 && kilobytes < UINT64_MAX >> 10)
		*bytes = kilobytes << 10;
	return true;
}

static void parse_field(struct mapping *mapping, const char *line)
{
	const struct {
		const char *name;
		uint64_t *bytes;
	} fields[] = {
		{"Rss", &mapping->rss},
		{"Pss", &mapping->pss},
		{"Private_Clean", &mapping->private_clean},
		{"Private_Dirty", &mapping->private_dirty},
		{"Shared_Clean", &mapping->shared_clean},
		{"Shared_Dirty", &mapping->shared_dirty},
		{"Anonymous", &mapping->anonymous},
		{"Swap", &mapping->swap},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (take_field(line, fields[i].name, fields[i].bytes))
			return;
}

/*
 * What a fork has left to two processes. Clean pages of files and memory that is meant to be shared
 * are never copied; a page without a file is clean after it was swapped in.
 */
static uint64_t common_of(const struct mapping *mapping)
{
	uint64_t common = mapping->shared_dirty;

	if (mapping->shared)
		return 0;
	if (!mapping->file && !mapping->sums)
		common += mapping->shared_clean;
	return common < mapping->anonymous ? common : mapping->anonymous;
}

static void add(struct proc_memory *memory, const struct mapping *mapping)
{
	uint64_t changed = mapping->anonymous < mapping->rss ? mapping->anonymous : mapping->rss;

	memory->rss += mapping->rss;
	memory->pss += mapping->pss;
	memory->anonymous += mapping->anonymous;
	memory->swap += mapping->swap;
	memory->own += mapping->private_clean + mapping->private_dirty;
	memory->common += common_of(mapping);
	if (mapping->shared && (mapping->shm || !mapping->file)) {
		memory->shared += mapping->rss;
	} else if (mapping->file) {
		memory->data += changed;
		memory->files += mapping->rss - changed;
	} else if (starts(mapping->name, "[stack")) {
		memory->stack += mapping->rss;
	} else if (mapping->readable && mapping->writable &&
		   (!mapping->name[0] || !strcmp(mapping->name, "[heap]") ||
		    starts(mapping->name, "[anon"))) {
		memory->heap += mapping->rss;
	} else {
		memory->other += mapping->rss;
	}
}

void proc_memory_parse(struct proc_memory *memory, char *text)
{
	struct mapping mapping;
	bool have = false;
	char *next;

	memset(memory, 0, sizeof(*memory));
	for (char *line = text; (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		if (isupper((unsigned char)line[0])) {
			if (have)
				parse_field(&mapping, line);
			continue;
		}
		if (have)
			add(memory, &mapping);
		have = parse_head(&mapping, line);
	}
	if (have)
		add(memory, &mapping);
}

static int read_file(struct proc_memory *memory, pid_t pid, const char *name, struct err *err)
{
	char path[48], *text;
	size_t length;
	int result;

	memset(memory, 0, sizeof(*memory));
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	result = file_read_all(path, PROC_MEMORY_MAX, &text, &length);
	if (result == -EACCES || result == -EPERM)
		return err_set(err, ERR_PERMISSION, "%s: %s; run as root or with CAP_SYS_PTRACE",
			       path, strerror(-result));
	if (result == -ESRCH)
		return err_set(err, ERR_TARGET, "pid %d has ended", (int)pid);
	if (result)
		return err_set(err, ERR_FAILED, "%s: %s", path, strerror(-result));
	proc_memory_parse(memory, text);
	free(text);
	return 0;
}

int proc_memory_read(struct proc_memory *memory, pid_t pid, struct err *err)
{
	return read_file(memory, pid, "smaps", err);
}

int proc_memory_sums(struct proc_memory *memory, pid_t pid, struct err *err)
{
	return read_file(memory, pid, "smaps_rollup", err);
}
