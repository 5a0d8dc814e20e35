/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The governor's decisions, on made loads: a program with this many calls for each second of its
 * own work, and a kernel that takes so long for each. Time is made too: nothing here waits.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "govern/policy.h"

#define MS 1e6
#define S  1e9

/* of a block, when it is sampled */
#define BLOCK_BYTES 200.0

/* One program, as it would run for itself. */
struct load {
	double cores;                       /* of its own work, if it were not traced */
	double calls_per_work_s[ABI_PARTS]; /* pairs, for each second of its own work */
	double pair_ns;                     /* what hits take for each, all together; of that ... */
	double trap_ns;                     /* ... the traps */
	double unit_work_ns;                /* its unit of work: blocks of it live as long */
	double leaks_per_work_s;            /* of each part */
};

struct run {
	struct budget budget;
	struct policy policy;
	const struct load *load;
	double wall_ns, work_ns, cost_ns;
	bool on[ABI_PARTS];
	unsigned windows[ABI_PARTS];
	double longest_ns;
	double on_since_ns[ABI_PARTS];
	double worst_second; /* share that watching took in the worst second after the first */
	double second_wall, second_work, second_cost;
	/* rounds on containers at the same time, which spend all that they may */
	double rounds_ns, next_round_ns;
	double window_wall_ns; /* in windows that held something up */
};

static void begin(struct run *run, const struct load *load, double overhead, bool can_sample)
{
	const struct policy_options options = {
		.budget = &run->budget,
		.max_window_ns = (uint64_t)(200 * MS),
		.present = {true, true},
		.least_ns = {(uint64_t)(20 * MS), (uint64_t)(20 * MS)},
		.can_sample = can_sample,
	};

	memset(run, 0, sizeof(*run));
	budget_init(&run->budget, overhead);
	run->load = load;
	policy_init(&run->policy, &options);
}

/* The share of its time in which it works, with so much to be paid for each ns of work. */
static void pass(struct run *run, double wall_ns, double per_work[ABI_PARTS], double *work,
		 double *cost)
{
	double factor = 1 + per_work[0] + per_work[1];
	/* it has cores x wall of work to do, and gets at most one core */
	double wanted = run->load->cores * wall_ns;

	*work = fmin(wanted, fmax(run->load->cores, 1) * wall_ns / factor);
	*cost = *work * (factor - 1);
	run->wall_ns += wall_ns;
	run->work_ns += *work;
	run->cost_ns += *cost;
	run->second_wall += wall_ns;
	run->second_work += *work;
	run->second_cost += *cost;
}

static double demand(const struct run *run, unsigned part)
{
	return run->load->calls_per_work_s[part] * run->load->pair_ns / S;
}

/* All the time: of a sample the traps of all, and the rest of those blocks on which a point
 * falls. */
static double cost_on(const struct run *run, unsigned part)
{
	const struct policy_part *known = &run->policy.parts[part];
	double traps = demand(run, part) * run->load->trap_ns / run->load->pair_ns;
	double sampled = 1 - exp(-BLOCK_BYTES / (double)(1u << known->shift));

	return known->mode == PART_SAMPLED ? traps + sampled * (demand(run, part) - traps)
					   : demand(run, part);
}

