/* SPDX-License-Identifier: BSD-2-Clause
 *
 * container_cost: what watchpoints have taken from the target so far, and what they may take from
 * here on.
 *
 *      hits        counted x (the trap, and the program as it times itself)
 *      switches    of the target's threads x what one takes more
 *      strings     samples at which a CPU moved or filled bytes in bulk for the target x the time
 *                  between two of them: on some processors they pass 20 to 50 times as slowly
 *                  (probe/watch_cost.h), so nearly all of that time is lost
 *
 *      splits      the target's CPU time x the split stores of a Python service in it x what one
 *                  takes more (probe/watch_cost.h). Nothing says how many this target makes, so it
 *                  is no measurement but the most that was seen: kept apart from the others in
 *                  reports, and no reason to end what the user has asked for
 *
 * The kernel's part stops counting by itself at as many hits, or samples, as the lease pays for,
 * and the ceiling for the time that has passed and one second more; so a burst of that is seen as a
 * whole, and nothing more expensive goes on for longer. And a target that stands nearly still does
 * so for slow_ns at most; a few samples are always allowed, for what one of them says is chance.
 *
 * Place      containers; container_watch has one.
 * Units      ns of the target's CPU time.
 */
#ifndef PYLEAKTRACE_CONTAINERS_CONTAINER_COST_H
#define PYLEAKTRACE_CONTAINERS_CONTAINER_COST_H

#include "model/heap_watch.h"
#include "probe/session.h"
#include "probe/watch_cost.h"

/* Per ns of CPU time: services on CPython lost 0 to 8 % of it where a split store takes 5.6 ns more
 * (docs/benchmarks.md, split stores). */
#define CONTAINER_COST_SPLITS 0.0145

struct container_cost {
	struct watch_costs each;
	unsigned n;               /* containers */
	double ceiling;           /* of a core */
	double lease_ns, slow_ns; /* as in container_watch_options */
	uint64_t started_ns;
	const struct session *session; /* NULL: there is none (yet) */
	uint64_t switches;             /* seen so far */
	const struct process *process; /* borrowed */
	double began_cpu_ns;
	double cpu_ns; /* of the target, with watchpoints so far */
};

/* There are watchpoints now. */
void container_cost_begin(struct container_cost *cost);

/* Look how often threads have switched, and what the target has used, while there are
 * watchpoints. */
void container_cost_look(struct container_cost *cost);

/* Hits that were counted, of all containers. */
uint64_t container_cost_hits(const struct container_cost *cost);

/* What has been measured; and, separately, what split stores may have taken. */
double container_cost_spent(const struct container_cost *cost);
double container_cost_splits(const struct container_cost *cost);

/* What the kernel's part may still count; as often as container_watch_tick(). */
void container_cost_allow(struct container_cost *cost, struct session *session);

/* Put it into the report; seconds: that were watched. */
void container_cost_fill(const struct container_cost *cost, double seconds,
			 struct heap_watch *report);

#endif
