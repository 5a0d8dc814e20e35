/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/image.h"

/* A child that reports when it runs, and execs another program on request. */
struct child {
	pid_t pid;
	int to, from;
};

static void child_start(struct child *child)
{
	int to[2], from[2];

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	child->pid = fork();
	if (child->pid == 0) {
		char byte = 'r';

		close(to[1]);
		if (write(from[1], &byte, 1) != 1 || read(to[0], &byte, 1) != 1)
			_exit(1);
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl("/bin/sh", "a (name) b", "-c", "echo; read x", (char *)NULL);
		_exit(1);
	}
	close(to[0]);
	close(from[1]);
	child->to = to[1];
	child->from = from[0];
}

static void child_says(const struct child *child)
{
	char byte;

	assert_int_equal(read(child->from, &byte, 1), 1);
}

static void an_exec_is_another_image(void **state)
{
	struct child child;
	struct image before, now;

	(void)state;
	child_start(&child);
	child_says(&child);
	assert_true(image_read(&before, child.pid));
	assert_true(before.start_stack && before.start_code && before.inode);
	assert_false(image_replaced(&before, child.pid));
	assert_int_equal(write(child.to, "x", 1), 1);
	child_says(&child);
	assert_true(image_replaced(&before, child.pid));
	assert_true(image_read(&now, child.pid));
	assert_false(image_replaced(&now, child.pid));
	assert_int_not_equal(now.inode, before.inode);
	close(child.to);
	close(child.from);
	assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
	/* who is gone runs no other program */
	assert_false(image_replaced(&now, child.pid));
	assert_false(image_read(&now, child.pid));
}

/* One that has ended and was not waited for has a line, without a stack. */
static void a_zombie_was_not_replaced(void **state)
{
	struct child child;
	struct image before;
	siginfo_t info;

	(void)state;
	child_start(&child);
	child_says(&child);
	assert_true(image_read(&before, child.pid));
	kill(child.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(image_replaced(&before, child.pid));
	waitpid(child.pid, NULL, 0);
	close(child.to);
	close(child.from);
}

/* The file goes before the line does when a process ends: that is no exec. */
static void a_file_that_is_not_known_is_no_exec(void **state)
{
	const struct image image = {0x1000, 0x2000, 3, 4};
	struct image other = image;

	(void)state;
	assert_false(image_differs(&image, &image));
	other.device = other.inode = 0;
	assert_false(image_differs(&image, &other));
	assert_false(image_differs(&other, &image));
	other.start_stack++;
	assert_true(image_differs(&image, &other));
	other = image;
	other.inode++;
	assert_true(image_differs(&image, &other));
	other = image;
	other.device++;
	assert_true(image_differs(&image, &other));
	other = image;
	other.start_code++;
	assert_true(image_differs(&image, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exec_is_another_image),
		cmocka_unit_test(a_zombie_was_not_replaced),
		cmocka_unit_test(a_file_that_is_not_known_is_no_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
