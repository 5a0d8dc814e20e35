/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The main command, and record: attach, report every INTERVAL, end with a final report. One thread
 * waits for whatever comes first: the interval, a signal, a new stack, the end of a target.
 */
#include "cli/commands.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/outfile.h"
#include "base/std_fds.h"
#include "cli/document.h"
#include "cli/signals.h"
#include "leak/judge.h"
#include "trace/target_trace.h"
#include "model/group.h"
#include "model/join.h"
#include "model/sources.h"
#include "model/verdict.h"
#include "probe/prober.h"
#include "record/recorder.h"
#include "target/remote_handle.h"
#include "trace/source_file.h"
#include "view/live_line.h"

_Static_assert(REMOTE_HANDLES_MAX >= 2 * TRACE_MAX_PIDS, "each target, and its parent or a child");

enum source {
	SOURCE_SIGNAL,
	SOURCE_INTERVAL,
	SOURCE_DEADLINE,
	SOURCE_LIVE,
	SOURCE_EVENTS,
	SOURCE_END,
	SOURCE_LIMIT
};

struct run {
	const struct options *options;
	struct features features;
	struct target_trace *targets[TRACE_MAX_PIDS];
	bool ended[TRACE_MAX_PIDS]; /* final report written, or its final look is in looks */
	struct profile *looks[TRACE_MAX_PIDS];  /* options_join(): the last of each target */
	struct live_state said[TRACE_MAX_PIDS]; /* what the live line has of the last verdict */
	unsigned n_targets;
	int epoll, signals;
	bool live; /* a terminal waits for us */
	uint64_t n_reports;
	struct recorder *recorder; /* record: NULL after it failed, too */
	uint64_t begun_ns;         /* of the recording; CLOCK_MONOTONIC */
	uint64_t deadline_ns;      /* CLOCK_MONOTONIC; 0: none */
	bool stop;
	bool stdout_failed;
	int result; /* exit code so far */
};

static void complain(struct run *run, const struct err *err)
{
	if (run->live)
		live_line_erase(stderr);
	fprintf(stderr, "pyleaktrace: %s\n", err->text);
	if (run->result == 0)
		run->result = err->code;
}

/* ---- reports -------------------------------------------------------------------------------- */

/* A reader that went away (head) ends the trace quietly; a full disk does not. */
static void check_stdout(struct run *run)
{
	struct err err = ERR_INIT;
	char reason[128];

	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	run->stop = true;
	if (std_fds_error() == EPIPE || run->stdout_failed)
		return;
	run->stdout_failed = true;
	err_set(&err, ERR_FAILED, "%s", std_fds_reason(reason, sizeof(reason)));
	complain(run, &err);
}

/* --fail-above: does memory in use grow faster than that? */
static bool grows_too_fast(const struct options *options, const struct verdict *verdict)
{
	return verdict && options->have_fail_above &&
	       (verdict->state == VERDICT_LEAK || verdict->state == VERDICT_GROWING) &&
	       verdict->growth_per_s > options->fail_above_per_s;
}

static void check_threshold(struct run *run, const struct profile *profile)
{
	bool crossed = grows_too_fast(run->options, profile->verdict);

	for (size_t i = 0; i < profile->n_verdicts; i++)
		crossed |= grows_too_fast(run->options, profile->verdicts[i]);
	if (crossed && run->result == 0)
		run->result = ERR_THRESHOLD;
}

/* Write a complete profile to where it is wanted. */
static void show(struct run *run, const struct profile *profile, bool final)
{
	const struct options *options = run->options;
	const struct document document = {
		.kind = DOCUMENT_TRACE, .profile = profile, .last = final};
	int code = 0;

	if (run->live)
		live_line_erase(stderr);
	if (document_is_due(options, final)) {
		if (run->n_targets > 1 && !profile->n_targets)
			printf("pid %d (CPython %s):\n", profile->target.pid,
			       profile->target.python);
		code = document_print(&document, options);
	}
	check_stdout(run);
	if (final && !code)
		code = document_save(&document, options);
	if (run->result == 0)
		run->result = code;
	if (final)
		check_threshold(run, profile);
}

