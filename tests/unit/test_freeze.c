/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Holding a process: all its threads stand still, and go on as if nothing had been: signals are not
 * lost, a stopped process stays stopped, threads that come and go do no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/freeze.h"

#define THREADS 24
#define CAUGHT  20 /* signals caught on their way by a hold, before a test is content */
#define HOLDS   60
#define TRIES   20000

/* what test and target share */
struct shared {
	atomic_uint ready;   /* threads that run */
	atomic_bool sending; /* signals are to be sent */
	atomic_ulong sent, sent_sum, received,
		received_sum; /* signals, and the values that come with them */
	atomic_ulong beats[THREADS];
	atomic_bool leader_gone;
};

static struct shared *shared;

/* ---- the target ----------------------------------------------------------------------------- */

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	atomic_fetch_add(&shared->received_sum, (unsigned)info->si_value.sival_int);
	atomic_fetch_add(&shared->received, 1);
}

/* Even ones run, odd ones sleep in the kernel; both take signals. */
static void *work(void *argument)
{
	unsigned i = (unsigned)(uintptr_t)argument;

	atomic_fetch_add(&shared->ready, 1);
	for (;;) {
		atomic_fetch_add(&shared->beats[i], 1);
		if (i & 1)
			pause();
		else
			sched_yield();
	}
	return NULL;
}

static void *nothing(void *argument)
{
	return argument;
}

/* Threads come and go all the time. */
static void *churn(void *argument)
{
	(void)argument;
	atomic_fetch_add(&shared->ready, 1);
	for (;;) {
		pthread_t threads[4];
		unsigned n = 0;

		while (n < 4 && pthread_create(&threads[n], NULL, nothing, NULL) == 0)
			n++;
		while (n > 0)
			pthread_join(threads[--n], NULL);
	}
	return NULL;
}

static void target_main(unsigned workers, unsigned churners, bool leader_ends)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	sigaction(SIGRTMIN, &action, NULL);
	for (unsigned i = 0; i < workers; i++)
		if (pthread_create(&thread, NULL, work, (void *)(uintptr_t)i))
			_exit(1);
	for (unsigned i = 0; i < churners; i++)
		if (pthread_create(&thread, NULL, churn, NULL))
			_exit(1);
	if (leader_ends)
		pthread_exit(NULL);
	for (;;)
		pause();
}

static pid_t start(unsigned workers, unsigned churners, bool leader_ends)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		target_main(workers, churners, leader_ends);
		_exit(0);
	}
	while (atomic_load(&shared->ready) < workers + churners)
		sched_yield();
	return pid;
}

static void stop(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static char state_of(pid_t pid, pid_t tid)
{
	char path[64], line[512] = "", *end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	end = strrchr(line, ')');
	return end ? end[2] : 0;
}

/* Number of threads in this state. */
static unsigned count_in_state(pid_t pid, char state)
{
	char path[64];
	struct dirent *entry;
	unsigned n = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	assert_non_null(tasks);
	while ((entry = readdir(tasks))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid > 0)
			n += state_of(pid, tid) == state || !state;
	}
	closedir(tasks);
	return n;
}

