/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "trace/idle_parent.h"
#include "target/children.h"

#define S 1e9

static void an_idle_parent_does_little_and_its_children_much(void **state)
{
	(void)state;
	/* a master that waits, and workers */
	assert_true(idle_parent_is(0, 3 * S, 10 * S));
	assert_true(idle_parent_is(0.02 * S, 0.2 * S, 10 * S));
	/* it does something */
	assert_false(idle_parent_is(0.2 * S, 8 * S, 10 * S));
	assert_false(idle_parent_is(5 * S, 50 * S, 10 * S));
	/* nobody does anything; there is nobody */
	assert_false(idle_parent_is(0.02 * S, 0.02 * S, 10 * S));
	assert_false(idle_parent_is(0.001 * S, 0.01 * S, 10 * S));
	assert_false(idle_parent_is(0, 0, 10 * S));
	assert_false(idle_parent_is(0, 0, 0));
	/* they do little more than it */
	assert_false(idle_parent_is(0.05 * S, 0.19 * S, 10 * S));
	assert_true(idle_parent_is(0.05 * S, 0.21 * S, 10 * S));
}

/* It has run, and waits. */
static pid_t waiter(int *to)
{
	int pipes[2], ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		close(pipes[1]);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(pipes[0], &byte, 1) != 0);
	}
	close(pipes[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*to = pipes[1];
	return pid;
}

/* Our own ones, while they are there. */
static void children_are_ours_while_they_are_there(void **state)
{
	static struct children children, later;
	pid_t pids[2];
	int to[2];

	(void)state;
	children_read(&children, getpid());
	assert_int_equal(children.n_children, 0);
	for (int i = 0; i < 2; i++)
		pids[i] = waiter(&to[i]);
	children_read(&children, getpid());
	assert_int_equal(children.n_children, 2);
	assert_int_equal(children.n_rows, 2);
	for (int i = 0; i < 2; i++) {
		assert_true(children.rows[i].pid == pids[0] || children.rows[i].pid == pids[1]);
		assert_true(children.rows[i].start_time > 0);
		assert_true(children.rows[i].cpu_ns > 0);
	}
	/* what one has used since, and what another one has who has its number by now */
	later = children;
	later.rows[0].cpu_ns += 5e6;
	assert_true(children_used(&children, &later.rows[0]) == 5e6);
	assert_true(children_used(&children, &later.rows[1]) == 0);
	later.rows[0].start_time++;
	assert_true(children_used(&children, &later.rows[0]) == later.rows[0].cpu_ns);
	/* more children than rows: one that may have been there before counts from when it is
	 * known */
	later.rows[0].start_time = children.newest;
	later.rows[0].pid = 1;
	assert_true(children_used(&children, &later.rows[0]) == later.rows[0].cpu_ns);
	children.n_children = CHILDREN_MAX + 1;
	assert_true(children_used(&children, &later.rows[0]) == 0);
	assert_true(children_used(&children, &later.rows[1]) == 0);
	later.rows[0].start_time++;
	assert_true(children_used(&children, &later.rows[0]) == later.rows[0].cpu_ns);
	/* both at first: the younger one has the older one's end, too */
	for (int i = 0; i < 2; i++)
		close(to[i]);
	for (int i = 0; i < 2; i++)
		waitpid(pids[i], NULL, 0);
	children_read(&children, getpid());
	assert_int_equal(children.n_children, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_parent_does_little_and_its_children_much),
		cmocka_unit_test(children_are_ours_while_they_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
