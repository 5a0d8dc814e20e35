/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/policy.h"

#include <math.h>
#include <string.h>

/* windows grow and shrink by these factors */
#define LONGER  1.6
#define SHORTER 0.8
/* standard deviations by which the second quarter has more */
#define CLEARLY 2.0
/* windows for which it is remembered that survivors are what stays */
#define SHOWN_FOR 8
/* survivors in both quarters that it takes to say that they are the same */
#define ENOUGH 24
/* of the target's CPU time in a window: what hits are taken to cost before one was measured, and at
 * most */
#define UNKNOWN_COST   0.1
#define MOST_EXPENSIVE 1.0
/* a window in which the target used less than that says nothing of it */
#define ENOUGH_CPU_NS 100000.0
/* windows in a row, after a part was let in and thrown out again and again */
#define MOST_PATIENCE 200
/* of the target's CPU time: the cost of what is on all the time is averaged over this much */
#define LATELY_NS 200e6
/* a sampling is made coarser, and not ended, while no more than the income of so long is owed */
#define COARSER_S 0.5
/* a sampling is made finer when it could be paid for so long */
#define REFINE_NS 5e9
/* of the target's CPU time in a window: who takes no more of it holds nothing up */
#define HOLDS_UP 0.3
/* times what hits took: the rest of a window that lasts longer is the target's sleep */
#define HELD_UP_MOST 2
/* times a window: how long requests wait behind it, at most */
#define QUEUE_MOST 3
/* the rest after the first failure, which doubles this many times at most */
#define FAILURE_REST_NS 0.25e9
#define MOST_FAILURES   8
/* the first window of a part, times least_ns: it learns the rates */
#define FIRST_WINDOWS 2

void policy_init(struct policy *policy, const struct policy_options *options)
{
	memset(policy, 0, sizeof(*policy));
	policy->max_window_ns = options->max_window_ns;
	policy->can_sample = options->can_sample;
	policy->budget = options->budget;
	budget_join(policy->budget, BUDGET_TRACING,
		    MOST_EXPENSIVE * (double)options->max_window_ns);
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		struct policy_part *part = &policy->parts[i];
		uint64_t first = FIRST_WINDOWS * options->least_ns[i];

		if (!options->present[i])
			continue;
		part->mode = PART_WINDOWS;
		part->wanted = true;
		part->least_ns = options->least_ns[i] < options->max_window_ns
					 ? options->least_ns[i]
					 : options->max_window_ns;
		part->window_ns = first < options->max_window_ns ? first : options->max_window_ns;
		part->cost_per_cpu_ns = UNKNOWN_COST;
		part->patience = POLICY_CALM;
		part->least_shift = POLICY_SHIFT_LEAST;
	}
}

static double allowed(const struct policy *policy)
{
	return budget_allowed_now(policy->budget);
}

static double room(const struct policy *policy)
{
	return POLICY_ROOM * allowed(policy);
}

static bool on_all_the_time(const struct policy_part *part)
{
	return part->mode == PART_ALL || part->mode == PART_SAMPLED;
}

bool policy_is_on(const struct policy *policy, enum abi_part part)
{
	return on_all_the_time(&policy->parts[part]);
}

/* The share that the other parts take, which are on all the time. */
static double taken(const struct policy *policy, const struct policy_part *except)
{
	double sum = 0;

	for (unsigned i = 0; i < ABI_PARTS; i++) {
		const struct policy_part *part = &policy->parts[i];

		if (part != except && on_all_the_time(part))
			sum += part->cost;
	}
	return sum;
}

static uint64_t bounded(const struct policy *policy, const struct policy_part *part, double ns)
{
	if (ns < (double)part->least_ns)
		return part->least_ns;
	return ns > (double)policy->max_window_ns ? policy->max_window_ns : (uint64_t)ns;
}

/* Have clearly more survived of the later quarter? */
static bool more(uint64_t earlier, uint64_t later)
{
	return (double)later - (double)earlier > CLEARLY * sqrt((double)earlier + (double)later);
}

