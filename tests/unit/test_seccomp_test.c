/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What return probes do to a process with a seccomp filter, on this kernel, and that the test
 * leaves nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/seccomp_test.h"

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

static bool kernel_is_older_or_newer(void)
{
	struct utsname names;
	int major = 0, minor = 0;

	assert_int_equal(uname(&names), 0);
	assert_int_equal(sscanf(names.release, "%d.%d", &major, &minor), 2);
	return major < 6 || major > 6 || minor < 11 || minor > 13;
}

static void says_what_happens(void **state)
{
	unsigned before = n_open();
	enum return_verdict verdict = seccomp_test(false);

	(void)state;
	if (geteuid() != 0) {
		print_message("skip: probing needs root\n");
		skip();
	}
	/* between those two some kernels kill and others do not */
	if (kernel_is_older_or_newer())
		assert_int_equal(verdict, RETURN_SURVIVES);
	else
		assert_int_not_equal(verdict, RETURN_UNKNOWN);
	assert_int_equal(n_open(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* A child that makes the system call of such kernels, or one that its filter does not know
 * either. */
static void sees_who_is_killed(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("skip: probing needs root\n");
		skip();
	}
#ifdef __x86_64__
	assert_int_equal(seccomp_test(true), RETURN_KILLS);
#endif
}

/* The tool must reach a verdict also in a shell that gives it no input and output. */
static void without_standard_files(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		for (int fd = 0; fd <= 2; fd++)
			close(fd);
		_exit(seccomp_test(false) == RETURN_UNKNOWN);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(geteuid() != 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_happens),
		cmocka_unit_test(sees_who_is_killed),
		cmocka_unit_test(without_standard_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
