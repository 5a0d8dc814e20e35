/* SPDX-License-Identifier: BSD-2-Clause
 *
 * target: a pid -> the process and the CPython in it, opened once for all that look at it.
 *
 * Place      the room python. A trace and a command have one each; the census, the governor, the
 *            heap monitor and the growth tracer borrow it.
 * Ownership  target_open() fills, whatever it returns; target_close() releases.
 * Errors     of process_open() and py_runtime_find().
 * Threads    any number may read it; it is not written after target_open().
 */
#ifndef PYLEAKTRACE_PYTHON_TARGET_H
#define PYLEAKTRACE_PYTHON_TARGET_H

#include <stdbool.h>

#include "python/runtime.h"
#include "target/process.h"

struct target {
	struct process process;
	struct py_runtime runtime;
	bool have_process, have_runtime; /* what there is after a failure */
};

int target_open(struct target *target, pid_t pid, struct err *err);
void target_close(struct target *target); /* also one that is all zero */

#endif
