/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The prober on a real kernel: what it attaches and closes is as if we had done it, and whoever uses it may be killed at
 * any moment without a breakpoint staying in the target.
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

/* ---- the target: does nothing ---------------------------------------------------------------------------- */

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

/* ---- what it does ---------------------------------------------------------------------------------------- */

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

/* ---- a user that is killed ------------------------------------------------------------------------------- */

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
		cmocka_unit_test(nothing_stays_when_its_user_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
