/* SPDX-License-Identifier: BSD-2-Clause
 *
 * remote_handle: a pid -> the open /proc/PID/mem that its memory is read through.
 *
 * Place      layer 1; opened by process, used by remote_mem.
 * Source     proc(5) /proc/PID/mem. The file refers to the memory that the process had when it was
 *            opened: after its exit, its exec(), or when another process has got the pid, a read
 *            yields nothing. It keeps the kernel's description of that memory, not the memory.
 * Ownership  each remote_handle_open() that succeeds is undone by one remote_handle_close() with
 *            the same pid, when the caller does not read that process any more.
 * Degrades   the file is opened by its mode (0600, the target's user), whatever ptrace(2) would
 *            allow: a tool with CAP_SYS_PTRACE alone cannot open another user's. REMOTE_BY_CALL
 *            then: see remote_mem.
 * Bounds     REMOTE_HANDLES_MAX processes at a time, however often each is opened; one more is an
 *            error.
 * Threads    any, at any time. What remote_handle_get() returns stays valid as long as the caller
 *            has the process open; for a process that another thread alone has open it may be
 *            closed at once.
 */
#ifndef PYLEAKTRACE_TARGET_REMOTE_HANDLE_H
#define PYLEAKTRACE_TARGET_REMOTE_HANDLE_H

#include <stdbool.h>
#include <sys/types.h>

/* the 64 targets of a trace (asserted by cli/cmd_trace.c), and as many others: parents, children */
#define REMOTE_HANDLES_MAX 128

/* In place of a file descriptor */
#define REMOTE_UNKNOWN (-1) /* the pid was not opened here */
#define REMOTE_BY_CALL (-2) /* process_vm_readv(2) is permitted, the file is not */
#define REMOTE_REFUSED (-3) /* the same, but the process shares memory: nothing is read */

/*
 * return 0; -EPERM or -EACCES: its memory may not be read in either way; -ESRCH: no such process;
 *        -EUSERS: REMOTE_HANDLES_MAX others are open; another negative errno of open(2)
 */
int remote_handle_open(pid_t pid);
void remote_handle_close(pid_t pid);

/* A file descriptor, or one of the above. */
int remote_handle_get(pid_t pid);

/* REMOTE_BY_CALL becomes REMOTE_REFUSED, or the other way round; a file stays. For
 * sharing_check(). */
void remote_handle_refuse(pid_t pid, bool refused);

/* Open without keeping: a file descriptor that the caller closes, or a negative errno. */
int remote_handle_file(pid_t pid);

#endif
