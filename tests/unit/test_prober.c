/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The prober on a real kernel: what it attaches and closes is as if we had done it, and whoever
 * uses it may be killed at any moment without a breakpoint staying in the target.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "probe/prober.h"
#include "target/maps.h"
#include "target/module.h"

#define KILLS      30
#define PLACES     4
#define DEADLINE_S 60

/* Our own text to put probes on; nobody calls it. */
__asm__(".pushsection .text\n"
	".p2align 4\nprober_probed: nop\nnop\nnop\nnop\nret\n"
	".popsection\n");
void prober_probed(void);

/* ---- the target: does nothing --------------------------------------------------------------- */

struct target {
	pid_t pid;
	struct module self;
	uint64_t offset;
	int program;
};

static void target_start(struct target *target)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	struct maps maps;

	if (geteuid() != 0) {
		print_message("skip: probing needs root\n");
		skip();
	}
	target->pid = fork();
	if (target->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	assert_int_equal(
		module_load(&target->self, &maps, maps_find(&maps, (uintptr_t)prober_probed), NULL),
		0);
	maps_fini(&maps);
	assert_true(module_offset(&target->self, (uintptr_t)prober_probed, &target->offset));
	target->program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "nothing", "GPL", code, 2, NULL);
	assert_true(target->program >= 0);
}

static void target_end(struct target *target)
{
	close(target->program);
	module_unload(&target->self);
	kill(target->pid, SIGKILL);
	waitpid(target->pid, NULL, 0);
}

static unsigned n_probed(const struct target *target)
{
	unsigned char theirs[PLACES];
	unsigned n = 0;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", target->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, theirs, PLACES, (off_t)(uintptr_t)prober_probed), PLACES);
	close(fd);
	for (unsigned i = 0; i < PLACES; i++)
		n += theirs[i] != ((const unsigned char *)prober_probed)[i];
	return n;
}

static int attach(const struct target *target, unsigned i)
{
	return prober_attach(target->program, target->self.host_path, target->offset + i, i, false,
			     target->pid);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* The one child of ours that is not the target; 0: there is none. */
static pid_t other_child(const struct target *target)
{
	char path[64];
	pid_t pid, found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	file = fopen(path, "re");
	assert_non_null(file);
	while (fscanf(file, "%d", &pid) == 1)
		if (pid != target->pid)
			found = pid;
	fclose(file);
	return found;
}

/* ---- what it does --------------------------------------------------------------------------- */

static void attaches_and_closes(const struct target *target)
{
	int fds[PLACES];

	for (unsigned i = 0; i < PLACES; i++) {
		fds[i] = attach(target, i);
		assert_true(fds[i] >= 0 && is_open(fds[i]));
		assert_int_equal(n_probed(target), i + 1);
	}
	for (unsigned i = 0; i < PLACES; i++) {
		prober_close(fds[i]);
		assert_false(is_open(fds[i]));
		assert_int_equal(n_probed(target), PLACES - i - 1);
	}
	assert_int_equal(prober_attach(target->program, "/", 0, 0, false, target->pid), -1);
	assert_int_not_equal(errno, EIO);
}

static void works_with_and_without(void **state)
{
	struct target target = {0};

	(void)state;
	target_start(&target);
	assert_int_equal(other_child(&target), 0);
	attaches_and_closes(&target);
	prober_start();
	assert_int_not_equal(other_child(&target), 0);
	attaches_and_closes(&target);
	assert_true(prober_cpu_s() > 0);
	prober_stop();
	assert_int_equal(other_child(&target), 0);
	attaches_and_closes(&target);
	target_end(&target);
}

static void is_done_here_when_it_was_killed(void **state)
{
	struct target target = {0};
	siginfo_t info;
	pid_t prober;
	int before;

	(void)state;
	target_start(&target);
	prober_start();
	before = attach(&target, 0);
	prober = other_child(&target);
	kill(prober, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)prober, &info, WEXITED | WNOWAIT), 0);
	assert_true(is_open(before));
	prober_close(before);
	assert_int_equal(n_probed(&target), 0);
	attaches_and_closes(&target);
	prober_stop();
	target_end(&target);
}

