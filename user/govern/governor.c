/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/governor.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "govern/reading.h"
#include "python/runtime.h"
#include "snapshot/thin.h"

/*
 * The least that a window may be. In its first milliseconds every stack and every code object is new, and a hit costs
 * twice or three times as much; and switching takes as long as some milliseconds.
 */
#define LEAST_STEERED_NS  20000000u
#define LEAST_ATTACHED_NS 20000000u

/* survivors are looked after every so often, so many at a time */
#define CHECK_NS   2000000000u
#define CHECK_MOST 1024

/* what a measured cost may be off by, either way */
#define COST_ERROR 0.25

/* of the room in the map of live blocks: more than that, and they are thinned out */
#define FULL 0.75

/*
 * ... and for each block of that room so much time passes until they are counted again. To count one takes 0.3 us, so that it is 3 % of a core at
 * most, when the map is full. It is sooner when there is no room for as many more as came since the last time.
 */
#define ROOM_NS 10000u
#define SOONER  8 /* times, at most */

/* of the thread, so that a window ends when it shall also where everybody wants the CPU */
#define NICE (-10)

/* of what may be spent, what watchpoints may take at most */
#define OTHERS_SHARE 0.5

/* of the ceiling: what probes of a part that is off may take */
#define LEFT_SHARE 0.05

struct governor {
	struct session *session;
	const struct process *process;
	struct governor_options options;
	struct py_runtime runtime; /* the thread's own */
	bool have_runtime;
	struct survivors *survivors;
	pthread_t thread;
	bool started;
	int wake;  /* eventfd: stop */
	int limit; /* eventfd */
	pthread_mutex_t switching;

	/* of the thread */
	struct policy policy;
	struct reading last;
	bool on[ABI_PARTS]; /* all the time */
	bool left;          /* probes of part object do not stay */
	uint64_t checked_ns;
	uint64_t counted_ns, count_ns; /* when the room was looked at, and when it shall be again */
	double counted;                /* blocks, then */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t calibrated;
	bool settled; /* whether it could be calibrated is known */
	struct governor_state state;
	struct err stop_error;
};

/* ---- readings ---------------------------------------------------------------------------------------------- */

static void take_reading(const struct governor *governor, struct reading *reading)
{
	reading_take(reading, governor->session, governor->process);
	if (governor->options.others)
		reading->others_ns = governor->options.others(governor->options.context);
}

static double cost_since(const struct governor *governor, const struct reading *before,
			 const struct reading *now)
{
	return reading_cost(&governor->state.costs, before, now);
}

static void add_spent(struct governor *governor, double cpu_ns, double cost_ns)
{
	pthread_mutex_lock(&governor->lock);
	governor->state.spent_ns += cost_ns;
	governor->state.own_ns += cpu_ns > cost_ns ? cpu_ns - cost_ns : 0;
	pthread_mutex_unlock(&governor->lock);
}

/*
 * Probes that stay (plan.switchable) should not be come by; of those on a jmp that is seldom run that may not be true.
 * Looked at while nothing is on.
 */
static void leave_if_hit(struct governor *governor, double cost_ns, double cpu_ns)
{
	const struct policy *policy = &governor->policy;

	if (governor->left || cost_ns < LEFT_SHARE * policy->budget.ceiling * cpu_ns)
		return;
	for (unsigned i = 0; i < ABI_PARTS; i++)
		if (policy->parts[i].mode == PART_ALL || policy->parts[i].mode == PART_SAMPLED)
			return;
	governor->left = true;
	pthread_mutex_lock(&governor->switching);
	session_part_leave(governor->session, ABI_PART_OBJECT);
	pthread_mutex_unlock(&governor->switching);
}

/* Time has passed, with no window in it. */
static void pass(struct governor *governor)
{
	struct reading now;
	double cost, cpu, others, share[ABI_PARTS] = {0}, all = 0;

	take_reading(governor, &now);
	cost = cost_since(governor, &governor->last, &now);
	cpu = reading_cpu(&governor->last, &now);
	others = now.others_ns - governor->last.others_ns;
	/* hits are not counted for each part: they are divided by what each is known to take */
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		const struct policy_part *part = &governor->policy.parts[i];

		if (part->mode == PART_ALL || part->mode == PART_SAMPLED)
			all += share[i] = part->cost + 1e-6;
	}
	for (unsigned i = 0; i < ABI_PARTS && all > 0; i++)
		share[i] *= cost / all;
	policy_pass(&governor->policy, (double)(now.ns - governor->last.ns), cpu, share,
		    all > 0 ? others : others + cost);
	add_spent(governor, cpu, fmin(cost + others, cpu));
	governor->last = now;
	leave_if_hit(governor, cost, cpu);
	if (governor->options.allow_others)
		governor->options.allow_others(governor->options.context,
					       OTHERS_SHARE * governor->policy.budget.income /
						       BUDGET_CAUTION / 1e9);
}

