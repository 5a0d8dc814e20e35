/* SPDX-License-Identifier: BSD-2-Clause
 *
 * remote_mem on a child: what it shares stays shared, many reads are as true as single ones, and
 * memory that is gone is distinguished from memory that is not mapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/xorshift.h"
#include "target/pagemap.h"
#include "target/process.h"
#include "target/remote_handle.h"
#include "target/remote_mem.h"
#include "target/sharing.h"

#define PAGES  512u
#define LENGTH (PAGES * PAGEMAP_PAGE)

static uint8_t *bytes;

struct child {
	pid_t pid;
	int order; /* a byte: exec(); end of file: exit */
};

static uint64_t address(size_t offset)
{
	return (uint64_t)(uintptr_t)bytes + offset;
}

static struct child start(void)
{
	struct child child;
	int ends[2];
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child.pid = fork();
	if (child.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[1]);
		if (read(ends[0], &byte, 1) == 1)
			execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(0);
	}
	assert_true(child.pid > 0);
	close(ends[0]);
	child.order = ends[1];
	assert_int_equal(remote_handle_open(child.pid), 0);
	return child;
}

static void finish(struct child *child)
{
	remote_handle_close(child->pid);
	assert_int_equal(remote_handle_get(child->pid), REMOTE_UNKNOWN);
	kill(child->pid, SIGKILL);
	close(child->order);
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

/* How many pages of the area only the child has. */
static unsigned sole_pages(pid_t pid)
{
	static uint64_t words[PAGES];
	int fd = pagemap_open(pid);
	unsigned n = 0;

	assert_true(fd >= 0);
	assert_int_equal(pagemap_read(fd, address(0), words, PAGES), PAGES);
	close(fd);
	for (unsigned i = 0; i < PAGES; i++) {
		assert_true(words[i] & PAGE_PRESENT);
		n += !!(words[i] & PAGE_SOLE);
	}
	return n;
}

static void reading_leaves_shared_pages_shared(void **state)
{
	static uint8_t buffer[LENGTH];
	struct child child = start();
	struct remote_item items[PAGES], whole = {address(0), buffer, LENGTH, 0};

	(void)state;
	assert_int_equal(sole_pages(child.pid), 0);
	assert_int_equal(remote_read(child.pid, address(0), buffer, LENGTH), 0);
	assert_memory_equal(buffer, bytes, LENGTH);
	for (size_t i = 0; i < PAGES; i++)
		items[i] = (struct remote_item){address(i * PAGEMAP_PAGE), buffer + 8 * i, 8, 0};
	remote_read_many(child.pid, items, PAGES);
	assert_int_equal(items[PAGES - 1].result, 0);
	assert_int_equal(sole_pages(child.pid), 0);
	/* it is the other way that does it, from 5.19 on */
	remote_read_sole(child.pid, &whole, 1);
	assert_int_equal(whole.result, 0);
	print_message("process_vm_readv made %u of %u pages private\n", sole_pages(child.pid),
		      PAGES);
	finish(&child);
}

/* Items of all sizes, in any order, next to, within and across one another, some where nothing is
 * mapped. */
static void many_items_are_read_as_one_by_one(void **state)
{
	enum { N = 1500 };
	static uint8_t room[N * 64 + (4u << 20)];
	struct remote_item *items = calloc(N, sizeof(*items));
	struct child child = start();
	uint64_t seed = 7;

	(void)state;
	assert_non_null(items);
	for (unsigned round = 0; round < 20; round++) {
		size_t used = 0;

		memset(room, 0xee, sizeof(room));
		for (size_t i = 0; i < N; i++) {
			size_t offset = xorshift_next(&seed) %
					(round % 2 ? 8 * PAGEMAP_PAGE : LENGTH),
			       length = i % 50 ? 1 + xorshift_next(&seed) % 64
					       : 1 + xorshift_next(&seed) % 100000;

			items[i] = (struct remote_item){address(offset), room + used, length, 1};
			if (i % 31 == 0)
				items[i].address = address(LENGTH - 32) + offset % PAGEMAP_PAGE;
			used += length;
			assert_true(used <= sizeof(room));
		}
		remote_read_many(child.pid, items, N);
		for (size_t i = 0; i < N; i++) {
			const uint8_t *truth = bytes + (items[i].address - address(0));
			const uint8_t *got = items[i].buffer;

			if (items[i].address + items[i].length <= address(LENGTH)) {
				assert_int_equal(items[i].result, 0);
				assert_memory_equal(got, truth, items[i].length);
				continue;
			}
			assert_int_equal(items[i].result, -EFAULT);
			for (size_t j = 0; j < items[i].length; j++)
				assert_int_equal(got[j], 0);
		}
	}
	free(items);
	finish(&child);
}

static void check_gone(pid_t pid)
{
	uint8_t buffer[2][8] = {{1}, {1}};
	struct remote_item items[] = {{address(0), buffer[0], 8, 0},
				      {address(LENGTH / 2), buffer[1], 8, 0}};

	assert_int_equal(remote_read(pid, address(0), buffer[0], 8), -ESRCH);
	assert_int_equal(buffer[0][0], 0);
	remote_read_many(pid, items, 2);
	assert_int_equal(items[0].result, -ESRCH);
	assert_int_equal(items[1].result, -ESRCH);
	assert_int_equal(buffer[1][0], 0);
	remote_read_sole(pid, items, 2);
	assert_int_equal(items[0].result, -ESRCH);
	assert_int_equal(items[1].result, -ESRCH);
}

/* The memory that was opened is gone, though a process of that pid is there, and has memory. */
static void an_exec_ends_the_memory_that_was_opened(void **state)
{
	struct child child = start();
	char path[32], exe[64] = "";
	uint64_t word;

	(void)state;
	assert_int_equal(remote_read_u64(child.pid, address(0), &word), 0);
	assert_int_equal(write(child.order, "x", 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)child.pid);
	while (!strstr(exe, "sleep"))
		assert_true(readlink(path, exe, sizeof(exe) - 1) > 0);
	check_gone(child.pid);
	/* whoever opens it again reads the new program: this area is not mapped there */
	assert_int_equal(remote_handle_open(child.pid), 0);
	assert_int_equal(remote_read_u64(child.pid, address(0), &word), -EFAULT);
	remote_handle_close(child.pid);
	assert_int_equal(remote_read_u64(child.pid, address(0), &word), -EFAULT);
	finish(&child);
}

static void an_exit_ends_the_memory_that_was_opened(void **state)
{
	struct child child = start();
	siginfo_t info;

	(void)state;
	kill(child.pid, SIGKILL);
	/* a zombie: the pid is still there */
	assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WNOWAIT | WEXITED), 0);
	check_gone(child.pid);
	finish(&child);
}

