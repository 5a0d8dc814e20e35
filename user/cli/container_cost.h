/* SPDX-License-Identifier: BSD-2-Clause
 *
 * container_cost: what watchpoints have taken from the target so far, and what they may take from here on.
 *
 *      hits        counted x (the trap, and the program as it times itself)
 *      switches    of the target's threads x what one takes more
 *      strings     moments at which a CPU moved or filled bytes in bulk for the target x the time between two of them:
 *                  on some processors they pass 20 to 50 times as slowly (probe/watch_cost.h), so nearly all of that time is lost
 *
 * The kernel's part stops counting by itself at so many hits, or moments, as the ceiling leaves for the time that has
 * passed and one second more, or for ahead_ns where that is more; so a burst of a second's worth is seen as a whole, and
 * nothing dearer goes on for longer than that. And a target that stands nearly still does so for slow_ns at most;
 * a few moments are always allowed, for what one of them says is chance.
 *
 * Place      layer 6; container_watch has one.
 * Units      ns of the target's CPU time.
 * Threads    container_cost_spent() from any, the others from one.
 */
#ifndef PYLEAKTRACE_CLI_CONTAINER_COST_H
#define PYLEAKTRACE_CLI_CONTAINER_COST_H

#include "model/heap_watch.h"
#include "probe/session.h"
#include "probe/watch_cost.h"

struct container_cost {
	struct watch_costs each;
	unsigned n;               /* containers */
	double ceiling;           /* of a core */
	double ahead_ns, slow_ns; /* as in heap_options */
	uint64_t started_ns;
	const struct session *session; /* NULL: there is none (yet) */
	uint64_t switches;             /* seen so far */
};

/* Look how often threads have switched, while there are watchpoints. */
void container_cost_look(struct container_cost *cost);

/* Hits that were counted, of all containers. */
uint64_t container_cost_hits(const struct container_cost *cost);

double container_cost_spent(const struct container_cost *cost);

/* What the kernel's part may still count; as often as container_watch_tick(). */
void container_cost_allow(struct container_cost *cost, struct session *session);

/* Put it into the report; seconds: that were watched. */
void container_cost_fill(const struct container_cost *cost, double seconds,
			 struct heap_watch *report);

#endif
