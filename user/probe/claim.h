/* SPDX-License-Identifier: BSD-2-Clause
 *
 * claim: one pyleaktrace at a time on a process, since two would undo each other's steering.
 *
 * Place      layer 3; used by cli. Source: flock(2); the kernel drops a lock when its owner ends,
 *            however.
 * Shapes     a lock on /run/pyleaktrace/PID, a folder that only root can write to. Where it cannot
 *            be made (no root, no /run) nothing is claimed and nothing is refused.
 * Errors     -ERR_FAILED: another pyleaktrace has it.
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
void claim_drop(struct claim *claim); /* accepts a zeroed struct */

#endif
