/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/watched_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/max_blocks.h"
#include "probe/code_tables.h"

/* how often the mappings are read at a time, when they change all the while */
#define READS_OF_CODE 4

static uint32_t default_max_blocks(const struct process *process)
{
	bool taken = features_must_preallocate();
	struct process_stats stats;

	process_stats(process, &stats);
	return max_blocks_default(stats.rss_bytes, taken, taken ? max_blocks_available() : 0);
}

static void *calibrate(void *context)
{
	struct watched *watched = context;

	return (void *)(intptr_t)cost_calibrate(&watched->costs, watched->session, -1, NULL);
}

void watched_finish_calibration(struct watched *watched)
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
	int result = process_open(&watched->process, pid, err);

	watched->have_process = result == 0;
	image_read(&watched->image, pid);
	if (!result)
		result = claim_take(&watched->claim, pid, err);
	if (!result) {
		result = py_runtime_find(&watched->runtime, &watched->process, err);
		watched->have_runtime = result == 0;
	}
	return result;
}

static int open_plan(struct watched *watched, struct err *err)
{
	const struct plan_options options = {.domains = watched->options->domains,
					     .no_steer = watched->options->no_steer,
					     .by_parts = !watched->options->exact};

	watched->have_plan = true;
	return plan_make(&watched->plan, &watched->runtime, &watched->process, watched->features,
			 &options, err);
}

