/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/governor_impl.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "snapshot/downsample.h"
#include "probe/session_maps.h"
#include "probe/session_parts.h"

/*
 * The least that a window may be. In its first milliseconds every stack and every code object is
 * new, and a hit costs twice or three times as much; and switching takes as long as some
 * milliseconds.
 */
#define LEAST_STEERED_NS  20000000u
#define LEAST_ATTACHED_NS 20000000u

/* survivors are looked after every so often, a fixed number at a time: 4 to 8 ms of CPU time; all
 * of them, but after thousands of windows */
#define CHECK_NS   2000000000u
#define CHECK_MOST 8192

/* of the thread, so that a window ends when it must, also where everybody wants the CPU */
#define NICE (-10)

/* of the ceiling: what probes of a part that is off may take */
#define IDLE_SHARE 0.04

/* ---- readings ------------------------------------------------------------------------------- */

void governor_read(const struct governor *governor, struct reading *reading)
{
	reading_take(reading, governor->session, governor->process);
	reading->others_ns = budget_charged(governor->options.budget, BUDGET_WATCHPOINTS);
}

double governor_cost(const struct governor *governor, const struct reading *before,
		     const struct reading *now)
{
	return reading_cost(&governor->state.costs, before, now);
}

void governor_spend(struct governor *governor, double cpu_ns, double cost_ns)
{
	lock_take(&governor->lock);
	governor->state.spent_ns += cost_ns;
	governor->state.own_ns += cpu_ns > cost_ns ? cpu_ns - cost_ns : 0;
	lock_release(&governor->lock);
}

/*
 * Probes that stay (plan.switchable) should not be hit; of those on a jmp that rarely runs that may
 * not be true. Looked at while nothing is on.
 */
static void detach_if_hit(struct governor *governor, double cost_ns, double cpu_ns)
{
	if (governor->detached_idle ||
	    cost_ns < IDLE_SHARE * governor->options.budget->max_overhead * cpu_ns)
		return;
	for (unsigned i = 0; i < ABI_PARTS; i++)
		if (policy_is_on(&governor->policy, i))
			return;
	governor->detached_idle = true;
	lock_take(&governor->switching);
	session_part_detach_idle(governor->session, ABI_PART_OBJECT);
	lock_release(&governor->switching);
}

/* Time has passed, with no window in it. */
static void pass(struct governor *governor)
{
	struct reading now;
	double cost, cpu, others, syscalls = 0, share[ABI_PARTS] = {0}, all = 0;

	governor_read(governor, &now);
	cost = governor_cost(governor, &governor->last, &now);
	cpu = reading_cpu(&governor->last, &now);
	others = now.others_ns - governor->last.others_ns;
	/* hits are not counted for each part: they are divided by what each is known to take */
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		if (policy_is_on(&governor->policy, i))
			all += share[i] = governor->policy.parts[i].cost + 1e-6;
	}
	for (unsigned i = 0; i < ABI_PARTS && all > 0; i++)
		share[i] *= cost / all;
	if (governor->on[ABI_PART_NATIVE])
		syscalls = governor_syscalls_pass(governor, (double)(now.ns - governor->last.ns),
						  cpu - cost - others);
	share[ABI_PART_NATIVE] += syscalls;
	policy_pass(&governor->policy, (double)(now.ns - governor->last.ns), cpu, share,
		    all > 0 ? 0 : cost);
	governor_spend(governor, cpu, fmin(cost + syscalls + others, cpu));
	governor->last = now;
	detach_if_hit(governor, cost, cpu);
}

/* ---- switching ------------------------------------------------------------------------------ */

unsigned governor_domains(const struct governor *governor, enum abi_part part)
{
	return governor->state.parts[part].domains;
}

void governor_publish(struct governor *governor, enum abi_part number)
{
	const struct policy_part *from = &governor->policy.parts[number];
	struct governor_part *to = &governor->state.parts[number];

	lock_take(&governor->lock);
	to->mode = from->mode;
	to->shift = from->shift;
	to->wanted = from->wanted;
	to->long_enough = from->long_enough;
	to->demand = from->demand;
	to->next_window_ns = from->window_ns;
	lock_release(&governor->lock);
}

bool governor_switch_on(struct governor *governor, enum abi_part number)
{
	struct governor_part *part = &governor->state.parts[number];
	struct err err = ERR_INIT;
	int result;

	lock_take(&governor->switching);
	result = session_part_on(governor->session, number, &err);
	lock_release(&governor->switching);
	lock_take(&governor->lock);
	if (result)
		snprintf(part->trouble, sizeof(part->trouble), "%.120s", err.text);
	else
		part->trouble[0] = 0;
	lock_release(&governor->lock);
	return result == 0;
}

void governor_switch_off(struct governor *governor, enum abi_part part)
{
	struct err err = ERR_INIT;

	lock_take(&governor->switching);
	if (session_part_off(governor->session, part, &err)) {
		lock_take(&governor->lock);
		governor->stop_error = err;
		lock_release(&governor->lock);
	}
	lock_release(&governor->switching);
}

