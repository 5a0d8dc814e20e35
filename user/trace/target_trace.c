/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/target_trace_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "trace/max_blocks.h"
#include "probe/code_tables.h"
#include "probe/session_events.h"
#include "probe/session_maps.h"
#include "probe/session_parts.h"

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
	struct target_trace *trace = context;

	return (void *)(intptr_t)cost_calibrate(&trace->costs, trace->session, -1, NULL);
}

void target_trace_finish_calibration(struct target_trace *trace)
{
	void *result;

	if (!trace->calibrating)
		return;
	trace->calibrated = pthread_join(trace->calibration, &result) == 0 && result == NULL;
	trace->calibrating = false;
	if (trace->calibrated && trace->options->verbose)
		fprintf(stderr,
			"traps measured: emulated %.0f ns, single-stepped "
			"%.0f ns, return +%.0f ns\n",
			trace->costs.entry_ns[COST_EMULATED], trace->costs.entry_ns[COST_STEPPED],
			trace->costs.return_ns);
}

static void print_code(const struct target_trace *trace)
{
	struct code_tables_stats stats;

	if (!trace->code.tables)
		return;
	code_tables_stats(trace->code.tables, &stats);
	fprintf(stderr, "  unwind tables: %u modules (%u without), %u pages, %u rows, %u rules%s\n",
		stats.modules, stats.without, stats.pages, stats.rows, stats.rules,
		stats.no_room ? "; some left out for lack of space" : "");
}

static void print_facts(const struct target_trace *trace)
{
	const struct py_runtime *r = &trace->target.runtime;

	fprintf(stderr, "pid %d: CPython %s in %s, libc %s\n", trace->target.process.pid,
		r->version, r->python.path, r->libc.path);
	plan_print(stderr, &trace->plan);
	print_code(trace);
	session_print_maps(stderr, trace->session);
}

static int open_target(struct target_trace *trace, pid_t pid, struct err *err)
{
	int result;

	image_read(&trace->image, pid);
	result = target_open(&trace->target, pid, err);
	return result ? result : claim_take(&trace->claim, pid, err);
}

static int open_plan(struct target_trace *trace, struct err *err)
{
	const struct plan_options options = {.domains = trace->options->domains,
					     .no_steer = !trace->options->steer,
					     .by_parts = !trace->options->exact};

	trace->have_plan = true;
	return plan_make(&trace->plan, &trace->target.runtime, &trace->target.process,
			 trace->features, &options, err);
}

/* An allocator may have been loaded: probe it too. */
static void refresh_allocators(struct target_trace *trace)
{
	unsigned n_probes = trace->plan.n_probes;
	struct err err = ERR_INIT;

	if (trace->governor)
		governor_lock(trace->governor);
	if (plan_update(&trace->plan, &trace->target.runtime, &trace->target.process) &&
	    session_attach_more(trace->session, n_probes, &err))
		fprintf(stderr,
			"pyleaktrace: pid %d has loaded an allocator, which is not traced: %s\n",
			trace->target.process.pid, err.text);
	if (trace->governor)
		governor_unlock(trace->governor);
}

void target_trace_refresh_code(struct target_trace *trace, bool in_vain_too)
{
	unsigned n_natives = trace->plan.natives.n;
	int changed = 1;

	/* once more after a change: what came and went before it was published has not been
	 * noticed */
	for (int i = 0; i < READS_OF_CODE && changed > 0; i++) {
		bool first_in_vain = in_vain_too && i == 0;

		session_read_code(trace->session);
		changed = trace->code.tables ? code_map_update(&trace->code.map, NULL) : i == 0;
		/* first, for what is allocated meanwhile is not seen; C frames may be missing for a
		 * moment */
		if (changed > 0 || first_in_vain)
			refresh_allocators(trace);
		if (changed < 0)
			break;
		if (trace->code.tables)
			code_tables_compile(trace->code.tables);
		session_publish_code(trace->session, changed || first_in_vain);
	}
	if (trace->options->verbose)
		plan_print_allocators(stderr, &trace->plan, n_natives);
}

