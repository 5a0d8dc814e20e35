/* SPDX-License-Identifier: BSD-2-Clause
 *
 * budget: how much of the target's CPU time the tool may take: one token bucket for all who spend.
 *
 *      income   the ceiling x the target's own CPU time (what it used without what the tool took),
 *               and never less than the floor, a share of a core, so that a process that sleeps is
 *               traced too
 *
 *      income ─┬─ 0.7 ─▶ BUDGET_TRACING      windows, and what is traced all the time
 *              └─ 0.3 ─▶ BUDGET_WATCHPOINTS  rounds on containers
 *
 *      account ─┬─ cap: what is not spent for a while is not saved up, but the other's
 *               ├─ a lease is granted: it may be spent now
 *               └─ 0: nothing is granted; below: a lease cost more, which is earned first
 *
 * A user joins, and from then on has its part of the income (all of it while it is alone). So the
 * users together never spend more than comes in, and none waits for the other. To spend it takes a
 * lease: for an amount, until it is given back. What it really took is charged, and may be more.
 *
 * Costs are measured, and measurements err: they are charged higher than they were measured, and
 * leases are smaller by as much. What is known as an upper bound is charged as it is.
 *
 * Place      govern; trace/target_trace.c has one for its target, which policy.c and
 *            trace/growth_tracer.c spend. No clock and no target: who knows what time has passed
 *            says so (policy.c).
 * Units      ns of the target's CPU time, as measured; wall time in ns; shares of the target's own
 *            CPU time.
 * Bounds     what is saved, and what is owed, is bounded by what comes in in some seconds. What is
 *            negative or no number counts as 0.
 * Threads    all functions from any; no other lock is taken while its lock is held.
 */
#ifndef PYLEAKTRACE_GOVERN_BUDGET_H
#define PYLEAKTRACE_GOVERN_BUDGET_H

#include <stdbool.h>

#include "base/lock.h"

/*
 * Of a core: what may always be spent, by all together. With a lower ceiling than the default it is
 * lower by as much.
 */
#define BUDGET_FLOOR   0.01
#define BUDGET_CEILING 0.05 /* the default */

double budget_floor(double max_overhead);

enum budget_user { BUDGET_TRACING, BUDGET_WATCHPOINTS, BUDGET_USERS };

/* Of these: what may be spent of the target's own CPU time, as it is measured. */
double budget_allowed(double max_overhead);

/* The same of a target that does so much work of its own, in cores: the floor may be more. */
double budget_allowed_of(double max_overhead, double cores);

/* An upper bound of the true cost, given the measured one. */
double budget_at_most(double measured_ns);

struct budget_account {
	bool joined;
	double level;     /* as charged */
	double least_cap; /* this much can always be saved up */
	double lease;     /* what is left of it, as charged */
	double charged_ns;
};

struct budget {
	struct lock lock;    /* of all but max_overhead */
	double max_overhead; /* share */
	double income;       /* as charged, for each second, lately */
	/* by `known`: what the target used lately, in cores, and of that its own work */
	double used, own, known;
	double uncounted_ns; /* taken from the target since time has last passed */
	struct budget_account accounts[BUDGET_USERS];
};

void budget_init(struct budget *budget, double max_overhead);
void budget_fini(struct budget *budget);

/* budget_allowed() as of now: of a target that does little it is more, for there is the floor. */
double budget_allowed_now(struct budget *budget);

/* What the target uses lately, in cores, tracing included; 0: not known yet. */
double budget_used_cores(struct budget *budget);

/* in at_once_ns: the most that it may want to spend at once */
void budget_join(struct budget *budget, enum budget_user user, double at_once_ns);

/* Its lease ends, and what it has saved or owes is the others'. */
void budget_leave(struct budget *budget, enum budget_user user);

/* Wall time has passed, in which the target used cpu_ns; its costs are charged before. */
void budget_pass(struct budget *budget, double wall_ns, double cpu_ns);

/*
 * Everything that the user has saved up may be spent, if it is least_ns or more. A user has one
 * lease at a time, the latest.
 *
 * return the amount; 0: not now
 */
double budget_lease(struct budget *budget, enum budget_user user, double least_ns);

/* It is given back; there need not be one. */
void budget_return(struct budget *budget, enum budget_user user);

/* Is the lease spent? Of none too. */
bool budget_is_spent(struct budget *budget, enum budget_user user);

/* Charge a cost to the target, with a lease or without: as measured, and at most. */
void budget_charge(struct budget *budget, enum budget_user user, double measured_ns,
		   double bound_ns);

/* What has been charged so far, as measured, bounds included. */
double budget_charged(struct budget *budget, enum budget_user user);

/* What the user has saved up, below 0 what it owes: in ns as charged, and in seconds of the whole
 * income. */
double budget_level(struct budget *budget, enum budget_user user);
double budget_level_s(struct budget *budget, enum budget_user user);

#endif