static void window(struct run *run, const struct policy_step *step)
{
	double per_work[ABI_PARTS] = {run->on[0] ? demand(run, 0) : 0,
				      run->on[1] ? demand(run, 1) : 0};
	double work, cost, ns = (double)step->ns, rate, half, unit, sum;
	struct window_figures figures = {0};

	per_work[step->part] = demand(run, step->part);
	/* so long in the target's CPU time */
	sum = per_work[0] + per_work[1];
	ns = fmin(ns / fmin(run->load->cores * (1 + sum), fmax(run->load->cores, 1)), 50 * ns);
	/* ended early when it has cost what may be spent, looked at every 4 ms */
	rate = fmin(run->load->cores, fmax(run->load->cores, 1) / (1 + sum)) * sum;
	if (rate * ns > step->cost_ns)
		ns = fmin(ns, fmax(4 * MS, ceil(step->cost_ns / rate / (4 * MS)) * 4 * MS));
	pass(run, ns, per_work, &work, &cost);
	half = work / 2;
	unit = fmin(run->load->unit_work_ns, work);
	/* blocks of the unit of work that was going on at the end, from its start on: younger than
	 * `unit` of work */
	figures = (struct window_figures){
		.recorded_ns = ns,
		.cpu_ns = work + cost,
		.cost_ns = cost,
		.trap_ns = cost * run->load->trap_ns / run->load->pair_ns,
		.all_wall_ns = ns,
		.all_cpu_ns = work + cost,
		.all_cost_ns = cost,
	};
	for (unsigned i = 0; i < 4; i++) {
		double from = i * half / 2, to = (i + 1) * half / 2, alive_from = work - unit;
		double living = fmax(0, to - fmax(from, alive_from));

		figures.quarter[i] =
			(uint64_t)(half / 2 * run->load->leaks_per_work_s / S +
				   living * run->load->calls_per_work_s[step->part] / S / 10);
	}
	policy_window_done(&run->policy, step->part, &figures);
	run->windows[step->part]++;
	run->longest_ns = fmax(run->longest_ns, figures.cpu_ns);
	run->window_wall_ns += fmin(ns, 2 * cost);
}

static void count_second(struct run *run, double from_ns)
{
	if (run->second_wall < S)
		return;
	if (run->wall_ns > from_ns && run->second_work > 0)
		run->worst_second = fmax(run->worst_second, run->second_cost / run->second_work);
	run->second_wall = run->second_work = run->second_cost = 0;
}

/* return what a round took, if it is time for one */
static double take_round(struct run *run)
{
	double ns;

	if (!(run->next_round_ns > 0) || run->wall_ns < run->next_round_ns)
		return 0;
	ns = budget_lease(&run->budget, BUDGET_WATCHPOINTS, MS);
	budget_charge(&run->budget, BUDGET_WATCHPOINTS, ns, 0);
	budget_return(&run->budget, BUDGET_WATCHPOINTS);
	run->rounds_ns += ns;
	run->cost_ns += ns;
	run->next_round_ns += 13 * S;
	return ns;
}

static void run_for(struct run *run, double ns)
{
	double end = run->wall_ns + ns;

	while (run->wall_ns < end) {
		const struct policy_step step = policy_next(&run->policy);
		double per_work[ABI_PARTS], cost[ABI_PARTS], work, sum;

		switch (step.action) {
		case POLICY_WINDOW:
			window(run, &step);
			take_round(run);
			break;
		case POLICY_ALL:
		case POLICY_SAMPLE:
			run->on[step.part] = true;
			run->on_since_ns[step.part] = run->wall_ns;
			break;
		case POLICY_OFF:
			run->on[step.part] = false;
			break;
		case POLICY_WAIT:
			for (unsigned i = 0; i < ABI_PARTS; i++) {
				per_work[i] = run->on[i] ? cost_on(run, i) : 0;
			}
			pass(run, 50 * MS, per_work, &work, &sum);
			for (unsigned i = 0; i < ABI_PARTS; i++)
				cost[i] = work * per_work[i];
			policy_pass(&run->policy, 50 * MS, work + sum + take_round(run), cost, 0);
			break;
		}
		count_second(run, 5 * S);
	}
}

static double share(const struct run *run)
{
	return run->cost_ns / run->work_ns;
}

/* The workloads of the benchmark, as they were measured: pairs for each second of bare CPU time. */
static const struct load loads[] = {
	{1, {1, 28e6}, 2500, 1600, 10e3, 2000},         /* objects come and go */
	{1, {0.31e6, 17e6}, 2500, 1600, 64e3, 500},     /* documents */
	{1, {1.32e6, 8.2e6}, 2500, 1600, 18e3, 300},    /* large buffers */
	{1, {0.31e6, 17e6}, 2500, 1600, 7e3, 7000},     /* C code's */
	{0.025, {0.78e6, 12e6}, 2500, 1600, 2.5e3, 40}, /* rests most of the time */
	{1, {43e3, 8.1e6}, 2500, 1600, 233e3, 400},     /* a web framework */
	{0.01, {2e3, 1e5}, 2500, 1600, 50e3, 10},       /* hardly anything */
};

