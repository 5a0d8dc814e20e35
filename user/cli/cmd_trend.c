/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "census/describe.h"
#include "census/heap_target.h"
#include "cli/document.h"
#include "cli/signals.h"
#include "cli/wait_for.h"
#include "trace/trend_look.h"
#include "view/trend_text.h"

struct run {
	const struct options *options;
	struct heap_target heap;
	struct trend_recorder recorder;
	int signals;
	uint64_t n_looks;
	bool stop;
	int result;
};

static void complain(struct run *run, const struct err *err)
{
	fprintf(stderr, "pyleaktrace: %s\n", err->text);
	if (!run->result)
		run->result = err->code;
}

/* ---- reports -------------------------------------------------------------------------------- */

/* last: to the files too, and in a machine's format to standard output */
static void report(struct run *run, bool last)
{
	const struct options *options = run->options;
	struct profile *about = describe_target(run->heap.target);
	const struct document document = {
		.kind = DOCUMENT_TREND, .profile = about, .trend = run->recorder.trend};
	struct err err = ERR_INIT;
	int code = 0;

	trend_recorder_evaluate(&run->recorder);
	if (!about) {
		err_set(&err, ERR_FAILED, "no memory for a report");
		complain(run, &err);
		return;
	}
	about->duration_s = trend_span_s(run->recorder.trend);
	if (about->target.end != TARGET_RUNS) {
		/* as it was when it was last looked at */
		about->target.rss_bytes = run->recorder.trend->rows[TREND_RSS].last;
		about->target.threads = (unsigned)run->recorder.trend->rows[TREND_THREADS].last;
	}
	if (document_is_due(options, last))
		code = document_print(&document, options);
	if (last && !code)
		code = document_save(&document, options);
	if (!run->result)
		run->result = code;
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
	trend_recorder_look(&run->recorder, scan);
	heap_scan_free(scan);
	if (!process_alive(&run->heap.target->process)) {
		run->stop = true;
		return;
	}
	run->n_looks++;
	if (!options_machine(run->options))
		trend_text_look(stdout, run->recorder.trend, time(NULL));
	else if (!run->options->quiet)
		fprintf(stderr, "pyleaktrace: look %llu at pid %d\n",
			(unsigned long long)run->n_looks, (int)run->heap.target->process.pid);
	fflush(stdout);
	run->stop |= run->options->count && run->n_looks >= run->options->count;
}

static void on_signal(struct run *run, int signal)
{
	switch (signal) {
	case SIGUSR1:
		look(run);
		if (!run->stop)
			report(run, false);
		break;
	case SIGUSR2:
		trend_recorder_forget(&run->recorder);
		look(run);
		break;
	default:
		run->stop = true;
	}
}

static void loop(struct run *run)
{
	struct waits waits = {run->signals, run->heap.target->process.pidfd, -1, 0};
	uint64_t start = clock_now_ns(), next = start;
	uint64_t end = run->options->duration_ns ? start + run->options->duration_ns : UINT64_MAX;

	while (!run->stop) {
		switch (wait_for(&waits, next < end ? next : end)) {
		case WAIT_TIME:
			look(run);
			run->stop |= clock_now_ns() >= end;
			while (next <= clock_now_ns())
				next += run->options->interval_ns;
			break;
		case WAIT_SIGNAL:
			on_signal(run, waits.signal);
			break;
		default:
			run->stop = true;
		}
	}
}

/* ---- the command ---------------------------------------------------------------------------- */

int command_trend(const struct options *options)
{
	struct run *run = calloc(1, sizeof(*run));
	struct err err = ERR_INIT;
	int result = 0;

	if (!run)
		return ERR_FAILED;
	run->options = options;
	run->signals = -1;
	run->result = document_check(options);
	if (!run->result) {
		run->signals = signals_take_usual(true, &err);
		result = run->signals < 0 ? run->signals : 0;
		/* a line for each look says how far it is */
		if (!result)
			result = heap_target_open(&run->heap, options_pid(options), &err);
		if (!result)
			result = trend_recorder_open(&run->recorder, &run->heap.target->process,
						     &run->heap.target->runtime, &err);
		if (result)
			complain(run, &err);
		else
			loop(run);
	}
	if (run->n_looks)
		report(run, true);
	result = run->result;
	trend_recorder_close(&run->recorder);
	heap_target_close(&run->heap);
	if (run->signals >= 0)
		close(run->signals);
	free(run);
	return result;
}
