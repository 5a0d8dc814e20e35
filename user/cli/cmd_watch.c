/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The main command: attach, report every INTERVAL, end with a final report. One thread waits for
 * whatever comes first: the interval, a signal, a new stack, the end of a target.
 */
#include "cli/commands.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/options.h"
#include "export/outputs.h"
#include "cli/signals.h"
#include "trace/target_trace.h"
#include "model/group.h"
#include "model/join.h"
#include "probe/prober.h"
#include "target/remote_handle.h"
#include "view/live_line.h"
#include "view/report.h"

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

struct watch {
	struct options options;
	struct features features;
	struct target_trace *targets[TRACE_MAX_PIDS];
	bool ended[TRACE_MAX_PIDS]; /* final report written, or its final look is in looks */
	struct profile *looks[TRACE_MAX_PIDS]; /* options_join(): the last of each target */
	unsigned n_targets;
	int epoll, signals;
	bool live; /* a terminal waits for us */
	uint64_t n_reports;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
	bool stop;
	bool stdout_failed;
	int result; /* exit code so far */
};

static void complain(struct watch *watch, const struct err *err)
{
	if (watch->live)
		live_line_erase(stderr);
	fprintf(stderr, "pyleaktrace: %s\n", err->text);
	if (watch->result == 0)
		watch->result = err->code;
}

static unsigned terminal_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
										     : 0;
}

/* ---- reports -------------------------------------------------------------------------------- */

/* What standard output or one file is to show. */
struct document {
	const struct profile *profile;
	const struct exporter *format; /* NULL: text */
	struct report_options text;
};

static int write_document(FILE *out, const void *context, struct err *err)
{
	const struct document *document = context;

	if (document->format && document->format->write)
		return exporter_write(document->format, out, document->profile, err);
	report_text(out, document->profile, &document->text);
	return 0;
}

/* A reader that went away (head) ends the watch quietly; a full disk does not. */
static void check_stdout(struct watch *watch)
{
	struct err err = ERR_INIT;

	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	watch->stop = true;
	if (errno == EPIPE || watch->stdout_failed)
		return;
	watch->stdout_failed = true;
	err_set(&err, ERR_FAILED, "standard output: %s", strerror(errno));
	complain(watch, &err);
}

/* Write a complete profile to where it is wanted. */
static void show(struct watch *watch, const struct profile *profile, bool final)
{
	struct document document = {
		.profile = profile,
		.format = watch->options.format,
		.text = {.top = watch->options.top,
			 .color = outputs_want_color(watch->options.no_color),
			 .width = terminal_width(),
			 .quiet = watch->options.quiet,
			 .all_frames = watch->options.trace.verbose > 0},
	};
	struct err err = ERR_INIT;

	if (watch->live)
		live_line_erase(stderr);
	/* a machine's format on standard output is one document: the final report */
	if (!watch->options.format || final) {
		if (watch->n_targets > 1 && !profile->n_targets)
			printf("pid %d (CPython %s):\n", profile->target.pid,
			       profile->target.python);
		if (write_document(stdout, &document, &err))
			complain(watch, &err);
	}
	check_stdout(watch);
	/* a file is no terminal, and has everything */
	document.text.color = document.text.quiet = false;
	document.text.width = 0;
	for (unsigned i = 0; final && i < watch->options.n_outputs; i++) {
		document.format = watch->options.outputs[i].format;
		if (outputs_write(watch->options.outputs[i].pattern, profile->target.pid,
				  profile->time.tv_sec, write_document, &document, &err))
			complain(watch, &err);
	}
}

/* A profile with those stacks only that are wanted, sorted; NULL, and said why. */
static struct profile *look(struct watch *watch, struct target_trace *target)
{
	struct err err = ERR_INIT;
	struct profile *profile = target_trace_profile(target, &err);

	if (profile)
		profile_select(profile, watch->options.modules, watch->options.n_modules);
	else
		complain(watch, &err);
	return profile;
}

static void report(struct watch *watch, struct target_trace *target, bool final)
{
	struct profile *profile = look(watch, target);

	if (!profile)
		return;
	profile_group(profile, watch->options.group_by, watch->options.trace.order);
	show(watch, profile, final);
	profile_free(profile);
}

/* Look anew; what was seen of a target that cannot be looked at any more is kept. */
static void renew(struct watch *watch, unsigned i)
{
	struct profile *profile = look(watch, watch->targets[i]);

	if (!profile)
		return;
	profile_free(watch->looks[i]);
	watch->looks[i] = profile;
}

/* One report on all targets, those that have ended included. */
static void report_joined(struct watch *watch, bool final)
{
	const struct profile *looks[TRACE_MAX_PIDS];
	struct err err = ERR_INIT;
	struct profile *joined;
	size_t n = 0;

	for (unsigned i = 0; i < watch->n_targets; i++) {
		if (!watch->ended[i])
			renew(watch, i);
		if (watch->looks[i])
			looks[n++] = watch->looks[i];
	}
	if (n == 0)
		return;
	joined = profile_join(looks, n);
	if (!joined) {
		err_set(&err, ERR_FAILED, "out of memory");
		complain(watch, &err);
		return;
	}
	profile_sort(joined, watch->options.trace.order);
	profile_group(joined, watch->options.group_by, watch->options.trace.order);
	show(watch, joined, final);
	profile_free(joined);
}

