/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/watched.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/estimates.h"
#include "cli/grower.h"
#include "cli/holder_watch.h"
#include "cli/trace_parts.h"
#include "govern/governor.h"
#include "govern/reading.h"
#include "model/trend.h"
#include "probe/claim.h"
#include "probe/code_tables.h"
#include "probe/cost.h"
#include "python/runtime.h"
#include "snapshot/snapshot.h"

/* how often the mappings are read at a time, when they change all the while */
#define READS_OF_CODE 4
#define STARTERS_MAX  256 /* threads */
/* mappings are few, and each is recorded */
#define SAMPLED_DOMAINS (1u << ABI_MALLOC | 1u << ABI_OBJECT)

struct watched {
	const struct options *options;
	const struct features *features;
	struct process process;
	struct py_runtime runtime;
	struct plan plan;
	struct claim claim;
	struct code_map code;       /* of the target; empty without C frames */
	struct code_tables *tables; /* NULL: C frames are not walked */
	struct session *session;
	struct snapshot *snapshot;
	struct grower *grower;        /* NULL: the heap is not looked at */
	struct holder_watch *holders; /* NULL: containers are not looked for */
	struct governor *governor;    /* NULL: everything is traced */
	pthread_mutex_t looking;      /* a report is being made */
	bool have_process, have_runtime, have_plan;
	/* measures the cost of the traps while we wait for the first report */
	pthread_t calibration;
	bool calibrating, calibrated;
	struct probe_costs costs;
	struct reading started, reported,
		lived;         /* at the start, the last report, the last live line */
	uint64_t forgotten_ns; /* of the last watched_baseline(), or the start */
	double last_growth;
	uint64_t last_outstanding;
};

/*
 * Room for the blocks of a target of this size: one for 512 bytes of its memory, within 1 M and 16 M. The map
 * grows as it fills (but for 16 bytes an entry), so room that is not used costs little.
 */
static uint32_t default_max_blocks(const struct process *process)
{
	struct process_stats stats;
	uint64_t blocks = 0;

	if (process_stats(process, &stats) == 0)
		blocks = stats.rss_bytes / 512;
	if (blocks < 1u << 20)
		blocks = 1u << 20;
	return blocks > 1u << 24 ? 1u << 24 : (uint32_t)blocks;
}

static void *calibrate(void *context)
{
	struct watched *watched = context;

	return (void *)(intptr_t)cost_calibrate(&watched->costs, watched->session, NULL);
}

/* Wait for the calibration; its figures are used from here on. */
static void finish_calibration(struct watched *watched)
{
	void *result;

	if (!watched->calibrating)
		return;
	watched->calibrated = pthread_join(watched->calibration, &result) == 0 && result == NULL;
	watched->calibrating = false;
	if (watched->calibrated && watched->options->verbose)
		fprintf(stderr,
			"traps measured: emulated %.0f ns, single-stepped "
			"%.0f ns, return +%.0f ns\n",
			watched->costs.entry_ns[COST_EMULATED],
			watched->costs.entry_ns[COST_STEPPED], watched->costs.return_ns);
}

static void print_code(const struct watched *watched)
{
	struct code_tables_stats stats;

	if (!watched->tables)
		return;
	code_tables_stats(watched->tables, &stats);
	fprintf(stderr, "  unwind tables: %u modules (%u without), %u pages, %u rows, %u rules%s\n",
		stats.modules, stats.without, stats.pages, stats.rows, stats.rules,
		stats.no_room ? "; some left out for want of room" : "");
}

static void print_facts(const struct watched *watched)
{
	const struct py_runtime *r = &watched->runtime;

	fprintf(stderr, "pid %d: CPython %s in %s, libc %s\n", watched->process.pid, r->version,
		r->python.path, r->libc.path);
	plan_print(stderr, &watched->plan);
	print_code(watched);
	session_print_maps(stderr, watched->session);
}