/* The governor changes what the maps mean: not in the middle of a report. */
static void on_change(void *context, bool end)
{
	struct target_trace *trace = context;

	if (end)
		lock_release(&trace->looking);
	else
		lock_take(&trace->looking);
}

/* Within such a change: it is about to trace these domains all the time. */
static void on_all(void *context, unsigned domains)
{
	struct target_trace *trace = context;

	snapshot_rebase(trace->snapshot, domains);
}

void target_trace_maintain(void *context, struct survivors *survivors)
{
	struct target_trace *trace = context;

	/* names that a report reads are dropped, and sites that it counts: not in the middle of
	 * one */
	lock_take(&trace->looking);
	if (snapshot_reclaim_is_due(trace->snapshot))
		snapshot_reclaim(trace->snapshot, trace->session, survivors);
	lock_release(&trace->looking);
}

static void focus(void *context, struct governor_focus *focus)
{
	const struct target_trace *trace = context;

	heap_monitor_focus(trace->monitor, focus);
}

/* For tests: how many windows follow each other? 0: as the ceiling allows. */
static int test_windows(unsigned *n, struct err *err)
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
		return err_set(err, ERR_USAGE, "PYLEAKTRACE_WINDOWS is not a number of windows");
	*n = (unsigned)number;
	return 0;
}

static int open_holders(struct target_trace *trace, bool can_watch, struct err *err)
{
	const struct growth_tracer_options options = {
		.budget = &trace->budget,
		.share = 1.0 / trace->options->n_pids,
		.slow_ns = trace->options->max_window_ns,
		.can_watch = can_watch,
		.no_native = trace->no_native[0] != '\0',
	};

	trace->holders = growth_tracer_open(&trace->target, trace->monitor, &options, err);
	return trace->holders ? 0 : -(int)err->code;
}

static int open_governor(struct target_trace *trace, uint32_t max_blocks, struct err *err)
{
	struct governor_options options = {
		.budget = &trace->budget,
		.max_window_ns = trace->options->max_window_ns,
		.stop_at_limit = trace->options->on_limit == ON_LIMIT_STOP,
		.verbose = trace->options->verbose > 1,
		.max_blocks = max_blocks,
		.change = on_change,
		.on_all = on_all,
		.maintain = target_trace_maintain,
		.focus = trace->monitor && trace->options->when != TRACE_ALWAYS ? focus : NULL,
		.context = trace,
	};
	int result = test_windows(&options.n_test_windows, err);

	if (result)
		return result;
	if (trace->monitor) {
		result = open_holders(trace, true, err);
		if (result)
			return result;
	}
	return governor_open(&trace->governor, trace->session, &trace->plan, &trace->target,
			     &options, err);
}

static int open_session(struct target_trace *trace, struct err *err)
{
	const struct trace_options *wanted = trace->options;
	const struct session_options options = {
		.max_blocks = trace->max_blocks,
		.max_stacks = wanted->max_stacks,
		.min_size = wanted->min_size,
		.max_size = wanted->max_size,
		.by_thread = wanted->by_thread,
		.by_parts = !wanted->exact,
		.multi = trace->features->uprobe_multi,
		.verbose = wanted->verbose > 0,
		.code = trace->code.tables,
	};
	int result = session_open(&trace->session, &trace->target.process, &trace->target.runtime,
				  &trace->plan, &options, err);

	if (result || !session_no_native(trace->session))
		return result;
	snprintf(trace->no_native, sizeof(trace->no_native), "%s",
		 session_no_native(trace->session));
	target_code_drop(&trace->code);
	return 0;
}

/* All that traces: programs, probes, what reads their maps and what keeps them below the
 * ceiling. */
