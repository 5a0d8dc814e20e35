/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A program that is started without its first descriptors gets no other file in their places, and
 * why standard output could not be written is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/std_fds.h"

#define SAID_SIZE 64

/* In a child: with these descriptors closed, or standard output at `path`. in  closed: a bit each
 */
static void run(unsigned closed, const char *path, char said[SAID_SIZE])
{
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		char reason[SAID_SIZE] = "";
		int next;

		for (int fd = 0; fd < 3; fd++)
			if (closed >> fd & 1)
				close(fd);
		if (path)
			dup2(open(path, O_WRONLY), STDOUT_FILENO);
		std_fds_secure();
		next = open("/dev/null", O_RDONLY);
		if (next < 3)
			_exit(1);
		/* more than the buffer holds, so that a write fails in the middle */
		for (int i = 0; i < 100000; i++)
			putchar('x');
		errno = 0;
		if (fflush(stdout) || ferror(stdout))
			std_fds_reason(reason, sizeof(reason));
		if (write(fds[1], reason, sizeof(reason)) != sizeof(reason))
			_exit(2);
		_exit(std_fds_error() ? 3 : 0);
	}
	n = read(fds[0], said, SAID_SIZE);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(n, SAID_SIZE);
	assert_int_equal(status, said[0] ? 3 << 8 : 0);
	close(fds[0]);
	close(fds[1]);
}

static void nothing_else_gets_their_places(void **state)
{
	char said[SAID_SIZE];

	(void)state;
	for (unsigned closed = 0; closed < 8; closed++) {
		run(closed, closed & 2 ? NULL : "/dev/null", said);
		assert_string_equal(said, closed & 2 ? "standard output is closed" : "");
	}
}

static void the_first_failure_is_kept(void **state)
{
	char said[SAID_SIZE];

	(void)state;
	run(0, "/dev/full", said);
	assert_string_equal(said, "standard output: No space left on device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_else_gets_their_places),
		cmocka_unit_test(the_first_failure_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