#define N_LOADS (sizeof(loads) / sizeof(loads[0]))

/* Whatever the load, in the long run the ceiling holds, and every part is looked at. */
static void the_ceiling_holds_whatever_the_load(void **state)
{
	static const double ceilings[] = {0.01, 0.05, 0.2};

	(void)state;
	for (size_t i = 0; i < N_LOADS; i++) {
		for (size_t c = 0; c < 3; c++) {
			struct run run;

			begin(&run, &loads[i], ceilings[c], false);
			run_for(&run, 300 * S);
			if (share(&run) > ceilings[c] + BUDGET_FLOOR / loads[i].cores)
				fail_msg("load %zu, ceiling %g: %g", i, ceilings[c], share(&run));
			for (unsigned part = 0; part < ABI_PARTS; part++)
				if (!run.windows[part])
					fail_msg("load %zu, ceiling %g: part %u never seen", i,
						 ceilings[c], part);
			assert_true(run.longest_ns <= 200 * MS);
		}
	}
}

/* Nor is it broken by watchpoints that spend all they may, nor do these or the windows wait for the
 * others. */
static void the_ceiling_includes_watchpoints(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_LOADS; i++) {
		double most = budget_allowed(0.05);
		struct run alone, run;

		begin(&alone, &loads[i], 0.05, false);
		run_for(&alone, 300 * S);
		begin(&run, &loads[i], 0.05, false);
		budget_join(&run.budget, BUDGET_WATCHPOINTS, MS);
		run.next_round_ns = 13 * S;
		run_for(&run, 300 * S);
		if (share(&run) > 0.05 + BUDGET_FLOOR / loads[i].cores)
			fail_msg("load %zu: %g", i, share(&run));
		if (run.rounds_ns < 0.2 * most * run.work_ns)
			fail_msg("load %zu: rounds took %g", i, run.rounds_ns / run.work_ns);
		for (unsigned part = 0; part < ABI_PARTS; part++)
			if (run.windows[part] < alone.windows[part] / 2)
				fail_msg("load %zu: %u windows of part %u, alone %u", i,
					 run.windows[part], part, alone.windows[part]);
	}
}

/*
 * Of a service that is idle in between, few requests meet a window, or wait behind one that did.
 * What hardly holds anything up is soon let in all the same.
 */
static void few_requests_wait_for_windows(void **state)
{
	static const double cores[] = {0.01, 0.1, 0.25, 0.5, 0.8};

	(void)state;
	for (size_t i = 0; i < sizeof(cores) / sizeof(cores[0]); i++) {
		const struct load load = {cores[i], {2000, 17e6}, 2500, 1600, 64e3, 500};
		struct run run;
		double waiting;

		begin(&run, &load, 0.05, false);
		run_for(&run, 600 * S);
		waiting = run.window_wall_ns / run.wall_ns * fmin(1 / (1 - load.cores), 3);
		if (waiting > 1.1 * POLICY_WAITING)
			fail_msg("%g cores: %g of the requests wait", load.cores, waiting);
		assert_true(run.windows[1] >= 10);
		assert_true(run.on[0] && run.on_since_ns[0] < 30 * S);
	}
}

/* The first minute costs no more than the others: nothing is spent before it has been earned. */
static void the_first_minute_costs_no_more_than_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_LOADS; i++) {
		struct run run;

		begin(&run, &loads[i], 0.05, false);
		run_for(&run, 60 * S);
		if (share(&run) > 0.05 + BUDGET_FLOOR / loads[i].cores)
			fail_msg("load %zu: %g", i, share(&run));
	}
}

/*
 * A process that mostly sleeps has hardly anything to spend. Its first windows show how little one
 * takes; the next ones are as frequent as that allows, and not as a guess.
 */
