/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/forecast.h"

static double allowed(double max_overhead)
{
	return max_overhead * BUDGET_SHARE / BUDGET_CAUTION;
}

struct forecast forecast_part(double pair_ns, double per_s, double max_overhead, double window_ns)
{
	struct forecast forecast = {.demand = pair_ns * per_s / 1e9, .mode = PART_ALL};
	double cost_ns;

	if (forecast.demand < POLICY_ROOM * allowed(max_overhead))
		return forecast;
	/* of the time in a window, what hits take */
	cost_ns = window_ns * forecast.demand / (1 + forecast.demand);
	forecast.mode = PART_WINDOWS;
	forecast.window_ns = window_ns;
	forecast.every_ns = cost_ns / allowed(max_overhead);
	return forecast;
}
