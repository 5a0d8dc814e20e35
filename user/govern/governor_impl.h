/* SPDX-License-Identifier: BSD-2-Clause
 *
 * governor_impl: what the files of governor share: its state, and what switching needs.
 *
 * Place      layer 5; governor.c (what is on all the time, the thread), governor_windows.c
 *            (windows), governor_syscalls.c (system calls), no others.
 * Threads    the governor's own, but where governor.h says otherwise.
 */
#ifndef PYLEAKTRACE_GOVERN_GOVERNOR_IMPL_H
#define PYLEAKTRACE_GOVERN_GOVERNOR_IMPL_H

#include <pthread.h>

#include "base/lock.h"
#include "govern/governor.h"
#include "govern/reading.h"
#include "govern/map_fill.h"
#include "python/runtime.h"

/* How many system calls there are: sums over the periods in which they were counted, older ones
 * weighted less and less. */
struct syscall_rates {
	double n, own_ns; /* the target's, and its own CPU time meanwhile */
	double others, wall_ns;
	uint64_t counted_ns; /* the last time of counting */
};

struct governor {
	struct session *session;
	const struct process *process;
	struct governor_options options;
	struct survivors *survivors;
	pthread_t thread;
	bool started;
	int wake;  /* eventfd: stop */
	int limit; /* eventfd */
	struct lock switching;

	/* of the thread */
	struct policy policy;
	struct governor_focus focus;
	struct reading last;
	bool on[ABI_PARTS]; /* all the time */
	bool detached_idle; /* probes of part object do not stay */
	uint64_t checked_ns;
	struct map_fill fill;
	struct downsampling downsampling;
	struct syscall_rates syscalls;

	struct lock lock; /* of what follows */
	pthread_cond_t calibrated;
	bool calibration_done; /* whether it could be calibrated is known */
	struct governor_state state;
	struct err stop_error;
};

void governor_read(const struct governor *governor, struct reading *reading);

/* ns of the target's CPU time that hits took between two readings */
double governor_cost(const struct governor *governor, const struct reading *before,
		     const struct reading *now);

/* This much of cpu_ns has gone to tracing. */
void governor_spend(struct governor *governor, double cpu_ns, double cost_ns);

unsigned governor_domains(const struct governor *governor, enum abi_part part);

/* What the policy thinks of a part is for everybody to see. */
void governor_publish(struct governor *governor, enum abi_part part);

/* return false: it is unavailable now; reports say why */
bool governor_switch_on(struct governor *governor, enum abi_part part);
void governor_switch_off(struct governor *governor, enum abi_part part);

/* return false: to be stopped */
bool governor_rest(const struct governor *governor, uint64_t ns);

/* Look after survivors, and have others look after what they keep; between two windows. */
void governor_maintain(struct governor *governor);

/* To trace everything would cost more than may be. */
void governor_say_limit(struct governor *governor);

/* ---- governor_windows.c --------------------------------------------------------------------- */

/* One window, of ns at most, and until it has cost most_ns. return false: it failed */
bool governor_window(struct governor *governor, enum abi_part part, uint64_t ns, double most_ns);

/* Leave out the sizes that do not grow, if the part's next window is selective. */
void governor_skip_sizes(const struct governor *governor, enum abi_part part);

/* For tests: options.n_test_windows windows one after the other, whatever they cost. */
void governor_run_test_windows(struct governor *governor);

/* ---- governor_syscalls.c: while mappings are traced each system call takes longer ----------- */

/* They were counted between these two readings; hits took cost_ns of the target's CPU time
 * meanwhile. */
void governor_syscalls_learn(struct governor *governor, const struct reading *before,
			     const struct reading *now, double cost_ns);

/*
 * Mappings were traced for this long, in which the target did this much work of its own.
 *
 * return ns of its CPU time that its system calls took longer
 */
double governor_syscalls_pass(struct governor *governor, double wall_ns, double own_ns);

/* Count them for a moment, if it is time: while mappings are traced all the time. */
void governor_syscalls_count(struct governor *governor);

#endif