static void a_sleeping_target_has_windows_by_what_they_cost(void **state)
{
	const struct load sleepy = {0.006, {2e5, 1.2e6}, 2500, 1600, 2.5e5, 10e3};
	struct run run;

	(void)state;
	begin(&run, &sleepy, 0.05, false);
	run_for(&run, 60 * S);
	/* what the floor pays for is traced all the time; of the rest there are 10 windows, and 3
	 * if each were taken to cost what is guessed of the first */
	assert_true(policy_is_on(&run.policy, 0));
	assert_true(run.windows[1] >= 6);
	assert_true(share(&run) <= 0.05 + BUDGET_FLOOR / sleepy.cores);
}

/* What is cheap is traced all the time, soon. */
static void what_is_cheap_is_soon_traced_all_the_time(void **state)
{
	const struct load cheap = {1, {2000, 3000}, 2500, 1600, 10e3, 100};
	struct run run;

	(void)state;
	begin(&run, &cheap, 0.05, false);
	run_for(&run, 20 * S);
	assert_true(run.on[0] && run.on[1]);
	assert_true(run.on_since_ns[0] < 10 * S && run.on_since_ns[1] < 10 * S);
}

/* One part may be cheap and the other not. */
static void one_part_may_be_cheap_and_the_other_not(void **state)
{
	const struct load load = {1, {2000, 8e6}, 2500, 1600, 10e3, 100};
	struct run run;

	(void)state;
	begin(&run, &load, 0.05, false);
	run_for(&run, 60 * S);
	assert_true(run.on[0]);
	assert_false(run.on[1]);
	assert_true(run.windows[1] >= 5);
	assert_true(share(&run) <= 0.05);
}

/* A program that begins to allocate is noticed within a second, and let in again no sooner than
 * before. */
static void a_burst_is_noticed_within_a_second(void **state)
{
	struct load load = {1, {2000, 3000}, 2500, 1600, 10e3, 100};
	struct run run;
	double before;

	(void)state;
	begin(&run, &load, 0.05, false);
	run_for(&run, 30 * S);
	assert_true(run.on[1]);
	load.calls_per_work_s[1] = 8e6;
	before = run.cost_ns;
	run_for(&run, S);
	assert_false(run.on[1]);
	/* what was saved may be spent on it, and no more than that */
	assert_true(run.cost_ns - before < 1.0 * S);
	load.calls_per_work_s[1] = 3000;
	assert_true(run.policy.parts[1].patience > POLICY_CALM);
	run_for(&run, 120 * S);
	assert_true(run.on[1]);
}

/* Where the traps can be paid and the stacks cannot, it is sampled, if sampling is available. */
static void where_traps_can_be_paid_and_stacks_not_it_is_sampled(void **state)
{
	const struct load load = {1, {9000, 8e6}, 15000, 1600, 10e3, 100};
	struct run run;

	(void)state;
	begin(&run, &load, 0.05, true);
	run_for(&run, 60 * S);
	assert_int_equal(run.policy.parts[0].mode, PART_SAMPLED);
	assert_true(run.on[0]);
	/* what all would cost is not what the sample does */
	assert_true(fabs(run.policy.parts[0].demand / demand(&run, 0) - 1) < 0.01);
	assert_true(run.policy.parts[0].cost < 0.2 * demand(&run, 0));
	begin(&run, &load, 0.05, false);
	run_for(&run, 60 * S);
	assert_int_equal(run.policy.parts[0].mode, PART_WINDOWS);
}

/* A sample becomes as fine as can be paid for, and stays that: where all can be, nearly, down to
 * the finest. */
static void a_sample_becomes_as_fine_as_can_be_paid(void **state)
{
	const struct load rare = {1, {2500, 8e6}, 15000, 1600, 10e3, 100};
	const struct load frequent = {1, {9000, 8e6}, 15000, 1600, 10e3, 100};
	struct run run;

	(void)state;
	begin(&run, &rare, 0.05, true);
	run_for(&run, 120 * S);
	assert_int_equal(run.policy.parts[0].mode, PART_SAMPLED);
	assert_int_equal(run.policy.parts[0].shift, POLICY_SHIFT_LEAST);
	begin(&run, &frequent, 0.05, true);
	for (unsigned i = 0, shift = 0; i < 5; i++) {
		run_for(&run, 120 * S);
		assert_int_equal(run.policy.parts[0].mode, PART_SAMPLED);
		assert_true(run.policy.parts[0].shift > POLICY_SHIFT_LEAST);
		assert_true(i == 0 || run.policy.parts[0].shift == shift);
		shift = run.policy.parts[0].shift;
	}
}

