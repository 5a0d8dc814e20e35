/* SPDX-License-Identifier: BSD-2-Clause
 *
 * growth_tracer: during a trace, what puts things into the containers that grow, and what makes the
 * instances of classes that grow in another way.
 *
 *      monitor (which containers grow?) ─▶ container_watch (the fastest, for seconds) ─▶ report
 *            ▲                                                                                 │
 *            └─────────────── others' turn, after a rest that pays for the search ◀────────────┘
 *
 * Where there can be no watchpoints (no BPF, no debug registers) the containers are found all the
 * same, and a report has what they are called and how they grow.
 *
 * Where threads or interpreters get more and more, the list that the interpreter keeps of them is
 * watched: who makes them.
 *
 * After each round with containers there is one with a class (container_watch with `each`), where
 * the census knows one whose growth no container's watchpoint shows. Not in free-threaded builds,
 * where most references to a class are not counted.
 *
 * Each round is exact: every change of the containers in it, by stack. What it costs the target is
 * measured (container_cost.h) and charged to the budget, of which a round has a lease; it ends
 * early when that is spent, and waits where none is available.
 *
 * Place      trace; target_trace.c has one for its target.
 * Ownership  growth_tracer_open() gives, growth_tracer_close() takes; target, monitor and budget
 *            are borrowed.
 * Errors     a round that fails is no error: the report says why, and it is tried again
 *            after a rest.
 * Bounds     CONTAINER_WATCH_MAX containers at a time, or one class, CONTAINER_RESULTS_MAX in a
 * report. Its own CPU time is GROWTH_TRACER_SHARE of a core, but for the first round. Threads makes
 * one; all functions from one other.
 */
#ifndef PYLEAKTRACE_TRACE_GROWTH_TRACER_H
#define PYLEAKTRACE_TRACE_GROWTH_TRACER_H

#include "trace/heap_monitor.h"
#include "govern/budget.h"
#include "model/heap_watch.h"

#define GROWTH_TRACER_SHARE 0.02

struct growth_tracer;

struct growth_tracer_options {
	struct budget *budget; /* BUDGET_WATCHPOINTS of it, if can_watch */
	double share;          /* of GROWTH_TRACER_SHARE, where several targets are traced */
	uint64_t slow_ns; /* a target that is slow while it is watched (container_cost.h) is, for
			     this long at a time */
	bool can_watch;   /* else no watchpoints are available, and none is tried */
	bool no_native;   /* the verifier rejects programs that walk C frames */
};

/*
 * return NULL: err says why
 */
struct growth_tracer *growth_tracer_open(const struct target *target, struct heap_monitor *monitor,
					 const struct growth_tracer_options *options,
					 struct err *err);
void growth_tracer_start(struct growth_tracer *tracer);
void growth_tracer_stop(struct growth_tracer *tracer); /* the round is ended; what was seen stays */
void growth_tracer_close(struct growth_tracer *tracer); /* accepts NULL */

/* USR2: the past is forgotten. */
void growth_tracer_forget(struct growth_tracer *tracer);

/* Put what is known into the profile. */
void growth_tracer_report(struct growth_tracer *tracer, struct profile *profile);

#endif
