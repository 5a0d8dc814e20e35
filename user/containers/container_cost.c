/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/container_cost.h"

#include <math.h>

#include "base/clock.h"
#include "probe/session_watch.h"

#define FIRST_NS         10000.0 /* the program's part of a hit, until one has been measured */
#define LEAST_STRING_OPS 4       /* fewer may be chance: they do not end a watch */
#define AHEAD_NS         1e9     /* the cost of this much time may be spent in advance */

uint64_t container_cost_hits(const struct container_cost *cost)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < cost->n && cost->session; i++)
		sum += session_watch(cost->session, i)->counted;
	return sum;
}

/* A hit: the trap, and the program as it was so far. */
static double ns_per_hit(const struct container_cost *cost)
{
	double ns = 0, hits = 0;

	for (unsigned i = 0; i < cost->n && cost->session; i++) {
		ns += (double)session_watch(cost->session, i)->ns;
		hits += (double)session_watch(cost->session, i)->hits;
	}
	return cost->each.trap_ns + (hits > 0 ? ns / hits : FIRST_NS);
}

static double ns_per_string_op(const struct container_cost *cost)
{
	return cost->each.string_loss * SESSION_STRING_OP_NS;
}

static double hits_ns(const struct container_cost *cost)
{
	return (double)container_cost_hits(cost) * ns_per_hit(cost);
}

static double switches_ns(const struct container_cost *cost)
{
	return (double)cost->switches * cost->each.switch_ns;
}

static double strings_ns(const struct container_cost *cost)
{
	return cost->session
		       ? (double)session_watch_string_ops(cost->session) * ns_per_string_op(cost)
		       : 0;
}

void container_cost_begin(struct container_cost *cost)
{
	cost->started_ns = clock_now_ns();
	cost->began_cpu_ns = process_cpu_ns(cost->process);
}

void container_cost_look(struct container_cost *cost)
{
	double now = process_cpu_ns(cost->process);

	cost->switches = session_watch_switches(cost->session);
	if (now > cost->began_cpu_ns)
		cost->cpu_ns = now - cost->began_cpu_ns;
}

double container_cost_splits(const struct container_cost *cost)
{
	return cost->cpu_ns * CONTAINER_COST_SPLITS * cost->each.split_ns;
}

double container_cost_spent(const struct container_cost *cost)
{
	return hits_ns(cost) + switches_ns(cost) + strings_ns(cost);
}

/* As many of them as the time pays for; 0 ns each: any number. */
static uint64_t paid_for(double ns, double ns_each)
{
	double n = ns / ns_each;

	return ns_each <= 0 || n > (double)(UINT64_MAX / 2) ? UINT64_MAX / 2
	       : n > 0                                      ? (uint64_t)n
							    : 0;
}

void container_cost_allow(struct container_cost *cost, struct session *session)
{
	uint64_t string_ops;
	double passed_ns = (double)(clock_now_ns() - cost->started_ns),
	       all_ns = cost->lease_ns + cost->ceiling * (passed_ns + AHEAD_NS), strings;

	container_cost_look(cost);
	strings = fmin(all_ns - switches_ns(cost) - hits_ns(cost), cost->slow_ns);
	string_ops = paid_for(strings, ns_per_string_op(cost));
	session_allow(session,
		      paid_for(all_ns - switches_ns(cost) - strings_ns(cost), ns_per_hit(cost)),
		      string_ops > LEAST_STRING_OPS ? string_ops : LEAST_STRING_OPS);
}

void container_cost_fill(const struct container_cost *cost, double seconds,
			 struct heap_watch *report)
{
	double core = seconds > 0 ? seconds * 1e9 : INFINITY;

	report->max_overhead = cost->ceiling;
	report->hits = container_cost_hits(cost);
	report->trap_ns = cost->each.trap_ns;
	report->ns_per_hit = ns_per_hit(cost);
	report->switches = cost->switches;
	report->ns_per_switch = cost->each.switch_ns;
	report->string_loss = cost->each.string_loss;
	report->hits_fraction = hits_ns(cost) / core;
	report->switches_fraction = switches_ns(cost) / core;
	report->strings_fraction = strings_ns(cost) / core;
	report->split_ns = cost->each.split_ns;
	report->splits_most = container_cost_splits(cost) / core;
	report->target_cpu_fraction = container_cost_spent(cost) / core;
}
