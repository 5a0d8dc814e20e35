/* SPDX-License-Identifier: BSD-2-Clause
 *
 * freeze: stop all threads of a process for a moment.
 *
 * Place      layer 1; used by probe (steer) and cli (--frozen).
 * Source     ptrace(2): PTRACE_SEIZE and PTRACE_INTERRUPT, which leave no trace in the target (no
 *            SIGSTOP, no change of its job control state); a thread in a system call goes on with
 *            it afterwards.
 * Errors     -ERR_PERMISSION (a debugger is attached already, or not permitted), -ERR_FAILED. No
 *            thread is stopped then.
 * Bounds     HOLD_MAX_THREADS threads. A thread that does not stop within HOLD_WAIT_MS of the start
 *            (it is in the kernel, uninterruptible, or gets no CPU) makes freeze_begin() give up
 *            and resume all others at once. That one has been asked to stop and would do so later,
 *            with no tracer left to resume it: so the caller is a process of its own that ends soon
 *            (steer.c), and the kernel resumes all threads that it holds.
 */
#ifndef PYLEAKTRACE_TARGET_FREEZE_H
#define PYLEAKTRACE_TARGET_FREEZE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define HOLD_MAX_THREADS 65536
#define HOLD_WAIT_MS     100

struct held_thread {
	pid_t tid;
	bool stopped;
	int signal; /* was about to be delivered when the thread was held; handed on at the end. 0:
		       none */
};

struct freeze {
	struct held_thread *threads; /* private */
	size_t n_threads, capacity;
};

int freeze_begin(struct freeze *hold, pid_t pid, struct err *err);
void freeze_end(struct freeze *hold);

#endif