static unsigned n_open(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(folder);
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

static void nothing_stays_open(void **state)
{
	struct target target = {0};
	unsigned before;

	(void)state;
	target_start(&target);
	before = n_open();
	prober_start();
	attaches_and_closes(&target);
	prober_stop();
	assert_int_equal(n_open(), before);
	target_end(&target);
}

/* ---- a prober that is stopped, killed, without memory --------------------------------------- */

static pid_t stop(const struct target *target)
{
	pid_t prober = other_child(target);
	siginfo_t info;

	assert_true(prober > 0);
	assert_int_equal(kill(prober, SIGSTOP), 0);
	assert_int_equal(waitid(P_PID, (id_t)prober, &info, WSTOPPED | WNOWAIT), 0);
	return prober;
}

/* A call of the prober in a thread of its own: closes fd, or attaches where that is -1. */
struct call {
	const struct target *target;
	pthread_t thread;
	int fd;
	pid_t tid;
};

static void *call_prober(void *context)
{
	struct call *call = context;

	__atomic_store_n(&call->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	if (call->fd >= 0)
		prober_close(call->fd);
	else
		call->fd = attach(call->target, 0);
	return NULL;
}

static bool is_polling(pid_t tid)
{
	char path[64];
	long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	file = fopen(path, "re");
	if (!file)
		return true; /* it has ended already */
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
#ifdef SYS_poll
	if (number == SYS_poll)
		return true;
#endif
	return number == SYS_ppoll;
}

/* returns when it waits for the reply */
static void call_begin(struct call *call)
{
	pid_t tid;

	assert_int_equal(pthread_create(&call->thread, NULL, call_prober, call), 0);
	while (!(tid = __atomic_load_n(&call->tid, __ATOMIC_ACQUIRE)) || !is_polling(tid))
		usleep(1000);
}

static void call_end(struct call *call)
{
	assert_int_equal(pthread_join(call->thread, NULL), 0);
	/* the C library does not notice, and the next test starts a prober */
	__libc_single_threaded = true;
}

static void is_closed_when_it_is_killed_meanwhile(void **state)
{
	struct target target = {0};
	struct call call = {&target, 0, -1, 0};

	(void)state;
	target_start(&target);
	prober_start();
	call.fd = attach(&target, 0);
	assert_true(call.fd >= 0);
	stop(&target);
	call_begin(&call);
	kill(other_child(&target), SIGKILL);
	call_end(&call);
	assert_false(is_open(call.fd));
	assert_int_equal(n_probed(&target), 0);
	prober_stop();
	target_end(&target);
}

static void goes_on_when_it_was_stopped(void **state)
{
	struct target target = {0};
	int fd;

	(void)state;
	target_start(&target);
	prober_start();
	alarm(DEADLINE_S);
	stop(&target);
	fd = attach(&target, 0);
	assert_true(fd >= 0);
	assert_int_equal(n_probed(&target), 1);
	stop(&target);
	prober_close(fd);
	assert_int_equal(n_probed(&target), 0);
	stop(&target);
	prober_stop();
	alarm(0);
	assert_int_equal(other_child(&target), 0);
	target_end(&target);
}

static void on_signal(int number)
{
	(void)number;
}

/* poll() of two files fails where only one may be open: the reply is waited for all the same. */
static void waits_when_waiting_fails(void **state)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct target target = {0};
	struct call call = {&target, 0, -1, 0};
	struct rlimit before, one;

	(void)state;
	target_start(&target);
	prober_start();
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	one = before;
	one.rlim_cur = 1;
	stop(&target);
	call_begin(&call);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &one), 0);
	pthread_kill(call.thread, SIGUSR1);
	call_end(&call);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(call.fd >= 0);
	assert_int_equal(n_probed(&target), 1);
	prober_close(call.fd);
	assert_int_equal(n_probed(&target), 0);
	prober_stop();
	target_end(&target);
}