/* What a part has in the maps is dropped. */
static void drop_blocks(struct governor *governor, enum abi_part part)
{
	struct survivors_taken taken;
	struct session_view view;
	uint64_t now = clock_now_ns();

	session_look(governor->session, &view);
	survivors_take(governor->survivors, &view, governor_domains(governor, part), now, now,
		       &taken, NULL);
}

bool governor_rest(const struct governor *governor, uint64_t ns)
{
	struct pollfd wake = {.fd = governor->wake, .events = POLLIN};
	const struct timespec time = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	return ppoll(&wake, 1, &time, NULL) == 0 || !(wake.revents & POLLIN);
}

void governor_say_limit(struct governor *governor)
{
	const uint64_t one = 1;

	if (governor->options.stop_at_limit &&
	    write(governor->limit, &one, sizeof(one)) != sizeof(one))
		return;
}

/* ---- the thread ----------------------------------------------------------------------------- */

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
	unsigned domains = governor_domains(governor, part) & ~(1u << ABI_MMAP);

	for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
		if (domains >> domain & 1)
			session_set_sampling(governor->session, domain, shift);
}

/* It is on, and from here on it is sampled so. */
static void resample(struct governor *governor, const struct policy_step *step)
{
	struct session_view view;

	begin_change(governor);
	governor_publish(governor, step->part);
	set_sampling(governor, step->part, step->shift);
	if (step->thin) {
		downsample_add(&governor->downsampling,
			       governor_domains(governor, step->part) & ~(1u << ABI_MMAP),
			       step->shift, clock_now_ns());
		session_look(governor->session, &view);
		downsample_blocks(&view, &governor->downsampling, NULL);
	}
	end_change(governor);
}

/* Do the blocks of what is traced all the time fill the map? */
static void check_room(struct governor *governor)
{
	struct session_view view;
	uint64_t all = 0, n;

	session_look(governor->session, &view);
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		if (!policy_is_on(&governor->policy, i) ||
		    downsample_count(&view, governor_domains(governor, i) & ~(1u << ABI_MMAP), &n,
				     NULL))
			continue;
		all += n;
		if (map_fill_is_full(&governor->fill, n))
			policy_is_full(&governor->policy, i);
	}
	map_fill_counted(&governor->fill, all, clock_now_ns());
}

static void begin_all(struct governor *governor, enum abi_part part, unsigned shift)
{
	if (!governor_switch_on(governor, part)) {
		governor->policy.parts[part].mode = PART_WINDOWS;
		policy_window_failed(&governor->policy, part);
		return;
	}
	survivors_unfollow(governor->survivors, governor_domains(governor, part));
	begin_change(governor);
	governor->policy.parts[part].selective = false;
	governor_skip_sizes(governor, part);
	set_sampling(governor, part, shift);
	governor->options.on_all(governor->options.context, governor_domains(governor, part));
	governor_publish(governor, part);
	lock_take(&governor->lock);
	governor->state.parts[part].since_ns = session_record(governor->session, part, true);
	lock_release(&governor->lock);
	governor->on[part] = true;
	end_change(governor);
}

static void end_all(struct governor *governor, enum abi_part part, bool at_limit)
{
	governor->on[part] = false;
	governor_switch_off(governor, part);
	/* no report says "every call" of a map that has been emptied */
	begin_change(governor);
	governor_publish(governor, part);
	set_sampling(governor, part, 0);
	drop_blocks(governor, part);
	end_change(governor);
	if (at_limit)
		governor_say_limit(governor);
}

void governor_maintain(struct governor *governor)
{
	if (clock_now_ns() - governor->checked_ns <= CHECK_NS)
		return;
	survivors_check(governor->survivors, CHECK_MOST);
	if (governor->options.maintain)
		governor->options.maintain(governor->options.context, governor->survivors);
	governor->checked_ns = clock_now_ns();
}

/* Until there is something to look at: the costs, or before that the room in the map. */
static uint64_t idle_ns(const struct governor *governor)
{
	uint64_t now = clock_now_ns(), next = governor->fill.next_ns;

	if (next <= now + GOVERNOR_LOOK_NS)
		return GOVERNOR_LOOK_NS;
	return next - now < GOVERNOR_TICK_NS ? next - now : GOVERNOR_TICK_NS;
}

/* Parts of which some domain is worth tracing. */
static void ask_focus(struct governor *governor)
{
	struct governor_focus *focus = &governor->focus;

	if (!governor->options.focus)
		return;
	governor->options.focus(governor->options.context, focus);
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		unsigned wanted = focus->wanted & governor_domains(governor, i);

		policy_explain(&governor->policy, i, wanted && !(wanted & ~focus->explained));
		if ((wanted != 0) == governor->policy.parts[i].wanted)
			continue;
		policy_want(&governor->policy, i, wanted != 0);
		governor_publish(governor, i);
	}
}

