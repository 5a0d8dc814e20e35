/* SPDX-License-Identifier: BSD-2-Clause
 *
 * thread_names: thread id -> name, read while the thread lives.
 *
 * Place      layer 4; used by snapshot where stacks are kept by thread.
 * Source     /proc/PID/task/TID/comm. CPython sets it from 3.14 on; before, it is the program's
 *            name unless it is set.
 * Bounds     one name of at most 63 bytes per thread that was seen; THREAD_NAMES_MAX of them.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_THREAD_NAMES_H
#define PYLEAKTRACE_SNAPSHOT_THREAD_NAMES_H

#include <stdint.h>
#include <sys/types.h>

#define THREAD_NAMES_MAX 65536

struct thread_name;

struct thread_names {
	pid_t pid;
	struct thread_name *known;
	unsigned keeping; /* private */
};

void thread_names_fini(struct thread_names *names);

/* The name of this thread, read now if it is not known; NULL: it could not be read. Valid until
 * they are dropped. */
const char *thread_names_get(struct thread_names *names, uint32_t tid);

/* Drop the names that are not asked for between these two. */
void thread_names_keep_begin(struct thread_names *names);
void thread_names_keep_end(struct thread_names *names);

#endif
