/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/freeze.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"

static bool is_asked(const struct freeze *hold, pid_t tid)
{
	for (size_t i = 0; i < hold->n_threads; i++)
		if (hold->threads[i].tid == tid)
			return true;
	return false;
}

/*
 * The thread's state as in /proc/PID/stat; 0: it has ended. Such a one may still be listed (a main
 * thread that called pthread_exit() stays to the end of its process), and ptrace refuses it as it
 * refuses a thread that another process traces.
 */
static char state_of(pid_t pid, pid_t tid)
{
	char path[64], text[512], *name_end;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	/* "7 (name) Z ...": the name may hold anything */
	name_end = strrchr(text, ')');
	if (!name_end || strlen(name_end) < 3 || name_end[2] == 'Z' || name_end[2] == 'X')
		return 0;
	return name_end[2];
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

static int add(struct freeze *hold, pid_t tid, struct err *err)
{
	if (hold->n_threads == hold->capacity) {
		size_t more = hold->capacity ? 2 * hold->capacity : 64;
		struct held_thread *threads =
			more > HOLD_MAX_THREADS ? NULL
						: realloc(hold->threads, more * sizeof(*threads));

		if (!threads)
			return err_set(err, ERR_FAILED, "too many threads to stop");
		hold->threads = threads;
		hold->capacity = more;
	}
	hold->threads[hold->n_threads++] = (struct held_thread){.tid = tid};
	return 0;
}

/* Ask the thread to stop; one that has ended meanwhile does not count. */
static int ask(struct freeze *hold, pid_t pid, pid_t tid, struct err *err)
{
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		int error = errno;

		if (error == ESRCH || !state_of(pid, tid))
			return 0;
		return err_set(
			err, ERR_PERMISSION,
			"thread %d cannot be stopped for a moment: %s (is a debugger attached?)",
			tid, strerror(error));
	}
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		return 0;
	return add(hold, tid, err);
}

/* Ask every thread that was not asked yet. */
static int ask_all(struct freeze *hold, pid_t pid, struct err *err)
{
	struct dirent *entry;
	char path[64];
	int result = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return err_set(err, ERR_FAILED, "%s: %s", path, strerror(errno));
	while (!result && (entry = readdir(tasks))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid > 0 && !is_asked(hold, tid))
			result = ask(hold, pid, tid, err);
	}
	closedir(tasks);
	return result;
}

/* Note which of the threads have stopped since; ended ones are dropped. Returns who has
 * not, or 0. */
static pid_t look(struct freeze *hold, size_t from)
{
	pid_t waited_for = 0;
	size_t n = from;

	for (size_t i = from; i < hold->n_threads; i++) {
		struct held_thread thread = hold->threads[i];
		int status = 0;
		pid_t result = thread.stopped ? 0 : waitpid(thread.tid, &status, __WALL | WNOHANG);

		if (result == thread.tid && WIFSTOPPED(status)) {
			thread.stopped = true;
			thread.signal = passing_signal(status);
		} else if (result > 0 || (result < 0 && errno != EINTR)) {
			continue;
		}
		if (!thread.stopped)
			waited_for = thread.tid;
		hold->threads[n++] = thread;
	}
	hold->n_threads = n;
	return waited_for;
}

/* It has ended without notification (a main thread before its process). */
static void drop(struct freeze *hold, pid_t tid)
{
	size_t n = 0;

	for (size_t i = 0; i < hold->n_threads; i++)
		if (hold->threads[i].tid != tid)
			hold->threads[n++] = hold->threads[i];
	hold->n_threads = n;
}

static int wait_for_all(struct freeze *hold, size_t from, pid_t pid, uint64_t until_ns,
			struct err *err)
{
	const struct timespec step = {0, 200000};
	pid_t tid;
	char state;

	while ((tid = look(hold, from))) {
		if (clock_now_ns() < until_ns) {
			nanosleep(&step, NULL);
			continue;
		}
		/* the last look may be older than the time */
		tid = look(hold, from);
		state = tid ? state_of(pid, tid) : 0;
		if (!state) {
			drop(hold, tid);
			continue;
		}
		/* deep in the kernel (it has called vfork(), or waits for a disk): do not wait
		 * with it */
		return err_set(
			err, ERR_FAILED,
			"thread %d %s (state %c) and cannot be stopped; try again, or go without "
			"(-X steer=no, or without --frozen)",
			tid, state == 'R' ? "gets no CPU" : "is busy in the kernel", state);
	}
	return 0;
}

int freeze_begin(struct freeze *hold, pid_t pid, struct err *err)
{
	uint64_t until_ns = clock_now_ns() + HOLD_WAIT_MS * 1000000ull;
	size_t before;
	bool more;
	int result;

	memset(hold, 0, sizeof(*hold));
	/*
	 * All are asked before one is waited for: so none is stopped for longer than the slowest
	 * takes. Threads that run may start others meanwhile: until a round finds none.
	 */
	do {
		before = hold->n_threads;
		result = ask_all(hold, pid, err);
		more = hold->n_threads > before;
		if (!result)
			result = wait_for_all(hold, before, pid, until_ns, err);
	} while (!result && more);
	if (result)
		freeze_end(hold);
	return result;
}

void freeze_end(struct freeze *hold)
{
	for (size_t i = 0; i < hold->n_threads; i++)
		if (hold->threads[i].stopped)
			let_go(hold->threads[i].tid, hold->threads[i].signal);
	free(hold->threads);
	memset(hold, 0, sizeof(*hold));
}