static pid_t start_waiting(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void end_waiting(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Each child knows which one it is: what is read of one is not another's. */
static pid_t start_numbered(uint64_t number)
{
	uint64_t before;
	pid_t pid;

	memcpy(&before, bytes, 8);
	memcpy(bytes, &number, 8);
	pid = start_waiting();
	memcpy(bytes, &before, 8);
	return pid;
}

static void check_number(pid_t pid, uint64_t number)
{
	uint64_t word;

	assert_int_equal(remote_read_u64(pid, address(0), &word), 0);
	assert_int_equal(word, number);
}

static void each_target_has_its_handle_until_none_is_left(void **state)
{
	enum { TARGETS = 70 }; /* more than a trace has */
	pid_t pids[REMOTE_HANDLES_MAX];
	struct child child = start();

	_Static_assert(TARGETS < REMOTE_HANDLES_MAX, "each has a handle");
	(void)state;
	/* two that use the same process: the first one that closes does not end it for the other */
	assert_int_equal(remote_handle_open(child.pid), 0);
	remote_handle_close(child.pid);
	assert_true(remote_handle_get(child.pid) >= 0);
	for (size_t i = 0; i < REMOTE_HANDLES_MAX - 1; i++) {
		pids[i] = start_numbered(i);
		assert_int_equal(remote_handle_open(pids[i]), 0);
		assert_true(remote_handle_get(pids[i]) >= 0);
	}
	for (size_t i = 0; i < TARGETS; i++)
		check_number(pids[i], i);
	/* with no slot left another one is refused, and takes nothing from the open ones */
	pids[REMOTE_HANDLES_MAX - 1] = start_waiting();
	assert_int_equal(remote_handle_open(pids[REMOTE_HANDLES_MAX - 1]), -EUSERS);
	assert_int_equal(remote_handle_get(pids[REMOTE_HANDLES_MAX - 1]), REMOTE_UNKNOWN);
	remote_handle_close(pids[REMOTE_HANDLES_MAX - 1]);
	for (size_t i = 0; i < REMOTE_HANDLES_MAX - 1; i++) {
		assert_true(remote_handle_get(pids[i]) >= 0);
		check_number(pids[i], i);
		remote_handle_close(pids[i]);
		assert_int_equal(remote_handle_get(pids[i]), REMOTE_UNKNOWN);
		end_waiting(pids[i]);
	}
	end_waiting(pids[REMOTE_HANDLES_MAX - 1]);
	assert_int_equal(remote_handle_open(999999999), -ESRCH);
	finish(&child);
}

/* ---- threads that open and close at the same time ------------------------------------------- */

enum {
	THREADS = 4,
	EACH = 3,
	ROUNDS = 5000,
	/* so few slots are left that all want the same ones */
	OTHERS = REMOTE_HANDLES_MAX - (THREADS * EACH - (THREADS - 1)),
};

struct opener {
	pthread_t thread;
	pid_t pids[EACH];
	uint64_t numbers[EACH];
	unsigned wrong;
};

/* assert_*() are for the main thread only */
static void *open_and_close(void *context)
{
	struct opener *opener = context;
	uint64_t word;

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < EACH; i++)
			opener->wrong += remote_handle_open(opener->pids[i]) != 0;
		for (unsigned i = 0; i < EACH; i++) {
			opener->wrong += remote_handle_get(opener->pids[i]) < 0;
			opener->wrong += remote_read_u64(opener->pids[i], address(0), &word) != 0;
			opener->wrong += word != opener->numbers[i];
		}
		for (unsigned i = 0; i < EACH; i++)
			remote_handle_close(opener->pids[i]);
	}
	return NULL;
}

