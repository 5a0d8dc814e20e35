/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap: types by count and bytes. growth: which of them grow, and which named containers.
 *
 * growth keeps the scans of the last TIME: one every TIME / GROWTH_PARTS, and one for each USR1.
 * One thread waits for whatever comes first: the next scan, the next report, a signal, the end of
 * the target.
 */
#include "cli/commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fmt.h"
#include "census/growth.h"
#include "census/scan.h"
#include "cli/document.h"
#include "cli/heap_held.h"
#include "cli/heap_report.h"
#include "census/heap_target.h"
#include "cli/heap_progress.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "cli/wait_for.h"

#define GROWTH_PARTS 6
#define NEVER        UINT64_MAX

struct look {
	const struct options *options;
	struct heap_target heap;
	struct heap_progress progress;
	struct heap_scan *scans[GROWTH_SCANS_MAX]; /* oldest first */
	size_t n_scans;
	uint64_t n_made; /* scans */
	uint64_t n_reports;
	bool reported; /* the last scan is in a report */
	int signals;
	/* CLOCK_MONOTONIC */
	uint64_t start_ns, scan_ns, report_ns, end_ns; /* the next ones; NEVER: none */
	struct process_stats last;                     /* at the last scan */
	bool stop;
	bool ended; /* the target has, before the time was over */
	int result; /* exit code */
};

static bool is_growth(const struct look *look)
{
	return look->options->verb == &verbs[VERB_GROWTH];
}

static void complain(struct look *look, const struct err *err)
{
	fprintf(stderr, "pyleaktrace: %s\n", err->text);
	if (!look->result)
		look->result = err->code;
}

/* That the target ends is no failure of what was seen of it. */
static void complain_but_end(struct look *look, const struct err *err)
{
	if (err->code != ERR_TARGET)
		complain(look, err);
}

/* ---- reports -------------------------------------------------------------------------------- */

/* last: to the files too, and in a machine's format to standard output */
static void report(struct look *look, bool last)
{
	const struct options *options = look->options;
	struct heap_report parts = {0};
	struct heap_growth *growth = NULL;
	struct heap_held held = {0};
	struct reach reach = {0};
	struct err err = ERR_INIT;

	if (!look->n_scans)
		return;
	parts.scan = look->scans[look->n_scans - 1];
	if (is_growth(look) && look->n_scans > 1)
		growth = growth_measure(look->scans, look->n_scans);
	parts.growth = growth;
	if (is_growth(look) && process_alive(&look->heap.target->process)) {
		const struct heap_past past = {look->scans, look->n_scans, NULL};

		if (!heap_held_find(&held, &reach, options, &look->heap, &past, &err))
			parts.held = &held;
		else
			complain_but_end(look, &err);
	}
	if ((is_growth(look) && look->n_scans > 1 && !growth) ||
	    heap_report_fill(&parts, options, &look->heap, parts.scan->at_s - look->scans[0]->at_s,
			     growth)) {
		err_set(&err, ERR_FAILED, "no memory for a report");
		complain(look, &err);
	} else {
		heap_report_set_last(&parts, &look->last);
		parts.ended_early = look->ended;
		const struct document document = {
			.kind = DOCUMENT_HEAP, .profile = parts.about, .heap = &parts};
		int code = 0;

		if (options_machine(options) ? last : !last || !look->reported)
			code = document_print(&document, options);
		if (last && !code)
			code = document_save(&document, options);
		if (!look->result)
			look->result = code;
	}
	look->reported = true;
	look->n_reports++;
	heap_report_fini(&parts);
	heap_held_fini(&held);
	reach_fini(&reach);
	heap_growth_free(growth);
}

/* ---- scans ---------------------------------------------------------------------------------- */

static void forget(struct look *look, size_t n)
{
	for (size_t i = 0; i < n; i++)
		heap_scan_free(look->scans[i]);
	look->n_scans -= n;
	memmove(look->scans, look->scans + n, look->n_scans * sizeof(look->scans[0]));
}

/* Scans from before the last TIME are of no use any more; half a step is given. */
static void forget_old(struct look *look, double now_s)
{
	double span = (double)look->options->heap.span_ns / 1e9,
	       oldest = now_s - span - span / GROWTH_PARTS / 2;
	size_t n = 0;

	while (n < look->n_scans && look->scans[n]->at_s < oldest)
		n++;
	if (look->n_scans - n == GROWTH_SCANS_MAX)
		n++;
	forget(look, n);
}