static int open_traced(struct target_trace *trace, struct err *err)
{
	int result = features_require(trace->features, err);

	if (!result)
		result = open_plan(trace, err);
	if (!result)
		result = target_code_open(&trace->code, trace->target.process.pid,
					  trace->options->native && trace->features->c_frames, err);
	if (!result)
		result = open_session(trace, err);
	if (result)
		return result;
	trace->snapshot = snapshot_new(&trace->target.process, &trace->target.runtime, &trace->plan,
				       trace->session, target_code_map(&trace->code), err);
	if (!trace->snapshot)
		return -(int)err->code;
	if (trace->options->verbose)
		print_facts(trace);
	if (!trace->options->exact)
		result = open_governor(trace, trace->max_blocks, err);
	return result ? result : session_attach(trace->session, err);
}

static void close_traced(struct target_trace *trace)
{
	governor_close(trace->governor);
	growth_tracer_close(trace->holders);
	snapshot_free(trace->snapshot);
	session_close(trace->session);
	target_code_close(&trace->code);
	if (trace->have_plan)
		plan_fini(&trace->plan);
	trace->governor = NULL;
	trace->holders = NULL;
	trace->snapshot = NULL;
	trace->session = NULL;
	trace->have_plan = false;
}

/*
 * Nothing can be traced here, since the kernel lacks something or a permission is missing: the heap
 * can still be scanned from outside, unless --exact asks for more.
 */
static int open_untraced(struct target_trace *trace, struct err *err)
{
	close_traced(trace);
	snprintf(trace->why_not_traced, sizeof(trace->why_not_traced), "%s", err->text);
	return open_holders(trace, false, err);
}

static bool can_go_untraced(const struct target_trace *trace, int result)
{
	return trace->monitor && !trace->options->exact &&
	       (result == -ERR_KERNEL || result == -ERR_PERMISSION);
}

/* The target may be the cause of a failure: then that is the reason. */
static int say_gone(const struct target_trace *trace, int result, struct err *err)
{
	if (!trace->target.have_process)
		return result;
	if (!process_alive(&trace->target.process))
		return err_set(err, ERR_TARGET, "pid %d ended while we attached",
			       trace->target.process.pid);
	if (image_replaced(&trace->image, trace->target.process.pid))
		return err_set(err, ERR_TARGET,
			       "pid %d replaced itself by exec while we attached: start the trace "
			       "again",
			       trace->target.process.pid);
	return result;
}

int target_trace_open(struct target_trace **out, pid_t pid, const struct trace_options *options,
		      const struct features *features, struct err *err)
{
	struct target_trace *trace = calloc(1, sizeof(*trace));
	int result;

	*out = NULL;
	if (!trace)
		return err_set(err, ERR_FAILED, "out of memory");
	trace->options = options;
	trace->features = features;
	lock_init(&trace->looking, LOCK_RANK_LOOKING);
	budget_init(&trace->budget, options->max_overhead);
	result = open_target(trace, pid, err);
	if (!result && options->heap_scan) {
		trace->monitor = heap_monitor_open(&trace->target,
						   HEAP_MONITOR_SHARE / options->n_pids, err);
		if (!trace->monitor)
			result = -(int)err->code;
	}
	trace->max_blocks = options->max_blocks;
	if (!result && !trace->max_blocks)
		trace->max_blocks = default_max_blocks(&trace->target.process);
	if (!result)
		result = open_traced(trace, err);
	if (result)
		result = say_gone(trace, result, err);
	if (can_go_untraced(trace, result))
		result = open_untraced(trace, err);
	if (result) {
		target_trace_close(trace);
		return result;
	}
	*out = trace;
	return 0;
}