static size_t open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(folder);
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

static void threads_open_and_close_without_mixing_targets(void **state)
{
	struct opener openers[THREADS];
	pid_t others[OTHERS];
	size_t files;

	(void)state;
	for (unsigned i = 0; i < OTHERS; i++) {
		others[i] = start_waiting();
		assert_int_equal(remote_handle_open(others[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		openers[i] = (struct opener){0};
		for (unsigned j = 0; j < EACH; j++) {
			/* the last one is everybody's */
			bool shared = i && j == EACH - 1;

			openers[i].numbers[j] = shared ? EACH - 1 : i * EACH + j;
			openers[i].pids[j] =
				shared ? openers[0].pids[j] : start_numbered(openers[i].numbers[j]);
		}
	}
	files = open_files();
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&openers[i].thread, NULL, open_and_close, &openers[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(openers[i].thread, NULL);
		assert_int_equal(openers[i].wrong, 0);
	}
	assert_int_equal(open_files(), files);
	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned j = 0; j < EACH - (i > 0); j++)
			end_waiting(openers[i].pids[j]);
	for (unsigned i = 0; i < OTHERS; i++) {
		assert_true(remote_handle_get(others[i]) >= 0);
		remote_handle_close(others[i]);
		end_waiting(others[i]);
	}
}

/* ---- another user's process, without the right to open its file ----------------------------- */

static bool only_ptrace(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	data[0].effective = data[0].permitted = 1u << CAP_SYS_PTRACE;
	return syscall(SYS_capset, &header, data) == 0;
}

#define OTHER 65534

struct lone {
	pid_t pid;
	int order, answer, held;
};

/* A shell of another user: by exec() it shares nothing, until it is asked to fork. */
static struct lone start_lone(void)
{
	int orders[2], answers[2], held[2];
	struct lone lone;
	char byte, script[200];

	assert_int_equal(pipe2(orders, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answers, O_CLOEXEC), 0);
	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	lone = (struct lone){fork(), orders[1], answers[0], held[1]};
	if (lone.pid == 0) {
		if (dup2(orders[0], 0) < 0 || dup2(answers[1], 1) < 0 || setgid(OTHER) ||
		    setuid(OTHER))
			_exit(1);
		/* what its child waits on */
		if (fcntl(held[0], F_SETFD, 0))
			_exit(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(script, sizeof(script),
			 "exec 2>/dev/null; echo; read a; (read b <&%d) & echo; read a; kill $!; "
			 "wait $!; echo; read a",
			 held[0]);
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(1);
	}
	assert_true(lone.pid > 0);
	close(orders[0]);
	close(answers[1]);
	close(held[0]);
	assert_int_equal(read(lone.answer, &byte, 1), 1);
	return lone;
}

/* A child that shares what this process has, and is another user's. */
static pid_t start_sharing(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (setgid(OTHER) || setuid(OTHER) || prctl(PR_SET_DUMPABLE, 1))
			_exit(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/* return what is not as it should be; 0: nothing */
static int read_anothers(pid_t shared, const struct lone *lone)
{
	struct remote_item item = {address(0), (uint8_t[8]){0}, 8, 0};
	struct process process;
	struct err err = ERR_INIT;
	uint64_t word;
	char byte;

	if (!only_ptrace())
		return 99;
	/* nobody has looked whether it shares anything */
	if (remote_read_u64(shared, address(0), &word) != -EPERM)
		return 1;
	if (process_open(&process, shared, &err) != -ERR_PERMISSION || !strstr(err.text, "shares"))
		return 2;
	/* the open that was refused has left nothing behind */
	if (remote_handle_get(shared) != REMOTE_UNKNOWN)
		return 3;
	if (remote_handle_open(lone->pid) || remote_handle_get(lone->pid) != REMOTE_BY_CALL)
		return 4;
	if (sharing_check(lone->pid, &err) != 0)
		return 5;
	/* it forks, and says so; and again when its child has ended */
	if (write(lone->order, "\n", 1) != 1 || read(lone->answer, &byte, 1) != 1)
		return 6;
	if (sharing_check(lone->pid, &err) != -ERR_PERMISSION)
		return 7;
	if (remote_handle_get(lone->pid) != REMOTE_REFUSED ||
	    remote_read_u64(lone->pid, address(0), &word) != -EPERM)
		return 8;
	remote_read_many(lone->pid, &item, 1);
	if (item.result != -EPERM)
		return 9;
	remote_read_sole(lone->pid, &item, 1);
	if (item.result != -EPERM)
		return 10;
	if (write(lone->order, "\n", 1) != 1 || read(lone->answer, &byte, 1) != 1)
		return 11;
	if (sharing_check(lone->pid, &err) != 0 || remote_handle_get(lone->pid) != REMOTE_BY_CALL)
		return 12;
	remote_handle_close(lone->pid);
	return 0;
}
static void without_a_file_memory_is_read_by_call(void **state)
{
	struct lone lone;
	pid_t shared, reader;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	shared = start_sharing();
	lone = start_lone();
	reader = fork();
	if (reader == 0)
		_exit(read_anothers(shared, &lone));
	assert_int_equal(waitpid(reader, &status, 0), reader);
	end_waiting(shared);
	end_waiting(lone.pid);
	close(lone.order);
	close(lone.answer);
	close(lone.held);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_leaves_shared_pages_shared),
		cmocka_unit_test(many_items_are_read_as_one_by_one),
		cmocka_unit_test(an_exec_ends_the_memory_that_was_opened),
		cmocka_unit_test(an_exit_ends_the_memory_that_was_opened),
		cmocka_unit_test(each_target_has_its_handle_until_none_is_left),
		cmocka_unit_test(threads_open_and_close_without_mixing_targets),
		cmocka_unit_test(without_a_file_memory_is_read_by_call),
	};
	uint64_t seed = 1;

	bytes = mmap(NULL, LENGTH + PAGEMAP_PAGE * 64, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED || munmap(bytes + LENGTH, PAGEMAP_PAGE * 64))
		return 1;
	for (size_t i = 0; i < LENGTH; i += 8) {
		uint64_t word = xorshift_next(&seed);

		memcpy(bytes + i, &word, 8);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