/* The last words on a target: recording stops, the report is made, files are written. */
static void finish(struct watch *watch, unsigned i)
{
	if (watch->ended[i])
		return;
	watch->ended[i] = true;
	target_trace_stop(watch->targets[i]);
	if (options_join(&watch->options))
		renew(watch, i);
	else
		report(watch, watch->targets[i], true);
}

static void finish_all(struct watch *watch)
{
	for (unsigned i = 0; i < watch->n_targets; i++)
		finish(watch, i);
	if (options_join(&watch->options))
		report_joined(watch, true);
}

/* Who is not traced replaces itself in silence. */
static void finish_ended(struct watch *watch)
{
	for (unsigned i = 0; i < watch->n_targets; i++) {
		if (watch->ended[i] || !target_trace_ended(watch->targets[i]))
			continue;
		epoll_ctl(watch->epoll, EPOLL_CTL_DEL, target_trace_pidfd(watch->targets[i]), NULL);
		finish(watch, i);
	}
}

static void report_all(struct watch *watch)
{
	finish_ended(watch);
	if (options_join(&watch->options)) {
		report_joined(watch, false);
		return;
	}
	for (unsigned i = 0; i < watch->n_targets; i++)
		if (!watch->ended[i])
			report(watch, watch->targets[i], false);
}

/* ---- what may happen ------------------------------------------------------------------------ */

static int add_source(struct watch *watch, int fd, enum source source, unsigned index)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | index};

	return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int add_timer(struct watch *watch, uint64_t first_ns, uint64_t interval_ns,
		     enum source source)
{
	const struct itimerspec spec = {
		.it_value = {(time_t)(first_ns / 1000000000u), (long)(first_ns % 1000000000u)},
		.it_interval = {(time_t)(interval_ns / 1000000000u),
				(long)(interval_ns % 1000000000u)},
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &spec, NULL))
		return -1;
	return add_source(watch, fd, source, (unsigned)fd);
}

