/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who denies that a process is read: one reason each, and never one that is not so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "target/denial.h"

static void expect(struct denial denial, const char *words)
{
	struct err err = ERR_INIT;

	assert_int_equal(denial_explain(&denial, 7, "worker", &err), -ERR_PERMISSION);
	assert_non_null(strstr(err.text, "pid 7 (worker)"));
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	if (denial.may_ptrace)
		assert_null(strstr(err.text, "CAP_SYS_PTRACE is missing"));
}

static void each_denial_has_its_reason_and_remedy(void **state)
{
	(void)state;
	expect((struct denial){.yama = -1}, "CAP_SYS_PTRACE is missing; run as root or add it");
	expect((struct denial){.yama = 1}, "CAP_SYS_PTRACE is missing");
	expect((struct denial){.is_root = true, .yama = -1}, "this root was started without it");
	expect((struct denial){.yama = 3}, "kernel.yama.ptrace_scope is 3");
	/* root does not help there, and is not advised to become root */
	expect((struct denial){.yama = 3, .may_ptrace = true}, "not even root");
	expect((struct denial){.yama = 2, .may_ptrace = true, .own_namespace = true},
	       "user namespace of its own");
	expect((struct denial){.yama = -1, .may_ptrace = true, .filtered = true}, "seccomp filter");
	expect((struct denial){.yama = 0, .may_ptrace = true},
	       "most likely a security module denies it (SELinux, AppArmor or Landlock)");
	expect((struct denial){.yama = 0, .may_ptrace = true, .modules = "BPF, Landlock"},
	       "most likely a security module denies it (this kernel has BPF, Landlock)");
}

static void what_this_process_may_is_looked_up(void **state)
{
	struct denial denial;

	(void)state;
	denial_look(&denial);
	assert_in_range(denial.yama + 1, 0, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_denial_has_its_reason_and_remedy),
		cmocka_unit_test(what_this_process_may_is_looked_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
