/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tasks: /proc/PID/task -> the threads that the kernel has for a process.
 *
 * Place      layer 1; used by cli, which joins them with CPython's threads.
 * Source     proc(5): task/TID/stat, and "NSpid:" of task/TID/status.
 * Shapes     in rising order of tid.
 * Ownership  tasks_read() allocates, tasks_free() frees.
 * Errors     -ERR_TARGET: the process has ended. A task that ends while it is being read is
 *            omitted.
 * Bounds     TASKS_MAX tasks are described, all are counted.
 */
#ifndef PYLEAKTRACE_TARGET_TASKS_H
#define PYLEAKTRACE_TARGET_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define TASKS_MAX 32768

struct task {
	pid_t tid;    /* as seen from here */
	pid_t ns_tid; /* as it sees itself */
	char state;   /* 'R', 'S', 'D', ... */
	char comm[64];
};

struct tasks {
	struct task *rows;
	size_t n_rows;
	size_t n_tasks; /* those beyond TASKS_MAX too */
};

/* in  ns: the process is in a PID namespace of its own: ask for ns_tid (else it is tid) */
int tasks_read(struct tasks *tasks, pid_t pid, bool ns, struct err *err);
void tasks_free(struct tasks *tasks);

/* By the thread's own idea of its id; NULL: there is none. */
const struct task *tasks_find(const struct tasks *tasks, pid_t ns_tid);

#endif
