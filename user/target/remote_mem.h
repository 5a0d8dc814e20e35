/* SPDX-License-Identifier: BSD-2-Clause
 *
 * remote_mem: the only place where another process's memory is read.
 *
 * Place      layer 1; used by python, symbol, snapshot.
 * Source     process_vm_readv(2).
 * Units      remote addresses are uint64_t, never pointers; lengths in bytes.
 * Errors     0 or -EFAULT (not mapped there), -EPERM, -ESRCH (gone), -E2BIG (over REMOTE_READ_MAX; the
 *            buffer is left alone then), -ENOMEM (the kernel's).
 *            Else a read is all or nothing: on failure the buffer is zeroed, so that no caller computes with
 *            half a struct.
 * Bounds     REMOTE_READ_MAX bytes a call; effect on the target: none, it is not stopped.
 */
#ifndef PYLEAKTRACE_TARGET_REMOTE_MEM_H
#define PYLEAKTRACE_TARGET_REMOTE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REMOTE_READ_MAX (64UL << 20)

int remote_read(pid_t pid, uint64_t address, void *buffer, size_t length);

/* One little-endian word; *value is 0 on failure. */
int remote_read_u64(pid_t pid, uint64_t address, uint64_t *value);
int remote_read_u32(pid_t pid, uint64_t address, uint32_t *value);

/*
 * A NUL-terminated string, cut at size - 1 bytes; always terminated.
 *
 * return its length, or a negative errno (buffer empty then)
 */
long remote_read_string(pid_t pid, uint64_t address, char *buffer, size_t size);

struct remote_item {
	uint64_t address;
	void *buffer; /* `length` bytes; zeroed when the read failed */
	size_t length;
	int result; /* out: 0 or negative errno */
};

/* Many small reads in few system calls; every item gets its own result. */
void remote_read_many(pid_t pid, struct remote_item *items, size_t n_items);

#endif
