/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What doctor predicts is what the policy does: the same loads, once reckoned and once played
 * through.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "govern/forecast.h"

#define MS 1e6
#define S  1e9

/* Seconds in windows for each second, by the policy: one part, windows of one length, a core in
 * use. */
static double played(double demand, double overhead, bool *all)
{
	struct budget budget;
	const struct policy_options options = {.budget = &budget,
					       .max_window_ns = (uint64_t)(100 * MS),
					       .least_ns = {(uint64_t)(100 * MS), 0},
					       .present = {true, false}};
	double in_windows = 0, wall = 0, cost[ABI_PARTS] = {0};
	struct policy policy;

	budget_init(&budget, overhead);
	policy_init(&policy, &options);
	*all = false;
	while (wall < 1000 * S) {
		const struct policy_step step = policy_next(&policy);
		struct window_figures figures = {0};

		if (step.action == POLICY_ALL) {
			*all = true;
			return 0;
		}
		if (step.action != POLICY_WINDOW) {
			policy_pass(&policy, 50 * MS, 50 * MS, cost, 0);
			wall += 50 * MS;
			continue;
		}
		figures.recorded_ns = figures.cpu_ns = figures.all_cpu_ns = figures.all_wall_ns =
			(double)step.ns;
		figures.cost_ns = figures.all_cost_ns = (double)step.ns * demand / (1 + demand);
		figures.trap_ns = figures.cost_ns;
		policy_window_done(&policy, step.part, &figures);
		in_windows += (double)step.ns;
		wall += (double)step.ns;
	}
	return in_windows / wall;
}

static void the_forecast_is_what_the_policy_does(void **state)
{
	static const double demands[] = {0.001, 0.01, 0.1, 1, 30};

	(void)state;
	for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
		const struct forecast forecast =
			forecast_part(2000, demands[i] * S / 2000, 0.05, 100 * MS, 1);
		bool all;
		double share = played(demands[i], 0.05, &all);

		assert_true(fabs(forecast.demand - demands[i]) < 1e-9);
		assert_int_equal(all, forecast.mode == PART_ALL);
		if (!all && fabs(share - forecast.window_ns / forecast.every_ns) > 0.15 * share)
			fail_msg("demand %g: forecast %g, played %g", demands[i],
				 forecast.window_ns / forecast.every_ns, share);
	}
}

/* Of a target that hardly works, 1 % of a core is more than 5 % of its work. */
static void the_floor_counts_where_it_is_more(void **state)
{
	struct forecast whole = forecast_part(2000, 1e6, 0.05, 20 * MS, 1),
			idle = forecast_part(2000, 1e6, 0.05, 20 * MS, 0.02),
			unknown = forecast_part(2000, 1e6, 0.05, 20 * MS, 0);

	(void)state;
	assert_int_equal(whole.mode, PART_WINDOWS);
	assert_int_equal(idle.mode, PART_WINDOWS);
	assert_true(fabs(unknown.every_ns - whole.every_ns) < 1);
	/* 50 % of its work */
	assert_true(idle.every_ns < whole.every_ns / 5);
	assert_int_equal(forecast_part(2000, 1e5, 0.05, 20 * MS, 0.02).mode, PART_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_forecast_is_what_the_policy_does),
		cmocka_unit_test(the_floor_counts_where_it_is_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
