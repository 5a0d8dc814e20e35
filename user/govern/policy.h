/* SPDX-License-Identifier: BSD-2-Clause
 *
 * policy: what was measured -> what is traced next, so that the ceiling holds.
 *
 * Each part (malloc and mmap; objects; or both as one) is in one of these modes:
 *
 *      windows     for a moment at a time, as often as it can be paid; this is how every part
 *                  begins
 *      sampled     all the time, a sample of the blocks by bytes: when the traps can be paid and
 *                  the stacks cannot
 *      all         all the time, every block: when that can be paid, with room to spare
 *
 *      windows ──cheap for POLICY_CALM windows──▶ sampled, all
 *      all, sampled ──budget empty──▶ windows
 *
 * The length of a window is counted in the target's CPU time, what the hits take included: a
 * window that falls into its sleep lasts on, and what a window holds up is as much in one of many
 * threads.
 *
 * How long a window is the survivors say, by the quarter of the window in which they were born:
 *
 *      alive at the end, born in quarter   1 2 3 4
 *      12 13 11 60    what is younger than the unit of work is alive; what is older stays: long
 *                     enough, or longer
 *      12 40 58 60    the unit of work is longer than half the window: survivors are work in
 *                     progress
 *      12 13 11 12    nothing was seen to end: either all of it stays, or the window is shorter
 *                     than any work
 *
 * So windows get longer until the first picture is seen, and then as short as still show it.
 *
 * Requests that meet a window wait for its end, and so do those behind them. So that few do,
 * however much the ceiling pays for, the target has a pause after each window:
 *
 *      window ──▶ pause = time held up / (1 - CPU time used) / POLICY_WAITING
 *
 * A target that is never idle does not wait for requests: there the ceiling alone counts.
 *
 * A part that cannot be traced all the time has windows in which only sizes that grow are recorded,
 * and every POLICY_ALL_SIZES-th one of all sizes, which shows what it would cost.
 *
 * A part that is not worth tracing (trace/focus.h) gets no windows; what is on all the time ends
 * after POLICY_UNWANTED_NS. One whose growth is explained has a window every POLICY_CHECK_NS: a
 * leak may move.
 *
 * Place      layer 5; governor asks it and does what it says. Pure: no clock, no target; tested
 *            with made loads.
 * Units      ns; costs are ns of the target's CPU time; shares are cost / the target's own CPU
 *            time.
 */
#ifndef PYLEAKTRACE_GOVERN_POLICY_H
#define PYLEAKTRACE_GOVERN_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/records.h"
#include "govern/budget.h"

enum part_mode {
	PART_ABSENT, /* not traced at all: not wanted, or there is no such part */
	PART_WINDOWS,
	PART_SAMPLED,
	PART_ALL,
};

/* windows in a row in which all could have been paid, before it is tried */
#define POLICY_CALM 3
/* of the ceiling that a part may take to be let into mode all or sampled */
#define POLICY_ROOM 0.7
/* sampling: mean bytes between two samples are 2^shift */
#define POLICY_SHIFT_FIRST 14
#define POLICY_SHIFT_LEAST 10
#define POLICY_SHIFT_MOST  24

#define POLICY_ALL_SIZES   16

/* of all requests, with the default ceiling: what windows may hold up */
#define POLICY_WAITING 0.008
/* cores that a target uses which is never idle */
#define POLICY_BUSY 0.95

/* between two windows of a part of which it is known who makes what grows */
#define POLICY_CHECK_NS 20e9

/* what is on all the time is kept for so long when nothing grows any more */
#define POLICY_UNWANTED_NS 60e9