#define MANY      3000
#define MOST_HELD 4096

/* A prober that has no 32 KiB: a request that needs more fails, and the next ones are answered. */
static void works_on_without_memory(void **state)
{
	static uint64_t offsets[MANY], cookies[MANY];
	static void *held[MOST_HELD];
	struct target target = {0};
	struct rlimit before, none;
	unsigned n = 0;
	pid_t prober;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	/* the sanitizer needs address space itself, and takes terabytes of it beforehand; unit runs
	 * this without */
	skip();
#endif
	target_start(&target);
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	while (n < MOST_HELD && (held[n] = malloc(32 << 10)))
		n++;
	prober_start();
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	while (n)
		free(held[--n]);
	prober = other_child(&target);
	assert_int_not_equal(prober, 0);
	assert_int_equal(prober_attach_multi(target.program, target.self.host_path, offsets,
					     cookies, MANY, false, target.pid),
			 -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(waitpid(prober, NULL, WNOHANG), 0);
	assert_int_equal(prlimit(prober, RLIMIT_AS, &before, NULL), 0);
	attaches_and_closes(&target);
	prober_stop();
	target_end(&target);
}

/* ---- a user that is killed ------------------------------------------------------------------ */

static void *close_one(void *fd)
{
	prober_close(*(int *)fd);
	return NULL;
}

/* Attach and detach for ever; a byte is written before each. */
static _Noreturn void be_user(const struct target *target, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prober_start();
	for (;;) {
		pthread_t threads[PLACES];
		int fds[PLACES];

		if (write(out, "a", 1) != 1)
			_exit(1);
		for (unsigned i = 0; i < PLACES; i++)
			fds[i] = attach(target, i);
		if (write(out, "d", 1) != 1)
			_exit(1);
		for (unsigned i = 0; i < PLACES; i++)
			pthread_create(&threads[i], NULL, close_one, &fds[i]);
		for (unsigned i = 0; i < PLACES; i++)
			pthread_join(threads[i], NULL);
	}
}

/* The writing end is closed by the prober, at once; its last breakpoint goes later. */
static void wait_for_end(const struct target *target, int from)
{
	struct pollfd end = {.fd = from, .events = POLLIN};
	char bytes[64];

	do
		assert_int_equal(poll(&end, 1, DEADLINE_S * 1000), 1);
	while (read(from, bytes, sizeof(bytes)) > 0);
	for (unsigned i = 0; n_probed(target) > 0; i++) {
		assert_true(i < DEADLINE_S * 1000);
		usleep(1000);
	}
}

static void nothing_stays_when_its_user_is_killed(void **state)
{
	struct target target = {0};

	(void)state;
	target_start(&target);
	for (unsigned i = 0; i < KILLS; i++) {
		char phase = 0;
		int ends[2];
		pid_t user;

		assert_int_equal(pipe(ends), 0);
		user = fork();
		if (user == 0) {
			/* the prober closes what is written to as a tool's output */
			dup2(ends[1], STDOUT_FILENO);
			close(ends[0]);
			close(ends[1]);
			be_user(&target, STDOUT_FILENO);
		}
		close(ends[1]);
		while (phase != (i % 3 ? 'd' : 'a'))
			assert_int_equal(read(ends[0], &phase, 1), 1);
		/* somewhere in it: a detach takes some 100 ms, an attach some 10 */
		usleep(i * (i % 3 ? 5000 : 300));
		kill(user, SIGKILL);
		waitpid(user, NULL, 0);
		wait_for_end(&target, ends[0]);
		close(ends[0]);
	}
	target_end(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(works_with_and_without),
		cmocka_unit_test(is_done_here_when_it_was_killed),
		cmocka_unit_test(nothing_stays_open),
		cmocka_unit_test(is_closed_when_it_is_killed_meanwhile),
		cmocka_unit_test(goes_on_when_it_was_stopped),
		cmocka_unit_test(waits_when_waiting_fails),
		cmocka_unit_test(works_on_without_memory),
		cmocka_unit_test(nothing_stays_when_its_user_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
