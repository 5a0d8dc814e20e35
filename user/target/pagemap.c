/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/pagemap.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int pagemap_open(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

ssize_t pagemap_read(int fd, uint64_t address, uint64_t *words, size_t n)
{
	ssize_t got;

	if (fd < 0)
		return -1;
	got = pread(fd, words, n * sizeof(*words),
		    (off_t)(address / PAGEMAP_PAGE * sizeof(*words)));
	return got < 0 ? -1 : got / (ssize_t)sizeof(*words);
}