/* ---- switching ---------------------------------------------------------------------------------------------- */

static unsigned domains_of(const struct governor *governor, enum abi_part part)
{
	return governor->state.parts[part].domains;
}

static void publish(struct governor *governor, enum abi_part number)
{
	const struct policy_part *from = &governor->policy.parts[number];
	struct governor_part *to = &governor->state.parts[number];

	pthread_mutex_lock(&governor->lock);
	to->mode = from->mode;
	to->shift = from->shift;
	to->settled = from->settled;
	to->demand = from->demand;
	to->next_window_ns = from->window_ns;
	pthread_mutex_unlock(&governor->lock);
}

static bool switch_on(struct governor *governor, enum abi_part number)
{
	struct governor_part *part = &governor->state.parts[number];
	struct err err = ERR_INIT;
	int result;

	pthread_mutex_lock(&governor->switching);
	result = session_part_on(governor->session, number, &err);
	pthread_mutex_unlock(&governor->switching);
	pthread_mutex_lock(&governor->lock);
	if (result)
		snprintf(part->trouble, sizeof(part->trouble), "%.120s", err.text);
	else
		part->trouble[0] = 0;
	pthread_mutex_unlock(&governor->lock);
	return result == 0;
}

static void switch_off(struct governor *governor, enum abi_part part)
{
	struct err err = ERR_INIT;

	pthread_mutex_lock(&governor->switching);
	if (session_part_off(governor->session, part, &err)) {
		pthread_mutex_lock(&governor->lock);
		governor->stop_error = err;
		pthread_mutex_unlock(&governor->lock);
	}
	pthread_mutex_unlock(&governor->switching);
}

/* What a part has in the maps is dropped. */
static void drop_blocks(struct governor *governor, enum abi_part part)
{
	struct survivors_taken taken;
	struct session_view view;
	uint64_t now = clock_now_ns();

	session_look(governor->session, &view);
	survivors_take(governor->survivors, &view, domains_of(governor, part), now, now, &taken,
		       NULL);
}

/* return false: to be stopped */
static bool rest(const struct governor *governor, uint64_t ns)
{
	struct pollfd wake = {.fd = governor->wake, .events = POLLIN};
	const struct timespec time = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	return ppoll(&wake, 1, &time, NULL) == 0 || !(wake.revents & POLLIN);
}

/* ---- windows ------------------------------------------------------------------------------------------------ */

static void sum_window(struct governor *governor, enum abi_part number,
		       const struct window_figures *figures, const struct survivors_taken *taken)
{
	struct windows_sum *sum = &governor->state.parts[number].windows;
	double cost = fmin(figures->cost_ns, figures->cpu_ns), own = figures->cpu_ns - cost;
	double dear = fmin(cost * (1 + COST_ERROR), figures->cpu_ns);

	pthread_mutex_lock(&governor->lock);
	sum->n++;
	sum->recorded_ns += figures->recorded_ns;
	sum->longest_ns = fmax(sum->longest_ns, figures->recorded_ns);
	sum->cpu_ns += figures->cpu_ns;
	sum->cost_ns += cost;
	sum->own_half_ns += own / 2;
	sum->own_half_least += (figures->cpu_ns - dear) / 2;
	sum->own_half_most += (figures->cpu_ns - cost * (1 - COST_ERROR)) / 2;
	sum->kept += taken->kept;
	pthread_mutex_unlock(&governor->lock);
}

/*
 * Record for so long, or until it has cost so much since `before`.
 *
 * out    now: at the end
 * return the moment of the end
 */
static uint64_t record_until(struct governor *governor, enum abi_part part,
			     const struct reading *before, uint64_t end_ns, double most_ns,
			     struct reading *now)
{
	uint64_t ended;

	for (;;) {
		uint64_t ns = clock_now_ns();

		if (ns >= end_ns ||
		    !rest(governor,
			  end_ns - ns < GOVERNOR_LOOK_NS ? end_ns - ns : GOVERNOR_LOOK_NS))
			break;
		take_reading(governor, now);
		if (fmin(cost_since(governor, before, now), reading_cpu(before, now)) > most_ns)
			break;
	}
	ended = session_record(governor->session, part, false);
	take_reading(governor, now);
	return ended;
}

