/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cost: what one probe hit costs on this machine, measured.
 *
 * The BPF program times itself (one hit in ABI_TIMED_HITS). What it cannot see is the trap that
 * leads to it, so that is calibrated: a child of the tool calls small functions of the tool itself
 * with and without the session's programs attached. They find that the child is not the target and
 * return, so the difference is the trap alone.
 *
 * Place      layer 3; called by cli while it waits for the first report.
 * Units      ns per hit, as double.
 * Errors     -ERR_FAILED: no calibration; the caller then shows no cost.
 * Threads    from any; one calibration at a time, the others wait.
 * Bounds     about 0.5 s of wall time, a tenth of that CPU time, in the child.
 */
#ifndef PYLEAKTRACE_PROBE_COST_H
#define PYLEAKTRACE_PROBE_COST_H

#include "probe/insn.h"
#include "probe/session.h"

struct probe_costs {
	double entry_ns[COST_STEPPED + 1]; /* by enum insn_cost */
	double return_ns;                  /* what a return probe adds */
};

/* cancel_fd: when it is readable before our turn comes, it is too late: an error; -1: it never
 * is */
int cost_calibrate(struct probe_costs *costs, const struct session *session, int cancel_fd,
		   struct err *err);

struct cost_sum {
	double hits; /* probe hits */
	double ns;   /* of the target's CPU time that they took: traps and programs */
};

/* Between two readings of the counters (session_counters()); before: NULL for none. */
struct cost_sum cost_between(const struct probe_costs *costs, const uint64_t *before,
			     const uint64_t *now);

#endif
