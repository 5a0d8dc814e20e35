/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/prober.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/lock.h"
#include "probe/uprobe_event.h"
#include "probe/uprobe_multi.h"

/* threads that close what a killed tool has left open; the kernel makes most of them wait for each
 * other */
#define CLOSERS 32

/* How long the tool waits before it looks whether the prober still runs. */
#define PATIENCE_MS 1000
/* where waiting itself fails (no memory): how long until it is tried again */
#define NAP_US 10000

enum action { ACTION_OPEN, ACTION_ATTACH, ACTION_ATTACH_MULTI, ACTION_CLOSE };

/* A message to the prober; `n` offsets, as many cookies, and the path follow in `data`. */
struct request {
	enum action action;
	int reply_fd; /* where the reply is written to; the caller's */
	int fd;       /* of the program; what is to be closed */
	unsigned n;
	bool has_cookies, returns;
	pid_t pid;
	uint64_t data[];
};

struct reply {
	int fd, error;
};

/* of the tool */
static struct {
	pid_t pid; /* 0: none */
	int pidfd, socket;
	/* the prober's: its end closes neither, since the table is ours too */
	int other_end, tool_pidfd;
} prober;

/* ---- in the prober -------------------------------------------------------------------------- */

static struct {
	struct lock lock;
	pthread_cond_t idle;
	unsigned n_busy; /* requests that are worked on */
} work = {LOCK_INITIALIZER(LOCK_RANK_PROBER), PTHREAD_COND_INITIALIZER, 0};

/* Some file that stays open; what is closed is replaced by it. */
static int placeholder;

static void count_busy(int change)
{
	lock_take(&work.lock);
	work.n_busy += (unsigned)change;
	if (work.n_busy == 0)
		pthread_cond_signal(&work.idle);
	lock_release(&work.lock);
}

static void wait_idle(void)
{
	lock_take(&work.lock);
	while (work.n_busy)
		lock_wait(&work.lock, &work.idle);
	lock_release(&work.lock);
}

static int perform(const struct request *request)
{
	const uint64_t *offsets = request->data, *cookies = offsets + request->n;
	const char *path = (const char *)(request->has_cookies ? cookies + request->n : cookies);

	switch (request->action) {
	case ACTION_OPEN:
		return uprobe_event_open(path, offsets[0], request->returns, request->pid);
	case ACTION_ATTACH:
		return uprobe_event_attach(request->fd, path, offsets[0], cookies[0],
					   request->returns, request->pid);
	case ACTION_ATTACH_MULTI:
		return uprobe_multi_attach(request->fd, path, offsets,
					   request->has_cookies ? cookies : NULL, request->n,
					   request->returns, request->pid);
	case ACTION_CLOSE:
		/* the number stays the caller's: see prober_close() */
		return dup3(placeholder, request->fd, O_CLOEXEC);
	}
	return -1;
}

static void answer(const struct request *request, struct reply reply)
{
	/* who does not wait for it any more has been killed */
	while (write(request->reply_fd, &reply, sizeof(reply)) < 0 && errno == EINTR)
		;
}

static void *serve(void *context)
{
	struct request *request = context;
	int fd = perform(request);

	answer(request, (struct reply){fd, errno});
	free(request);
	count_busy(-1);
	return NULL;
}

/* Have something done in a thread of its own; here and now when none can be made. */
static void in_thread(void *(*function)(void *), void *argument)
{
	pthread_attr_t detached;
	pthread_t thread;
	int error = ENOMEM;

	if (pthread_attr_init(&detached) == 0) {
		pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
		error = pthread_create(&thread, &detached, function, argument);
		pthread_attr_destroy(&detached);
	}
	if (error)
		function(argument);
}

/* return false: the tool wants no more */
static bool take_request(int socket)
{
	struct request head, *request;
	ssize_t size = recv(socket, &head, sizeof(head), MSG_PEEK | MSG_TRUNC);

	if (size < (ssize_t)sizeof(head))
		return size < 0 && errno == EINTR;
	request = malloc((size_t)size);
	if (!request) {
		/* what does not fit is dropped by the kernel: the next message is the next
		 * request */
		if (recv(socket, &head, sizeof(head), 0) != sizeof(head))
			return false;
		answer(&head, (struct reply){-1, ENOMEM});
		return true;
	}
	if (recv(socket, request, (size_t)size, 0) != size) {
		free(request);
		return false;
	}
	count_busy(1);
	in_thread(serve, request);
	return true;
}