/* For the live line. */
static void remember(struct live_state *said, const struct verdict *verdict)
{
	bool early = verdict && verdict->state == VERDICT_TOO_EARLY;

	said->looking = early;
	said->verdict = verdict && !early ? verdict_state_name(verdict->state) : NULL;
	said->in_use_growth_per_s = 0;
	if (verdict && (verdict->state == VERDICT_LEAK || verdict->state == VERDICT_GROWING))
		said->in_use_growth_per_s = verdict->growth_per_s;
}

/* Add it to the recording, with all stacks. Without that there is no reason to go on. */
static void keep(struct run *run, struct profile *profile, bool final)
{
	const struct recorder_moment moment = {(double)(clock_now_ns() - run->begun_ns) / 1e9,
					       final};
	struct err err = ERR_INIT;

	if (!run->recorder || !recorder_add(run->recorder, profile, &moment, &err))
		return;
	complain(run, &err);
	recorder_close(run->recorder);
	run->recorder = NULL;
	run->stop = true;
}

/* A profile with those stacks only that are wanted, sorted; NULL, and said why. */
static struct profile *look(struct run *run, unsigned i, bool final)
{
	struct err err = ERR_INIT;
	struct profile *profile = target_trace_profile(run->targets[i], &err);

	if (!profile) {
		complain(run, &err);
		return NULL;
	}
	judge(profile);
	target_trace_explain(run->targets[i], judge_explained(profile));
	remember(&run->said[i], profile->verdict);
	keep(run, profile, final);
	profile_select(profile, run->options->modules, run->options->n_modules);
	return profile;
}

/* The target may have ended: then its files are gone with its root. */
static void add_sources(const struct run *run, struct profile *profile)
{
	if (run->options->source)
		source_files_read(profile, sources_collect(profile), profile->target.pid);
}

static void report(struct run *run, unsigned i, bool final)
{
	struct profile *profile = look(run, i, final);

	if (!profile)
		return;
	profile_group(profile, run->options->group_by, run->options->trace.order);
	add_sources(run, profile);
	show(run, profile, final);
	profile_free(profile);
}

/* Make a new profile; of a target that is gone the last one is kept. */
static void renew(struct run *run, unsigned i)
{
	struct profile *profile = look(run, i, false);

	if (!profile)
		return;
	profile_free(run->looks[i]);
	run->looks[i] = profile;
}

/* One report on all targets, those that have ended included. */
static void report_joined(struct run *run, bool final)
{
	const struct profile *looks[TRACE_MAX_PIDS];
	struct err err = ERR_INIT;
	struct profile *joined;
	size_t n = 0;

	for (unsigned i = 0; i < run->n_targets; i++) {
		if (!run->ended[i])
			renew(run, i);
		if (run->looks[i])
			looks[n++] = run->looks[i];
	}
	if (n == 0)
		return;
	joined = profile_join(looks, n);
	if (!joined) {
		err_set(&err, ERR_FAILED, "out of memory");
		complain(run, &err);
		return;
	}
	profile_sort(joined, run->options->trace.order);
	profile_group(joined, run->options->group_by, run->options->trace.order);
	add_sources(run, joined);
	show(run, joined, final);
	profile_free(joined);
}

/* The last words on a target: recording stops, the report is made, files are written. */
static void finish(struct run *run, unsigned i)
{
	if (run->ended[i])
		return;
	run->ended[i] = true;
	target_trace_stop(run->targets[i]);
	if (options_join(run->options))
		renew(run, i);
	else
		report(run, i, true);
}

static void finish_all(struct run *run)
{
	for (unsigned i = 0; i < run->n_targets; i++)
		finish(run, i);
	if (options_join(run->options))
		report_joined(run, true);
}

/* Who is not traced replaces itself in silence. */
static void finish_ended(struct run *run)
{
	for (unsigned i = 0; i < run->n_targets; i++) {
		if (run->ended[i] || !target_trace_ended(run->targets[i]))
			continue;
		epoll_ctl(run->epoll, EPOLL_CTL_DEL, target_trace_pidfd(run->targets[i]), NULL);
		finish(run, i);
	}
}

static void report_all(struct run *run)
{
	finish_ended(run);
	if (options_join(run->options)) {
		report_joined(run, false);
		return;
	}
	for (unsigned i = 0; i < run->n_targets; i++)
		if (!run->ended[i])
			report(run, i, false);
}

/* ---- what may happen ------------------------------------------------------------------------ */

