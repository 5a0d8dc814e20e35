/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/remote_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

static struct handle {
	_Atomic pid_t pid; /* 0: free; set last, so that whoever finds it finds the rest */
	int fd;            /* or REMOTE_BY_CALL */
	unsigned users;
} handles[REMOTE_HANDLES_MAX];

static struct handle *find(pid_t pid)
{
	for (size_t i = 0; i < REMOTE_HANDLES_MAX; i++)
		if (atomic_load_explicit(&handles[i].pid, memory_order_acquire) == pid)
			return &handles[i];
	return NULL;
}

int remote_handle_file(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	return errno == ENOENT ? -ESRCH : -errno;
}

/* Does the kernel check the right alone? Address 0 is mapped nowhere. */
static int try_call(pid_t pid)
{
	char byte;
	struct iovec local = {&byte, 1}, remote = {NULL, 1};

	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)
		return 0;
	return -errno;
}

int remote_handle_open(pid_t pid)
{
	struct handle *handle = find(pid);
	int fd = remote_handle_file(pid), result = 0;

	if (fd == -EACCES || fd == -EPERM) {
		result = try_call(pid);
		fd = REMOTE_BY_CALL;
	} else if (fd < 0) {
		result = fd;
	}
	if (result)
		return result;
	if (handle) {
		/* what the pid stands for may have changed since: readers get the new file at once */
		if (fd >= 0 && handle->fd >= 0)
			dup3(fd, handle->fd, O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		handle->users++;
		return 0;
	}
	handle = find(0);
	if (!handle) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	handle->fd = fd;
	handle->users = 1;
	atomic_store_explicit(&handle->pid, pid, memory_order_release);
	return 0;
}

void remote_handle_close(pid_t pid)
{
	struct handle *handle = find(pid);

	if (!handle || --handle->users)
		return;
	atomic_store_explicit(&handle->pid, 0, memory_order_release);
	if (handle->fd >= 0)
		close(handle->fd);
}

int remote_handle_get(pid_t pid)
{
	const struct handle *handle = find(pid);

	return handle ? handle->fd : REMOTE_UNKNOWN;
}
