/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The order of locks, as it is checked in a debug build; this test has that check in every build.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef PYLEAKTRACE_CHECK_LOCKS
#define PYLEAKTRACE_CHECK_LOCKS
#endif
#include "base/lock.c"

static struct lock looking, switching, governor, elf_file;

static int setup(void **state)
{
	(void)state;
	lock_init(&looking, LOCK_RANK_LOOKING);
	lock_init(&switching, LOCK_RANK_SWITCHING);
	lock_init(&governor, LOCK_RANK_GOVERNOR);
	lock_init(&elf_file, LOCK_RANK_ELF_FILE);
	lock_make_recursive(&elf_file);
	return 0;
}

/* A child does it, and ends by SIGABRT with that message; "": it runs to its end. */
static void assert_said(void (*act)(void), const char *message)
{
	const struct rlimit no_core = {0};
	char text[256] = "";
	int out[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(out[1], STDERR_FILENO);
		act();
		_exit(0);
	}
	close(out[1]);
	n = read(out[0], text, sizeof(text) - 1);
	close(out[0]);
	assert_true(n >= 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(text, message);
	if (message[0])
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	else
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void in_order(void)
{
	for (unsigned i = 0; i < 2 * LOCK_MAX_HELD; i++) {
		lock_take(&looking);
		lock_take(&governor);
		lock_take(&elf_file);
		/* given back in any order */
		lock_release(&looking);
		lock_release(&elf_file);
		lock_release(&governor);
	}
}

static void locks_are_taken_by_rising_ranks(void **state)
{
	(void)state;
	assert_said(in_order, "");
}

static void backwards(void)
{
	lock_take(&governor);
	lock_take(&looking);
}

static void a_lower_rank_after_a_higher_ends_the_program(void **state)
{
	(void)state;
	assert_said(backwards, "pyleaktrace: LOCK_RANK_LOOKING is taken while LOCK_RANK_GOVERNOR "
			       "is held\n");
}

static void backwards_below_another(void)
{
	lock_take(&governor);
	lock_take(&elf_file);
	lock_release(&elf_file);
	lock_take(&looking);
}

static void what_was_given_back_is_not_held(void **state)
{
	(void)state;
	assert_said(backwards_below_another,
		    "pyleaktrace: LOCK_RANK_LOOKING is taken while LOCK_RANK_GOVERNOR is held\n");
}

static void both_of_a_rank(void)
{
	lock_take(&looking);
	lock_take(&switching);
}

static void two_of_one_rank_end_the_program(void **state)
{
	(void)state;
	assert_said(both_of_a_rank,
		    "pyleaktrace: LOCK_RANK_SWITCHING is taken while LOCK_RANK_LOOKING is held\n");
}

static void twice(void)
{
	lock_take(&governor);
	lock_take(&governor);
}

static void the_same_lock_twice_ends_the_program(void **state)
{
	(void)state;
	assert_said(twice,
		    "pyleaktrace: LOCK_RANK_GOVERNOR is taken while LOCK_RANK_GOVERNOR is held\n");
}

static void recursive(void)
{
	lock_take(&elf_file);
	lock_take(&elf_file);
	lock_release(&elf_file);
	lock_release(&elf_file);
	lock_take(&looking);
}

static void the_recursive_lock_may_be_taken_twice(void **state)
{
	(void)state;
	assert_said(recursive, "");
}

static void release_unheld(void)
{
	lock_release(&governor);
}

static void only_what_is_held_can_be_given_back(void **state)
{
	(void)state;
	assert_said(release_unheld, "pyleaktrace: LOCK_RANK_GOVERNOR is not held\n");
}

static void *take_looking(void *context)
{
	(void)context;
	lock_take(&looking);
	lock_release(&looking);
	return NULL;
}

static void with_another_thread(void)
{
	pthread_t thread;

	lock_take(&governor);
	if (pthread_create(&thread, NULL, take_looking, NULL) || pthread_join(thread, NULL))
		abort();
}

static void each_thread_has_an_order_of_its_own(void **state)
{
	(void)state;
	assert_said(with_another_thread, "");
}

/* While a thread waits for a condition the lock is free, and held again afterwards. */
static void wait_in_vain(void)
{
	pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

	lock_take(&governor);
	lock_wait_until(&governor, &condition, &(struct timespec){0});
	lock_take(&looking);
}

static void a_lock_is_held_after_waiting_with_it(void **state)
{
	(void)state;
	assert_said(wait_in_vain,
		    "pyleaktrace: LOCK_RANK_LOOKING is taken while LOCK_RANK_GOVERNOR is held\n");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(locks_are_taken_by_rising_ranks),
		TEST(a_lower_rank_after_a_higher_ends_the_program),
		TEST(what_was_given_back_is_not_held),
		TEST(two_of_one_rank_end_the_program),
		TEST(the_same_lock_twice_ends_the_program),
		TEST(the_recursive_lock_may_be_taken_twice),
		TEST(only_what_is_held_can_be_given_back),
		TEST(each_thread_has_an_order_of_its_own),
		TEST(a_lock_is_held_after_waiting_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