static int add_source(struct run *run, int fd, enum source source, unsigned index)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | index};

	return epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int add_timer(struct run *run, uint64_t first_ns, uint64_t interval_ns, enum source source)
{
	const struct itimerspec spec = {
		.it_value = {(time_t)(first_ns / 1000000000u), (long)(first_ns % 1000000000u)},
		.it_interval = {(time_t)(interval_ns / 1000000000u),
				(long)(interval_ns % 1000000000u)},
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &spec, NULL))
		return -1;
	return add_source(run, fd, source, (unsigned)fd);
}

static void on_signal(struct run *run)
{
	struct signalfd_siginfo info;

	if (read(run->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGUSR1:
		report_all(run);
		break;
	case SIGUSR2:
		for (unsigned i = 0; i < run->n_targets; i++)
			target_trace_baseline(run->targets[i]);
		break;
	default:
		run->stop = true;
	}
}

static void on_interval(struct run *run)
{
	/* the final report of -d is due in a moment: one report, not two */
	if (run->deadline_ns && clock_now_ns() + 50000000u >= run->deadline_ns)
		return;
	run->n_reports++;
	if (run->options->count && run->n_reports >= run->options->count)
		run->stop = true;
	else
		report_all(run);
}

static void on_live(struct run *run)
{
	char line[LIVE_LINE_MAX];
	struct live_state state;

	for (unsigned i = 0; i < run->n_targets; i++) {
		if (run->ended[i])
			continue;
		target_trace_live(run->targets[i], &state);
		state.verdict = run->said[i].verdict;
		state.in_use_growth_per_s = run->said[i].in_use_growth_per_s;
		state.looking = run->said[i].looking;
		if (run->deadline_ns)
			state.left_s = ((double)run->deadline_ns - (double)clock_now_ns()) / 1e9;
		live_line_draw(stderr, live_line(&state, document_width(), line, sizeof(line)));
		break;
	}
}

/* A target has something new: names to read, or its end. */
static void on_target(struct run *run, unsigned index)
{
	target_trace_events(run->targets[index]);
	finish_ended(run);
}

/* -X on-limit=stop: what is known is reported, and the exit code says why. */
static void on_limit(struct run *run, unsigned index)
{
	if (!run->options->quiet)
		fprintf(stderr,
			"pyleaktrace: pid %d: tracing everything would cost more than %.3g %% of "
			"its own work: stopped\n",
			target_trace_pid(run->targets[index]),
			run->options->trace.max_overhead * 100);
	run->stop = true;
	if (run->result == 0)
		run->result = ERR_THRESHOLD;
}

static bool all_ended(const struct run *run)
{
	for (unsigned i = 0; i < run->n_targets; i++)
		if (!run->ended[i])
			return false;
	return true;
}

static void dispatch(struct run *run, const struct epoll_event *event)
{
	unsigned index = (unsigned)(event->data.u64 & 0xffffffff);
	enum source source = (enum source)(event->data.u64 >> 32);
	uint64_t expirations;

	if (source == SOURCE_INTERVAL || source == SOURCE_DEADLINE || source == SOURCE_LIVE)
		if (read((int)index, &expirations, sizeof(expirations)) != sizeof(expirations))
			return;
	switch (source) {
	case SOURCE_SIGNAL:
		on_signal(run);
		break;
	case SOURCE_INTERVAL:
		on_interval(run);
		break;
	case SOURCE_DEADLINE:
		run->stop = true;
		break;
	case SOURCE_LIVE:
		on_live(run);
		break;
	case SOURCE_LIMIT:
		on_limit(run, index);
		break;
	case SOURCE_EVENTS:
	case SOURCE_END:
		on_target(run, index);
		break;
	}
}

static int prepare_sources(struct run *run, struct err *err)
{
	const struct options *options = run->options;
	int result = add_source(run, run->signals, SOURCE_SIGNAL, 0);

	for (unsigned i = 0; i < run->n_targets && !result; i++) {
		if (target_trace_events_fd(run->targets[i]) >= 0)
			result = add_source(run, target_trace_events_fd(run->targets[i]),
					    SOURCE_EVENTS, i);
		if (!result && target_trace_limit_fd(run->targets[i]) >= 0)
			result = add_source(run, target_trace_limit_fd(run->targets[i]),
					    SOURCE_LIMIT, i);
		if (!result)
			result =
				add_source(run, target_trace_pidfd(run->targets[i]), SOURCE_END, i);
	}
	if (!result)
		result =
			add_timer(run, options->interval_ns, options->interval_ns, SOURCE_INTERVAL);
	if (!result && options->duration_ns) {
		run->deadline_ns = clock_now_ns() + options->duration_ns;
		result = add_timer(run, options->duration_ns, 0, SOURCE_DEADLINE);
	}
	if (!result && run->live)
		result = add_timer(run, 1000000000u, 1000000000u, SOURCE_LIVE);
	return result ? err_set(err, ERR_FAILED, "epoll: %s", strerror(errno)) : 0;
}

/* ---- the command ---------------------------------------------------------------------------- */

/* Signals are read from a descriptor, so that a report is never interrupted in the middle. */
static int take_signals(struct run *run, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (run->epoll < 0)
		return err_set(err, ERR_FAILED, "epoll: %s", strerror(errno));
	run->signals = signals_take(&set, err);
	return run->signals < 0 ? run->signals : 0;
}

static int open_targets(struct run *run, struct err *err)
{
	for (unsigned i = 0; i < run->options->trace.n_pids; i++) {
		int result = target_trace_open(&run->targets[i], run->options->trace.pids[i],
					       &run->options->trace, &run->features, err);

		if (result)
			return result;
		run->n_targets++;
		/* with a machine's format standard output holds that and nothing else */
		if (!run->options->quiet)
			fprintf(options_machine(run->options) ? stderr : stdout,
				"Attaching to pid %d (CPython %s), Ctrl+C to quit.\n",
				target_trace_pid(run->targets[i]),
				target_trace_python(run->targets[i]));
		fflush(stdout);
	}
	return 0;
}

static void wait(struct run *run)
{
	while (!run->stop && !all_ended(run)) {
		struct epoll_event events[16];
		int n = epoll_wait(run->epoll, events, 16, -1);

		if (n < 0 && errno != EINTR)
			break;
		for (int i = 0; i < n && !run->stop; i++)
			dispatch(run, &events[i]);
	}
	finish_all(run);
}

static int open_recording(struct run *run, struct err *err)
{
	const struct options *options = run->options;
	char path[PATH_MAX];
	int result;

	if (!options->recording)
		return 0;
	result = outfile_name(options->recording, options_pid(options), time(NULL), path,
			      sizeof(path), err);
	if (result)
		return err_prefix(err, "--output: ");
	run->recorder = recorder_open(path, err);
	if (!run->recorder)
		return -(int)err->code;
	run->begun_ns = clock_now_ns();
	if (!options->quiet)
		fprintf(stderr, "pyleaktrace: recording to %s\n", path);
	return 0;
}

int command_trace(const struct options *options)
{
	struct run *run = calloc(1, sizeof(*run));
	struct err err = ERR_INIT;
	int result;

	if (!run)
		return ERR_FAILED;
	run->options = options;
	run->live = isatty(STDERR_FILENO) && !options->quiet;
	run->result = document_check(options);
	if (run->result) {
		result = run->result;
		free(run);
		return result;
	}
	result = open_recording(run, &err);
	if (!result)
		result = take_signals(run, &err);
	if (!result) {
		prober_start();
		features_detect(&run->features);
		result = open_targets(run, &err);
	}
	for (unsigned i = 0; i < run->n_targets && !result; i++) {
		target_trace_start(run->targets[i]);
		run->said[i].looking = options->trace.heap_scan;
		if (!run->options->quiet)
			fprintf(stderr,
				target_trace_traced(run->targets[i])
					? "pyleaktrace: tracing pid %d\n"
					: "pyleaktrace: scanning the heap of pid %d\n",
				target_trace_pid(run->targets[i]));
	}
	if (!result)
		result = prepare_sources(run, &err);
	if (result)
		complain(run, &err);
	else
		wait(run);
	for (unsigned i = 0; i < run->n_targets; i++) {
		int code = target_trace_close(run->targets[i]);

		profile_free(run->looks[i]);
		if (run->result == 0)
			run->result = code;
	}
	recorder_close(run->recorder);
	prober_stop();
	result = run->result;
	free(run);
	return result;
}