struct policy_part {
	enum part_mode mode;
	unsigned shift;       /* sampled */
	unsigned least_shift; /* not below that: there is no room for more blocks */
	double shift_age_ns;  /* for so long */
	uint64_t window_ns;   /* the next one's length */
	uint64_t least_ns;    /* a window shorter than that is not worth its opening */
	double demand; /* share, if all were traced all the time, as last seen; 0: not known yet */
	double trap_demand; /* of that, the traps alone */
	double cost;        /* share that it takes, on all the time: all, or a sample; ... */
	double cost_ns,
		own_ns; /* ... of which it is the quotient: lately, and of the target's own work */
	double cost_per_cpu_ns; /* in windows, lately; what the next one may cost */
	unsigned failures;      /* in a row */
	double rest_ns;         /* no window before this much time has passed */
	bool full;              /* its blocks fill the map */
	bool selective;         /* its window records only sizes that grow */
	bool wanted;            /* worth tracing now */
	bool explained;         /* it is known who makes what grows */
	double unwanted_ns;     /* for so long it is not */
	unsigned calm;          /* windows in a row that were cheap enough, ... */
	unsigned patience; /* ... and how many it takes: more after each time that it went wrong */
	unsigned n_windows, n_dear;
	unsigned shown;   /* windows for which it is still known that ... */
	bool long_enough; /* ... windows are long enough for the survivors to be what stays */
};

struct policy {
	struct budget *budget; /* BUDGET_TRACING of it */
	struct policy_part parts[ABI_PARTS];
	uint64_t max_window_ns;
	bool can_sample;
	double pause_ns; /* no window before this much time has passed */
	unsigned turn;   /* whose window is next */
};

struct policy_options {
	struct budget *budget;  /* borrowed; the policy joins it, and says what time passes */
	uint64_t max_window_ns; /* of each window */
	bool present[ABI_PARTS];
	uint64_t least_ns[ABI_PARTS];
	bool can_sample;
};

void policy_init(struct policy *policy, const struct policy_options *options);

/* What one window showed. */
struct window_figures {
	/* from the start of the recording to its end: wall time, and of the target's CPU time
	 * ... */
	double recorded_ns, cpu_ns;
	double cost_ns; /* ... what hits took, ... */
	double trap_ns; /* ... and what they would have taken if the programs did nothing */
	/* the same with the switching on and off, in which probes are hit too */
	double all_wall_ns, all_cpu_ns, all_cost_ns;
	uint64_t quarter[4]; /* blocks alive at its end, by when they were born */
};

void policy_window_done(struct policy *policy, enum abi_part part,
			const struct window_figures *figures);

/* A window could not be opened. It is tried again after a rest, which gets longer each time. */
void policy_window_failed(struct policy *policy, enum abi_part part);

/* After a window that held the target up for so long, while it uses so many cores. */
double policy_pause_ns(double held_up_ns, double used, double max_overhead);

/* Is the part traced all the time, in whole or by a sample? */
bool policy_is_on(const struct policy *policy, enum abi_part part);

/* Windows have shown that the part cannot be traced all the time, not even by samples. */
bool policy_is_too_dear(const struct policy *policy, enum abi_part part);

/* Time passed with parts in mode all or sampled: cost_ns[part] of the target's cpu_ns went to it;
 * other_ns to hits of what is off. */
void policy_pass(struct policy *policy, double wall_ns, double cpu_ns,
		 const double cost_ns[ABI_PARTS], double other_ns);

/* Is the part worth tracing? All are, until this says otherwise. */
void policy_want(struct policy *policy, enum abi_part part, bool wanted);

/* Is it known who makes what grows there? Then windows only check that it still is so. */
void policy_explain(struct policy *policy, enum abi_part part, bool explained);

/*
 * The map of live blocks fills up: what is traced all the time is sampled from here on, or by
 * larger distances, and what is there is thinned out (snapshot/downsample.h): POLICY_SAMPLE with
 * `thin`.
 */
void policy_is_full(struct policy *policy, enum abi_part part);

enum policy_action {
	POLICY_WAIT,   /* nothing can be paid, or is needed */
	POLICY_WINDOW, /* of step.ns at most, and at most step.cost_ns */
	POLICY_ALL,    /* switch on, and leave on */
	POLICY_SAMPLE, /* the same, with step.shift; or change the shift of what is on */
	POLICY_OFF,    /* switch off what is on */
};

struct policy_step {
	enum policy_action action;
	enum abi_part part;
	uint64_t ns;
	double cost_ns;
	unsigned shift;
	bool unwanted; /* POLICY_OFF: nothing grows any more; else the ceiling is reached */
	bool thin;     /* POLICY_SAMPLE: it is on, and what is in the maps is to be thinned out */
};

/* What is to be done now. The modes change with it. */
struct policy_step policy_next(struct policy *policy);

#endif
