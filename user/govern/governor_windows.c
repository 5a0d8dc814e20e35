/* SPDX-License-Identifier: BSD-2-Clause */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "govern/governor_impl.h"
#include "probe/session_maps.h"
#include "probe/session_parts.h"
#include "probe/session_syscalls.h"

/* what a measured cost may be off by, either way */
#define COST_ERROR 0.25

static void sum_window(struct governor *governor, enum abi_part number,
		       const struct window_figures *figures, const struct survivors_taken *taken)
{
	struct windows_sum *sum = &governor->state.parts[number].windows;
	double cost = fmin(figures->cost_ns, figures->cpu_ns), own = figures->cpu_ns - cost;
	double most = fmin(cost * (1 + COST_ERROR), figures->cpu_ns);

	lock_take(&governor->lock);
	sum->n++;
	sum->recorded_ns += figures->recorded_ns;
	sum->longest_ns = fmax(sum->longest_ns, figures->recorded_ns);
	sum->cpu_ns += figures->cpu_ns;
	sum->cost_ns += cost;
	sum->own_half_ns += own / 2;
	sum->own_half_least += (figures->cpu_ns - most) / 2;
	sum->own_half_most += (figures->cpu_ns - cost * (1 - COST_ERROR)) / 2;
	sum->kept += taken->kept;
	lock_release(&governor->lock);
}

/* of a window, that may be spent to look at what may survive it */
#define LOOK_SHARE 4

/* A window that the target sleeps through ends after so many times its length. */
#define LONGEST_SLEEP 50

/* What a window may take of the target. */
struct window_limits {
	uint64_t began_ns;
	double cpu_ns;  /* its CPU time, what hits take included */
	double cost_ns; /* of that, what hits take */
};

/* Until then it is sure not to have used its time: it runs on one processor at a time, nearly. */
static uint64_t rest_ns(const struct window_limits *limits, double used_ns)
{
	double left = limits->cpu_ns - used_ns;

	return left < GOVERNOR_LOOK_NS ? (uint64_t)fmax(left, 0) : GOVERNOR_LOOK_NS;
}

/*
 * Record until the target has used its time since `before`, or until the hits have cost too much.
 *
 * out    now: at the end
 * return the moment of the end
 */
static uint64_t record_until(struct governor *governor, enum abi_part part,
			     const struct reading *before, const struct window_limits *limits,
			     struct reading *now)
{
	double look_ns = (double)survivors_look_ns(governor->survivors,
						   (uint64_t)limits->cpu_ns / LOOK_SHARE);
	bool looks = look_ns < limits->cpu_ns, in_time = false;
	double most_ns = limits->cpu_ns - (looks ? look_ns : 0), used = 0;
	struct session_view view;
	uint64_t ended;

	while (governor_rest(governor, rest_ns(limits, used))) {
		governor_read(governor, now);
		used = reading_cpu(before, now);
		in_time = used >= most_ns ||
			  (double)(now->ns - limits->began_ns) > LONGEST_SLEEP * limits->cpu_ns;
		if (in_time || fmin(governor_cost(governor, before, now), used) > limits->cost_ns)
			break;
	}
	if (in_time && looks) {
		session_look(governor->session, &view);
		survivors_look(governor->survivors, &view, governor_domains(governor, part),
			       limits->began_ns, clock_now_ns());
	}
	ended = session_record(governor->session, part, false);
	governor_read(governor, now);
	return ended;
}

void governor_skip_sizes(const struct governor *governor, enum abi_part part)
{
	bool selective = governor->policy.parts[part].selective;

	for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
		if (governor_domains(governor, part) >> domain & 1)
			session_skip_sizes(governor->session, domain,
					   selective ? governor->focus.skipped[domain] : 0);
}