/* To trace everything would cost more than may be. */
static void say_limit(struct governor *governor)
{
	const uint64_t one = 1;

	if (governor->options.stop_at_limit &&
	    write(governor->limit, &one, sizeof(one)) != sizeof(one))
		return;
}

/* return false: it could not be had */
static bool run_window(struct governor *governor, enum abi_part part, uint64_t ns, double most_ns)
{
	struct window_figures figures;
	struct survivors_taken taken;
	struct reading before, first, last, after;
	struct session_view view;
	uint64_t began, ended;
	bool on;

	take_reading(governor, &before);
	on = switch_on(governor, part);
	if (!on) {
		/* a target that is held by somebody else may be free later */
		policy_window_failed(&governor->policy, part);
		return false;
	}
	began = session_record(governor->session, part, true);
	take_reading(governor, &first);
	ended = record_until(governor, part, &before, began + ns, most_ns, &last);
	switch_off(governor, part);
	take_reading(governor, &after);
	session_look(governor->session, &view);
	if (survivors_take(governor->survivors, &view, domains_of(governor, part), began, ended,
			   &taken, NULL)) {
		policy_window_failed(&governor->policy, part);
		return false;
	}
	figures = (struct window_figures){
		.recorded_ns = (double)(ended - began),
		.cpu_ns = reading_cpu(&first, &last),
		.cost_ns = cost_since(governor, &first, &last),
		.trap_ns = reading_traps(&governor->state.costs, &first, &last),
		.all_wall_ns = (double)(after.ns - before.ns),
		.all_cpu_ns = reading_cpu(&before, &after),
		.all_cost_ns = cost_since(governor, &before, &after),
		.quarter = {taken.quarter[0], taken.quarter[1], taken.quarter[2], taken.quarter[3]},
	};
	policy_window_done(&governor->policy, part, &figures);
	if (policy_is_too_dear(&governor->policy, part))
		say_limit(governor);
	sum_window(governor, part, &figures, &taken);
	add_spent(governor, figures.all_cpu_ns, fmin(figures.all_cost_ns, figures.all_cpu_ns));
	governor->last = after;
	if (governor->options.verbose)
		fprintf(stderr,
			"window: part %u, %.1f ms, %.0f entries, %.1f of %.1f ms CPU; alive by "
			"quarter "
			"%llu %llu %llu %llu\n",
			part, figures.recorded_ns / 1e6, reading_entries(&first, &last),
			figures.cost_ns / 1e6, figures.cpu_ns / 1e6,
			(unsigned long long)taken.quarter[0], (unsigned long long)taken.quarter[1],
			(unsigned long long)taken.quarter[2], (unsigned long long)taken.quarter[3]);
	return true;
}

/* For tests: windows one after the other, whatever they cost. */
static void rehearse(struct governor *governor)
{
	enum abi_part part = session_split(governor->session) ? ABI_PART_OBJECT : ABI_PART_NATIVE;

	unsigned n = 0;

	while (n < governor->options.n_rehearsal && rest(governor, 0) &&
	       session_active(governor->session)) {
		if (run_window(governor, part, governor->policy.parts[part].least_ns, INFINITY))
			n++;
		else
			rest(governor, GOVERNOR_LOOK_NS);
	}
	if (governor->options.n_rehearsal)
		fprintf(stderr, "pyleaktrace: %u windows done\n", n);
}

/* ---- the thread --------------------------------------------------------------------------------------------- */

static void begin_change(struct governor *governor)
{
	governor->options.change(governor->options.context, false);
}

static void end_change(struct governor *governor)
{
	governor->options.change(governor->options.context, true);
}

/* Of malloc and objects; mappings are few, and each is recorded. */
static void set_sampling(struct governor *governor, enum abi_part part, unsigned shift)
{
	unsigned domains = domains_of(governor, part) & ~(1u << ABI_MMAP);

	for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
		if (domains >> domain & 1)
			session_set_sampling(governor->session, domain, shift);
}

/* It is on, and from here on it is sampled so. */
static void resample(struct governor *governor, const struct policy_step *step)
{
	struct session_view view;

	begin_change(governor);
	publish(governor, step->part);
	set_sampling(governor, step->part, step->shift);
	session_look(governor->session, &view);
	if (step->thin)
		thin_blocks(&view, domains_of(governor, step->part) & ~(1u << ABI_MMAP),
			    step->shift, NULL, NULL);
	end_change(governor);
}

