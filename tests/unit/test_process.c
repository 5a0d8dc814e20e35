/* SPDX-License-Identifier: BSD-2-Clause
 * Which process that is, and what is said of processes that are no supported Python.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "python/runtime.h"
#include "target/process.h"

static void skip_because(const char *why)
{
	print_message("skip: %s\n", why);
	skip();
}

static void expect_refusal(pid_t pid, enum err_code code, const char *words)
{
	struct process process;
	struct py_runtime runtime;
	struct err err = ERR_INIT;
	int result = process_open(&process, pid, &err);

	if (!result) {
		result = py_runtime_find(&runtime, &process, &err);
		process_close(&process);
	}
	assert_int_equal(result, -(int)code);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	assert_null(strchr(err.text, '\n'));
}

/* ---- a process
 * ------------------------------------------------------------------------------------- */

static void this_process_is_described(void **state)
{
	struct process process;
	struct process_stats stats;
	struct err err = ERR_INIT;
	char exe[PATH_MAX] = "";
	size_t n_words;
	char **words;

	(void)state;
	assert_int_equal(process_open(&process, getpid(), &err), 0);
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_string_equal(process.exe, exe);
	assert_false(process.exe_deleted);
	assert_true(process.start_time > 0);
	assert_int_equal(process.ns_pid, getpid());
	assert_true(process_alive(&process));
	assert_int_equal(process_state(&process), 'R');
	assert_int_equal(process_stats(&process, &stats), 0);
	assert_true(stats.threads >= 1 && stats.rss_bytes > 100000 && stats.cpu_s >= 0);
	words = process_cmdline(&process, &n_words);
	assert_non_null(words);
	assert_true(n_words >= 1);
	assert_non_null(strstr(words[0], "test_process"));
	assert_null(words[n_words]);
	free(words);
	/* another process had this pid before: what is asked is not about it */
	process.start_time++;
	assert_int_equal(process_state(&process), 0);
	assert_int_equal(process_stats(&process, &stats), -1);
	assert_int_equal(stats.threads, 0);
	process_close(&process);
	process_close(&process);
}

/* That no file can be opened does not mean that there is no process. */
static void without_descriptors_the_limit_is_named(void **state)
{
	const struct rlimit none = {3, 3};
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct process process;
		struct err err = ERR_INIT;

		if (setrlimit(RLIMIT_NOFILE, &none))
			_exit(1);
		if (process_open(&process, getppid(), &err) != -ERR_FAILED ||
		    !strstr(err.text, "cannot be read: Too many open files; raise ulimit -n"))
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_process_that_is_stopped_is_seen(void **state)
{
	struct process process;
	struct err err = ERR_INIT;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_int_equal(process_open(&process, pid, &err), 0);
	assert_true(process_stopped(&process));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(process_stopped(&process));
	process_close(&process);
}

static pid_t start(const char *program, char *const argv[], int input[2])
{
	pid_t pid;

	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(input[0], 0);
		execv(program, argv);
		_exit(127);
	}
	close(input[0]);
	return pid;
}

/*
 * Until the child's exec is through, it is still us: wait for its own name, and for its words,
 * which the kernel writes a moment later.
 */
static void wait_for_exec(pid_t pid)
{
	char path[64], own[PATH_MAX] = "", now[PATH_MAX], *words = NULL;
	size_t length = 0;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
	do {
		memset(now, 0, sizeof(now));
		assert_true(readlink(path, now, sizeof(now) - 1) > 0);
	} while (strcmp(own, now) == 0);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	while (!length) {
		assert_int_equal(file_read_all(path, 1UL << 20, &words, &length), 0);
		free(words);
	}
}

