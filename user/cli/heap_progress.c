/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/heap_progress.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/fmt.h"
#include "view/live_line.h"

static void draw(struct heap_progress *progress, uint64_t done, uint64_t all, double now_s)
{
	char line[PROGRESS_LINE];
	double took_s = now_s - progress->begin_s;
	int pid = (int)progress->process->pid;

	if (progress->work == CENSUS_FOLLOWS)
		snprintf(line, sizeof(line), "pid %d: %s of %s objects reached, %s", pid,
			 fmt_count(done).text, fmt_count(all).text,
			 fmt_duration((double)(uint64_t)took_s).text);
	else
		snprintf(line, sizeof(line), "pid %d: %s of about %s read, %s", pid,
			 fmt_bytes(done).text, fmt_bytes(progress->rss_bytes).text,
			 fmt_duration((double)(uint64_t)took_s).text);
	live_line_draw(progress->terminal, line);
}

static void begin(struct heap_progress *progress, enum census_work work, double now_s)
{
	struct process_stats stats;

	progress->work = work;
	progress->begin_s = now_s;
	if (work == CENSUS_READS)
		progress->rss_bytes =
			process_stats(progress->process, &stats) ? 0 : stats.rss_bytes;
}

void heap_progress_update(struct heap_progress *progress, enum census_work work, uint64_t done,
			  uint64_t all, double now_s)
{
	if (work == CENSUS_RESTS) {
		if (progress->drawn_s)
			live_line_erase(progress->terminal);
		progress->begin_s = progress->drawn_s = 0;
		return;
	}
	if (!progress->begin_s || work != progress->work)
		begin(progress, work, now_s);
	if (now_s - progress->begin_s < PROGRESS_AFTER_S ||
	    now_s - progress->drawn_s < PROGRESS_EACH_S)
		return;
	draw(progress, done, all, now_s);
	progress->drawn_s = now_s;
}

static void report_progress(void *context, enum census_work work, uint64_t done, uint64_t all)
{
	heap_progress_update(context, work, done, all, clock_now_s());
}

void heap_progress_attach(struct heap_progress *progress, const struct heap_target *heap,
			  bool quiet)
{
	if (quiet || !isatty(STDERR_FILENO))
		return;
	*progress = (struct heap_progress){.process = &heap->target->process, .terminal = stderr};
	census_set_progress_cb(heap->census, report_progress, progress);
}
