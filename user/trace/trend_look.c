/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/trend_look.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/escape.h"
#include "python/threads.h"
#include "target/tasks.h"
#include "trend/cgroup.h"
#include "trend/proc_memory.h"
#include "trend/series.h"

int trend_watch_open(struct trend_watch *watch, const struct process *process,
		     const struct py_runtime *runtime, struct err *err)
{
	*watch = (struct trend_watch){.process = process, .runtime = runtime};
	watch->trend = trend_new();
	return watch->trend ? 0 : err_set(err, ERR_FAILED, "no memory for a trend");
}

void trend_watch_close(struct trend_watch *watch)
{
	trend_free(watch->trend);
	watch->trend = NULL;
}

/* Each reason once. */
static void miss(struct trend *trend, const struct err *err)
{
	char text[sizeof(trend->missing[0])];

	escape_copy(text, sizeof(text), err->text);
	for (size_t i = 0; i < trend->n_missing; i++)
		if (!strcmp(trend->missing[i], text))
			return;
	if (trend->n_missing < TREND_MISSING_MAX)
		memcpy(trend->missing[trend->n_missing++], text, sizeof(text));
}

void trend_watch_miss(struct trend_watch *watch, const struct err *err)
{
	miss(watch->trend, err);
}

static void look_at_memory(const struct trend_watch *watch, struct trend_look *look,
			   const struct heap_scan *scan)
{
	struct proc_memory memory;
	struct process_stats stats;
	struct err err = ERR_INIT;
	pid_t pid = watch->process->pid;

	if (!(scan ? proc_memory_read : proc_memory_sums)(&memory, pid, &err)) {
		trend_set_memory(look, &memory, scan ? &scan->room : NULL);
		return;
	}
	miss(watch->trend, &err);
	if (!process_stats(watch->process, &stats))
		trend_set(look, TREND_RSS, stats.rss_bytes);
}

static void look_at_counts(const struct trend_watch *watch, struct trend_look *look)
{
	struct process_stats stats;
	struct err err = ERR_INIT;
	long fds = process_fds(watch->process);

	if (!process_stats(watch->process, &stats))
		trend_set(look, TREND_THREADS, stats.threads);
	if (fds >= 0)
		trend_set(look, TREND_FDS, (uint64_t)fds);
	else
		err_set(&err, ERR_PERMISSION, "file descriptors: not permitted to count them");
	if (err.code)
		miss(watch->trend, &err);
	err = (struct err)ERR_INIT;
	if (!cgroup_read(&watch->trend->cgroup, "/proc", watch->process->pid, &err))
		trend_set(look, TREND_CGROUP, watch->trend->cgroup.usage_bytes);
	else
		miss(watch->trend, &err);
}

void trend_watch_look(struct trend_watch *watch, const struct heap_scan *scan)
{
	struct trend *trend = watch->trend;
	struct trend_look look = {0};

	look_at_memory(watch, &look, scan);
	look_at_counts(watch, &look);
	look.at_s = clock_now_s();
	if (scan) {
		trend_set(&look, TREND_OBJECTS, scan->count);
		if (scan->gc.have_collections)
			trend_set(&look, TREND_FULL_COLLECTIONS, scan->gc.full_collections);
		if (scan->gc.have_since_full && scan->gc.since_full <= (double)INT64_MAX)
			trend_set(&look, TREND_SINCE_FULL, (uint64_t)scan->gc.since_full);
		trend->room = scan->room;
		trend->have_room = true;
		trend->gc = scan->gc;
	}
	/* a process that has ended since has no memory any more: that is no look */
	if (!process_alive(watch->process) || !look.have)
		return;
	trend_add(trend, &look);
	if (!watch->have_first)
		trend_watch_settle(watch);
}

/* ---- threads -------------------------------------------------------------------------------- */

static char *take(char **text)
{
	char *taken = *text;

	*text = NULL;
	return taken;
}

static void join(struct trend_thread *row, struct py_thread *thread, const struct tasks *tasks)
{
	const struct task *task = thread->ns_tid ? tasks_find(tasks, thread->ns_tid) : NULL;

	row->ident = thread->ident;
	row->made = thread->state;
	row->tid = task ? task->tid : 0;
	row->state = task ? task->state : 0;
	row->name = take(&thread->name);
	row->function = take(&thread->at.function);
	row->file = take(&thread->at.file);
	row->line = thread->at.line;
	row->entry = take(&thread->entry.function);
	row->entry_file = take(&thread->entry.file);
	row->entry_line = thread->entry.line;
}

/* How many came and went, from CPython's own count of the thread states that it made. */
static void take_flow(struct trend_watch *watch, struct trend_threads *threads,
		      const struct py_threads *seen)
{
	if (!watch->have_first) {
		watch->first_made = seen->made;
		watch->first_threads = seen->n_rows;
	}
	threads->have_flow = seen->have_made && !seen->cut && seen->made >= watch->first_made;
	threads->begun_with = watch->first_threads;
	threads->came = seen->made - watch->first_made;
	threads->ended = threads->came + watch->first_threads > seen->n_rows
				 ? threads->came + watch->first_threads - seen->n_rows
				 : 0;
}

static void settle_threads(struct trend_watch *watch, struct err *err)
{
	struct trend_threads *threads = &watch->trend->threads;
	const struct process *process = watch->process;
	struct py_threads seen = {0};
	struct tasks tasks = {0};
	int result = py_threads_read(&seen, process->pid, watch->runtime, err);

	if (!result)
		result = tasks_read(&tasks, process->pid, process->ns_pid != process->pid, err);
	/* what was known stays when the target has ended */
	if (!result) {
		trend_threads_free(threads);
		threads->rows = calloc(seen.n_rows + 1, sizeof(*threads->rows));
		threads->n_rows = threads->rows ? seen.n_rows : 0;
		for (size_t i = 0; i < threads->n_rows; i++)
			join(&threads->rows[i], &seen.rows[i], &tasks);
		threads->n_tasks = tasks.n_tasks;
		threads->cut = seen.cut;
		take_flow(watch, threads, &seen);
		watch->have_first = true;
		watch->trend->have_threads = true;
	}
	tasks_free(&tasks);
	py_threads_free(&seen);
}

void trend_watch_settle(struct trend_watch *watch)
{
	struct err err = ERR_INIT;

	settle_threads(watch, &err);
	if (err.code && process_alive(watch->process))
		miss(watch->trend, &err);
	trend_measure(watch->trend);
	trend_find(watch->trend);
}

void trend_watch_forget(struct trend_watch *watch)
{
	trend_forget(watch->trend);
	watch->have_first = false;
	trend_watch_settle(watch);
}
