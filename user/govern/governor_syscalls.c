/* SPDX-License-Identifier: BSD-2-Clause */
#include <math.h>

#include "base/clock.h"
#include "govern/governor_impl.h"
#include "probe/session_syscalls.h"

/* where mappings are traced all the time: calls are counted so often, for so long */
#define COUNT_EVERY_NS 10000000000u
#define COUNT_NS       50000000u

#define OLDER          0.8 /* the weight of sums of earlier periods */

void governor_syscalls_learn(struct governor *governor, const struct reading *before,
			     const struct reading *now, double cost_ns)
{
	struct syscall_rates *rates = &governor->syscalls;

	rates->n = OLDER * rates->n + reading_syscalls(before, now);
	rates->own_ns = OLDER * rates->own_ns + fmax(reading_cpu(before, now) - cost_ns, 0);
	rates->others = OLDER * rates->others + reading_other_syscalls(before, now);
	rates->wall_ns = OLDER * rates->wall_ns + (double)(now->ns - before->ns);
	rates->counted_ns = now->ns;
}

static double times(double n, double by, double of)
{
	return of > 0 ? n / of * by : 0;
}

double governor_syscalls_pass(struct governor *governor, double wall_ns, double own_ns)
{
	const struct syscall_rates *rates = &governor->syscalls;
	double syscall_ns = session_syscall_ns(governor->session);
	double n = times(rates->n, fmax(own_ns, 0), rates->own_ns);

	lock_take(&governor->lock);
	governor->state.syscall_ns = syscall_ns;
	governor->state.syscalls += n;
	governor->state.other_syscalls += times(rates->others, wall_ns, rates->wall_ns);
	lock_release(&governor->lock);
	return n * syscall_ns;
}

void governor_syscalls_count(struct governor *governor)
{
	struct reading before, now;

	if (!governor->on[ABI_PART_NATIVE] ||
	    clock_now_ns() - governor->syscalls.counted_ns < COUNT_EVERY_NS)
		return;
	governor->syscalls.counted_ns = clock_now_ns();
	if (!session_count_syscalls(governor->session, true))
		return;
	governor_read(governor, &before);
	governor_rest(governor, COUNT_NS);
	governor_read(governor, &now);
	session_count_syscalls(governor->session, false);
	governor_syscalls_learn(governor, &before, &now, governor_cost(governor, &before, &now));
}