bool governor_window(struct governor *governor, enum abi_part part, uint64_t ns, double most_ns)
{
	struct window_figures figures;
	struct survivors_taken taken;
	struct reading before, first, last, after;
	struct session_view view;
	uint64_t began, ended;
	double syscalls, all_cost, others;
	bool on, counting;

	governor_read(governor, &before);
	on = governor_switch_on(governor, part);
	if (!on) {
		/* a target that another tracer holds may be free later */
		policy_window_failed(&governor->policy, part);
		return false;
	}
	governor_skip_sizes(governor, part);
	counting = part == ABI_PART_NATIVE && session_count_syscalls(governor->session, true);
	began = session_record(governor->session, part, true);
	governor_read(governor, &first);
	ended = record_until(governor, part, &first,
			     &(struct window_limits){
				     .began_ns = began, .cpu_ns = (double)ns, .cost_ns = most_ns},
			     &last);
	session_count_syscalls(governor->session, false);
	governor_switch_off(governor, part);
	governor_read(governor, &after);
	/* that they are counted costs this window, but would not cost the part if it were on all
	 * the time */
	syscalls = session_syscall_ns(governor->session) * reading_syscalls(&first, &last);
	all_cost = governor_cost(governor, &before, &after) +
		   session_count_ns(governor->session) * reading_syscalls(&first, &last);
	if (counting)
		governor_syscalls_learn(governor, &first, &last,
					governor_cost(governor, &first, &last));
	if (part == ABI_PART_NATIVE || governor->on[ABI_PART_NATIVE])
		all_cost += governor_syscalls_pass(governor, (double)(after.ns - before.ns),
						   reading_cpu(&before, &after) - all_cost);
	session_look(governor->session, &view);
	if (survivors_take(governor->survivors, &view, governor_domains(governor, part), began,
			   ended, &taken, NULL)) {
		policy_window_failed(&governor->policy, part);
		return false;
	}
	figures = (struct window_figures){
		.recorded_ns = (double)(ended - began),
		.cpu_ns = reading_cpu(&first, &last),
		.cost_ns = governor_cost(governor, &first, &last) + syscalls,
		.trap_ns = reading_traps(&governor->state.costs, &first, &last) + syscalls,
		.all_wall_ns = (double)(after.ns - before.ns),
		.all_cpu_ns = reading_cpu(&before, &after),
		.all_cost_ns = all_cost,
		.quarter = {taken.quarter[0], taken.quarter[1], taken.quarter[2], taken.quarter[3]},
	};
	policy_window_done(&governor->policy, part, &figures);
	if (policy_is_too_dear(&governor->policy, part))
		governor_say_limit(governor);
	sum_window(governor, part, &figures, &taken);
	others = after.others_ns - before.others_ns;
	governor_spend(governor, figures.all_cpu_ns, fmin(all_cost + others, figures.all_cpu_ns));
	governor->last = after;
	if (governor->options.verbose)
		fprintf(stderr,
			"window: part %u%s, %.1f ms, %.0f entries, %.1f of %.1f ms CPU; alive by "
			"quarter "
			"%llu %llu %llu %llu\n",
			part, governor->policy.parts[part].selective ? ", sizes that grow" : "",
			figures.recorded_ns / 1e6, reading_entries(&first, &last),
			figures.cost_ns / 1e6, figures.cpu_ns / 1e6,
			(unsigned long long)taken.quarter[0], (unsigned long long)taken.quarter[1],
			(unsigned long long)taken.quarter[2], (unsigned long long)taken.quarter[3]);
	return true;
}

void governor_run_test_windows(struct governor *governor)
{
	enum abi_part part = session_split(governor->session) ? ABI_PART_OBJECT : ABI_PART_NATIVE;
	unsigned n = 0;

	while (n < governor->options.n_test_windows && governor_rest(governor, 0) &&
	       session_active(governor->session)) {
		if (governor_window(governor, part, governor->policy.parts[part].least_ns,
				    INFINITY))
			n++;
		else
			governor_rest(governor, GOVERNOR_LOOK_NS);
		governor_maintain(governor);
	}
	if (governor->options.n_test_windows)
		fprintf(stderr, "pyleaktrace: %u windows done\n", n);
}