static int open_target(struct watched *watched, pid_t pid, struct err *err)
{
	const struct plan_options plan_options = {.domains = watched->options->domains,
						  .no_steer = watched->options->no_steer,
						  .by_parts = !watched->options->exact};
	int result = process_open(&watched->process, pid, err);

	watched->have_process = result == 0;
	if (!result)
		result = claim_take(&watched->claim, pid, err);
	if (!result) {
		result = py_runtime_find(&watched->runtime, &watched->process, err);
		watched->have_runtime = result == 0;
	}
	if (!result)
		result = features_require(watched->features, err);
	if (!result) {
		result = plan_make(&watched->plan, &watched->runtime, &watched->process,
				   watched->features, &plan_options, err);
		watched->have_plan = true;
	}
	return result;
}

/* Have the unwind tables of all code of the target, unless C frames are not wanted or cannot be had. */
static int open_code(struct watched *watched, struct err *err)
{
	int result;

	code_map_init(&watched->code, watched->process.pid);
	if (!watched->options->native || !watched->features->loops)
		return 0;
	result = code_map_update(&watched->code, err);
	if (result < 0)
		return result;
	watched->tables = code_tables_new(&watched->code);
	if (!watched->tables)
		return err_set(err, ERR_FAILED, "out of memory");
	code_tables_compile(watched->tables);
	return 0;
}

/* An allocator may have been loaded: probe it too. */
static void refresh_allocators(struct watched *watched)
{
	unsigned n_probes = watched->plan.n_probes;
	struct err err = ERR_INIT;

	if (watched->governor)
		governor_lock(watched->governor);
	if (plan_update(&watched->plan, &watched->runtime, &watched->process) &&
	    session_attach_more(watched->session, n_probes, &err))
		fprintf(stderr,
			"pyleaktrace: pid %d has loaded an allocator, which is not traced: %s\n",
			watched->process.pid, err.text);
	if (watched->governor)
		governor_unlock(watched->governor);
}

/*
 * The target has code that is new to us, or may have. Asked in vain, it is asked again only after the next report:
 * a stack with a damaged end would have us read the mappings all the time.
 */
static void refresh_code(struct watched *watched, bool in_vain_too)
{
	unsigned n_natives = watched->plan.natives.n;
	int changed = 1;

	/* once more after a change: what came and went before it was published has not been noticed */
	for (int i = 0; i < READS_OF_CODE && changed > 0; i++) {
		bool first_in_vain = in_vain_too && i == 0;

		session_read_code(watched->session);
		changed = watched->tables ? code_map_update(&watched->code, NULL) : i == 0;
		/* first, for what is allocated meanwhile is not seen; C frames may be missing for a moment */
		if (changed > 0 || first_in_vain)
			refresh_allocators(watched);
		if (changed < 0)
			break;
		if (watched->tables)
			code_tables_compile(watched->tables);
		session_publish_code(watched->session, changed || first_in_vain);
	}
	if (watched->options->verbose)
		plan_print_allocators(stderr, &watched->plan, n_natives);
}

/* The governor changes what the maps mean: not in the middle of a report. */
static void on_change(void *context, bool end)
{
	struct watched *watched = context;

	if (end)
		pthread_mutex_unlock(&watched->looking);
	else
		pthread_mutex_lock(&watched->looking);
}

/* Within such a change: it is about to trace these domains all the time. */
static void on_all(void *context, unsigned domains)
{
	struct watched *watched = context;

	snapshot_rebase(watched->snapshot, domains);
}

/* For tests: how many windows shall there be one after the other? 0: as the ceiling allows. */
static int rehearsal(unsigned *n, struct err *err)
{
	const char *text = getenv("PYLEAKTRACE_WINDOWS");
	unsigned long number;
	char *end;

	*n = 0;
	if (!text)
		return 0;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || number > UINT_MAX)
		return err_set(err, ERR_USAGE, "PYLEAKTRACE_WINDOWS is no number of windows");
	*n = (unsigned)number;
	return 0;
}

/* What watchpoints cost, beside the probes. */
static double others(void *context)
{
	struct watched *watched = context;

	return watched->holders ? holder_watch_spent(watched->holders) : 0;
}