void target_trace_start(struct target_trace *trace)
{
	if (trace->session) {
		/* what was loaded and unloaded while we attached */
		target_trace_refresh_code(trace, true);
		for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
			if (SAMPLED_DOMAINS >> domain & 1)
				session_set_sampling(trace->session, domain,
						     trace->options->sample_shift);
		snapshot_baseline(trace->snapshot);
		session_start(trace->session);
	}
	idle_parent_begin(&trace->parent, &trace->target.process);
	reading_take(&trace->started, trace->session, &trace->target.process);
	trace->reported = trace->lived = trace->started;
	trace->forgotten_ns = trace->started.ns;
	if (trace->monitor)
		heap_monitor_start(trace->monitor);
	if (trace->holders)
		growth_tracer_start(trace->holders);
	if (trace->governor)
		governor_start(trace->governor);
	else if (trace->session)
		trace->calibrating =
			pthread_create(&trace->calibration, NULL, calibrate, trace) == 0;
}

/* A window may have left the target steered; the detach tries once more, and reports it. */
void target_trace_stop(struct target_trace *trace)
{
	if (trace->governor)
		governor_stop(trace->governor, NULL);
	if (trace->session)
		session_stop(trace->session);
	/* last: it may be in the middle of a scan, which ends by itself */
	if (trace->holders)
		growth_tracer_stop(trace->holders);
}

int target_trace_close(struct target_trace *trace)
{
	struct err err = ERR_INIT;
	int result = 0;

	target_trace_finish_calibration(trace);
	if (trace->holders)
		growth_tracer_stop(trace->holders);
	if (trace->governor)
		governor_stop(trace->governor, NULL);
	if (trace->session)
		result = -session_detach(trace->session, &err);
	if (result)
		fprintf(stderr,
			"pyleaktrace: pid %d: %s; `pyleaktrace doctor --restore -p %d` tries "
			"again\n",
			trace->target.process.pid, err.text, trace->target.process.pid);
	close_traced(trace);
	heap_monitor_close(trace->monitor);
	claim_drop(&trace->claim);
	target_close(&trace->target);
	lock_destroy(&trace->looking);
	budget_fini(&trace->budget);
	free(trace);
	return result;
}

pid_t target_trace_pid(const struct target_trace *trace)
{
	return trace->target.process.pid;
}

const char *target_trace_python(const struct target_trace *trace)
{
	return trace->target.runtime.version;
}

int target_trace_pidfd(const struct target_trace *trace)
{
	return trace->target.process.pidfd;
}

int target_trace_events_fd(const struct target_trace *trace)
{
	return trace->session ? session_events_fd(trace->session) : -1;
}

int target_trace_limit_fd(const struct target_trace *trace)
{
	return trace->governor ? governor_limit_fd(trace->governor) : -1;
}

void target_trace_events(struct target_trace *trace)
{
	if (!trace->session)
		return;
	lock_take(&trace->looking);
	session_events(trace->session, snapshot_learn, trace->snapshot);
	lock_release(&trace->looking);
	if (!trace->governor)
		target_trace_maintain(trace, NULL);
	if (session_wants_code(trace->session))
		target_trace_refresh_code(trace, false);
}

bool target_trace_ended(const struct target_trace *trace)
{
	return target_trace_execed(trace) || !process_alive(&trace->target.process);
}

bool target_trace_execed(const struct target_trace *trace)
{
	return trace->session ? session_execed(trace->session)
			      : image_replaced(&trace->image, trace->target.process.pid);
}

bool target_trace_traced(const struct target_trace *trace)
{
	return trace->session != NULL;
}

void target_trace_explain(struct target_trace *trace, unsigned domains)
{
	if (trace->monitor)
		heap_monitor_explain(trace->monitor, domains);
}

void target_trace_baseline(struct target_trace *trace)
{
	lock_take(&trace->looking);
	if (trace->snapshot)
		snapshot_baseline(trace->snapshot);
	lock_release(&trace->looking);
	if (trace->monitor)
		heap_monitor_forget(trace->monitor);
	if (trace->holders)
		growth_tracer_forget(trace->holders);
	if (trace->governor)
		governor_forget(trace->governor);
	trace->forgotten_ns = clock_now_ns();
}