static bool scan(struct look *look)
{
	struct err err = ERR_INIT;
	struct heap_scan *made = NULL;

	if (!look->options->heap.frozen || !heap_target_hold(&look->heap, &err))
		made = census_scan(look->heap.census, &err);
	heap_target_let_go(&look->heap);
	if (!made) {
		if (look->n_scans)
			complain_but_end(look, &err);
		else
			complain(look, &err);
		look->stop = true;
		look->ended = !process_alive(&look->heap.target->process);
		return false;
	}
	heap_report_look(&look->last, &look->heap);
	made->pause_s = look->heap.pause_s;
	forget_old(look, made->at_s);
	look->scans[look->n_scans++] = made;
	look->n_made++;
	look->reported = false;
	if (look->options->trace.verbose)
		fprintf(stderr, "pyleaktrace: read %s in %s, %s; %.1f M objects/s, %.2f GB/s\n",
			fmt_bytes(made->read_bytes).text, fmt_duration(made->duration_s).text,
			fmt_things(made->count, "object").text,
			(double)made->count / made->duration_s / 1e6,
			(double)made->read_bytes / made->duration_s / 1e9);
	if (is_growth(look) && !look->options->quiet)
		fprintf(stderr, "pyleaktrace: scan %llu of pid %d\n",
			(unsigned long long)look->n_made, (int)look->heap.target->process.pid);
	return true;
}

/* ---- what may happen ------------------------------------------------------------------------ */

static void on_signal(struct look *look, int signal)
{
	switch (signal) {
	case SIGUSR1:
		if (scan(look))
			report(look, false);
		break;
	case SIGUSR2:
		forget(look, look->n_scans);
		look->start_ns = clock_now_ns();
		scan(look);
		break;
	default:
		look->stop = true;
	}
}

static void on_time(struct look *look, uint64_t now)
{
	const struct options *options = look->options;
	bool due = now >= look->report_ns;

	if (now >= look->end_ns) {
		scan(look);
		look->stop = true;
		return;
	}
	if (now >= look->scan_ns || due)
		scan(look);
	while (look->scan_ns <= now)
		look->scan_ns += options->heap.span_ns / GROWTH_PARTS;
	if (!due || look->stop)
		return;
	/* the last report is made at the end of run() */
	if (!options->interval_ns || (options->count && look->n_reports + 1 >= options->count)) {
		look->stop = true;
		return;
	}
	report(look, false);
	while (look->report_ns <= now)
		look->report_ns += options->interval_ns;
}

static uint64_t next_ns(const struct look *look)
{
	uint64_t next = look->scan_ns;

	next = look->report_ns < next ? look->report_ns : next;
	return look->end_ns < next ? look->end_ns : next;
}

static void run(struct look *look)
{
	struct waits waits = {look->signals, look->heap.target->process.pidfd, -1, 0};

	look->start_ns = clock_now_ns();
	look->scan_ns = look->start_ns + look->options->heap.span_ns / GROWTH_PARTS;
	look->report_ns = look->start_ns + look->options->heap.span_ns;
	look->end_ns =
		look->options->duration_ns ? look->start_ns + look->options->duration_ns : NEVER;
	while (!look->stop) {
		switch (wait_for(&waits, next_ns(look))) {
		case WAIT_TIME:
			on_time(look, clock_now_ns());
			break;
		case WAIT_SIGNAL:
			on_signal(look, waits.signal);
			break;
		case WAIT_TARGET:
			look->ended = true;
			/* fall through */
		default:
			look->stop = true;
		}
	}
	if (look->n_scans == 1 && !look->result && process_alive(&look->heap.target->process))
		scan(look);
}

/* ---- the command ---------------------------------------------------------------------------- */

/* A single scan is ended by Ctrl-C as any program is. */
static int take_signals(struct look *look, struct err *err)
{
	if (!is_growth(look)) {
		signal(SIGPIPE, SIG_IGN);
		return 0;
	}
	look->signals = signals_take_usual(true, err);
	return look->signals < 0 ? look->signals : 0;
}

int command_census(const struct options *options)
{
	struct look *look = calloc(1, sizeof(*look));
	struct err err = ERR_INIT;
	int result;

	if (!look)
		return ERR_FAILED;
	look->options = options;
	look->signals = -1;
	look->result = document_check(options);
	if (!look->result) {
		result = take_signals(look, &err);
		if (!result)
			result = heap_target_open(&look->heap, options_pid(options), &err);
		if (!result)
			heap_progress_attach(&look->progress, &look->heap, options->quiet);
		if (!result && is_growth(look))
			census_collect(look->heap.census);
		if (result)
			complain(look, &err);
		else if (scan(look) && is_growth(look))
			run(look);
	}
	if (look->n_scans)
		report(look, true);
	result = look->result;
	forget(look, look->n_scans);
	heap_target_close(&look->heap);
	if (look->signals >= 0)
		close(look->signals);
	free(look);
	return result;
}
