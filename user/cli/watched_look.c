/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/describe.h"
#include "cli/estimates.h"
#include "cli/trace_parts.h"
#include "cli/watched_impl.h"
#include "govern/budget.h"
#include "model/trend.h"
#include "probe/prober.h"
#include "target/sharing.h"

#define STARTERS_MAX 256 /* threads */

static void fill_end(const struct watched *watched, struct profile *profile)
{
	int status = watched->session ? session_wait_status(watched->session) : -1;

	if (watched_execed(watched)) {
		profile->target.end = TARGET_EXECED;
	} else if (!process_alive(&watched->process)) {
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
	double most = BUDGET_CAUTION * state->spent_ns,
	       own = state->own_ns - (most - state->spent_ns);

	return own > most / 100 ? most / own : 100;
}

/* System calls that took longer: by the governor, which counts them now and then. Without it only by how much is known. */
static void fill_syscalls(struct watched *watched, struct cost *cost,
			  const struct governor_state *state, double passed_s)
{
	if (!watched->governor) {
		cost->syscall_ns = session_syscall_ns(watched->session);
		return;
	}
	cost->syscall_ns = state->syscall_ns;
	cost->syscalls_counted = true;
	cost->syscalls_per_s = passed_s > 0 ? (state->syscalls - watched->syscalls) / passed_s : 0;
	cost->other_syscalls_per_s =
		passed_s > 0 ? (state->other_syscalls - watched->other_syscalls) / passed_s : 0;
	watched->syscalls = state->syscalls;
	watched->other_syscalls = state->other_syscalls;
}

static void fill_cost(struct watched *watched, struct profile *profile,
		      const struct governor_state *state)
{
	struct reading now;
	struct cost_sum sum, all;
	double passed_s;

	watched_finish_calibration(watched);
	if (!watched->calibrated)
		return;
	if (watched->governor) {
		profile->cost.ceiling = watched->options->max_overhead;
		profile->cost.floor = BUDGET_FLOOR;
		profile->cost.own_share = -1;
		if (state->own_ns > 0) {
			profile->cost.own_share = state->spent_ns / state->own_ns;
			profile->cost.own_share_most = share_at_most(state);
		}
	}
	reading_take(&now, watched->session, &watched->process);
	passed_s = (double)(now.ns - watched->reported.ns) / 1e9;
	sum = cost_between(&watched->costs, watched->reported.counts, now.counts);
	all = cost_between(&watched->costs, watched->started.counts, now.counts);
	profile->have_cost = true;
	profile->cost.hits_per_s = passed_s > 0 ? sum.hits / passed_s : 0;
	profile->cost.ns_per_hit = all.hits > 0 ? all.ns / all.hits : 0;
	profile->cost.target_cpu_fraction = passed_s > 0 ? sum.ns / passed_s / 1e9 : 0;
	if (passed_s > 0)
		profile->cost.target_cpu_used =
			reading_cpu(&watched->reported, &now) / 1e9 / passed_s;
	fill_syscalls(watched, &profile->cost, state, passed_s);
	profile->cost.tool_cpu_s = own_cpu_s();
	profile->cost.tool_rss_bytes = own_rss_bytes();
	profile->cost.maps_bytes = session_maps_bytes(watched->session);
	watched->reported = now;
}

/* Who started the newest threads: their PyThreadStates are on the account. */
static void find_starters(struct watched *watched, struct profile *profile)
{
	const struct trend_threads *threads = &profile->trend->threads;

	for (size_t i = 0; i < threads->n_rows && i < STARTERS_MAX; i++)
		threads->rows[i].starter =
			snapshot_allocator(watched->snapshot, profile, threads->rows[i].made);
}

static int take_snapshot(struct watched *watched, struct governor_state *state,
			 struct profile **profile, struct err *err)
{
	struct snapshot_estimates how = {.scale = estimates_scale};
	int result;

	if (!watched->governor)
		watched_tend(watched, NULL);
	pthread_mutex_lock(&watched->looking);
	if (watched->governor) {
		governor_state(watched->governor, state);
		how.exact_domains = trace_parts_mapped(state);
		how.sampled_domains = trace_parts_thinned(state);
		how.survivors = governor_survivors(watched->governor);
		how.thinning = governor_thinning(watched->governor);
		how.context = estimates_new(state, how.survivors, watched->grower,
					    (double)(clock_now_ns() - watched->forgotten_ns) / 1e9);
		if (!how.context)
			how.survivors = NULL;
		snapshot_estimate(watched->snapshot, &how);
	} else if (watched->options->sample_shift) {
		how.exact_domains = (1u << ABI_DOMAINS) - 1;
		how.sampled_domains = SAMPLED_DOMAINS;
		snapshot_estimate(watched->snapshot, &how);
	}
	result = snapshot_take(watched->snapshot, watched->options->older_ns, profile, err);
	pthread_mutex_unlock(&watched->looking);
	estimates_free(how.context);
	return result;
}

/* In what way it is less than it could be. */
static void add_notes(struct watched *watched, struct profile *profile)
{
	char text[640];

	idle_parent_note(&watched->parent, &watched->process, watched->options->pids,
			 watched->options->n_pids, profile);
	if (!watched->session) {
		snprintf(text, sizeof(text),
			 "Allocations are not traced, the heap is only looked at from outside: %s.",
			 watched->why_not_traced);
		profile_note(profile, "not_traced", text);
	} else if (watched->options->native && !watched->tables) {
		snprintf(text, sizeof(text), "Stacks have no C frames: %s.",
			 watched->no_native[0] ? watched->no_native
					       : "they are walked on x86-64 only");
		profile_note(profile, "no_c_frames", text);
	}
}

/* The profile of a target of which nothing is traced. */
static struct profile *look_untraced(struct watched *watched, struct err *err)
{
	struct profile *profile = describe_target(&watched->process, &watched->runtime);

	if (!profile) {
		err_set(err, ERR_FAILED, "out of memory");
		return NULL;
	}
	profile->duration_s = (double)(clock_now_ns() - watched->forgotten_ns) / 1e9;
	profile->mode.untraced = true;
	profile->cost.tool_cpu_s = own_cpu_s();
	profile->cost.tool_rss_bytes = own_rss_bytes();
	return profile;
}

static struct profile *look_traced(struct watched *watched, struct err *err)
{
	struct governor_state state = {0};
	struct profile *profile;

	watched_events(watched);
	watched_refresh_code(watched, true);
	if (take_snapshot(watched, &state, &profile, err))
		return NULL;
	if (watched->governor) {
		watched->costs = state.costs;
		watched->calibrated = state.calibrated;
		trace_parts_fill(profile, &state);
	} else if (watched->options->sample_shift) {
		trace_parts_sampled(profile, watched->plan.domains, watched->options->sample_shift);
	}
	profile->mode.min_size = watched->options->min_size;
	profile->mode.max_size = watched->options->max_size;
	fill_cost(watched, profile, &state);
	return profile;
}

/* It has forked, and reading on would make private what it shares. */
static void note_shared(struct profile *profile, const struct err *why)
{
	char text[640];

	snprintf(text, sizeof(text), "Names that are new are not read: %.500s.", why->text);
	profile_note(profile, "not_read", text);
}

struct profile *watched_look(struct watched *watched, struct err *err)
{
	struct err why = ERR_INIT;
	bool is_shared = sharing_check(watched->process.pid, &why) == -ERR_PERMISSION;
	struct profile *profile = (watched->session ? look_traced : look_untraced)(watched, err);

	if (!profile)
		return NULL;
	fill_end(watched, profile);
	add_notes(watched, profile);
	if (is_shared)
		note_shared(profile, &why);
	if (watched->grower)
		grower_report(watched->grower, profile);
	if (watched->holders)
		holder_watch_report(watched->holders, profile);
	if (profile->trend && watched->session)
		find_starters(watched, profile);
	profile_sort(profile, watched->options->order);
	watched->last_outstanding = profile->totals.outstanding_bytes;
	watched->last_growth = 0;
	for (size_t i = 0; i < profile->n_stacks; i++)
		watched->last_growth += profile->stacks[i].growth_bytes_per_s;
	return profile;
}

void watched_live(struct watched *watched, struct live_state *state)
{
	struct reading now;
	struct cost_sum sum;
	double passed_s;

	reading_take(&now, watched->session, &watched->process);
	passed_s = (double)(now.ns - watched->lived.ns) / 1e9;
	sum = cost_between(&watched->costs, watched->lived.counts, now.counts);
	memset(state, 0, sizeof(*state));
	state->seconds = (double)(now.ns - watched->started.ns) / 1e9;
	state->left_s = -1;
	state->untraced = !watched->session;
	state->outstanding_bytes = watched->last_outstanding;
	state->growth_bytes_per_s = watched->last_growth;
	state->hits_per_s = passed_s > 0 ? sum.hits / passed_s : 0;
	state->target_cpu_fraction = -1;
	/* while the calibration runs, its figures are not ours to read */
	if (!watched->calibrating && watched->calibrated && passed_s > 0)
		state->target_cpu_fraction = sum.ns / passed_s / 1e9;
	for (unsigned i = ABI_FIRST_LOSS; i < ABI_COUNTERS; i++)
		state->lost += now.counts[i];
	watched->lived = now;
}
