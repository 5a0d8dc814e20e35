/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_target: a target -> a census of it, and a hold on its threads while that is made.
 *
 * Place      the census; the heap commands and trace/growth_tracer have one.
 * Ownership  heap_target_close() gives back what was opened, also after a failure.
 * Errors     of target_open(), census_new() and freeze_begin().
 */
#ifndef PYLEAKTRACE_CENSUS_HEAP_TARGET_H
#define PYLEAKTRACE_CENSUS_HEAP_TARGET_H

#include "census/scan.h"
#include "python/target.h"
#include "target/freeze.h"

struct heap_target {
	const struct target *target;
	struct census *census;
	double pause_s; /* how long the process was held */
	/* private */
	struct target own; /* when it was opened here */
	bool held;
	struct freeze hold;
	double held_since_s;
};

/* in  heap: zero */
int heap_target_open(struct heap_target *heap, pid_t pid, struct err *err);

/* The same of a target that is open: borrowed until heap_target_close(). */
int heap_target_share(struct heap_target *heap, const struct target *target, struct err *err);

/*
 * From here on the process is stopped (target/freeze.h), until heap_target_let_go(). After a
 * failure the program must end soon.
 */
int heap_target_hold(struct heap_target *heap, struct err *err);
void heap_target_let_go(struct heap_target *heap); /* also when it was not held */

void heap_target_close(struct heap_target *heap);

#endif
