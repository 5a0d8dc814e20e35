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

int trend_recorder_open(struct trend_recorder *recorder, const struct process *process,
			const struct py_runtime *runtime, struct err *err)
{
	*recorder = (struct trend_recorder){.process = process, .runtime = runtime};
	recorder->trend = trend_new();
	return recorder->trend ? 0 : err_set(err, ERR_FAILED, "no memory for a trend");
}

void trend_recorder_close(struct trend_recorder *recorder)
{
	trend_free(recorder->trend);
	recorder->trend = NULL;
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

void trend_recorder_miss(struct trend_recorder *recorder, const struct err *err)
{
	miss(recorder->trend, err);
}

static void look_at_memory(const struct trend_recorder *recorder, struct trend_look *look,
			   const struct heap_scan *scan)
{
	struct proc_memory memory;
	struct process_stats stats;
	struct err err = ERR_INIT;
	pid_t pid = recorder->process->pid;

	if (!(scan ? proc_memory_read : proc_memory_sums)(&memory, pid, &err)) {
		trend_set_memory(look, &memory, scan ? &scan->room : NULL);
		return;
	}
	miss(recorder->trend, &err);
	if (!process_stats(recorder->process, &stats))
		trend_set(look, TREND_RSS, stats.rss_bytes);
}

static void look_at_counts(const struct trend_recorder *recorder, struct trend_look *look)
{
	struct process_stats stats;
	struct err err = ERR_INIT;
	long fds = process_fds(recorder->process);
	uint64_t interpreters;

	if (!process_stats(recorder->process, &stats))
		trend_set(look, TREND_THREADS, stats.threads);
	if (py_runtime_interpreters(recorder->runtime, recorder->process->pid, &interpreters))
		trend_set(look, TREND_INTERPRETERS, interpreters);
	if (fds >= 0)
		trend_set(look, TREND_FDS, (uint64_t)fds);
	else
		err_set(&err, ERR_PERMISSION, "file descriptors: not permitted to count them");
	if (err.code)
		miss(recorder->trend, &err);
	err = (struct err)ERR_INIT;
	if (!cgroup_read(&recorder->trend->cgroup, "/proc", recorder->process->pid, &err))
		trend_set(look, TREND_CGROUP, recorder->trend->cgroup.usage_bytes);
	else
		miss(recorder->trend, &err);
}

void trend_recorder_look(struct trend_recorder *recorder, const struct heap_scan *scan)
{
	struct trend *trend = recorder->trend;
	const struct trend_cgroup cgroup = trend->cgroup;
	size_t n_missing = trend->n_missing;
	struct trend_look look = {0};

	look_at_memory(recorder, &look, scan);
	look_at_counts(recorder, &look);
	look.at_s = clock_now_s();
	/* a process that has ended since has no memory any more: that is no look, and nothing is
	 * missing in it */
	if (!process_alive(recorder->process)) {
		trend->cgroup = cgroup;
		trend->n_missing = n_missing;
		return;
	}
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
	if (!look.have)
		return;
	trend_add(trend, &look);
	if (!recorder->have_first)
		trend_recorder_evaluate(recorder);
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
static void take_flow(struct trend_recorder *recorder, struct trend_threads *threads,
		      const struct py_threads *seen)
{
	if (!recorder->have_first) {
		recorder->first_made = seen->made;
		recorder->first_threads = seen->n_rows;
	}
	threads->have_flow = seen->have_made && !seen->cut && seen->made >= recorder->first_made;
	threads->begun_with = recorder->first_threads;
	threads->came = seen->made - recorder->first_made;
	threads->ended = threads->came + recorder->first_threads > seen->n_rows
				 ? threads->came + recorder->first_threads - seen->n_rows
				 : 0;
}

static void update_threads(struct trend_recorder *recorder, struct err *err)
{
	struct trend_threads *threads = &recorder->trend->threads;
	const struct process *process = recorder->process;
	struct py_threads seen = {0};
	struct tasks tasks = {0};
	int result = py_threads_read(&seen, process->pid, recorder->runtime, err);

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
		take_flow(recorder, threads, &seen);
		recorder->have_first = true;
		recorder->trend->have_threads = true;
	}
	tasks_free(&tasks);
	py_threads_free(&seen);
}

void trend_recorder_evaluate(struct trend_recorder *recorder)
{
	struct err err = ERR_INIT;

	update_threads(recorder, &err);
	if (err.code && process_alive(recorder->process))
		miss(recorder->trend, &err);
	trend_measure(recorder->trend);
	trend_find(recorder->trend);
}

void trend_recorder_forget(struct trend_recorder *recorder)
{
	trend_forget(recorder->trend);
	recorder->have_first = false;
	trend_recorder_evaluate(recorder);
}
