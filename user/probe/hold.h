/* SPDX-License-Identifier: BSD-2-Clause
 *
 * hold: all threads of a process stand still for a moment.
 *
 * Place      layer 3; used by steer.c.
 * Source     ptrace(2): PTRACE_SEIZE and PTRACE_INTERRUPT, which leave no trace in the target (no SIGSTOP, no
 *            change of its job control state); a thread in a system call goes on with it afterwards.
 * Errors     -ERR_PERMISSION (a debugger is attached already, or no right to), -ERR_FAILED. Nothing is held then.
 * Bounds     HOLD_MAX_THREADS threads. A thread that does not stop within HOLD_WAIT_MS (it is in the
 *            kernel, uninterruptible) makes hold_begin() give up and let all others go at once; then it
 *            waits for that one, to let it go too. Held for as long as the caller takes. If the caller
 *            dies, the kernel lets the target go.
 */
#ifndef PYLEAKTRACE_PROBE_HOLD_H
#define PYLEAKTRACE_PROBE_HOLD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define HOLD_MAX_THREADS 65536
#define HOLD_WAIT_MS     100

struct held_thread {
	pid_t tid;
	int signal; /* was about to be delivered when the thread was held; handed on at the end. 0: none */
};

struct hold {
	struct held_thread *threads; /* private */
	size_t n_threads, capacity;
	pid_t late; /* asked to stop and did not in time; let go when it does. 0: none */
};

int hold_begin(struct hold *hold, pid_t pid, struct err *err);
void hold_end(struct hold *hold);

#endif