/* By what the survivors say, how long should the next window be? */
static void choose_length(const struct policy *policy, struct policy_part *part,
			  const uint64_t quarter[4])
{
	double length = (double)part->window_ns;
	bool flat_end = !more(quarter[0], quarter[1]), fell = more(quarter[1], quarter[3]);

	/* windows that become shorter fail to show it now and then, and longer again */
	if (!flat_end)
		part->shown = 0;
	else if (fell ||
		 (quarter[0] + quarter[1] >= ENOUGH && part->window_ns == policy->max_window_ns))
		part->shown = SHOWN_FOR;
	else if (part->shown > 0)
		part->shown--;
	part->long_enough = part->shown > 0;
	part->window_ns = bounded(policy, part, length * (flat_end && fell ? SHORTER : LONGER));
}

/* The share that tracing takes of the work that was done. */
static double share(double cost_ns, double cpu_ns)
{
	double own = cpu_ns - cost_ns;

	/* what is left can be no more than noise: then all that is known is that it is much */
	return own > cost_ns / 100 ? cost_ns / own : cost_ns > 0 ? 100 : 0;
}

/* Could it be on all the time, in one way or the other? */
static bool fits(const struct policy *policy, const struct policy_part *part)
{
	double most = room(policy) - taken(policy, part);

	return part->demand < most || (policy->can_sample && part->trap_demand < most);
}

void policy_window_failed(struct policy *policy, enum abi_part number)
{
	struct policy_part *part = &policy->parts[number];

	budget_return(policy->budget, BUDGET_TRACING);
	part->failures += part->failures < MOST_FAILURES;
	part->rest_ns = FAILURE_REST_NS * (double)(1u << part->failures);
}

bool policy_is_too_dear(const struct policy *policy, enum abi_part part)
{
	return policy->parts[part].n_dear >= POLICY_CALM;
}

static void pay(struct policy *policy, double wall_ns, double cpu_ns, double cost_ns)
{
	budget_charge(policy->budget, BUDGET_TRACING, fmin(cost_ns, cpu_ns), 0);
	budget_pass(policy->budget, wall_ns, cpu_ns);
}

double policy_pause_ns(double held_up_ns, double used, double max_overhead)
{
	double waiting = POLICY_WAITING * max_overhead / BUDGET_CEILING;

	if (used >= POLICY_BUSY || !(waiting > 0))
		return 0;
	return fmin(held_up_ns / (1 - fmax(used, 0)), QUEUE_MOST * held_up_ns) / waiting;
}

static double pause_after(const struct policy *policy, const struct window_figures *figures)
{
	double held_up_ns = fmin(figures->all_wall_ns, HELD_UP_MOST * figures->all_cost_ns);

	return policy_pause_ns(held_up_ns, budget_used_cores(policy->budget),
			       policy->budget->max_overhead);
}

void policy_window_done(struct policy *policy, enum abi_part number,
			const struct window_figures *figures)
{
	struct policy_part *part = &policy->parts[number];
	double trap_cpu = figures->cpu_ns - (figures->cost_ns - figures->trap_ns);

	part->n_windows++;
	part->failures = 0;
	if (figures->cpu_ns >= ENOUGH_CPU_NS) {
		if (!part->selective) {
			part->demand = share(figures->cost_ns, figures->cpu_ns);
			part->trap_demand = share(figures->trap_ns, trap_cpu);
			part->calm = fits(policy, part) ? part->calm + 1 : 0;
			part->n_dear = fits(policy, part) ? 0 : part->n_dear + 1;
		}
		/* the most expensive of the last few: one that runs out of what can be paid is cut,
		 * and worth little */
		part->cost_per_cpu_ns = fmax(part->n_windows > 1 ? 0.8 * part->cost_per_cpu_ns : 0,
					     figures->cost_ns / figures->cpu_ns);
	}
	choose_length(policy, part, figures->quarter);
	budget_return(policy->budget, BUDGET_TRACING);
	pay(policy, figures->all_wall_ns, figures->all_cpu_ns, figures->all_cost_ns);
	policy->pause_ns = fmax(policy->pause_ns, pause_after(policy, figures));
	part->rest_ns = part->explained ? POLICY_CHECK_NS : 0;
}

