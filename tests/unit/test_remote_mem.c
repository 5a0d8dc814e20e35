/* SPDX-License-Identifier: BSD-2-Clause
 *
 * remote_mem on a child: what it shares stays shared, many reads are as true as single ones, and memory
 * that is gone is told from memory that is not mapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/xorshift.h"
#include "target/pagemap.h"
#include "target/remote_handle.h"
#include "target/remote_mem.h"

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

static void test_stays_shared(void **state)
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

/* Items of all sizes, in any order, beside, within and across one another, some where nothing is mapped. */
static void test_many(void **state)
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
static void test_exec(void **state)
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

static void test_exit(void **state)
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

static void test_handles(void **state)
{
	pid_t pids[REMOTE_HANDLES_MAX + 2];
	struct child child = start();
	uint64_t word;

	(void)state;
	/* two that use the same process: the first one that closes does not end it for the other */
	assert_int_equal(remote_handle_open(child.pid), 0);
	remote_handle_close(child.pid);
	assert_true(remote_handle_get(child.pid) >= 0);
	/* more processes than handles: those without are read all the same */
	for (size_t i = 0; i < REMOTE_HANDLES_MAX + 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
		assert_int_equal(remote_handle_open(pids[i]), 0);
	}
	assert_int_equal(remote_handle_get(pids[REMOTE_HANDLES_MAX]), REMOTE_UNKNOWN);
	for (size_t i = 0; i < REMOTE_HANDLES_MAX + 2; i++) {
		assert_int_equal(remote_read_u64(pids[i], address(8), &word), 0);
		assert_memory_equal(&word, bytes + 8, 8);
		remote_handle_close(pids[i]);
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	assert_int_equal(remote_handle_open(999999999), -ESRCH);
	finish(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays_shared), cmocka_unit_test(test_many),
		cmocka_unit_test(test_exec),         cmocka_unit_test(test_exit),
		cmocka_unit_test(test_handles),
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
