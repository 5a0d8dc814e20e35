/* SPDX-License-Identifier: BSD-2-Clause
 *
 * governor: a trace within a ceiling: a thread that measures what tracing costs, and switches
 * parts of the session on and off so that the target's slowdown stays below.
 *
 *      policy (what next?) ◀── costs, CPU time ── governor ── switch, record ──▶ session
 *                                                     └── what windows leave ──▶ survivors
 *
 *      a window    part on ▸ record ── too expensive? every GOVERNOR_LOOK_NS ──▸ end ▸ part off
 *
 * Place      layer 5; target_trace.c has one for its target.
 * Ownership  session, plan, target and budget are borrowed until governor_close().
 * Errors     a part that cannot be switched on is tried again, less and less often;
 *            governor_state() says so.
 * Threads    makes one. All functions from one other thread; what it calls back comes from its own.
 * Bounds     reacts within GOVERNOR_TICK_NS, and within GOVERNOR_LOOK_NS in a window.
 */
#ifndef PYLEAKTRACE_GOVERN_GOVERNOR_H
#define PYLEAKTRACE_GOVERN_GOVERNOR_H

#include "govern/policy.h"
#include "probe/cost.h"
#include "python/target.h"
#include "snapshot/survivors.h"
#include "snapshot/downsample.h"

#define GOVERNOR_TICK_NS 50000000u
#define GOVERNOR_LOOK_NS 4000000u

struct governor;

/* What is worth tracing. */
struct governor_focus {
	unsigned wanted;               /* domains; bits */
	unsigned explained;            /* those of which it is known who makes what grows */
	uint64_t skipped[ABI_DOMAINS]; /* sizes that do not grow: bits of classes (abi/sizes.h) */
};

struct governor_options {
	struct budget *budget; /* borrowed; watchpoints spend of it, too */
	uint64_t max_window_ns;
	bool stop_at_limit;      /* governor_limit_fd() becomes readable instead of tracing less */
	bool verbose;            /* what it does goes to stderr */
	uint32_t max_blocks;     /* that the map of live blocks has room for */
	unsigned n_test_windows; /* tests: this many windows of the steered part back to back,
				    before anything else */
	/*
	 * The meaning of the maps is about to change, or has changed (end): they must not be read
	 * in between. A report asks for governor_state() within its own reading.
	 */
	void (*change)(void *context, bool end);
	/* Within that: a part begins to be traced all the time; what its sites have counted so far
	 * is the past. */
	void (*on_all)(void *context, unsigned domains);
	/* Between two windows, now and then: a chance to go through the survivors; NULL: not
	 * needed */
	void (*maintain)(void *context, struct survivors *survivors);
	/* Before each step; NULL: everything is worth tracing */
	void (*focus)(void *context, struct governor_focus *focus);
	void *context;
};

/* Has a reader of the target's types of its own. */
int governor_open(struct governor **out, struct session *session, const struct plan *plan,
		  const struct target *target, const struct governor_options *options,
		  struct err *err);
void governor_start(struct governor *governor);

/*
 * Nothing is switched any more. Windows are over; what is traced all the time stays so until
 * session_detach(). 0, or an error of a steering that could not be undone after a window.
 */
int governor_stop(struct governor *governor, struct err *err);
void governor_close(struct governor *governor); /* accepts NULL */

/* USR2: windows and survivors until now do not count. */
void governor_forget(struct governor *governor);

/* Readable when the ceiling cannot be kept with everything traced, and stop_at_limit. */
int governor_limit_fd(const struct governor *governor);

/* The plan gets probes, or they are attached: not while the governor switches. */
void governor_lock(struct governor *governor);
void governor_unlock(struct governor *governor);

struct survivors *governor_survivors(const struct governor *governor);

/* Of the blocks in the maps; changes between change(begin) and change(end) only. */
const struct downsampling *governor_thinning(const struct governor *governor);

/* The windows of one part, since the start or the last governor_forget(). */
struct windows_sum {
	uint64_t n;
	double recorded_ns, longest_ns;
	double cpu_ns, cost_ns; /* of the target in them, and of that, what hits took */
	double own_half_ns;     /* of its own work in their first halves: what survivors are to be
				   scaled by, ... */
	double own_half_least,
		own_half_most; /* ... within the bounds of what is known of the costs */
	uint64_t kept;         /* survivors */
};

/* windows, after which what has outlived them is no work in progress: see survivors.h */
#define GOVERNOR_PROVEN 8

struct governor_part {
	unsigned domains; /* bits of enum abi_domain; 0: no such part */
	enum part_mode mode;
	unsigned shift;    /* PART_SAMPLED */
	uint64_t since_ns; /* PART_ALL, PART_SAMPLED: blocks count from here on */
	struct windows_sum windows;
	uint64_t next_window_ns;
	bool long_enough;
	bool wanted;   /* worth tracing now */
	double demand; /* share of its own work that the target would lose if all were traced; 0:
			  not known */
	char trouble[128]; /* why it could not be switched on; "": it could */
};

struct governor_state {
	struct governor_part parts[ABI_PARTS];
	bool calibrated;
	struct probe_costs costs;
	double spent_ns; /* of the target's CPU time, on everything, since the start */
	double own_ns;   /* the target's own CPU time since the start, without that */
	/* each system call takes this much longer while mappings are traced (session_syscall_ns());
	 * the number that did since the start, of the target and of others, estimated from periods
	 * of counting */
	double syscall_ns, syscalls, other_syscalls;
};

/* As of now; it waits for the calibration, half a second after the start. */
void governor_state(struct governor *governor, struct governor_state *state);

#endif
