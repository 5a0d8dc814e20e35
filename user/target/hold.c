/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/hold.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

static bool is_held(const struct hold *hold, pid_t tid)
{
	for (size_t i = 0; i < hold->n_threads; i++)
		if (hold->threads[i].tid == tid)
			return true;
	return false;
}

/*
 * Has the thread ended? Such a one may still be listed (a main thread that called pthread_exit()
 * stays to the end of its process), and ptrace refuses it as it refuses a thread that somebody else
 * traces.
 */
static bool has_ended(pid_t pid, pid_t tid)
{
	char path[64], text[512], *name_end;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return true;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	/* "7 (name) Z ...": the name may hold anything */
	name_end = strrchr(text, ')');
	return !name_end || strlen(name_end) < 3 || name_end[2] == 'Z' || name_end[2] == 'X';
}

/* Wait for the thread to stop; 0: not within HOLD_WAIT_MS. A signal to ourselves does not end the wait. */
static pid_t wait_for(pid_t tid, int *status)
{
	const struct timespec step = {0, 200000};
	struct timespec now, end;
	pid_t result;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += HOLD_WAIT_MS * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000L;
	end.tv_nsec %= 1000000000L;
	for (;;) {
		result = waitpid(tid, status, __WALL | WNOHANG);
		if (result != 0 && !(result < 0 && errno == EINTR))
			return result;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec ||
		    (now.tv_sec == end.tv_sec && now.tv_nsec > end.tv_nsec))
			return 0;
		nanosleep(&step, NULL);
	}
}

/* A stop that is not our interruption is a signal on its way to the thread. 0: there is none */
static int passing_signal(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
}

static void let_go(pid_t tid, int signal)
{
	ptrace(PTRACE_DETACH, tid, NULL, (void *)(long)signal);
}

/* 1: held now; 0: the thread has ended meanwhile; negative: error */
static int hold_thread(struct hold *hold, pid_t pid, pid_t tid, struct err *err)
{
	int status;
	pid_t stopped;

	if (hold->n_threads == hold->capacity) {
		size_t more = hold->capacity ? 2 * hold->capacity : 64;
		struct held_thread *threads =
			more > HOLD_MAX_THREADS ? NULL
						: realloc(hold->threads, more * sizeof(*threads));

		if (!threads)
			return err_set(err, ERR_FAILED, "too many threads to hold");
		hold->threads = threads;
		hold->capacity = more;
	}
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		int error = errno;

		if (error == ESRCH || has_ended(pid, tid))
			return 0;
		return err_set(
			err, ERR_PERMISSION,
			"thread %d cannot be held for a moment: %s (is a debugger attached?)", tid,
			strerror(error));
	}
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		return 0;
	stopped = wait_for(tid, &status);
	if (stopped == 0) {
		/* deep in the kernel (it has called vfork(), or waits for a disk): nobody waits with it */
		return err_set(
			err, ERR_FAILED,
			"thread %d is busy in the kernel and cannot be held; try again, or go "
			"without (--no-steer; of heap: no --frozen)",
			tid);
	}
	if (stopped != tid || !WIFSTOPPED(status))
		return 0;
	hold->threads[hold->n_threads].tid = tid;
	hold->threads[hold->n_threads].signal = passing_signal(status);
	hold->n_threads++;
	return 1;
}

/* Hold every thread that is not held yet; returns how many, or a negative error. */
static int hold_round(struct hold *hold, pid_t pid, struct err *err)
{
	char path[64];
	struct dirent *entry;
	int n = 0, result = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return err_set(err, ERR_FAILED, "%s: %s", path, strerror(errno));
	while (result >= 0 && (entry = readdir(tasks))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid <= 0 || is_held(hold, tid))
			continue;
		result = hold_thread(hold, pid, tid, err);
		n += result > 0;
	}
	closedir(tasks);
	return result < 0 ? result : n;
}

int hold_begin(struct hold *hold, pid_t pid, struct err *err)
{
	int n;

	memset(hold, 0, sizeof(*hold));
	/* threads that run may start others: until a round finds none */
	do
		n = hold_round(hold, pid, err);
	while (n > 0);
	if (n < 0)
		hold_end(hold);
	return n;
}

void hold_end(struct hold *hold)
{
	for (size_t i = 0; i < hold->n_threads; i++)
		let_go(hold->threads[i].tid, hold->threads[i].signal);
	free(hold->threads);
	memset(hold, 0, sizeof(*hold));
}