static void begin(struct freeze *hold, pid_t pid)
{
	struct err err = ERR_INIT;

	if (freeze_begin(hold, pid, &err))
		fail_msg("%s", err.text);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void all_threads_stand_still_and_go_on(void **state)
{
	pid_t pid = start(THREADS, 0, false);
	unsigned long before[THREADS], after;
	struct freeze hold;

	(void)state;
	begin(&hold, pid);
	assert_int_equal(hold.n_threads, THREADS + 1);
	assert_int_equal(count_in_state(pid, 't'), THREADS + 1);
	for (unsigned i = 0; i < THREADS; i++)
		before[i] = atomic_load(&shared->beats[i]);
	for (unsigned round = 0; round < 1000; round++)
		sched_yield();
	for (unsigned i = 0; i < THREADS; i++) {
		after = atomic_load(&shared->beats[i]);
		assert_int_equal(after, before[i]);
	}
	freeze_end(&hold);
	assert_null(hold.threads);
	/* they go on: every runner beats again */
	for (unsigned i = 0; i < THREADS; i += 2)
		while (atomic_load(&shared->beats[i]) == before[i])
			sched_yield();
	assert_int_equal(count_in_state(pid, 't'), 0);
	stop(pid);
}

/* Send queued signals as fast as they are taken. */
static void send_signals(pid_t pid)
{
	for (unsigned i = 1; atomic_load(&shared->sending); i = i % 1000 + 1) {
		union sigval value = {.sival_int = (int)i};

		if (sigqueue(pid, SIGRTMIN, value) == 0) {
			atomic_fetch_add(&shared->sent, 1);
			atomic_fetch_add(&shared->sent_sum, i);
		} else if (errno == EAGAIN) {
			sched_yield();
		} else {
			_exit(1);
		}
	}
	_exit(0);
}

static void on_alarm(int number)
{
	(void)number;
}

/*
 * Signals come all the while, to the target and to ourselves. Now and then a thread is held just
 * when a signal is on its way to it; the test goes on until that has happened often. Each signal
 * arrives, once, with its value.
 */
static void no_signal_is_lost(void **state)
{
	const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_alarm},
			 old; /* no SA_RESTART: it ends system calls */
	pid_t pid = start(2, 0, false), sender;
	unsigned caught = 0, tries = 0;
	int status;

	(void)state;
	atomic_store(&shared->sending, true);
	sender = fork();
	assert_true(sender >= 0);
	if (!sender)
		send_signals(pid);
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	while (caught < CAUGHT && tries++ < TRIES) {
		struct freeze hold;

		begin(&hold, pid);
		assert_int_equal(count_in_state(pid, 't'), 3);
		for (size_t i = 0; i < hold.n_threads; i++)
			caught += hold.threads[i].signal == SIGRTMIN;
		freeze_end(&hold);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	atomic_store(&shared->sending, false);
	while (waitpid(sender, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	assert_int_equal(status, 0);
	/* a lost one makes this wait until the alarm ends the program */
	alarm(60);
	while (atomic_load(&shared->received) != atomic_load(&shared->sent))
		sched_yield();
	alarm(0);
	assert_int_equal(atomic_load(&shared->received_sum), atomic_load(&shared->sent_sum));
	stop(pid);
	if (caught < CAUGHT) {
		print_message("skip: a signal was rarely in flight here (one CPU?)\n");
		skip();
	}
}

static void threads_that_come_and_go_are_held_too(void **state)
{
	pid_t pid = start(4, 3, false);

	(void)state;
	for (unsigned i = 0; i < HOLDS; i++) {
		struct freeze hold;

		begin(&hold, pid);
		/* nobody runs: all are held, or have ended and are on their way out */
		assert_int_equal(count_in_state(pid, 't'), hold.n_threads);
		assert_int_equal(count_in_state(pid, 'R') + count_in_state(pid, 'S'), 0);
		freeze_end(&hold);
	}
	stop(pid);
}

/* The main thread has ended, the others have not. */
static void a_process_without_its_main_thread_is_held(void **state)
{
	pid_t pid = start(4, 0, true);
	struct freeze hold;

	(void)state;
	while (state_of(pid, pid) != 'Z')
		sched_yield();
	begin(&hold, pid);
	assert_int_equal(hold.n_threads, 4);
	assert_int_equal(count_in_state(pid, 't'), 4);
	freeze_end(&hold);
	stop(pid);
}

/* A process that its user has stopped stays so, until its user lets it go on. */
static void a_stopped_process_stays_stopped(void **state)
{
	pid_t pid = start(4, 0, false);
	struct freeze hold;
	unsigned long before;
	int status;

	(void)state;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	begin(&hold, pid);
	assert_int_equal(count_in_state(pid, 't'), 5);
	freeze_end(&hold);
	while (count_in_state(pid, 'T') != 5)
		sched_yield();
	before = atomic_load(&shared->beats[0]);
	for (unsigned round = 0; round < 1000; round++)
		sched_yield();
	assert_int_equal(atomic_load(&shared->beats[0]), before);
	assert_int_equal(kill(pid, SIGCONT), 0);
	while (atomic_load(&shared->beats[0]) == before)
		sched_yield();
	stop(pid);
}

/* A debugger has one of the threads: an error, and no other thread is held. */
static void a_debugged_thread_is_an_error_and_holds_none(void **state)
{
	pid_t pid = start(THREADS, 0, false), debugger;
	struct err err = ERR_INIT;
	struct freeze hold;
	int ready[2], status;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	debugger = fork();
	assert_true(debugger >= 0);
	if (!debugger) {
		byte = ptrace(PTRACE_SEIZE, pid, NULL, NULL) ? 'n' : 'y';
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(freeze_begin(&hold, pid, &err), -ERR_PERMISSION);
	assert_non_null(strstr(err.text, "debugger"));
	while (count_in_state(pid, 't') != 0)
		sched_yield();
	assert_null(hold.threads);
	kill(debugger, SIGKILL);
	assert_int_equal(waitpid(debugger, &status, 0), debugger);
	/* it is gone: now it works */
	begin(&hold, pid);
	freeze_end(&hold);
	stop(pid);
	close(ready[0]);
	close(ready[1]);
}

static void a_process_that_has_ended_is_an_error(void **state)
{
	struct err err = ERR_INIT;
	struct freeze hold;
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(freeze_begin(&hold, pid, &err), -ERR_FAILED);
	assert_true(strlen(err.text) > 0);
	freeze_end(&hold);
}

static int setup(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return shared == MAP_FAILED;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_threads_stand_still_and_go_on),
		cmocka_unit_test(no_signal_is_lost),
		cmocka_unit_test(threads_that_come_and_go_are_held_too),
		cmocka_unit_test(a_process_without_its_main_thread_is_held),
		cmocka_unit_test(a_stopped_process_stays_stopped),
		cmocka_unit_test(a_debugged_thread_is_an_error_and_holds_none),
		cmocka_unit_test(a_process_that_has_ended_is_an_error),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
