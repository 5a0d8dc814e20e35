/* SPDX-License-Identifier: BSD-2-Clause
 *
 * claim: one trace at a time of a process, since two would undo each other's steering. watch, refs
 * and the heap commands claim nothing.
 *
 * Place      layer 3; used by cli. Source: flock(2); the kernel drops a lock when its owner ends,
 *            however.
 * Shapes     a lock on /run/pyleaktrace/PID, a folder that only root can write to. Where it cannot
 *            be made (no root, no /run) nothing is claimed and nothing is refused.
 *            Files that killed tools have left are removed by the next one.
 * Errors     -ERR_FAILED: another pyleaktrace has it; the sentence has its pid.
 */
#ifndef PYLEAKTRACE_PROBE_CLAIM_H
#define PYLEAKTRACE_PROBE_CLAIM_H

#include <sys/types.h>

#include "base/err.h"

struct claim {
	int fd; /* 0: nothing claimed */
	char path[64];
};

int claim_take(struct claim *claim, pid_t pid, struct err *err);

/* The pid of the tool that traces the process now; 0: none, or not known. */
pid_t claim_owner(pid_t pid);

void claim_drop(struct claim *claim); /* accepts a zeroed struct */

#endif
