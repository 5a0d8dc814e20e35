/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/heap_trend.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "census/scan.h"
#include "cli/describe.h"
#include "cli/outputs.h"
#include "cli/trend_look.h"
#include "export/trend_json.h"
#include "view/trend_text.h"

struct run {
	const struct heap_options *options;
	struct process process;
	struct py_runtime runtime;
	struct census *census;
	struct trend_watch watch;
	bool have_process, have_runtime;
	int signals;
	uint64_t n_looks;
	bool stop;
	int result;
};

/* What one file or standard output is to show. */
struct document {
	const struct run *run;
	const struct profile *about;
	bool json, color;
};

static void complain(struct run *run, const struct err *err)
{
	fprintf(stderr, "pyleaktrace: %s\n", err->text);
	if (!run->result)
		run->result = err->code;
}

/* ---- reports --------------------------------------------------------------------------------- */

static int write_document(FILE *out, const void *context, struct err *err)
{
	const struct document *document = context;
	const struct trend_text_options text = {.top = document->run->options->top,
						.color = document->color,
						.quiet = document->run->options->quiet};

	if (document->json)
		return export_trend_json(out, document->about, document->run->watch.trend, err);
	trend_text(out, document->about, document->run->watch.trend, &text);
	return 0;
}

/* last: to the files too, and in a machine's format to standard output */
static void report(struct run *run, bool last)
{
	const struct heap_options *options = run->options;
	struct profile *about = describe_target(&run->process, &run->runtime);
	struct document document = {.run = run,
				    .about = about,
				    .json = options->json,
				    .color = outputs_want_color(options->no_color)};
	struct err err = ERR_INIT;

	trend_watch_settle(&run->watch);
	if (!about) {
		err_set(&err, ERR_FAILED, "no memory for a report");
		complain(run, &err);
		return;
	}
	about->duration_s = trend_span_s(run->watch.trend);
	if ((last || !options->json) && write_document(stdout, &document, &err))
		complain(run, &err);
	fflush(stdout);
	document.color = false;
	for (unsigned i = 0; last && i < options->n_outputs; i++) {
		document.json = options->outputs[i].json;
		if (outputs_write(options->outputs[i].pattern, run->process.pid, about->time.tv_sec,
				  write_document, &document, &err))
			complain(run, &err);
	}
	profile_free(about);
}

/* ---- looks ----------------------------------------------------------------------------------- */

static void look(struct run *run)
{
	struct err err = ERR_INIT;
	struct heap_scan *scan = census_scan(run->census, &err);

	/* a heap that cannot be read leaves the rest of the trend */
	if (!scan && process_alive(&run->process))
		complain(run, &err);
	trend_watch_look(&run->watch, scan);
	heap_scan_free(scan);
	if (!process_alive(&run->process)) {
		run->stop = true;
		return;
	}
	run->n_looks++;
	if (!run->options->json)
		trend_text_look(stdout, run->watch.trend, time(NULL));
	else if (!run->options->quiet)
		fprintf(stderr, "pyleaktrace: look %llu at pid %d\n",
			(unsigned long long)run->n_looks, (int)run->process.pid);
	fflush(stdout);
	run->stop |= run->options->count && run->n_looks >= run->options->count;
}

static void on_signal(struct run *run)
{
	struct signalfd_siginfo info;

	if (read(run->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGUSR1:
		look(run);
		if (!run->stop)
			report(run, false);
		break;
	case SIGUSR2:
		trend_watch_forget(&run->watch);
		look(run);
		break;
	default:
		run->stop = true;
	}
}

static void loop(struct run *run)
{
	struct pollfd sources[] = {{.fd = run->signals, .events = POLLIN},
				   {.fd = run->process.pidfd, .events = POLLIN}};
	uint64_t start = clock_now_ns(), next = start;
	uint64_t end = run->options->duration_ns ? start + run->options->duration_ns : UINT64_MAX;

	while (!run->stop) {
		uint64_t now = clock_now_ns(), until = next < end ? next : end;
		uint64_t left = until > now ? until - now : 0;
		struct timespec wait = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
		int n = ppoll(sources, 2, &wait, NULL);

		if (n < 0 && errno != EINTR)
			break;
		if (sources[1].revents || ferror(stdout)) {
			run->stop = true;
		} else if (n > 0) {
			on_signal(run);
		} else if (!n) {
			look(run);
			run->stop |= clock_now_ns() >= end;
			while (next <= clock_now_ns())
				next += run->options->interval_ns;
		}
	}
}

/* ---- the command ----------------------------------------------------------------------------- */

static int take_signals(struct run *run, struct err *err)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return err_set(err, ERR_FAILED, "signals: %s", strerror(errno));
	run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signals < 0 ? err_set(err, ERR_FAILED, "signalfd: %s", strerror(errno)) : 0;
}

static int open_target(struct run *run, struct err *err)
{
	int result = process_open(&run->process, run->options->pid, err);

	run->have_process = !result;
	if (!result) {
		result = py_runtime_find(&run->runtime, &run->process, err);
		run->have_runtime = !result;
	}
	if (!result) {
		run->census = census_new(run->process.pid, &run->runtime, err);
		if (!run->census)
			result = -(int)err->code;
	}
	return result ? result : trend_watch_open(&run->watch, &run->process, &run->runtime, err);
}

static void close_all(struct run *run)
{
	trend_watch_close(&run->watch);
	census_free(run->census);
	if (run->have_runtime)
		py_runtime_fini(&run->runtime);
	if (run->have_process)
		process_close(&run->process);
	if (run->signals >= 0)
		close(run->signals);
}

int heap_trend(const struct heap_options *options)
{
	struct run *run = calloc(1, sizeof(*run));
	struct err err = ERR_INIT;
	int result = 0;

	if (!run)
		return ERR_FAILED;
	run->options = options;
	run->signals = -1;
	for (unsigned i = 0; i < options->n_outputs && !result; i++)
		result = outputs_check(options->outputs[i].pattern, options->pid, &err);
	if (!result)
		result = take_signals(run, &err);
	if (!result)
		result = open_target(run, &err);
	if (result) {
		complain(run, &err);
	} else {
		loop(run);
		if (run->n_looks)
			report(run, true);
	}
	result = run->result;
	close_all(run);
	free(run);
	return result;
}
