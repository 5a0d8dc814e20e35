/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/watchpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>

#include "target/tasks.h"

/* times that the list of threads is read; each finds fewer new ones */
#define PASSES_MAX 100

struct event {
	int fd; /* < 0: it could not be opened */
	pid_t tid;
	unsigned point; /* n_points: it counts how often the thread comes and goes */
};

struct watchpoints {
	pid_t pid;
	const struct watchpoint *points;
	unsigned n_points;
	int program_fd;
	struct event *events;
	size_t n_events, room;
	bool no_inherit_thread; /* a kernel before 5.13: children inherit them too */
};

/* ---- one event ------------------------------------------------------------------------------ */

static struct perf_event_attr watching(uint64_t address)
{
	return (struct perf_event_attr){
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(struct perf_event_attr),
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = address,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.sample_period = 1,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
}

static const struct perf_event_attr counting_switches = {
	.type = PERF_TYPE_SOFTWARE,
	.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
	.size = sizeof(struct perf_event_attr),
};

static int open_event(const struct perf_event_attr *attr, pid_t tid)
{
	return (int)syscall(SYS_perf_event_open, attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Let the program run at its hits; < 0: none. A descriptor that cannot is closed. */
static int start_event(int fd, int program_fd)
{
	int error;

	if ((program_fd < 0 || !ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd)) &&
	    !ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int refused(pid_t pid, int error, struct err *err)
{
	switch (error) {
	case ENOSPC:
	case EBUSY:
		return err_set(
			err, ERR_KERNEL,
			"the debug registers of pid %d are taken: a debugger or another tracer "
			"has watchpoints there (a processor has four)",
			(int)pid);
	case ENOENT:
	case ENODEV:
	case EOPNOTSUPP:
		return err_set(
			err, ERR_KERNEL,
			"there are no hardware watchpoints here: the processor, or the virtual "
			"machine, has none");
	case EACCES:
	case EPERM:
		return err_set(err, ERR_PERMISSION,
			       "watchpoints in pid %d are not permitted (%s): run as root, or with "
			       "CAP_PERFMON and CAP_SYS_PTRACE where the process lives",
			       (int)pid, strerror(error));
	case EMFILE:
	case ENFILE:
		/* the pid may be that of a child in which one is tried */
		return err_set(err, ERR_FAILED,
			       "no file descriptor is left for a watchpoint (each thread of the "
			       "target takes one)%s",
			       err_remedy(error));
	default:
		return err_set(err, ERR_KERNEL, "a watchpoint in pid %d cannot be set: %s",
			       (int)pid, strerror(error));
	}
}

/* ---- all threads ---------------------------------------------------------------------------- */

/* of each thread: its watchpoints, and a count of its switches */
static unsigned events_of_thread(const struct watchpoints *watchpoints)
{
	return watchpoints->n_points + 1;
}

static bool is_watched(const struct watchpoints *watchpoints, pid_t tid, size_t n_before)
{
	for (size_t i = 0; i < n_before; i += events_of_thread(watchpoints))
		if (watchpoints->events[i].tid == tid)
			return true;
	return false;
}

static bool make_room(struct watchpoints *watchpoints)
{
	struct event *events;
	size_t room = watchpoints->room ? 2 * watchpoints->room : 64;

	if (watchpoints->n_events < watchpoints->room)
		return true;
	events = realloc(watchpoints->events, room * sizeof(*events));
	if (!events)
		return false;
	watchpoints->events = events;
	watchpoints->room = room;
	return true;
}

/* In this thread, and the ones that it makes. */
static int open_inherited(struct watchpoints *watchpoints, struct perf_event_attr attr, pid_t tid)
{
	int fd = -1;

	attr.inherit = 1;
	if (!watchpoints->no_inherit_thread) {
		attr.inherit_thread = 1;
		fd = open_event(&attr, tid);
		watchpoints->no_inherit_thread = fd < 0 && errno == EINVAL;
	}
	if (watchpoints->no_inherit_thread) {
		attr.inherit_thread = 0;
		fd = open_event(&attr, tid);
	}
	return fd;
}

static int watch_one(struct watchpoints *watchpoints, pid_t tid, unsigned point, struct err *err)
{
	bool counts = point == watchpoints->n_points;
	int fd;

	if (!make_room(watchpoints))
		return err_set(err, ERR_FAILED, "no memory for watchpoints");
	fd = open_inherited(watchpoints,
			    counts ? counting_switches : watching(watchpoints->points[point].field),
			    tid);
	if (fd >= 0 && !counts)
		fd = start_event(fd, watchpoints->program_fd);
	/* the thread has ended: its place stays, without an event; and who only counts may fail */
	if (fd < 0 && errno != ESRCH && !counts)
		return refused(watchpoints->pid, errno, err);
	watchpoints->events[watchpoints->n_events++] = (struct event){fd, tid, point};
	return 0;
}

/* return how many threads had none yet */
static int watch_new(struct watchpoints *watchpoints, struct err *err)
{
	size_t n_before = watchpoints->n_events;
	struct tasks tasks = {0};
	int n_new = 0, result = tasks_read(&tasks, watchpoints->pid, false, err);

	for (size_t i = 0; i < tasks.n_rows && !result; i++) {
		if (is_watched(watchpoints, tasks.rows[i].tid, n_before))
			continue;
		n_new++;
		for (unsigned point = 0; point < events_of_thread(watchpoints) && !result; point++)
			result = watch_one(watchpoints, tasks.rows[i].tid, point, err);
	}
	if (!result && tasks.n_tasks > tasks.n_rows)
		result = err_set(err, ERR_TARGET, "pid %d has more than %d threads",
				 (int)watchpoints->pid, TASKS_MAX);
	tasks_free(&tasks);
	return result ? result : n_new;
}

int watchpoints_open(struct watchpoints **out, pid_t pid, const struct watchpoint *points,
		     unsigned n_points, int program_fd, struct err *err)
{
	struct watchpoints *watchpoints = calloc(1, sizeof(*watchpoints));
	int n_new = 1;

	*out = NULL;
	if (!watchpoints)
		return err_set(err, ERR_FAILED, "no memory for watchpoints");
	watchpoints->pid = pid;
	watchpoints->points = points;
	watchpoints->n_points = n_points;
	watchpoints->program_fd = program_fd;
	for (unsigned pass = 0; pass < PASSES_MAX && n_new > 0; pass++)
		n_new = watch_new(watchpoints, err);
	if (n_new > 0)
		n_new = err_set(err, ERR_TARGET,
				"pid %d creates threads faster than watchpoints can be set in them",
				(int)pid);
	if (n_new < 0) {
		watchpoints_close(watchpoints);
		return n_new;
	}
	*out = watchpoints;
	return 0;
}

void watchpoints_close(struct watchpoints *watchpoints)
{
	if (!watchpoints)
		return;
	for (size_t i = 0; i < watchpoints->n_events; i++)
		if (watchpoints->events[i].fd >= 0)
			close(watchpoints->events[i].fd);
	free(watchpoints->events);
	free(watchpoints);
}

void watchpoints_stop(struct watchpoints *watchpoints)
{
	for (size_t i = 0; i < watchpoints->n_events; i++)
		if (watchpoints->events[i].fd >= 0)
			ioctl(watchpoints->events[i].fd, PERF_EVENT_IOC_DISABLE, 0);
}

bool watchpoints_count(const struct watchpoints *watchpoints, unsigned point, uint64_t *hits)
{
	bool known = true;

	*hits = 0;
	for (size_t i = 0; i < watchpoints->n_events; i++) {
		const struct event *event = &watchpoints->events[i];
		uint64_t count;

		if (event->point != point || event->fd < 0)
			continue;
		if (read(event->fd, &count, sizeof(count)) == sizeof(count))
			*hits += count;
		else
			known = false;
	}
	return known;
}

uint64_t watchpoints_switches(const struct watchpoints *watchpoints)
{
	uint64_t switches;

	watchpoints_count(watchpoints, watchpoints->n_points, &switches);
	return switches;
}

int watchpoint_here(uint64_t address, int program_fd, struct err *err)
{
	const struct perf_event_attr attr = watching(address);
	int fd = open_event(&attr, 0);

	if (fd >= 0)
		fd = start_event(fd, program_fd);
	return fd < 0 ? refused(getpid(), errno, err) : fd;
}

int watchpoint_try(volatile uint64_t *word, unsigned writes, int program_fd, uint64_t *hits,
		   struct err *err)
{
	int fd = watchpoint_here((uintptr_t)word, program_fd, err), result = 0;

	*hits = 0;
	if (fd < 0)
		return fd;
	for (unsigned i = 0; i < writes; i++)
		*word = i;
	if (read(fd, hits, sizeof(*hits)) != sizeof(*hits))
		result = err_set(err, ERR_KERNEL, "the hits of a watchpoint cannot be read: %s",
				 strerror(errno));
	else if (*hits != writes)
		result = err_set(
			err, ERR_KERNEL,
			"a watchpoint can be set, and was hit %llu times of %u: the virtual "
			"machine does not pass it on",
			(unsigned long long)*hits, writes);
	close(fd);
	return result;
}
