/* SPDX-License-Identifier: BSD-2-Clause
 *
 * budget: how much of the target's CPU time watching may take at this moment: a token bucket.
 *
 *      income   ceiling x the target's own CPU time (what it used without what watching took), and
 *               never less than a floor, so that a process that sleeps is watched too
 *      charges  what watching took, times BUDGET_CAUTION: costs are measured, and measurements err
 *
 *      level ─┬─ cap: what is not spent for a while is not saved up
 *             ├─ a window is opened when it can be paid
 *             └─ 0: nothing is bought; below: what was bought cost more, and is earned first
 *
 * Place      layer 5; policy has one. Pure: no clock, no target.
 * Units      ns of the target's CPU time; wall time in ns.
 * Bounds     the level is within -cap .. cap.
 */
#ifndef PYLEAKTRACE_GOVERN_BUDGET_H
#define PYLEAKTRACE_GOVERN_BUDGET_H

/* of the ceiling the part that is handed out: what is left is for what nobody counts (caches, page
 * faults) */
#define BUDGET_SHARE 0.8
/* what a cost is taken for: a hit takes more than its trap and its program (caches, the first hits
 * of a window); measured: 10 us are 15 */
#define BUDGET_CAUTION 1.5
/* of a core: what may always be spent */
#define BUDGET_FLOOR 0.0005
/* the income of so many seconds is saved at most, ... */
#define BUDGET_SAVED_S 10.0

struct budget {
	double ceiling; /* share of the target's own CPU time */
	double level;
	double least_cap; /* ... and this much can be saved always: the most expensive window */
	double income;    /* ns for each second, lately */
};

void budget_init(struct budget *budget, double ceiling, double least_cap);

/* So much wall time has passed, in which the target used cpu_ns, cost_ns of it for us. */
void budget_pass(struct budget *budget, double wall_ns, double cpu_ns, double cost_ns);

#endif