/* Do the blocks of what is traced all the time fill the map? */
static void check_room(struct governor *governor)
{
	double most = governor->options.max_blocks, all = 0, grew, wait;
	uint64_t now = clock_now_ns(), n;
	struct session_view view;

	session_look(governor->session, &view);
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		enum part_mode mode = governor->policy.parts[i].mode;

		if ((mode != PART_ALL && mode != PART_SAMPLED) ||
		    thin_count(&view, domains_of(governor, i) & ~(1u << ABI_MMAP), &n, NULL))
			continue;
		all += (double)n;
		if ((double)n > most * FULL)
			policy_is_full(&governor->policy, i);
	}
	wait = most * ROOM_NS;
	grew = all - governor->counted;
	if (grew > 0)
		wait = fmin(wait, (double)(now - governor->counted_ns) * (most - all) / 2 / grew);
	governor->counted = all;
	governor->counted_ns = now;
	governor->count_ns = now + (uint64_t)fmax(wait, most * ROOM_NS / SOONER);
}

static void begin_all(struct governor *governor, enum abi_part part, unsigned shift)
{
	if (!switch_on(governor, part)) {
		governor->policy.parts[part].mode = PART_WINDOWS;
		policy_window_failed(&governor->policy, part);
		return;
	}
	begin_change(governor);
	set_sampling(governor, part, shift);
	governor->options.on_all(governor->options.context, domains_of(governor, part));
	publish(governor, part);
	pthread_mutex_lock(&governor->lock);
	governor->state.parts[part].since_ns = session_record(governor->session, part, true);
	pthread_mutex_unlock(&governor->lock);
	governor->on[part] = true;
	end_change(governor);
}

static void end_all(struct governor *governor, enum abi_part part)
{
	governor->on[part] = false;
	switch_off(governor, part);
	/* no report says "every call" of a map that has been emptied */
	begin_change(governor);
	publish(governor, part);
	set_sampling(governor, part, 0);
	drop_blocks(governor, part);
	end_change(governor);
	say_limit(governor);
}

/* return false: to be stopped */
static bool carry_out(struct governor *governor, const struct policy_step *step)
{
	switch (step->action) {
	case POLICY_WAIT:
		return rest(governor, GOVERNOR_TICK_NS);
	case POLICY_WINDOW:
		run_window(governor, step->part, step->ns, step->cost_ns);
		break;
	case POLICY_ALL:
		begin_all(governor, step->part, 0);
		break;
	case POLICY_SAMPLE:
		if (governor->on[step->part])
			resample(governor, step);
		else
			begin_all(governor, step->part, step->shift);
		break;
	case POLICY_OFF:
		end_all(governor, step->part);
		break;
	}
	if (governor->options.verbose && step->action != POLICY_WINDOW)
		fprintf(stderr, "part %u: %s, demand %.3f, level %.1f ms\n", step->part,
			step->action == POLICY_OFF ? "windows" : "all",
			governor->policy.parts[step->part].demand,
			governor->policy.budget.level / 1e6);
	publish(governor, step->part);
	return rest(governor, 0);
}

/* Nothing can be traced, for this reason; every report says so. */
static void give_up(struct governor *governor, const char *why)
{
	pthread_mutex_lock(&governor->lock);
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		struct governor_part *part = &governor->state.parts[i];

		part->mode = PART_ABSENT;
		snprintf(part->trouble, sizeof(part->trouble),
			 "What a trap costs is not known: %.90s", why);
	}
	pthread_mutex_unlock(&governor->lock);
}

static void *run(void *context)
{
	struct governor *governor = context;
	struct probe_costs costs;
	struct err err = ERR_INIT;
	bool calibrated = cost_calibrate(&costs, governor->session, &err) == 0;

	/* without the right to it we go on as we are */
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	/* without costs there is no ceiling to be kept */
	if (!calibrated)
		give_up(governor, err.text);
	pthread_mutex_lock(&governor->lock);
	governor->state.costs = costs;
	governor->state.calibrated = calibrated;
	governor->settled = true;
	pthread_cond_broadcast(&governor->calibrated);
	pthread_mutex_unlock(&governor->lock);
	if (!calibrated)
		return NULL;
	take_reading(governor, &governor->last);
	rehearse(governor);
	while (session_active(governor->session)) {
		const struct policy_step step = policy_next(&governor->policy);

		if (!carry_out(governor, &step))
			break;
		pass(governor);
		if (clock_now_ns() - governor->checked_ns > CHECK_NS) {
			survivors_check(governor->survivors, CHECK_MOST);
			governor->checked_ns = clock_now_ns();
		}
		if (clock_now_ns() >= governor->count_ns)
			check_room(governor);
	}
	return NULL;
}