static void allow_others(void *context, double cores)
{
	struct watched *watched = context;

	if (watched->holders)
		holder_watch_allow(watched->holders, cores);
}

static int open_governor(struct watched *watched, uint32_t max_blocks, struct err *err)
{
	struct governor_options options = {
		.max_overhead = watched->options->max_overhead,
		.max_window_ns = watched->options->max_window_ns,
		.stop_at_limit = watched->options->on_limit == ON_LIMIT_STOP,
		.verbose = watched->options->verbose > 1,
		.max_blocks = max_blocks,
		.change = on_change,
		.on_all = on_all,
		.others = others,
		.allow_others = allow_others,
		.context = watched,
	};
	int result = rehearsal(&options.n_rehearsal, err);

	if (result)
		return result;
	if (watched->grower) {
		watched->holders = holder_watch_open(&watched->process, watched->grower,
						     1.0 / watched->options->n_pids,
						     watched->options->max_window_ns, err);
		if (!watched->holders)
			return -(int)err->code;
	}
	return governor_open(&watched->governor, watched->session, &watched->plan,
			     &watched->process, &options, err);
}

int watched_open(struct watched **out, pid_t pid, const struct options *options,
		 const struct features *features, struct err *err)
{
	struct session_options session_options = {
		.max_blocks = options->max_blocks,
		.max_stacks = options->max_stacks,
		.min_size = options->min_size,
		.max_size = options->max_size,
		.by_thread = options->group_by == GROUP_THREAD,
		.by_parts = !options->exact,
		.multi = features->uprobe_multi,
		.verbose = options->verbose > 0,
	};
	struct watched *watched = calloc(1, sizeof(*watched));
	int result;

	*out = NULL;
	if (!watched)
		return err_set(err, ERR_FAILED, "out of memory");
	watched->options = options;
	watched->features = features;
	pthread_mutex_init(&watched->looking, NULL);
	result = open_target(watched, pid, err);
	if (!result)
		result = open_code(watched, err);
	session_options.code = watched->tables;
	if (!result && !session_options.max_blocks)
		session_options.max_blocks = default_max_blocks(&watched->process);
	if (!result)
		result = session_open(&watched->session, &watched->process, &watched->runtime,
				      &watched->plan, &session_options, err);
	if (!result) {
		watched->snapshot = snapshot_new(&watched->process, &watched->runtime,
						 &watched->plan, watched->session,
						 watched->tables ? &watched->code : NULL, err);
		if (!watched->snapshot)
			result = -(int)err->code;
	}
	if (!result && !options->no_grows) {
		watched->grower =
			grower_open(&watched->process, GROWER_SHARE / options->n_pids, err);
		if (!watched->grower)
			result = -(int)err->code;
	}
	if (!result && options->verbose)
		print_facts(watched);
	if (!result && !options->exact)
		result = open_governor(watched, session_options.max_blocks, err);
	if (!result)
		result = session_attach(watched->session, err);
	if (result && watched->have_process && !process_alive(&watched->process))
		result = err_set(err, ERR_TARGET, "pid %d ended while we attached", pid);
	if (result) {
		watched_close(watched);
		return result;
	}
	*out = watched;
	return 0;
}

void watched_start(struct watched *watched)
{
	/* what was loaded and unloaded while we attached */
	refresh_code(watched, true);
	for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
		if (SAMPLED_DOMAINS >> domain & 1)
			session_set_sampling(watched->session, domain,
					     watched->options->sample_shift);
	snapshot_baseline(watched->snapshot);
	session_start(watched->session);
	reading_take(&watched->started, watched->session, &watched->process);
	watched->reported = watched->lived = watched->started;
	watched->forgotten_ns = watched->started.ns;
	if (watched->grower)
		grower_start(watched->grower);
	if (watched->holders)
		holder_watch_start(watched->holders);
	if (watched->governor)
		governor_start(watched->governor);
	else
		watched->calibrating =
			pthread_create(&watched->calibration, NULL, calibrate, watched) == 0;
}

