/* SPDX-License-Identifier: BSD-2-Clause */
#include <math.h>

#include "base/clock.h"
#include "govern/governor_impl.h"

/* where mappings are traced all the time: calls are counted so often, for so long */
#define COUNT_EVERY_NS 10000000000u
#define COUNT_NS       50000000u

#define OLDER          0.8 /* what sums of earlier moments count */

void governor_calls_learn(struct governor *governor, const struct reading *before,
			  const struct reading *now, double cost_ns)
{
	struct call_rates *rates = &governor->calls;

	rates->n = OLDER * rates->n + reading_calls(before, now);
	rates->own_ns = OLDER * rates->own_ns + fmax(reading_cpu(before, now) - cost_ns, 0);
	rates->others = OLDER * rates->others + reading_other_calls(before, now);
	rates->wall_ns = OLDER * rates->wall_ns + (double)(now->ns - before->ns);
	rates->counted_ns = now->ns;
}

static double times(double n, double by, double of)
{
	return of > 0 ? n / of * by : 0;
}

double governor_calls_pass(struct governor *governor, double wall_ns, double own_ns)
{
	const struct call_rates *rates = &governor->calls;
	double call_ns = session_call_ns(governor->session);
	double n = times(rates->n, fmax(own_ns, 0), rates->own_ns);

	pthread_mutex_lock(&governor->lock);
	governor->state.call_ns = call_ns;
	governor->state.calls += n;
	governor->state.other_calls += times(rates->others, wall_ns, rates->wall_ns);
	pthread_mutex_unlock(&governor->lock);
	return n * call_ns;
}

void governor_calls_count(struct governor *governor)
{
	struct reading before, now;

	if (!governor->on[ABI_PART_NATIVE] ||
	    clock_now_ns() - governor->calls.counted_ns < COUNT_EVERY_NS)
		return;
	governor->calls.counted_ns = clock_now_ns();
	if (!session_count_calls(governor->session, true))
		return;
	governor_read(governor, &before);
	governor_rest(governor, COUNT_NS);
	governor_read(governor, &now);
	session_count_calls(governor->session, false);
	governor_calls_learn(governor, &before, &now, governor_cost(governor, &before, &now));
}