/* ---- from outside ------------------------------------------------------------------------------------------- */

static void init_parts(struct governor *governor, const struct plan *plan)
{
	const unsigned objects = 1u << ABI_OBJECT;
	bool split = session_split(governor->session);
	struct policy_options options = {
		.max_overhead = governor->options.max_overhead,
		.max_window_ns = governor->options.max_window_ns,
		.can_sample = true,
		.least_ns = {LEAST_ATTACHED_NS,
			     plan->switchable ? LEAST_STEERED_NS : LEAST_ATTACHED_NS},
	};

	governor->state.parts[ABI_PART_NATIVE].domains =
		split ? plan->domains & ~objects : plan->domains;
	governor->state.parts[ABI_PART_OBJECT].domains = split ? plan->domains & objects : 0;
	for (unsigned i = 0; i < ABI_PARTS; i++)
		options.present[i] = governor->state.parts[i].domains != 0;
	policy_init(&governor->policy, &options);
	for (unsigned i = 0; i < ABI_PARTS; i++)
		publish(governor, i);
}

int governor_open(struct governor **out, struct session *session, const struct plan *plan,
		  const struct process *process, const struct governor_options *options,
		  struct err *err)
{
	struct governor *governor = calloc(1, sizeof(*governor));
	int result;

	*out = NULL;
	if (!governor)
		return err_set(err, ERR_FAILED, "out of memory");
	governor->session = session;
	governor->process = process;
	governor->options = *options;
	pthread_mutex_init(&governor->lock, NULL);
	pthread_mutex_init(&governor->switching, NULL);
	pthread_cond_init(&governor->calibrated, NULL);
	governor->wake = eventfd(0, EFD_CLOEXEC);
	governor->limit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	init_parts(governor, plan);
	result = py_runtime_find(&governor->runtime, process, err);
	governor->have_runtime = result == 0;
	if (!result && (governor->wake < 0 || governor->limit < 0))
		result = err_set(err, ERR_FAILED, "eventfd: %s", strerror(errno));
	if (!result) {
		governor->survivors = survivors_new(process, &governor->runtime, err);
		if (!governor->survivors)
			result = -ERR_FAILED;
	}
	if (result) {
		governor_close(governor);
		return result;
	}
	*out = governor;
	return 0;
}

void governor_start(struct governor *governor)
{
	governor->started = pthread_create(&governor->thread, NULL, run, governor) == 0;
	if (!governor->started)
		give_up(governor, "no thread can be had");
}

int governor_stop(struct governor *governor, struct err *err)
{
	const uint64_t one = 1;

	if (governor->started && write(governor->wake, &one, sizeof(one)) == sizeof(one)) {
		pthread_join(governor->thread, NULL);
		governor->started = false;
	}
	if (governor->stop_error.code)
		return err_set(err, governor->stop_error.code, "%s", governor->stop_error.text);
	return 0;
}

void governor_close(struct governor *governor)
{
	if (!governor)
		return;
	governor_stop(governor, NULL);
	survivors_free(governor->survivors);
	if (governor->have_runtime)
		py_runtime_fini(&governor->runtime);
	if (governor->wake >= 0)
		close(governor->wake);
	if (governor->limit >= 0)
		close(governor->limit);
	pthread_mutex_destroy(&governor->lock);
	pthread_mutex_destroy(&governor->switching);
	pthread_cond_destroy(&governor->calibrated);
	free(governor);
}

void governor_forget(struct governor *governor)
{
	pthread_mutex_lock(&governor->lock);
	for (unsigned i = 0; i < ABI_PARTS; i++)
		governor->state.parts[i].windows = (struct windows_sum){0};
	governor->state.spent_ns = governor->state.own_ns = 0;
	pthread_mutex_unlock(&governor->lock);
	survivors_forget(governor->survivors);
}

int governor_limit_fd(const struct governor *governor)
{
	return governor->limit;
}

void governor_lock(struct governor *governor)
{
	pthread_mutex_lock(&governor->switching);
}

void governor_unlock(struct governor *governor)
{
	pthread_mutex_unlock(&governor->switching);
}

struct survivors *governor_survivors(const struct governor *governor)
{
	return governor->survivors;
}

void governor_state(struct governor *governor, struct governor_state *state)
{
	pthread_mutex_lock(&governor->lock);
	while (governor->started && !governor->settled)
		pthread_cond_wait(&governor->calibrated, &governor->lock);
	*state = governor->state;
	pthread_mutex_unlock(&governor->lock);
}
