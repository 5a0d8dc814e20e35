/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/uprobe_event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/perf_event.h>

#define PMU "/sys/bus/event_source/devices/uprobe/"

/* The number in one line of a file, as `format` has it; false: there is none. */
static bool read_number(const char *path, const char *format, unsigned *number)
{
	FILE *file = fopen(path, "re");
	bool have = file && fscanf(file, format, number) == 1;

	if (file)
		fclose(file);
	return have;
}

int uprobe_event_open(const char *path, uint64_t offset, bool returns, pid_t pid)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.config1 = (uintptr_t)path,
		.config2 = offset,
	};
	unsigned type, bit;

	if (!read_number(PMU "type", "%u", &type) ||
	    !read_number(PMU "format/retprobe", "config:%u", &bit) || bit > 63) {
		errno = ENOENT;
		return -1;
	}
	attr.type = type;
	attr.config = (uint64_t)returns << bit;
	return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int uprobe_event_attach(int program_fd, const char *path, uint64_t offset, uint64_t cookie,
			bool returns, pid_t pid)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = cookie);
	int event = uprobe_event_open(path, offset, returns, pid), link, error;

	if (event < 0)
		return -1;
	link = bpf_link_create(program_fd, event, BPF_PERF_EVENT, &opts);
	error = link < 0 ? -link : 0;
	close(event);
	errno = error;
	return link < 0 ? -1 : link;
}
