/* SPDX-License-Identifier: BSD-2-Clause
 *
 * reading: what has been counted by one moment, and what lies between two of them: costs, and the
 * target's CPU time.
 *
 * Place      layer 5; governor takes them.
 * Units      ns. cpu_ns is of all threads of the target, hits included, exact to the ns (the
 *            kernel's clock of the process).
 * Degrades   a process that has ended has used nothing.
 */
#ifndef PYLEAKTRACE_GOVERN_READING_H
#define PYLEAKTRACE_GOVERN_READING_H

#include "probe/cost.h"
#include "probe/session.h"
#include "target/process.h"

struct reading {
	uint64_t counts[ABI_COUNTERS];
	uint64_t ns; /* CLOCK_MONOTONIC */
	double cpu_ns;
	double others_ns; /* of that, what others than the session have taken: the caller's */
};

void reading_take(struct reading *reading, const struct session *session,
		  const struct process *process);

/* Of the target's CPU time between two readings: all of it; what hits took; what the traps alone
 * took. */
double reading_cpu(const struct reading *before, const struct reading *now);
double reading_cost(const struct probe_costs *costs, const struct reading *before,
		    const struct reading *now);
double reading_traps(const struct probe_costs *costs, const struct reading *before,
		     const struct reading *now);

/* System calls between them of the target, and of others, as far as they were counted
 * (session_count_syscalls()). */
double reading_syscalls(const struct reading *before, const struct reading *now);
double reading_other_syscalls(const struct reading *before, const struct reading *now);

/* Entry hits between them. */
double reading_entries(const struct reading *before, const struct reading *now);

#endif
