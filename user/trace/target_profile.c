/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/registers.h"
#include "base/clock.h"
#include "census/describe.h"
#include "trace/estimates.h"
#include "trace/trace_parts.h"
#include "trace/target_trace_impl.h"
#include "govern/budget.h"
#include "model/trend.h"
#include "probe/prober.h"
#include "target/sharing.h"
#include "probe/session_maps.h"
#include "probe/session_syscalls.h"

#define STARTERS_MAX 256 /* threads */

static void fill_end(const struct target_trace *trace, struct profile *profile)
{
	int status = trace->session ? session_wait_status(trace->session) : -1;

	if (target_trace_execed(trace)) {
		profile->target.end = TARGET_EXECED;
	} else if (!process_alive(&trace->target.process)) {
		profile->target.end = TARGET_EXITED;
		profile->target.end_detail = -1;
		if (status >= 0 && WIFSIGNALED(status)) {
			profile->target.end = TARGET_KILLED;
			profile->target.end_detail = WTERMSIG(status);
		} else if (status >= 0) {
			profile->target.end_detail = WEXITSTATUS(status);
		}
	}
}

static uint64_t own_rss_bytes(void)
{
	unsigned long size, resident = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm) {
		if (fscanf(statm, "%lu %lu", &size, &resident) != 2)
			resident = 0;
		fclose(statm);
	}
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double own_cpu_s(void)
{
	struct rusage self;

	getrusage(RUSAGE_SELF, &self);
	return (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec) +
	       (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec) / 1e6 + prober_cpu_s();
}

/* With what a hit takes beyond its trap and its program. */
static double share_at_most(const struct governor_state *state)
{
	double most = budget_at_most(state->spent_ns),
	       own = state->own_ns - (most - state->spent_ns);

	return own > most / 100 ? most / own : 100;
}

/* System calls that took longer: by the governor, which counts them now and then. Without it only
 * by how much is known. */
static void fill_syscalls(struct target_trace *trace, struct cost *cost,
			  const struct governor_state *state, double passed_s)
{
	if (!trace->governor) {
		cost->syscall_ns = session_syscall_ns(trace->session);
		return;
	}
	cost->syscall_ns = state->syscall_ns;
	cost->syscalls_counted = true;
	cost->syscalls_per_s = passed_s > 0 ? (state->syscalls - trace->syscalls) / passed_s : 0;
	cost->other_syscalls_per_s =
		passed_s > 0 ? (state->other_syscalls - trace->other_syscalls) / passed_s : 0;
	trace->syscalls = state->syscalls;
	trace->other_syscalls = state->other_syscalls;
}

static void fill_cost(struct target_trace *trace, struct profile *profile,
		      const struct governor_state *state)
{
	struct reading now;
	struct cost_sum sum, all;
	double passed_s;

	target_trace_finish_calibration(trace);
	if (!trace->calibrated)
		return;
	if (trace->governor) {
		profile->cost.ceiling = trace->options->max_overhead;
		profile->cost.floor = budget_floor(trace->options->max_overhead);
		profile->cost.own_share = -1;
		if (state->own_ns > 0) {
			profile->cost.own_share = state->spent_ns / state->own_ns;
			profile->cost.own_share_most = share_at_most(state);
		}
	}
	reading_take(&now, trace->session, &trace->target.process);
	passed_s = (double)(now.ns - trace->reported.ns) / 1e9;
	sum = cost_between(&trace->costs, trace->reported.counts, now.counts);
	all = cost_between(&trace->costs, trace->started.counts, now.counts);
	profile->have_cost = true;
	profile->cost.hits_per_s = passed_s > 0 ? sum.hits / passed_s : 0;
	profile->cost.ns_per_hit = all.hits > 0 ? all.ns / all.hits : 0;
	profile->cost.target_cpu_fraction = passed_s > 0 ? sum.ns / passed_s / 1e9 : 0;
	if (passed_s > 0)
		profile->cost.target_cpu_used =
			reading_cpu(&trace->reported, &now) / 1e9 / passed_s;
	fill_syscalls(trace, &profile->cost, state, passed_s);
	profile->cost.tool_cpu_s = own_cpu_s();
	profile->cost.tool_rss_bytes = own_rss_bytes();
	profile->cost.maps_bytes = session_maps_bytes(trace->session);
	trace->reported = now;
}

/* Who started the newest threads: their PyThreadStates are on the account. */
static void find_starters(struct target_trace *trace, struct profile *profile)
{
	const struct trend_threads *threads = &profile->trend->threads;

	/* the governor's thread reclaims sites and names */
	lock_take(&trace->looking);
	for (size_t i = 0; i < threads->n_rows && i < STARTERS_MAX; i++)
		threads->rows[i].starter =
			snapshot_allocator(trace->snapshot, profile, threads->rows[i].made);
	lock_release(&trace->looking);
}

static int take_snapshot(struct target_trace *trace, struct governor_state *state,
			 struct profile **profile, struct err *err)
{
	struct snapshot_estimates how = {.scale = estimates_scale};
	int result;

