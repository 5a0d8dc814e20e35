/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is said of machines that this one is not: reason, remedy and exit code.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/features.h"

/* A machine where all works. */
static struct features good(void)
{
	return (struct features){
		.kernel = KERNEL(6, 1),
		.release = "6.1.0-test",
		.bpf_permitted = true,
		.ptrace_permitted = true,
		.btf = true,
		.jit = true,
		.tracefs = true,
		.cookies = true,
		.c_frames = true,
	};
}

static void check(const struct features *features, int code, const char *const *words)
{
	struct err err = ERR_INIT;

	assert_int_equal(features_require(features, &err), -code);
	for (; code && *words; words++)
		if (!strstr(err.text, *words))
			fail_msg("no \"%s\" in: %s", *words, err.text);
}

#define CHECK(features, code, ...) \
	check(&(features), code, (const char *const[]){__VA_ARGS__, NULL})

static void a_good_kernel_is_taken(void **state)
{
	struct features features = good();

	(void)state;
	CHECK(features, ERR_NONE, "");
}

static void missing_capabilities_are_named(void **state)
{
	struct features features = good();

	(void)state;
	features.bpf_permitted = false;
	strcpy(features.missing, "CAP_BPF and CAP_PERFMON");
	CHECK(features, ERR_PERMISSION, "run as root",
	      "not permitted, CAP_BPF and CAP_PERFMON missing");
	strcpy(features.missing, "CAP_PERFMON");
	CHECK(features, ERR_PERMISSION, "run as root", "not permitted, CAP_PERFMON missing");
	/* no capability would help */
	features.user_namespace = true;
	CHECK(features, ERR_PERMISSION, "user namespace", "root on the host");
	features = good();
	features.ptrace_permitted = false;
	CHECK(features, ERR_PERMISSION, "CAP_SYS_PTRACE");
}

/* It is a filter that denies, and not the kernel's age. */
static void a_filter_is_named_and_not_the_kernels_age(void **state)
{
	static const int errors[] = {EPERM, ENOSYS};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct features features = good();

		features.seccomp = true;
		features.cookies = false; /* could not be tried */
		features.bpf_error = errors[i];
		CHECK(features, ERR_KERNEL, "seccomp", "bpf()", "on the host", "--privileged");
		features = good();
		features.seccomp = true;
		features.perf_error = errors[i];
		CHECK(features, ERR_KERNEL, "seccomp", "perf_event_open()", "on the host");
	}
}

static void what_else_denies_is_named(void **state)
{
	struct features features = good();

	(void)state;
	features.bpf_error = ENOSYS;
	CHECK(features, ERR_KERNEL, "6.1.0-test", "CONFIG_BPF_SYSCALL");
	features.bpf_error = EPERM;
	CHECK(features, ERR_PERMISSION, "bpf()", "security module");
	features = good();
	features.perf_error = ENOSYS;
	CHECK(features, ERR_KERNEL, "CONFIG_PERF_EVENTS");
	features.perf_error = EACCES;
	CHECK(features, ERR_PERMISSION, "perf_event_open()", "security module");
}

static void lockdown_is_named(void **state)
{
	struct features features = good();

	(void)state;
	features.lockdown = true;
	CHECK(features, ERR_KERNEL, "locked down", "lockdown=integrity");
}

/* The interpreter may do, and whoever loads sees it. */
static void no_jit_is_no_refusal(void **state)
{
	struct features features = good();

	(void)state;
	features.jit = false;
	CHECK(features, ERR_NONE, "");
	unsetenv("PYLEAKTRACE_WITHOUT");
	setenv("PYLEAKTRACE_WITHOUT", "jit", 1);
	assert_false(features_jit());
	unsetenv("PYLEAKTRACE_WITHOUT");
}

static void what_the_kernel_lacks_is_named(void **state)
{
	struct features features = good();

	(void)state;
	features.cookies = false;
	CHECK(features, ERR_KERNEL, "6.1.0-test", "5.15");
	features.btf = false;
	CHECK(features, ERR_KERNEL, "CONFIG_DEBUG_INFO_BTF");
	features = good();
	features.pid_namespace = true;
	CHECK(features, ERR_KERNEL, "PID namespace", "on the host");
}

/* A row says no only of what was looked for. */
static void a_row_says_no_only_of_what_was_looked_for(void **state)
{
	struct features features = good();
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	(void)state;
	features.seccomp = true;
	features.bpf_error = EPERM;
	features.cookies = false;
	out = open_memstream(&text, &size);
	features_print(out, &features);
	fclose(out);
	assert_non_null(strstr(text, "kernel 6.1.0-test\n"));
	assert_non_null(strstr(text, "bpf() may be called                  no: needed: a seccomp"));
	assert_non_null(strstr(text, "probe cookies (5.15)                 not known"));
	assert_non_null(strstr(text, "kernel BTF                           yes\n"));
	free(text);
}

/* What tests ask for is taken away, and nothing else. */
static void only_what_tests_ask_for_is_taken_away(void **state)
{
	struct features before, features;

	(void)state;
	unsetenv("PYLEAKTRACE_WITHOUT");
	features_detect(&before);
	setenv("PYLEAKTRACE_WITHOUT", "jit,lockdown", 1);
	features_detect(&features);
	assert_false(features.jit);
	assert_true(features.lockdown);
	assert_int_equal(features.bpf_error, before.bpf_error);
	assert_int_equal(features.perf_error, before.perf_error);
	assert_int_equal(features.btf, before.btf);
	setenv("PYLEAKTRACE_WITHOUT", "perf_events", 1);
	features_detect(&features);
	assert_int_equal(features.perf_error, EACCES);
	assert_int_equal(features.bpf_error, before.bpf_error);
	setenv("PYLEAKTRACE_WITHOUT", "user_namespace", 1);
	features_detect(&features);
	assert_true(features.user_namespace && !features.bpf_permitted);
	unsetenv("PYLEAKTRACE_WITHOUT");
}

static void old_kernels_preallocate(void **state)
{
	(void)state;
	unsetenv("PYLEAKTRACE_WITHOUT");
	assert_int_equal(features_must_preallocate(), features_kernel() < KERNEL(6, 1));
	setenv("PYLEAKTRACE_WITHOUT", "allocation", 1);
	assert_true(features_must_preallocate());
	unsetenv("PYLEAKTRACE_WITHOUT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_kernel_is_taken),
		cmocka_unit_test(missing_capabilities_are_named),
		cmocka_unit_test(a_filter_is_named_and_not_the_kernels_age),
		cmocka_unit_test(what_else_denies_is_named),
		cmocka_unit_test(lockdown_is_named),
		cmocka_unit_test(no_jit_is_no_refusal),
		cmocka_unit_test(what_the_kernel_lacks_is_named),
		cmocka_unit_test(a_row_says_no_only_of_what_was_looked_for),
		cmocka_unit_test(only_what_tests_ask_for_is_taken_away),
		cmocka_unit_test(old_kernels_preallocate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