/* return false: to be stopped */
static bool carry_out(struct governor *governor, const struct policy_step *step)
{
	switch (step->action) {
	case POLICY_WAIT:
		return governor_rest(governor, idle_ns(governor));
	case POLICY_WINDOW:
		governor_window(governor, step->part, step->ns, step->cost_ns);
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
		end_all(governor, step->part, !step->unwanted);
		break;
	}
	if (governor->options.verbose && step->action != POLICY_WINDOW)
		fprintf(stderr, "part %u: %s, demand %.3f, level %.1f ms\n", step->part,
			step->action == POLICY_OFF ? "windows" : "all",
			governor->policy.parts[step->part].demand,
			budget_level(governor->options.budget, BUDGET_TRACING) / 1e6);
	governor_publish(governor, step->part);
	return governor_rest(governor, 0);
}

/* Nothing can be traced, for this reason; every report says so. Watchpoints need the budget all the
 * same. */
static void give_up(struct governor *governor, const char *why)
{
	lock_take(&governor->lock);
	for (unsigned i = 0; i < ABI_PARTS; i++) {
		struct governor_part *part = &governor->state.parts[i];

		part->mode = governor->policy.parts[i].mode = PART_ABSENT;
		snprintf(part->trouble, sizeof(part->trouble),
			 "The cost of a trap is not known: %.90s", why);
	}
	lock_release(&governor->lock);
}

static void *run(void *context)
{
	struct governor *governor = context;
	struct probe_costs costs = {0};
	struct err err = ERR_INIT;
	bool calibrated;

	governor_read(governor, &governor->last);
	calibrated = cost_calibrate(&costs, governor->session, governor->wake, &err) == 0;
	/* without the right to it we go on as we are */
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	/* without costs there is no ceiling to be kept */
	if (!calibrated)
		give_up(governor, err.text);
	lock_take(&governor->lock);
	governor->state.costs = costs;
	governor->state.calibrated = calibrated;
	governor->calibration_done = true;
	pthread_cond_broadcast(&governor->calibrated);
	lock_release(&governor->lock);
	if (calibrated)
		governor_run_test_windows(governor);
	while (session_active(governor->session)) {
		struct policy_step step;

		ask_focus(governor);
		step = policy_next(&governor->policy);
		if (!carry_out(governor, &step))
			break;
		pass(governor);
		governor_maintain(governor);
		governor_syscalls_count(governor);
		if (clock_now_ns() >= governor->fill.next_ns)
			check_room(governor);
	}
	return NULL;
}

/* ---- from outside --------------------------------------------------------------------------- */

static void init_parts(struct governor *governor, const struct plan *plan)
{
	const unsigned objects = 1u << ABI_OBJECT;
	bool split = session_split(governor->session);
	struct policy_options options = {
		.budget = governor->options.budget,
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
		governor_publish(governor, i);
}

int governor_open(struct governor **out, struct session *session, const struct plan *plan,
		  const struct target *target, const struct governor_options *options,
		  struct err *err)
{
	struct governor *governor = calloc(1, sizeof(*governor));
	int result = 0;

	*out = NULL;
	if (!governor)
		return err_set(err, ERR_FAILED, "out of memory");
	governor->session = session;
	governor->process = &target->process;
	governor->options = *options;
	governor->fill.most = options->max_blocks;
	lock_init(&governor->lock, LOCK_RANK_GOVERNOR);
	lock_init(&governor->switching, LOCK_RANK_SWITCHING);
	pthread_cond_init(&governor->calibrated, NULL);
	governor->wake = eventfd(0, EFD_CLOEXEC);
	governor->limit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	init_parts(governor, plan);
	if (governor->wake < 0 || governor->limit < 0)
		result = err_set(err, ERR_FAILED, "eventfd: %s", strerror(errno));
	if (!result) {
		governor->survivors = survivors_new(&target->process, &target->runtime, err);
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
		give_up(governor, "cannot start a thread");
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
	budget_leave(governor->options.budget, BUDGET_TRACING);
	survivors_free(governor->survivors);
	if (governor->wake >= 0)
		close(governor->wake);
	if (governor->limit >= 0)
		close(governor->limit);
	lock_destroy(&governor->lock);
	lock_destroy(&governor->switching);
	pthread_cond_destroy(&governor->calibrated);
	free(governor);
}

void governor_forget(struct governor *governor)
{
	lock_take(&governor->lock);
	for (unsigned i = 0; i < ABI_PARTS; i++)
		governor->state.parts[i].windows = (struct windows_sum){0};
	governor->state.spent_ns = governor->state.own_ns = 0;
	lock_release(&governor->lock);
	survivors_forget(governor->survivors);
}

int governor_limit_fd(const struct governor *governor)
{
	return governor->limit;
}

void governor_lock(struct governor *governor)
{
	lock_take(&governor->switching);
}

void governor_unlock(struct governor *governor)
{
	lock_release(&governor->switching);
}

struct survivors *governor_survivors(const struct governor *governor)
{
	return governor->survivors;
}

const struct downsampling *governor_thinning(const struct governor *governor)
{
	return &governor->downsampling;
}

void governor_state(struct governor *governor, struct governor_state *state)
{
	lock_take(&governor->lock);
	while (governor->started && !governor->calibration_done)
		lock_wait(&governor->lock, &governor->calibrated);
	*state = governor->state;
	lock_release(&governor->lock);
}