/* descriptors that a killed tool has left open, and which of them is closed next */
static struct {
	int *fds;
	size_t n, next;
} left;

static void *close_left(void *context)
{
	size_t i;

	(void)context;
	while ((i = __atomic_fetch_add(&left.next, 1, __ATOMIC_RELAXED)) < left.n)
		close(left.fds[i]);
	count_busy(-1);
	return NULL;
}

/* Links and perf events are files without a folder. */
static bool may_be_probe(int folder, const char *name)
{
	const char prefix[] = "anon_inode:";
	char target[sizeof(prefix)];
	ssize_t n = readlinkat(folder, name, target, sizeof(target));

	return n >= (ssize_t)sizeof(prefix) - 1 && memcmp(target, prefix, sizeof(prefix) - 1) == 0;
}

static bool find_left(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	size_t room = 0;

	while (folder && (entry = readdir(folder))) {
		if (!may_be_probe(dirfd(folder), entry->d_name))
			continue;
		if (left.n == room) {
			int *fds = realloc(left.fds, (room = 2 * room + 64) * sizeof(*fds));

			if (!fds)
				break;
			left.fds = fds;
		}
		left.fds[left.n++] = atoi(entry->d_name);
	}
	if (folder)
		closedir(folder);
	return left.n > 0;
}

/*
 * The tool has been killed: detach. Everything else is closed by the end of this process, after
 * that: the lock that says that the target is traced (claim.h) is among it.
 */
static void close_all(void)
{
	/* a reader of our output sees its end now, not only when the kernel has detached */
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	/* ended from here, a thread would be interrupted as the tool's was */
	wait_idle();
	if (!find_left())
		return;
	for (unsigned i = 0; i < CLOSERS && i < left.n; i++) {
		count_busy(1);
		in_thread(close_left, NULL);
	}
	wait_idle();
}

static _Noreturn void run(int socket, int tool)
{
	struct pollfd fds[] = {{.fd = socket, .events = POLLIN}, {.fd = tool, .events = POLLIN}};
	sigset_t all;

	placeholder = socket;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "pyleaktrace-prb");
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents) {
			close_all();
			break;
		}
		if (fds[0].revents && !take_request(socket)) {
			wait_idle();
			break;
		}
	}
	_exit(0);
}

/* ---- in the tool ---------------------------------------------------------------------------- */

/* fork(), but with one table of descriptors for both */
static pid_t fork_with_files(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
}

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

void prober_start(void)
{
	int tool, ends[2];
	pid_t pid;

	if (prober.pid || !__libc_single_threaded)
		return;
	tool = open_pidfd(getpid());
	if (tool < 0)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		close(tool);
		return;
	}
	pid = fork_with_files();
	if (pid == 0)
		run(ends[1], tool);
	prober.pidfd = pid > 0 ? open_pidfd(pid) : -1;
	prober.socket = ends[0];
	prober.other_end = ends[1];
	prober.tool_pidfd = tool;
	if (prober.pidfd >= 0) {
		prober.pid = pid;
		return;
	}
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(ends[0]);
	close(ends[1]);
	close(tool);
}

