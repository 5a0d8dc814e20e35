/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/tasks.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define STAT_SIZE   1024
#define STATUS_SIZE 8192

/* "TID (comm) S ...": the name may hold spaces and parentheses: it ends at the last one */
static bool take_stat(struct task *task, char *text)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');

	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return false;
	*close = '\0';
	snprintf(task->comm, sizeof(task->comm), "%s", open + 1);
	task->state = close[2];
	return true;
}

/* The last number in the line "NSpid:\t1\t2\t3": the innermost namespace's. */
static void take_status(struct task *task, const char *text)
{
	const char *line = strstr(text, "\nNSpid:");
	char *end;

	if (!line)
		return;
	for (line += strlen("\nNSpid:"); *line == '\t'; line = end) {
		long number = strtol(line + 1, &end, 10);

		if (end == line + 1)
			return;
		task->ns_tid = (pid_t)number;
	}
}

static bool read_task(struct task *task, pid_t pid, pid_t tid, bool ns)
{
	char path[64], text[STATUS_SIZE];

	memset(task, 0, sizeof(*task));
	task->tid = task->ns_tid = tid;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	if (file_read(path, text, STAT_SIZE) <= 0 || !take_stat(task, text))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)tid);
	if (ns && file_read(path, text, sizeof(text)) > 0)
		take_status(task, text);
	return true;
}

static int by_tid(const void *a, const void *b)
{
	const struct task *left = a, *right = b;

	return left->tid < right->tid ? -1 : left->tid > right->tid;
}

static bool add(struct tasks *tasks, size_t *room, const struct task *task)
{
	if (tasks->n_rows == *room) {
		size_t more = *room ? *room * 2 : 64;
		struct task *rows = realloc(tasks->rows, more * sizeof(*rows));

		if (!rows)
			return false;
		tasks->rows = rows;
		*room = more;
	}
	tasks->rows[tasks->n_rows++] = *task;
	return true;
}

int tasks_read(struct tasks *tasks, pid_t pid, bool ns, struct err *err)
{
	char path[32];
	struct dirent *entry;
	struct task task;
	size_t room = 0;
	DIR *folder;

	*tasks = (struct tasks){0};
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	folder = opendir(path);
	if (!folder)
		return err_set(err, ERR_TARGET, "%s: %s", path, strerror(errno));
	while ((entry = readdir(folder))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid <= 0)
			continue;
		tasks->n_tasks++;
		if (tasks->n_rows == TASKS_MAX || !read_task(&task, pid, tid, ns))
			continue;
		if (!add(tasks, &room, &task)) {
			closedir(folder);
			tasks_free(tasks);
			return err_set(err, ERR_FAILED, "no memory for the threads of pid %d",
				       (int)pid);
		}
	}
	closedir(folder);
	if (tasks->n_rows)
		qsort(tasks->rows, tasks->n_rows, sizeof(*tasks->rows), by_tid);
	return 0;
}

void tasks_free(struct tasks *tasks)
{
	free(tasks->rows);
	*tasks = (struct tasks){0};
}

const struct task *tasks_find(const struct tasks *tasks, pid_t ns_tid)
{
	for (size_t i = 0; i < tasks->n_rows; i++)
		if (tasks->rows[i].ns_tid == ns_tid)
			return &tasks->rows[i];
	return NULL;
}
