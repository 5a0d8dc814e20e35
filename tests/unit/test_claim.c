/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One tool at a time has a process: the second gets an error, and one that comes after the first
 * has gone is not.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/claim.h"

static void a_target_has_one_claim_at_a_time(void **state)
{
	struct claim first, second;
	struct err err = ERR_INIT;
	char owner[32];

	(void)state;
	assert_int_equal(claim_take(&first, getpid(), &err), 0);
	if (first.fd <= 0) {
		print_message("skip: the folder of claims belongs to root\n");
		skip();
	}
	assert_int_equal(claim_take(&second, getpid(), &err), -ERR_FAILED);
	assert_non_null(strstr(err.text, "is being traced by another pyleaktrace"));
	snprintf(owner, sizeof(owner), "(pid %d)", (int)getpid());
	assert_non_null(strstr(err.text, owner));
	assert_int_equal(claim_owner(getpid()), getpid());
	claim_drop(&first);
	assert_int_equal(access(first.path, F_OK), -1);
	assert_int_equal(claim_owner(getpid()), 0);
	assert_int_equal(claim_take(&second, getpid(), &err), 0);
	assert_int_equal(access(second.path, F_OK), 0);
	claim_drop(&second);
	assert_int_equal(access(second.path, F_OK), -1);
}

/* Is somebody waiting for a lock that this process has? The kernel lists who waits behind "->". */
static bool is_waited_for(pid_t pid)
{
	char line[256], word[32];
	FILE *locks = fopen("/proc/locks", "re");
	bool found = false;

	snprintf(word, sizeof(word), " %d ", (int)pid);
	while (locks && !found && fgets(line, sizeof(line), locks))
		found = strstr(line, "->") && strstr(line, word);
	if (locks)
		fclose(locks);
	return found;
}

/* Who waited for an owner that unlinks its file must not be content with that file. */
static void a_claim_is_the_file_at_the_path(void **state)
{
	struct claim claim;
	struct err err = ERR_INIT;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(claim_take(&claim, getpid(), &err), 0);
	if (claim.fd <= 0) {
		print_message("skip: the folder of claims belongs to root\n");
		skip();
	}
	/* an owner that is not there any more is one that is about to let go */
	assert_int_equal(pwrite(claim.fd, "999999999      ", 15, 0), 15);
	pid = fork();
	if (pid == 0) {
		struct claim mine;
		struct stat locked, there;

		close(claim.fd);
		alarm(60);
		if (claim_take(&mine, getppid(), &err) || mine.fd <= 0)
			_exit(1);
		_exit(fstat(mine.fd, &locked) || stat(mine.path, &there) ||
		      locked.st_ino != there.st_ino);
	}
	while (!is_waited_for(pid) && waitpid(pid, &status, WNOHANG) == 0)
		sched_yield();
	claim_drop(&claim);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	unlink(claim.path);
}

/* Files of tools that were killed go, those of others stay. */
static void what_killed_tools_left_is_removed(void **state)
{
	const char *const stale = "/run/pyleaktrace/999999998",
			  *const fresh = "/run/pyleaktrace/999999997";
	struct claim claim, other;
	struct err err = ERR_INIT;
	FILE *file;

	(void)state;
	assert_int_equal(claim_take(&claim, getpid(), &err), 0);
	if (claim.fd <= 0) {
		print_message("skip: the folder of claims belongs to root\n");
		skip();
	}
	file = fopen(stale, "w");
	assert_non_null(file);
	fprintf(file, "%-15d", 999999999);
	fclose(file);
	/* its owner has not written its pid yet */
	file = fopen(fresh, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(claim_owner(999999998), 0);
	assert_int_equal(claim_take(&other, getppid(), &err), 0);
	assert_int_equal(access(stale, F_OK), -1);
	assert_int_equal(access(fresh, F_OK), 0);
	assert_int_equal(access(claim.path, F_OK), 0);
	unlink(fresh);
	claim_drop(&other);
	claim_drop(&claim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_has_one_claim_at_a_time),
		cmocka_unit_test(a_claim_is_the_file_at_the_path),
		cmocka_unit_test(what_killed_tools_left_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