	if (!trace->governor)
		target_trace_maintain(trace, NULL);
	lock_take(&trace->looking);
	if (trace->governor) {
		governor_state(trace->governor, state);
		how.exact_domains = trace_parts_mapped(state);
		how.sampled_domains = trace_parts_thinned(state);
		how.survivors = governor_survivors(trace->governor);
		how.downsampling = governor_thinning(trace->governor);
		how.context = estimates_new(state, how.survivors, trace->monitor,
					    (double)(clock_now_ns() - trace->forgotten_ns) / 1e9);
		if (!how.context)
			how.survivors = NULL;
		snapshot_estimate(trace->snapshot, &how);
	} else if (trace->options->sample_shift) {
		how.exact_domains = (1u << ABI_DOMAINS) - 1;
		how.sampled_domains = SAMPLED_DOMAINS;
		snapshot_estimate(trace->snapshot, &how);
	}
	result = snapshot_take(trace->snapshot, trace->options->older_ns, profile, err);
	lock_release(&trace->looking);
	estimates_free(how.context);
	return result;
}

/* In what way it is less than it could be. */
static void add_notes(struct target_trace *trace, struct profile *profile)
{
	char text[640];

	idle_parent_note(&trace->parent, &trace->target.process, trace->options->pids,
			 trace->options->n_pids, profile);
	if (!trace->session) {
		snprintf(text, sizeof(text),
			 "Allocations are not traced; the heap is only scanned from outside: %s.",
			 trace->why_not_traced);
		profile_note(profile, "not_traced", text);
	} else if (trace->options->native && !trace->code.tables) {
		snprintf(text, sizeof(text), "Stacks have no C frames: %s.",
			 trace->no_native[0] ? trace->no_native
					     : "they are unwound on " ABI_UNWIND_MACHINE_NAME
					       " only");
		profile_note(profile, "no_c_frames", text);
	}
}

/* The profile of a target of which nothing is traced. */
static struct profile *look_untraced(struct target_trace *trace, struct err *err)
{
	struct profile *profile = describe_target(&trace->target);

	if (!profile) {
		err_set(err, ERR_FAILED, "out of memory");
		return NULL;
	}
	profile->duration_s = (double)(clock_now_ns() - trace->forgotten_ns) / 1e9;
	profile->mode.untraced = true;
	profile->cost.tool_cpu_s = own_cpu_s();
	profile->cost.tool_rss_bytes = own_rss_bytes();
	return profile;
}

static struct profile *look_traced(struct target_trace *trace, struct err *err)
{
	struct governor_state state = {0};
	struct profile *profile;

	target_trace_events(trace);
	target_trace_refresh_code(trace, true);
	if (take_snapshot(trace, &state, &profile, err))
		return NULL;
	if (trace->governor) {
		trace->costs = state.costs;
		trace->calibrated = state.calibrated;
		trace_parts_fill(profile, &state);
	} else if (trace->options->sample_shift) {
		trace_parts_sampled(profile, trace->plan.domains, trace->options->sample_shift);
	}
	profile->mode.min_size = trace->options->min_size;
	profile->mode.max_size = trace->options->max_size;
	fill_cost(trace, profile, &state);
	return profile;
}

/* It has forked, and reading on would make private what it shares. */
static void note_shared(struct profile *profile, const struct err *why)
{
	char text[640];

	snprintf(text, sizeof(text), "New names are not read: %.500s.", why->text);
	profile_note(profile, "not_read", text);
}

struct profile *target_trace_profile(struct target_trace *trace, struct err *err)
{
	struct err why = ERR_INIT;
	bool is_shared = sharing_check(trace->target.process.pid, &why) == -ERR_PERMISSION;
	struct profile *profile = (trace->session ? look_traced : look_untraced)(trace, err);

	if (!profile)
		return NULL;
	fill_end(trace, profile);
	add_notes(trace, profile);
	if (is_shared)
		note_shared(profile, &why);
	if (trace->monitor)
		heap_monitor_report(trace->monitor, profile);
	if (trace->holders)
		growth_tracer_report(trace->holders, profile);
	if (profile->trend && trace->session)
		find_starters(trace, profile);
	profile_sort(profile, trace->options->order);
	trace->last_outstanding = profile->totals.outstanding_bytes;
	trace->last_growth = 0;
	for (size_t i = 0; i < profile->n_stacks; i++)
		trace->last_growth += profile->stacks[i].growth_bytes_per_s;
	return profile;
}

void target_trace_live(struct target_trace *trace, struct live_state *state)
{
	struct reading now;
	struct cost_sum sum;
	double passed_s;

	reading_take(&now, trace->session, &trace->target.process);
	passed_s = (double)(now.ns - trace->lived.ns) / 1e9;
	sum = cost_between(&trace->costs, trace->lived.counts, now.counts);
	memset(state, 0, sizeof(*state));
	state->seconds = (double)(now.ns - trace->started.ns) / 1e9;
	state->left_s = -1;
	state->untraced = !trace->session;
	state->outstanding_bytes = trace->last_outstanding;
	state->growth_bytes_per_s = trace->last_growth;
	state->hits_per_s = passed_s > 0 ? sum.hits / passed_s : 0;
	state->target_cpu_fraction = -1;
	/* while the calibration runs, its figures are not ours to read */
	if (!trace->calibrating && trace->calibrated && passed_s > 0)
		state->target_cpu_fraction = sum.ns / passed_s / 1e9;
	for (unsigned i = ABI_FIRST_LOSS; i < ABI_COUNTERS; i++)
		state->lost += now.counts[i];
	trace->lived = now;
}
