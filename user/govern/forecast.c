/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/forecast.h"

#include <math.h>

struct forecast forecast_part(double pair_ns, double per_s, double max_overhead, double window_ns,
			      double cores)
{
	struct forecast forecast = {.demand = pair_ns * per_s / 1e9, .mode = PART_ALL};
	double allowed = budget_allowed_of(max_overhead, cores), cost_ns, pause_ns;

	if (forecast.demand < POLICY_ROOM * allowed)
		return forecast;
	/* of the time in a window, what hits take */
	cost_ns = window_ns * forecast.demand / (1 + forecast.demand);
	forecast.mode = PART_WINDOWS;
	forecast.window_ns = window_ns;
	pause_ns = cores > 0 ? policy_pause_ns(cost_ns, cores, max_overhead) : 0;
	forecast.every_ns = fmax(fmax(cost_ns / allowed, window_ns), pause_ns * cores);
	return forecast;
}
