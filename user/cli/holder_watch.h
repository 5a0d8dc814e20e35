/* SPDX-License-Identifier: BSD-2-Clause
 *
 * holder_watch: during a watch, who puts things into the containers that grow.
 *
 *      grower (which containers grow?) ─▶ container_watch (watchpoints on the fastest, for a few seconds) ─▶ report
 *            ▲                                                                                 │
 *            └─────────────── others' turn, after a rest that pays for the search ◀────────────┘
 *
 * Where there can be no watchpoints (no BPF, no debug registers) the containers are found all the same, and a report has
 * what they are called and how they grow.
 *
 * Each round is exact: every change of the containers in it, by stack. What it costs the target is measured
 * (container_cost.h); a round ends early when that is more than is allowed.
 *
 * Place      layer 6; watched.c has one for its target.
 * Ownership  holder_watch_open() gives, holder_watch_close() takes; process and grower are borrowed.
 * Errors     a round that cannot be had is no error: the report says why, and it is tried again after a rest.
 * Bounds     HEAP_WATCHES_MAX containers at a time, HOLDER_WATCH_KEPT in a report. Its own CPU time is HOLDER_WATCH_SHARE of a
 *            core, but for the first round.
 * Threads    makes one; holder_watch_allow() and holder_watch_spent() from any, the others from one.
 */
#ifndef PYLEAKTRACE_CLI_HOLDER_WATCH_H
#define PYLEAKTRACE_CLI_HOLDER_WATCH_H

#include "cli/grower.h"
#include "model/heap_watch.h"

#define HOLDER_WATCH_SHARE 0.02
#define HOLDER_WATCH_KEPT  8

struct holder_watch;

struct holder_watch_options {
	double share; /* of HOLDER_WATCH_SHARE, where several targets are watched */
	uint64_t
		slow_ns; /* a target that is slow while it is watched (container_cost.h) is, for so long at a time */
	bool can_watch; /* else there are no watchpoints to be had, and none is tried */
	bool no_native; /* the verifier refuses programs that walk C frames */
};

/*
 * return NULL: err says why
 */
struct holder_watch *holder_watch_open(const struct process *process, struct grower *grower,
				       const struct holder_watch_options *options, struct err *err);
void holder_watch_start(struct holder_watch *watch);
void holder_watch_stop(struct holder_watch *watch);  /* the round is ended; what was seen stays */
void holder_watch_close(struct holder_watch *watch); /* accepts NULL */

/* USR2: the past is forgotten. */
void holder_watch_forget(struct holder_watch *watch);

/* So much of a core may that take from the target, on the average. */
void holder_watch_allow(struct holder_watch *watch, double cores);

/* ns of the target's CPU time that it has taken so far. */
double holder_watch_spent(struct holder_watch *watch);

/* Put what is known into the profile. */
void holder_watch_report(struct holder_watch *watch, struct profile *profile);

#endif