/* Windows become as long as the unit of work needs, and no longer than that. */
static void windows_become_as_long_as_the_work_needs(void **state)
{
	const struct load quick = {1, {1, 28e6}, 2500, 1600, 100e3, 2000};
	const struct load slow = {1, {1, 8e6}, 2500, 1600, 5e6, 200};
	struct run run;

	(void)state;
	begin(&run, &quick, 0.05, false);
	run_for(&run, 120 * S);
	assert_true(run.policy.parts[1].long_enough);
	assert_true(run.policy.parts[1].window_ns < (uint64_t)(100 * MS));
	/* a request of 5 ms takes 100 ms when it is traced */
	begin(&run, &slow, 0.05, false);
	run_for(&run, 120 * S);
	assert_true(run.policy.parts[1].window_ns > (uint64_t)(120 * MS));
}

static void what_cannot_be_paid_is_too_expensive(void **state)
{
	const struct load load = {1, {2000, 8e6}, 2500, 1600, 10e3, 100};
	struct run run;

	(void)state;
	begin(&run, &load, 0.05, false);
	run_for(&run, 60 * S);
	assert_false(policy_is_too_dear(&run.policy, ABI_PART_NATIVE));
	assert_true(policy_is_too_dear(&run.policy, ABI_PART_OBJECT));
}

/* Windows that cannot be opened are tried less and less often, and again when they can be. */
static void windows_that_fail_are_tried_less_and_less_often(void **state)
{
	double cost[ABI_PARTS] = {0};
	unsigned tries = 0;
	struct run run;

	(void)state;
	begin(&run, &loads[0], 0.05, false);
	for (unsigned i = 0; i < 1200; i++) {
		const struct policy_step step = policy_next(&run.policy);

		if (step.action == POLICY_WINDOW) {
			policy_window_failed(&run.policy, step.part);
			tries++;
		}
		policy_pass(&run.policy, 50 * MS, 50 * MS, cost, 0);
	}
	/* of both parts, in a minute */
	assert_in_range(tries, 8, 20);
	run_for(&run, 120 * S);
	assert_true(run.windows[1] > 5);
}

/* A part that is not there is never touched. */
static void an_absent_part_is_never_touched(void **state)
{
	struct run run = {.load = &loads[0]};
	const struct policy_options options = {.budget = &run.budget,
					       .max_window_ns = (uint64_t)(200 * MS),
					       .present = {true, false},
					       .least_ns = {(uint64_t)(20 * MS), 0}};

	(void)state;
	budget_init(&run.budget, 0.05);
	policy_init(&run.policy, &options);
	run_for(&run, 60 * S);
	assert_int_equal(run.windows[1], 0);
	assert_false(run.on[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ceiling_holds_whatever_the_load),
		cmocka_unit_test(the_ceiling_includes_watchpoints),
		cmocka_unit_test(few_requests_wait_for_windows),
		cmocka_unit_test(the_first_minute_costs_no_more_than_others),
		cmocka_unit_test(a_sleeping_target_has_windows_by_what_they_cost),
		cmocka_unit_test(what_is_cheap_is_soon_traced_all_the_time),
		cmocka_unit_test(one_part_may_be_cheap_and_the_other_not),
		cmocka_unit_test(a_burst_is_noticed_within_a_second),
		cmocka_unit_test(where_traps_can_be_paid_and_stacks_not_it_is_sampled),
		cmocka_unit_test(a_sample_becomes_as_fine_as_can_be_paid),
		cmocka_unit_test(windows_become_as_long_as_the_work_needs),
		cmocka_unit_test(what_cannot_be_paid_is_too_expensive),
		cmocka_unit_test(windows_that_fail_are_tried_less_and_less_often),
		cmocka_unit_test(an_absent_part_is_never_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