/* What it is taken to cost, until more is known. */
static void expect_cost(struct policy_part *part, double cost)
{
	part->own_ns = LATELY_NS;
	part->cost_ns = cost * part->own_ns;
	part->cost = cost;
}

/* Sums, and not shares, are averaged: of a period in which little was done the share says
 * nothing. */
static void learn_cost(struct policy_part *part, double cost_ns, double cpu_ns)
{
	double keep = exp(-cpu_ns / LATELY_NS);

	part->cost_ns = keep * part->cost_ns + fmin(cost_ns, cpu_ns);
	part->own_ns = keep * part->own_ns + fmax(cpu_ns - cost_ns, 0);
	part->cost = share(part->cost_ns, part->cost_ns + part->own_ns);
}

void policy_pass(struct policy *policy, double wall_ns, double cpu_ns,
		 const double cost_ns[ABI_PARTS], double other_ns)
{
	double sum = other_ns;

	policy->pause_ns -= wall_ns;
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		struct policy_part *part = &policy->parts[i];

		sum += cost_ns[i];
		part->shift_age_ns += wall_ns;
		part->rest_ns -= wall_ns;
		part->unwanted_ns = part->wanted ? 0 : part->unwanted_ns + wall_ns;
		if (on_all_the_time(part))
			learn_cost(part, cost_ns[i], cpu_ns);
		if (part->mode == PART_ALL)
			part->demand = part->cost;
	}
	pay(policy, wall_ns, cpu_ns, sum);
}

/* A part that could be on all the time. */
static bool let_in(struct policy *policy, struct policy_step *step)
{
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		struct policy_part *part = &policy->parts[i];

		if (part->mode != PART_WINDOWS || !part->wanted || part->calm < part->patience ||
		    budget_level(policy->budget, BUDGET_TRACING) < 0)
			continue;
		part->calm = 0;
		step->part = i;
		if (part->demand < room(policy) - taken(policy, part)) {
			part->mode = PART_ALL;
			expect_cost(part, part->demand);
			step->action = POLICY_ALL;
		} else {
			part->mode = PART_SAMPLED;
			part->shift = POLICY_SHIFT_FIRST;
			part->shift_age_ns = 0;
			expect_cost(part, part->trap_demand);
			step->action = POLICY_SAMPLE;
			step->shift = part->shift;
		}
		return true;
	}
	return false;
}

/* The most expensive part that is on all the time, when the budget is empty. */
static bool throw_out(struct policy *policy, struct policy_step *step)
{
	struct policy_part *most_expensive = NULL;

	double level_s = budget_level_s(policy->budget, BUDGET_TRACING);

	if (level_s >= 0)
		return false;
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		struct policy_part *part = &policy->parts[i];

		if (on_all_the_time(part) && (!most_expensive || part->cost > most_expensive->cost))
			most_expensive = part;
	}
	/* what is on all the time takes no more than comes in: a window has emptied it, which is
	 * paid back before the next */
	if (!most_expensive || taken(policy, NULL) < allowed(policy))
		return false;
	/* coarser is tried first, as long as there is something to be gained by it */
	if (most_expensive->mode == PART_SAMPLED && most_expensive->shift < POLICY_SHIFT_MOST &&
	    level_s > -COARSER_S) {
		step->action = POLICY_SAMPLE;
		step->shift = most_expensive->shift += 1;
		most_expensive->shift_age_ns = 0;
	} else {
		most_expensive->mode = PART_WINDOWS;
		most_expensive->calm = 0;
		most_expensive->patience = most_expensive->patience * 2 < MOST_PATIENCE
						   ? most_expensive->patience * 2
						   : MOST_PATIENCE;
		step->action = POLICY_OFF;
	}
	step->part = (enum abi_part)(most_expensive - policy->parts);
	return true;
}

void policy_want(struct policy *policy, enum abi_part part, bool wanted)
{
	policy->parts[part].wanted = wanted;
}