static void finish(pid_t pid, int input[2])
{
	close(input[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* More words than are kept, and one that is longer than is kept. */
static void a_command_line_is_cut_to_what_is_kept(void **state)
{
	char *argv[200] = {"/bin/sh", "-c", "read line; exit 0"}, longest[10000];
	struct process process;
	size_t n_words;
	char **words;
	int input[2];
	pid_t pid;

	(void)state;
	memset(longest, 'y', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	argv[3] = longest;
	for (unsigned i = 4; i < 199; i++)
		argv[i] = "";
	argv[5] = "five";
	pid = start("/bin/sh", argv, input);
	wait_for_exec(pid);
	assert_int_equal(process_open(&process, pid, NULL), 0);
	words = process_cmdline(&process, &n_words);
	assert_non_null(words);
	assert_int_equal(n_words, 128);
	assert_string_equal(words[1], "-c");
	assert_int_equal(strlen(words[3]), 4095);
	assert_string_equal(words[4], "");
	assert_string_equal(words[5], "five");
	assert_null(words[128]);
	free(words);
	finish(pid, input);
	assert_false(process_alive(&process));
	assert_int_equal(process_state(&process), 0);
	words = process_cmdline(&process, &n_words);
	assert_non_null(words);
	assert_int_equal(n_words, 0);
	assert_null(words[0]);
	free(words);
	process_close(&process);
}

static void a_pid_without_a_process_is_refused(void **state)
{
	(void)state;
	expect_refusal(999999999, ERR_TARGET, "no process with pid 999999999");
	expect_refusal(0, ERR_TARGET, "0 is not a pid");
	expect_refusal(-1, ERR_TARGET, "-1 is not a pid");
}

static void a_kernel_thread_is_refused(void **state)
{
	char comm[64];

	(void)state;
	if (file_read("/proc/2/comm", comm, sizeof(comm)) < 0 || strcmp(comm, "kthreadd\n") != 0)
		skip_because("pid 2 is no kernel thread in this PID namespace");
	expect_refusal(2, ERR_TARGET, "pid 2 is a kernel thread (kthreadd)");
}

static void a_zombie_is_refused(void **state)
{
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	expect_refusal(pid, ERR_TARGET, "is a zombie");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

struct helper {
	pthread_barrier_t barrier;
	pid_t tid;
};

static void *helper_main(void *argument)
{
	struct helper *helper = argument;

	helper->tid = gettid();
	pthread_barrier_wait(&helper->barrier);
	pthread_barrier_wait(&helper->barrier);
	return NULL;
}

static void a_thread_id_is_refused_with_its_process(void **state)
{
	struct helper helper;
	pthread_t thread;
	char words[64];

	(void)state;
	pthread_barrier_init(&helper.barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, helper_main, &helper), 0);
	pthread_barrier_wait(&helper.barrier);
	snprintf(words, sizeof(words), "%d is a thread of process %d; use -p %d", (int)helper.tid,
		 (int)getpid(), (int)getpid());
	expect_refusal(helper.tid, ERR_TARGET, words);
	pthread_barrier_wait(&helper.barrier);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&helper.barrier);
}

/* An ordinary user asks for a process of root. */
static void a_process_of_root_is_refused_with_the_remedy(void **state)
{
	struct process process;
	struct err err = ERR_INIT;
	pid_t parent = getpid(), pid;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip_because("only root can become somebody else");
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(1);
		if (process_open(&process, parent, &err) != -ERR_PERMISSION)
			_exit(2);
		_exit(strstr(err.text, "CAP_SYS_PTRACE is missing; run as root or add it") ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- no supported Python
 * ---------------------------------------------------------------------------- */

static void what_is_no_python_is_refused_by_name(void **state)
{
	char *argv[] = {"sh", "-c", "read line; exit 0", NULL}, exe[PATH_MAX] = "",
	     words[PATH_MAX + 64];
	int input[2];
	pid_t pid;

	(void)state;
	pid = start("/bin/sh", argv, input);
	wait_for_exec(pid);
	assert_non_null(realpath("/bin/sh", exe));
	snprintf(words, sizeof(words), "pid %d is %s, not a Python", (int)pid, exe);
	expect_refusal(pid, ERR_TARGET, words);
	finish(pid, input);
}

static char *find_program(const char *pattern)
{
	const char *home = getenv("HOME");
	char full[PATH_MAX];
	char *path = NULL;
	glob_t found;

	snprintf(full, sizeof(full), "%s%s", *pattern == '/' || !home ? "" : home,
		 *pattern == '/' ? pattern : pattern + 1);
	if (glob(full, 0, NULL, &found) == 0)
		path = strdup(found.gl_pathv[0]);
	globfree(&found);
	return path;
}

static void python_2_is_refused_with_its_version(void **state)
{
	char *python = find_program("~/.pyenv/versions/2.7.*/bin/python2.7");
	char *argv[] = {
		"python2.7", "-c",
		"import os, sys; os.write(1, sys.version.split()[0] + '\\n'); sys.stdin.read()",
		NULL};
	char version[32] = "", words[128];
	int input[2], output[2], saved;
	ssize_t n;
	pid_t pid;

	(void)state;
	if (!python)
		python = find_program("/usr/bin/python2.7");
	if (!python)
		skip_because("no python2.7 was found");
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	saved = dup(1);
	dup2(output[1], 1);
	pid = start(python, argv, input);
	dup2(saved, 1);
	close(saved);
	close(output[1]);
	n = read(output[0], version, sizeof(version) - 1);
	assert_true(n > 1);
	version[n - 1] = '\0';
	snprintf(words, sizeof(words), "runs CPython %s (", version);
	expect_refusal(pid, ERR_TARGET, words);
	expect_refusal(pid, ERR_TARGET, "3.6 to 3.15 and 3.13t to 3.15t are supported");
	close(output[0]);
	finish(pid, input);
	free(python);
}

/* Stopped at the first instruction after exec: nothing is initialised, or not even loaded. */
static void expect_starting(const char *python)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl(python, python, "-c", "0", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	expect_refusal(pid, ERR_TARGET, "still starting");
	expect_refusal(pid, ERR_TARGET, "try again");
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void a_python_that_starts_is_waited_for(void **state)
{
	static const char *const patterns[] = {"/usr/bin/python3.[0-9]*[0-9]",
					       "~/.pyenv/versions/3.9.*/bin/python3.9"};
	unsigned tried = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char *python = find_program(patterns[i]);

		if (python) {
			expect_starting(python);
			tried++;
		}
		free(python);
	}
	if (!tried)
		skip_because("no python3 was found");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_process_is_described),
		cmocka_unit_test(without_descriptors_the_limit_is_named),
		cmocka_unit_test(a_process_that_is_stopped_is_seen),
		cmocka_unit_test(a_command_line_is_cut_to_what_is_kept),
		cmocka_unit_test(a_pid_without_a_process_is_refused),
		cmocka_unit_test(a_kernel_thread_is_refused),
		cmocka_unit_test(a_zombie_is_refused),
		cmocka_unit_test(a_thread_id_is_refused_with_its_process),
		cmocka_unit_test(a_process_of_root_is_refused_with_the_remedy),
		cmocka_unit_test(what_is_no_python_is_refused_by_name),
		cmocka_unit_test(python_2_is_refused_with_its_version),
		cmocka_unit_test(a_python_that_starts_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
