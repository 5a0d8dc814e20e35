/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/remote_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/lock.h"

/*
 * A slot is changed under the lock only. A user that has opened a process finds its slot without
 * the lock: that one does not change its pid meanwhile, and what happens to others does not matter
 * to it.
 */
static struct handle {
	_Atomic pid_t pid; /* 0: free; set last, so that a reader of it finds the rest */
	_Atomic int way;   /* a file descriptor, REMOTE_BY_CALL or REMOTE_REFUSED */
	unsigned users;
} handles[REMOTE_HANDLES_MAX];

static struct lock lock = LOCK_INITIALIZER(LOCK_RANK_REMOTE_HANDLE);

/* The slot of a pid, or for 0 a free one. From its usual place on, so that mostly one is looked
 * at. */
static struct handle *find(pid_t pid, pid_t usual)
{
	for (size_t i = 0; i < REMOTE_HANDLES_MAX; i++) {
		struct handle *handle = &handles[((size_t)usual + i) % REMOTE_HANDLES_MAX];

		if (atomic_load_explicit(&handle->pid, memory_order_acquire) == pid)
			return handle;
	}
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

/* One more user of a slot that is taken. What the pid stands for may have changed since. */
static void renew(struct handle *handle, int way)
{
	int old = atomic_load_explicit(&handle->way, memory_order_relaxed);

	handle->users++;
	if (way >= 0 && old >= 0) {
		/* readers get the new file at once */
		dup3(way, old, O_CLOEXEC);
		close(way);
	} else if (way >= 0) {
		atomic_store_explicit(&handle->way, way, memory_order_release);
	}
}

/* return false: every slot is taken */
static bool take(pid_t pid, int way)
{
	struct handle *handle = find(pid, pid);

	if (handle) {
		renew(handle, way);
		return true;
	}
	handle = find(0, pid);
	if (!handle)
		return false;
	handle->users = 1;
	atomic_store_explicit(&handle->way, way, memory_order_relaxed);
	atomic_store_explicit(&handle->pid, pid, memory_order_release);
	return true;
}

int remote_handle_open(pid_t pid)
{
	int way = pid > 0 ? remote_handle_file(pid) : -ESRCH, result;
	bool taken;

	if (way == -EACCES || way == -EPERM) {
		result = try_call(pid);
		if (result)
			return result;
		way = REMOTE_BY_CALL;
	} else if (way < 0) {
		return way;
	}
	lock_take(&lock);
	taken = take(pid, way);
	lock_release(&lock);
	if (taken)
		return 0;
	if (way >= 0)
		close(way);
	return -EUSERS;
}

void remote_handle_close(pid_t pid)
{
	struct handle *handle;
	int way = REMOTE_UNKNOWN;

	lock_take(&lock);
	handle = pid > 0 ? find(pid, pid) : NULL;
	if (handle && --handle->users == 0) {
		way = atomic_load_explicit(&handle->way, memory_order_relaxed);
		atomic_store_explicit(&handle->pid, 0, memory_order_release);
	}
	lock_release(&lock);
	if (way >= 0)
		close(way);
}

void remote_handle_refuse(pid_t pid, bool refused)
{
	int old = refused ? REMOTE_BY_CALL : REMOTE_REFUSED,
	    way = refused ? REMOTE_REFUSED : REMOTE_BY_CALL;
	struct handle *handle;

	lock_take(&lock);
	handle = pid > 0 ? find(pid, pid) : NULL;
	if (handle)
		atomic_compare_exchange_strong(&handle->way, &old, way);
	lock_release(&lock);
}

int remote_handle_get(pid_t pid)
{
	struct handle *handle = pid > 0 ? find(pid, pid) : NULL;

	return handle ? atomic_load_explicit(&handle->way, memory_order_acquire) : REMOTE_UNKNOWN;
}