void policy_explain(struct policy *policy, enum abi_part part, bool explained)
{
	policy->parts[part].explained = explained;
}

/* A part that is on all the time, and where nothing has grown for long. */
static bool retire(struct policy *policy, struct policy_step *step)
{
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		struct policy_part *part = &policy->parts[i];

		if (!on_all_the_time(part) || part->unwanted_ns < POLICY_UNWANTED_NS)
			continue;
		part->mode = PART_WINDOWS;
		part->calm = 0;
		*step = (struct policy_step){.action = POLICY_OFF, .part = i, .unwanted = true};
		return true;
	}
	return false;
}

void policy_is_full(struct policy *policy, enum abi_part part)
{
	if (policy->can_sample)
		policy->parts[part].full = true;
}

/* A part whose blocks are too many for the maps. */
static bool downsample_out(struct policy *policy, struct policy_step *step)
{
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		struct policy_part *part = &policy->parts[i];

		if (!part->full)
			continue;
		part->full = false;
		if (!on_all_the_time(part) || part->shift >= POLICY_SHIFT_MOST)
			continue;
		part->shift = part->mode == PART_ALL ? POLICY_SHIFT_LEAST : part->shift + 1;
		/* not finer again: it would be full again */
		part->least_shift = part->shift;
		part->shift_age_ns = 0;
		part->mode = PART_SAMPLED;
		*step = (struct policy_step){
			.action = POLICY_SAMPLE, .part = i, .shift = part->shift, .thin = true};
		return true;
	}
	return false;
}

/* Of a sample twice as fine: twice what is above the traps, which are the same; no more than
 * all. */
static double cost_if_finer(const struct policy_part *part)
{
	return fmin(part->cost + fmax(part->cost - part->trap_demand, 0),
		    fmax(part->demand, part->cost));
}

/* What can be paid may be finer: what is rare is seen sooner then. */
static bool refine(struct policy *policy, struct policy_step *step)
{
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		struct policy_part *part = &policy->parts[i];

		if (part->mode != PART_SAMPLED || part->shift <= part->least_shift ||
		    part->shift_age_ns < REFINE_NS ||
		    cost_if_finer(part) > room(policy) - taken(policy, part))
			continue;
		part->shift_age_ns = 0;
		part->shift--;
		*step = (struct policy_step){
			.action = POLICY_SAMPLE, .part = i, .shift = part->shift};
		return true;
	}
	return false;
}

/* The next part whose window can be paid, one after the other. What a part in its pause will need
 * is left to it. */
static bool open_window(struct policy *policy, struct policy_step *step)
{
	double reserved = 0;

	for (unsigned i = 0; i < ABI_PARTS; i++) {
		unsigned number = (policy->turn + i) % ABI_PARTS;
		struct policy_part *part = &policy->parts[number];
		double price, lease;

		if (part->mode != PART_WINDOWS || !part->wanted || part->rest_ns > 0)
			continue;
		price = part->cost_per_cpu_ns * (double)part->window_ns;
		/* the first few show what it costs */
		if (policy->pause_ns > 0 && part->cost_per_cpu_ns > HOLDS_UP &&
		    part->n_windows >= POLICY_CALM) {
			reserved += price;
			continue;
		}
		/* one that turns out more expensive is ended when it has cost the lease */
		lease = budget_lease(policy->budget, BUDGET_TRACING, price + reserved);
		if (!(lease > 0))
			return false;
		policy->turn = (number + 1) % ABI_PARTS;
		part->selective =
			policy_is_too_dear(policy, number) && part->n_windows % POLICY_ALL_SIZES;
		step->action = POLICY_WINDOW;
		step->part = number;
		step->ns = part->window_ns;
		step->cost_ns = lease - reserved;
		return true;
	}
	return false;
}

struct policy_step policy_next(struct policy *policy)
{
	struct policy_step step = {.action = POLICY_WAIT};

	if (!throw_out(policy, &step) && !retire(policy, &step) && !downsample_out(policy, &step) &&
	    !let_in(policy, &step) && !refine(policy, &step))
		open_window(policy, &step);
	return step;
}
