/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One tool at a time has a process: who comes second is told, and who comes after the first has gone is not.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/claim.h"

static void test_one_at_a_time(void **state)
{
	struct claim first, second;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(claim_take(&first, getpid(), &err), 0);
	if (first.fd <= 0) {
		print_message("skip: the folder of claims belongs to root\n");
		skip();
	}
	assert_int_equal(claim_take(&second, getpid(), &err), -ERR_FAILED);
	assert_non_null(strstr(err.text, "is being watched by another pyleaktrace"));
	claim_drop(&first);
	assert_int_equal(access(first.path, F_OK), -1);
	assert_int_equal(claim_take(&second, getpid(), &err), 0);
	assert_int_equal(access(second.path, F_OK), 0);
	claim_drop(&second);
	assert_int_equal(access(second.path, F_OK), -1);
}

/* A lock of a file that is not at its place any more is none: the path leads to the one that is locked. */
static void test_the_file_at_the_path(void **state)
{
	struct claim claim;
	struct err err = ERR_INIT;
	int fd;

	(void)state;
	assert_int_equal(claim_take(&claim, getpid(), &err), 0);
	if (claim.fd <= 0)
		skip();
	fd = open(claim.path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	close(fd);
	claim_drop(&claim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_the_file_at_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