/* A window may have left the target steered; the detach tries once more, and tells. */
void watched_stop(struct watched *watched)
{
	if (watched->holders)
		holder_watch_stop(watched->holders);
	if (watched->governor)
		governor_stop(watched->governor, NULL);
	session_stop(watched->session);
}

int watched_close(struct watched *watched)
{
	struct err err = ERR_INIT;
	int result = 0;

	finish_calibration(watched);
	if (watched->holders)
		holder_watch_stop(watched->holders);
	if (watched->governor)
		governor_stop(watched->governor, NULL);
	if (watched->session)
		result = -session_detach(watched->session, &err);
	if (result)
		fprintf(stderr,
			"pyleaktrace: pid %d: %s; `pyleaktrace doctor --restore -p %d` tries "
			"again\n",
			watched->process.pid, err.text, watched->process.pid);
	governor_close(watched->governor);
	holder_watch_close(watched->holders);
	grower_close(watched->grower);
	snapshot_free(watched->snapshot);
	session_close(watched->session);
	code_tables_free(watched->tables);
	code_map_fini(&watched->code);
	if (watched->have_plan)
		plan_fini(&watched->plan);
	if (watched->have_runtime)
		py_runtime_fini(&watched->runtime);
	claim_drop(&watched->claim);
	if (watched->have_process)
		process_close(&watched->process);
	pthread_mutex_destroy(&watched->looking);
	free(watched);
	return result;
}

pid_t watched_pid(const struct watched *watched)
{
	return watched->process.pid;
}

const char *watched_python(const struct watched *watched)
{
	return watched->runtime.version;
}

int watched_pidfd(const struct watched *watched)
{
	return watched->process.pidfd;
}

int watched_events_fd(const struct watched *watched)
{
	return session_events_fd(watched->session);
}

int watched_limit_fd(const struct watched *watched)
{
	return watched->governor ? governor_limit_fd(watched->governor) : -1;
}

void watched_events(struct watched *watched)
{
	session_events(watched->session, snapshot_learn, watched->snapshot);
	if (session_wants_code(watched->session))
		refresh_code(watched, false);
}

bool watched_ended(const struct watched *watched)
{
	return session_execed(watched->session) || !process_alive(&watched->process);
}

void watched_baseline(struct watched *watched)
{
	pthread_mutex_lock(&watched->looking);
	snapshot_baseline(watched->snapshot);
	pthread_mutex_unlock(&watched->looking);
	if (watched->grower)
		grower_forget(watched->grower);
	if (watched->holders)
		holder_watch_forget(watched->holders);
	if (watched->governor)
		governor_forget(watched->governor);
	watched->forgotten_ns = clock_now_ns();
}

static void fill_end(const struct watched *watched, struct profile *profile)
{
	int status = session_wait_status(watched->session);

	if (session_execed(watched->session)) {
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
	       (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec) / 1e6;
}

static void fill_cost(struct watched *watched, struct profile *profile,
		      const struct governor_state *state)
{
	struct reading now;
	struct cost_sum sum, all;
	double passed_s;

	finish_calibration(watched);
	if (!watched->calibrated)
		return;
	if (watched->governor) {
		profile->cost.ceiling = watched->options->max_overhead;
		if (state->own_ns > 0)
			profile->cost.own_share = state->spent_ns / state->own_ns;
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

	pthread_mutex_lock(&watched->looking);
	if (watched->governor) {
		governor_state(watched->governor, state);
		how.exact_domains = trace_parts_mapped(state);
		how.sampled_domains = trace_parts_thinned(state);
		how.survivors = governor_survivors(watched->governor);
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

struct profile *watched_look(struct watched *watched, struct err *err)
{
	struct governor_state state = {0};
	struct profile *profile;

	watched_events(watched);
	refresh_code(watched, true);
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
	fill_end(watched, profile);
	fill_cost(watched, profile, &state);
	if (watched->grower)
		grower_report(watched->grower, profile);
	if (watched->holders)
		holder_watch_report(watched->holders, profile);
	if (profile->trend)
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
