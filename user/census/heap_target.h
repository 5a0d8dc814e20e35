/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_target: a pid -> the process, the CPython in it, and a census of it.
 *
 * Place      the census; the commands of `pyleaktrace heap` and trace/growth_tracer have one.
 * Ownership  heap_target_close() gives back what was opened, also after a failure.
 * Errors     of process_open(), py_runtime_find() and census_new().
 */
#ifndef PYLEAKTRACE_CENSUS_HEAP_TARGET_H
#define PYLEAKTRACE_CENSUS_HEAP_TARGET_H

#include "census/scan.h"
#include "python/runtime.h"
#include "target/hold.h"
#include "target/process.h"

struct heap_target {
	struct process process;
	struct py_runtime runtime;
	struct census *census;
	double pause_s; /* how long the process was held */
	/* private */
	bool have_process, have_runtime, held;
	struct hold hold;
	double held_since_s;
};

/* in  target: zero */
int heap_target_open(struct heap_target *target, pid_t pid, struct err *err);

/*
 * From here on the process stands still (target/hold.h), until heap_target_let_go(). After a failure
 * the program must end soon.
 */
int heap_target_hold(struct heap_target *target, struct err *err);
void heap_target_let_go(struct heap_target *target); /* also when it was not held */

void heap_target_close(struct heap_target *target);

#endif