static void on_signal(struct watch *watch)
{
	struct signalfd_siginfo info;

	if (read(watch->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGUSR1:
		report_all(watch);
		break;
	case SIGUSR2:
		for (unsigned i = 0; i < watch->n_targets; i++)
			target_trace_baseline(watch->targets[i]);
		break;
	default:
		watch->stop = true;
	}
}

static void on_interval(struct watch *watch)
{
	/* the final report of -d is due in a moment: one report, not two */
	if (watch->deadline_ns && clock_now_ns() + 50000000u >= watch->deadline_ns)
		return;
	watch->n_reports++;
	if (watch->options.count && watch->n_reports >= watch->options.count)
		watch->stop = true;
	else
		report_all(watch);
}

static void on_live(struct watch *watch)
{
	char line[LIVE_LINE_MAX];
	struct live_state state;

	for (unsigned i = 0; i < watch->n_targets; i++) {
		if (watch->ended[i])
			continue;
		target_trace_live(watch->targets[i], &state);
		if (watch->deadline_ns)
			state.left_s = ((double)watch->deadline_ns - (double)clock_now_ns()) / 1e9;
		live_line_draw(stderr, live_line(&state, terminal_width(), line, sizeof(line)));
		break;
	}
}

/* A target has something new: names to read, or its end. */
static void on_target(struct watch *watch, unsigned index)
{
	target_trace_events(watch->targets[index]);
	finish_ended(watch);
}

/* --on-limit stop: what is known is reported, and the exit code says why. */
static void on_limit(struct watch *watch, unsigned index)
{
	if (!watch->options.quiet)
		fprintf(stderr,
			"pyleaktrace: pid %d: tracing everything would cost more than %.3g %% of "
			"its own "
			"work: ended\n",
			target_trace_pid(watch->targets[index]),
			watch->options.trace.max_overhead * 100);
	watch->stop = true;
	if (watch->result == 0)
		watch->result = ERR_THRESHOLD;
}

static bool all_ended(const struct watch *watch)
{
	for (unsigned i = 0; i < watch->n_targets; i++)
		if (!watch->ended[i])
			return false;
	return true;
}

static void dispatch(struct watch *watch, const struct epoll_event *event)
{
	unsigned index = (unsigned)(event->data.u64 & 0xffffffff);
	enum source source = (enum source)(event->data.u64 >> 32);
	uint64_t expirations;

	if (source == SOURCE_INTERVAL || source == SOURCE_DEADLINE || source == SOURCE_LIVE)
		if (read((int)index, &expirations, sizeof(expirations)) != sizeof(expirations))
			return;
	switch (source) {
	case SOURCE_SIGNAL:
		on_signal(watch);
		break;
	case SOURCE_INTERVAL:
		on_interval(watch);
		break;
	case SOURCE_DEADLINE:
		watch->stop = true;
		break;
	case SOURCE_LIVE:
		on_live(watch);
		break;
	case SOURCE_LIMIT:
		on_limit(watch, index);
		break;
	case SOURCE_EVENTS:
	case SOURCE_END:
		on_target(watch, index);
		break;
	}
}

static int prepare_sources(struct watch *watch, struct err *err)
{
	const struct options *options = &watch->options;
	int result = add_source(watch, watch->signals, SOURCE_SIGNAL, 0);

	for (unsigned i = 0; i < watch->n_targets && !result; i++) {
		if (target_trace_events_fd(watch->targets[i]) >= 0)
			result = add_source(watch, target_trace_events_fd(watch->targets[i]),
					    SOURCE_EVENTS, i);
		if (!result && target_trace_limit_fd(watch->targets[i]) >= 0)
			result = add_source(watch, target_trace_limit_fd(watch->targets[i]),
					    SOURCE_LIMIT, i);
		if (!result)
			result = add_source(watch, target_trace_pidfd(watch->targets[i]),
					    SOURCE_END, i);
	}
	if (!result)
		result = add_timer(watch, options->interval_ns, options->interval_ns,
				   SOURCE_INTERVAL);
	if (!result && options->duration_ns) {
		watch->deadline_ns = clock_now_ns() + options->duration_ns;
		result = add_timer(watch, options->duration_ns, 0, SOURCE_DEADLINE);
	}
	if (!result && watch->live)
		result = add_timer(watch, 1000000000u, 1000000000u, SOURCE_LIVE);
	return result ? err_set(err, ERR_FAILED, "epoll: %s", strerror(errno)) : 0;
}

/* ---- the command ---------------------------------------------------------------------------- */

/* An output that cannot be written is said before the target is touched. */
static int check_outputs(const struct watch *watch, struct err *err)
{
	int result = 0;

	for (unsigned i = 0; i < watch->options.n_outputs && !result; i++)
		result = outputs_check(watch->options.outputs[i].pattern,
				       watch->options.trace.pids[0], err);
	return result;
}

/* Signals are read from a descriptor, so that a report is never interrupted in the middle. */
static int take_signals(struct watch *watch, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	watch->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (watch->epoll < 0)
		return err_set(err, ERR_FAILED, "epoll: %s", strerror(errno));
	watch->signals = signals_take(&set, err);
	return watch->signals < 0 ? watch->signals : 0;
}

static int open_targets(struct watch *watch, struct err *err)
{
	for (unsigned i = 0; i < watch->options.trace.n_pids; i++) {
		int result = target_trace_open(&watch->targets[i], watch->options.trace.pids[i],
					       &watch->options.trace, &watch->features, err);

		if (result)
			return result;
		watch->n_targets++;
		/* with a machine's format standard output holds that and nothing else */
		if (!watch->options.quiet)
			fprintf(watch->options.format ? stderr : stdout,
				"Attaching to pid %d (CPython %s), Ctrl+C to quit.\n",
				target_trace_pid(watch->targets[i]),
				target_trace_python(watch->targets[i]));
		fflush(stdout);
	}
	return 0;
}

static void run(struct watch *watch)
{
	while (!watch->stop && !all_ended(watch)) {
		struct epoll_event events[16];
		int n = epoll_wait(watch->epoll, events, 16, -1);

		if (n < 0 && errno != EINTR)
			break;
		for (int i = 0; i < n && !watch->stop; i++)
			dispatch(watch, &events[i]);
	}
	finish_all(watch);
}

int command_watch(int argc, char **argv)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	struct err err = ERR_INIT;
	int result;

	if (!watch)
		return ERR_FAILED;
	switch (options_parse(&watch->options, argc, argv)) {
	case OPTIONS_DONE:
		free(watch);
		return 0;
	case OPTIONS_WRONG:
		free(watch);
		return ERR_USAGE;
	case OPTIONS_RUN:
		break;
	}
	watch->live = isatty(STDERR_FILENO) && !watch->options.quiet;
	result = check_outputs(watch, &err);
	if (!result)
		result = take_signals(watch, &err);
	if (!result) {
		prober_start();
		features_detect(&watch->features);
		result = open_targets(watch, &err);
	}
	for (unsigned i = 0; i < watch->n_targets && !result; i++) {
		target_trace_start(watch->targets[i]);
		if (!watch->options.quiet)
			fprintf(stderr,
				target_trace_traced(watch->targets[i])
					? "pyleaktrace: tracing pid %d\n"
					: "pyleaktrace: looking at the heap of pid %d\n",
				target_trace_pid(watch->targets[i]));
	}
	if (!result)
		result = prepare_sources(watch, &err);
	if (result)
		complain(watch, &err);
	else
		run(watch);
	for (unsigned i = 0; i < watch->n_targets; i++) {
		int code = target_trace_close(watch->targets[i]);

		profile_free(watch->looks[i]);
		if (watch->result == 0)
			watch->result = code;
	}
	prober_stop();
	result = watch->result;
	free(watch);
	return result;
}
