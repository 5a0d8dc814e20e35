/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/sweep.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/clock.h"
#include "probe/prober.h"
#include "probe/uprobe_multi.h"

/* Attaching is half of a sweep's work. After it the thread rests this many times as long as it
 * worked. */
#define REST_PER_WORK 19

/* when some places could not be swept */
#define AGAIN_NS 100000000u

struct sweeper {
	struct sweep sweep;
	pthread_t thread;
	bool started;
	int stop; /* eventfd */
	struct ring_buffer *ring;
	bool forked;   /* since the last sweep */
	sem_t closers; /* threads that there may still be */
};

/* one link to be closed by a thread of its own */
struct closing {
	struct sweeper *sweeper;
	int fd;
};

static int on_event(void *context, void *data, size_t size)
{
	struct sweeper *sweeper = context;

	(void)data;
	(void)size;
	sweeper->forked = true;
	return 0;
}

static void *close_one(void *context)
{
	struct closing *closing = context;
	struct sweeper *sweeper = closing->sweeper;

	prober_close(closing->fd);
	free(closing);
	sem_post(&sweeper->closers);
	return NULL;
}

/* Close without waiting for it, as long as not too many are being closed. */
static void close_in_background(struct sweeper *sweeper, int fd)
{
	struct closing *closing = malloc(sizeof(*closing));
	pthread_attr_t detached;
	pthread_t thread;
	int error = ENOMEM;

	if (!closing) {
		prober_close(fd);
		return;
	}
	*closing = (struct closing){sweeper, fd};
	while (sem_wait(&sweeper->closers) && errno == EINTR)
		;
	if (pthread_attr_init(&detached) == 0) {
		pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
		error = pthread_create(&thread, &detached, close_one, closing);
		pthread_attr_destroy(&detached);
	}
	if (error)
		close_one(closing);
}

/* Sweep the places of some links; false: some were not, and the target lives. */
static bool sweep_links(struct sweeper *sweeper, const struct links *links)
{
	const struct sweep *sweep = &sweeper->sweep;
	unsigned n = __atomic_load_n(&links->n_multi, __ATOMIC_ACQUIRE), n_attached = 0;
	int attached[LINKS_MAX_MULTI];
	bool complete = true;

	for (unsigned i = 0; i < n; i++) {
		const struct multi_link *link = &links->multi_links[i];
		int fd;

		/* where there is a return there is an entry, at the same place */
		if (link->returns)
			continue;
		/*
		 * Not by the prober, for its CPU time would not be ours. A kill in here leaves
		 * breakpoints in children only until the prober closes the links themselves.
		 */
		fd = uprobe_multi_attach(sweep->program_fd, link->path, link->offsets, NULL,
					 link->n, false, sweep->pid);
		if (fd >= 0)
			attached[n_attached++] = fd;
		else if (errno != ESRCH)
			complete = false;
	}
	for (unsigned i = 0; i < n_attached; i++)
		close_in_background(sweeper, attached[i]);
	return complete;
}

static bool sweep_all(struct sweeper *sweeper)
{
	const struct sweep *sweep = &sweeper->sweep;
	bool complete = true;

	lock_take(sweep->lock);
	for (size_t i = 0; i < sizeof(sweep->links) / sizeof(sweep->links[0]); i++)
		if (!sweep_links(sweeper, sweep->links[i]))
			complete = false;
	lock_release(sweep->lock);
	return complete;
}

/* Wait until the sweeper must stop (true), or the time is over, or, when it may, until there is an
 * event. */
static bool wait_for(const struct sweeper *sweeper, bool events, const uint64_t *ns)
{
	struct pollfd fds[] = {
		{.fd = sweeper->stop, .events = POLLIN},
		{.fd = ring_buffer__epoll_fd(sweeper->ring), .events = POLLIN},
	};
	struct timespec time;

	if (ns)
		time = (struct timespec){(time_t)(*ns / 1000000000u), (long)(*ns % 1000000000u)};
	ppoll(fds, events ? 2 : 1, ns ? &time : NULL, NULL);
	return fds[0].revents != 0;
}

static void *run(void *context)
{
	const uint64_t again = AGAIN_NS;
	struct sweeper *sweeper = context;
	bool complete = true;

	while (!wait_for(sweeper, true, complete ? NULL : &again)) {
		uint64_t ns = clock_cpu_ns();

		ring_buffer__consume(sweeper->ring);
		if (!sweeper->forked && complete)
			continue;
		sweeper->forked = false;
		complete = sweep_all(sweeper);
		ns = (clock_cpu_ns() - ns) * REST_PER_WORK;
		if (wait_for(sweeper, false, &ns))
			break;
	}
	return NULL;
}

int sweeper_start(struct sweeper **out, const struct sweep *sweep, struct err *err)
{
	struct sweeper *sweeper = calloc(1, sizeof(*sweeper));
	int error;

	*out = NULL;
	if (!sweeper)
		return err_set(err, ERR_FAILED, "out of memory");
	sweeper->sweep = *sweep;
	sem_init(&sweeper->closers, 0, SWEEP_MAX_CLOSING);
	sweeper->stop = eventfd(0, EFD_CLOEXEC);
	sweeper->ring = ring_buffer__new(sweep->ring_fd, on_event, sweeper, NULL);
	if (sweeper->stop < 0 || !sweeper->ring) {
		error = errno;
		sweeper_stop(sweeper);
		return err_set(err, ERR_KERNEL, "cannot trace forks: %s", strerror(error));
	}
	error = pthread_create(&sweeper->thread, NULL, run, sweeper);
	sweeper->started = error == 0;
	if (error) {
		sweeper_stop(sweeper);
		return err_set(err, ERR_FAILED, "cannot start a thread: %s", strerror(error));
	}
	*out = sweeper;
	return 0;
}

void sweeper_stop(struct sweeper *sweeper)
{
	const uint64_t one = 1;

	if (!sweeper)
		return;
	if (sweeper->started && write(sweeper->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(sweeper->thread, NULL);
	for (unsigned i = 0; i < SWEEP_MAX_CLOSING; i++)
		while (sem_wait(&sweeper->closers) && errno == EINTR)
			;
	ring_buffer__free(sweeper->ring);
	if (sweeper->stop >= 0)
		close(sweeper->stop);
	sem_destroy(&sweeper->closers);
	free(sweeper);
}