/* Without poll(), which may fail for reasons of its own. */
static bool is_alive(void)
{
	siginfo_t info = {0};

	return prober.pid &&
	       waitid(P_PID, (id_t)prober.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0;
}

/*
 * Wait a while for its end, and for a reply where `from` is not -1: the caller looks and comes
 * back. A prober that was stopped is continued, since the tool would stand still with it, and
 * not even Ctrl-C would end that.
 */
static void wait_for_prober(int from)
{
	struct pollfd fds[] = {{.fd = from, .events = POLLIN},
			       {.fd = prober.pidfd, .events = POLLIN}};
	int n = poll(fds, 2, PATIENCE_MS);

	if (n > 0)
		return;
	if (n < 0 && errno != EINTR)
		usleep(NAP_US);
	kill(prober.pid, SIGCONT);
}

void prober_stop(void)
{
	const char end = 0;

	if (!prober.pid)
		return;
	if (send(prober.socket, &end, sizeof(end), MSG_NOSIGNAL) < 0)
		kill(prober.pid, SIGKILL);
	while (is_alive())
		wait_for_prober(-1);
	while (waitpid(prober.pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(prober.socket);
	close(prober.pidfd);
	close(prober.other_end);
	close(prober.tool_pidfd);
	prober.pid = 0;
}

/* return false: it has ended without a reply */
static bool take_reply(int from, struct reply *reply)
{
	for (;;) {
		bool alive = is_alive();

		/* after that question: it may have replied and ended */
		if (read(from, reply, sizeof(*reply)) == sizeof(*reply))
			return true;
		if (!alive)
			return false;
		wait_for_prober(from);
	}
}

/*
 * Have it done there, and wait for it.
 *
 * return false: it has not been begun. When the prober is killed meanwhile it is unknown how far it
 * came: -1, EIO.
 */
static bool ask(struct request *request, const uint64_t *offsets, const uint64_t *cookies,
		const char *path, struct reply *reply)
{
	const struct iovec parts[] = {
		{request, sizeof(*request)},
		{(void *)offsets, request->n * sizeof(*offsets)},
		{(void *)cookies, cookies ? request->n * sizeof(*cookies) : 0},
		{(void *)path, path ? strlen(path) + 1 : 0},
	};
	struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = 4};
	size_t size = 0;
	int ends[2];
	bool sent;

	for (unsigned i = 0; i < 4; i++)
		size += parts[i].iov_len;
	if (size > PROBER_MAX_BYTES || !is_alive() || pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return false;
	request->reply_fd = ends[1];
	request->has_cookies = cookies != NULL;
	sent = sendmsg(prober.socket, &message, MSG_NOSIGNAL) == (ssize_t)size;
	/* not before it has replied or ended: it would write into what has the pipe's number by
	 * then */
	if (sent && !take_reply(ends[0], reply))
		*reply = (struct reply){-1, EIO};
	close(ends[0]);
	close(ends[1]);
	return sent;
}

int prober_open(const char *path, uint64_t offset, pid_t pid)
{
	struct request request = {.action = ACTION_OPEN, .n = 1, .pid = pid};
	struct reply reply;

	if (!ask(&request, &offset, NULL, path, &reply))
		return uprobe_event_open(path, offset, false, pid);
	errno = reply.error;
	return reply.fd;
}

int prober_attach(int program_fd, const char *path, uint64_t offset, uint64_t cookie, bool returns,
		  pid_t pid)
{
	struct request request = {
		.action = ACTION_ATTACH, .fd = program_fd, .n = 1, .returns = returns, .pid = pid};
	struct reply reply;

	if (!ask(&request, &offset, &cookie, path, &reply))
		return uprobe_event_attach(program_fd, path, offset, cookie, returns, pid);
	errno = reply.error;
	return reply.fd;
}

int prober_attach_multi(int program_fd, const char *path, const uint64_t *offsets,
			const uint64_t *cookies, unsigned n, bool returns, pid_t pid)
{
	struct request request = {.action = ACTION_ATTACH_MULTI,
				  .fd = program_fd,
				  .n = n,
				  .returns = returns,
				  .pid = pid};
	struct reply reply;

	if (!ask(&request, offsets, cookies, path, &reply))
		return uprobe_multi_attach(program_fd, path, offsets, cookies, n, returns, pid);
	errno = reply.error;
	return reply.fd;
}

void prober_close(int fd)
{
	struct request request = {.action = ACTION_CLOSE, .fd = fd};
	struct reply reply;

	/*
	 * What is closed there is the file; another one takes its place, so that no other thread
	 * gets the number meanwhile. So this is right whether it has been done, could not be, or
	 * it is unknown, as the prober was killed.
	 */
	ask(&request, NULL, NULL, NULL, &reply);
	close(fd);
}

double prober_cpu_s(void)
{
	struct timespec used;
	clockid_t clock;

	if (!prober.pid || clock_getcpuclockid(prober.pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}
