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
#include "census/describe.h"
#include "census/heap_target.h"
#include "export/outputs.h"
#include "cli/signals.h"
#include "trace/trend_look.h"
#include "export/trend_json.h"
#include "view/trend_text.h"

struct run {
	const struct heap_options *options;
	struct heap_target heap;
	struct trend_watch watch;
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

/* ---- reports -------------------------------------------------------------------------------- */

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
	struct profile *about = describe_target(run->heap.target);
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
		if (outputs_write(options->outputs[i].pattern, run->heap.target->process.pid,
				  about->time.tv_sec, write_document, &document, &err))
			complain(run, &err);
	}
	profile_free(about);
}

/* ---- looks ---------------------------------------------------------------------------------- */

static void look(struct run *run)
{
	struct err err = ERR_INIT;
	struct heap_scan *scan = census_scan(run->heap.census, &err);

	/* a heap that cannot be read leaves the rest of the trend */
	if (!scan && process_alive(&run->heap.target->process))
		complain(run, &err);
	trend_watch_look(&run->watch, scan);
	heap_scan_free(scan);
	if (!process_alive(&run->heap.target->process)) {
		run->stop = true;
		return;
	}
	run->n_looks++;
	if (!run->options->json)
		trend_text_look(stdout, run->watch.trend, time(NULL));
	else if (!run->options->quiet)
		fprintf(stderr, "pyleaktrace: look %llu at pid %d\n",
			(unsigned long long)run->n_looks, (int)run->heap.target->process.pid);
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
				   {.fd = run->heap.target->process.pidfd, .events = POLLIN}};
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

/* ---- the command ---------------------------------------------------------------------------- */

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
	if (!result) {
		run->signals = signals_take_usual(true, &err);
		result = run->signals < 0 ? run->signals : 0;
	}
	/* a line for each look says how far it is */
	if (!result)
		result = heap_target_open(&run->heap, options->pid, &err);
	if (!result)
		result = trend_watch_open(&run->watch, &run->heap.target->process,
					  &run->heap.target->runtime, &err);
	if (result) {
		complain(run, &err);
	} else {
		loop(run);
		if (run->n_looks)
			report(run, true);
	}
	result = run->result;
	trend_watch_close(&run->watch);
	heap_target_close(&run->heap);
	if (run->signals >= 0)
		close(run->signals);
	free(run);
	return result;
}