/* Have the unwind tables of all code of the target, unless C frames are not wanted or cannot be had. */
static int open_code(struct watched *watched, struct err *err)
{
	int result;

	code_map_init(&watched->code, watched->process.pid);
	if (!watched->options->native || !watched->features->c_frames)
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

void watched_refresh_code(struct watched *watched, bool in_vain_too)
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

void watched_tend(void *context, struct survivors *survivors)
{
	struct watched *watched = context;

	/* names that a report reads are dropped, and sites that it counts: not in the middle of one */
	pthread_mutex_lock(&watched->looking);
	if (snapshot_reclaim_is_due(watched->snapshot))
		snapshot_reclaim(watched->snapshot, watched->session, survivors);
	pthread_mutex_unlock(&watched->looking);
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

static int open_holders(struct watched *watched, bool can_watch, struct err *err)
{
	const struct holder_watch_options options = {
		.share = 1.0 / watched->options->n_pids,
		.slow_ns = watched->options->max_window_ns,
		.can_watch = can_watch,
		.no_native = watched->no_native[0] != '\0',
	};

	watched->holders = holder_watch_open(&watched->process, watched->grower, &options, err);
	return watched->holders ? 0 : -(int)err->code;
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
		.tend = watched_tend,
		.others = others,
		.allow_others = allow_others,
		.context = watched,
	};
	int result = rehearsal(&options.n_rehearsal, err);

	if (result)
		return result;
	if (watched->grower) {
		result = open_holders(watched, true, err);
		if (result)
			return result;
	}
	return governor_open(&watched->governor, watched->session, &watched->plan,
			     &watched->process, &options, err);
}

static int open_session(struct watched *watched, struct err *err)
{
	const struct options *wanted = watched->options;
	const struct session_options options = {
		.max_blocks = watched->max_blocks,
		.max_stacks = wanted->max_stacks,
		.min_size = wanted->min_size,
		.max_size = wanted->max_size,
		.by_thread = wanted->group_by == GROUP_THREAD,
		.by_parts = !wanted->exact,
		.multi = watched->features->uprobe_multi,
		.verbose = wanted->verbose > 0,
		.code = watched->tables,
	};
	int result = session_open(&watched->session, &watched->process, &watched->runtime,
				  &watched->plan, &options, err);

	if (result || !session_no_native(watched->session))
		return result;
	snprintf(watched->no_native, sizeof(watched->no_native), "%s",
		 session_no_native(watched->session));
	code_tables_free(watched->tables);
	watched->tables = NULL;
	return 0;
}

/* All that traces: programs, probes, what reads their maps and what keeps them below the ceiling. */
static int open_traced(struct watched *watched, struct err *err)
{
	int result = features_require(watched->features, err);

	if (!result)
		result = open_plan(watched, err);
	if (!result)
		result = open_code(watched, err);
	if (!result)
		result = open_session(watched, err);
	if (result)
		return result;
	watched->snapshot =
		snapshot_new(&watched->process, &watched->runtime, &watched->plan, watched->session,
			     watched->tables ? &watched->code : NULL, err);
	if (!watched->snapshot)
		return -(int)err->code;
	if (watched->options->verbose)
		print_facts(watched);
	if (!watched->options->exact)
		result = open_governor(watched, watched->max_blocks, err);
	return result ? result : session_attach(watched->session, err);
}

static void close_traced(struct watched *watched)
{
	governor_close(watched->governor);
	holder_watch_close(watched->holders);
	snapshot_free(watched->snapshot);
	session_close(watched->session);
	code_tables_free(watched->tables);
	code_map_fini(&watched->code);
	if (watched->have_plan)
		plan_fini(&watched->plan);
	watched->governor = NULL;
	watched->holders = NULL;
	watched->snapshot = NULL;
	watched->session = NULL;
	watched->tables = NULL;
	watched->have_plan = false;
}

/*
 * Nothing can be traced here, for want of something in the kernel or of a permission: what the heap shows from outside
 * is there all the same, unless that is not wanted.
 */
static int open_untraced(struct watched *watched, struct err *err)
{
	close_traced(watched);
	snprintf(watched->why_not_traced, sizeof(watched->why_not_traced), "%s", err->text);
	return open_holders(watched, false, err);
}

static bool can_go_untraced(const struct watched *watched, int result)
{
	return watched->grower && !watched->options->exact &&
	       (result == -ERR_KERNEL || result == -ERR_PERMISSION);
}

/* The target may be the cause of a failure: then that is the reason. */
static int say_gone(const struct watched *watched, int result, struct err *err)
{
	if (!watched->have_process)
		return result;
	if (!process_alive(&watched->process))
		return err_set(err, ERR_TARGET, "pid %d ended while we attached",
			       watched->process.pid);
	if (image_replaced(&watched->image, watched->process.pid))
		return err_set(err, ERR_TARGET,
			       "pid %d replaced itself by exec while we attached: start the watch "
			       "anew",
			       watched->process.pid);
	return result;
}

int watched_open(struct watched **out, pid_t pid, const struct options *options,
		 const struct features *features, struct err *err)
{
	struct watched *watched = calloc(1, sizeof(*watched));
	int result;

	*out = NULL;
	if (!watched)
		return err_set(err, ERR_FAILED, "out of memory");
	watched->options = options;
	watched->features = features;
	pthread_mutex_init(&watched->looking, NULL);
	result = open_target(watched, pid, err);
	if (!result && !options->no_grows) {
		watched->grower =
			grower_open(&watched->process, GROWER_SHARE / options->n_pids, err);
		if (!watched->grower)
			result = -(int)err->code;
	}
	watched->max_blocks = options->max_blocks;
	if (!result && !watched->max_blocks)
		watched->max_blocks = default_max_blocks(&watched->process);
	if (!result)
		result = open_traced(watched, err);
	if (result)
		result = say_gone(watched, result, err);
	if (can_go_untraced(watched, result))
		result = open_untraced(watched, err);
	if (result) {
		watched_close(watched);
		return result;
	}
	*out = watched;
	return 0;
}

void watched_start(struct watched *watched)
{
	if (watched->session) {
		/* what was loaded and unloaded while we attached */
		watched_refresh_code(watched, true);
		for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
			if (SAMPLED_DOMAINS >> domain & 1)
				session_set_sampling(watched->session, domain,
						     watched->options->sample_shift);
		snapshot_baseline(watched->snapshot);
		session_start(watched->session);
	}
	idle_parent_begin(&watched->parent, &watched->process);
	reading_take(&watched->started, watched->session, &watched->process);
	watched->reported = watched->lived = watched->started;
	watched->forgotten_ns = watched->started.ns;
	if (watched->grower)
		grower_start(watched->grower);
	if (watched->holders)
		holder_watch_start(watched->holders);
	if (watched->governor)
		governor_start(watched->governor);
	else if (watched->session)
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
	if (watched->session)
		session_stop(watched->session);
}

int watched_close(struct watched *watched)
{
	struct err err = ERR_INIT;
	int result = 0;

	watched_finish_calibration(watched);
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
	close_traced(watched);
	grower_close(watched->grower);
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
	return watched->session ? session_events_fd(watched->session) : -1;
}

int watched_limit_fd(const struct watched *watched)
{
	return watched->governor ? governor_limit_fd(watched->governor) : -1;
}

void watched_events(struct watched *watched)
{
	if (!watched->session)
		return;
	pthread_mutex_lock(&watched->looking);
	session_events(watched->session, snapshot_learn, watched->snapshot);
	pthread_mutex_unlock(&watched->looking);
	if (!watched->governor)
		watched_tend(watched, NULL);
	if (session_wants_code(watched->session))
		watched_refresh_code(watched, false);
}

bool watched_ended(const struct watched *watched)
{
	return watched_execed(watched) || !process_alive(&watched->process);
}

bool watched_execed(const struct watched *watched)
{
	return watched->session ? session_execed(watched->session)
				: image_replaced(&watched->image, watched->process.pid);
}

bool watched_traced(const struct watched *watched)
{
	return watched->session != NULL;
}

void watched_baseline(struct watched *watched)
{
	pthread_mutex_lock(&watched->looking);
	if (watched->snapshot)
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
