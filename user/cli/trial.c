/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fmt.h"
#include "probe/session.h"
#include "probe/session_watch.h"
#include "probe/session_maps.h"
#include "probe/watch_cost.h"
#include "probe/watchpoint.h"
#include "probe/target_code.h"
#include "python/target.h"

#define TEXT(n)     TEXT_OF(n)
#define TEXT_OF(n)  #n
#define BLOCK       54321
#define BLOCK_MOST  (BLOCK + 64) /* what a bytearray of that size asks for is a little more */
#define BLOCKS_ROOM 4096
#define STACKS_ROOM 64
#define ANSWER_MS   60000 /* a python3 that is this slow does not run */

/* It says a byte when it is ready, and one when it has made its blocks: this many of this many
 * bytes. */
static const char script[] = "import os, sys\n"
			     "n, size = map(int, sys.argv[1:])\n"
			     "kept = []\n"
			     "def keep():\n"
			     "    for _ in range(n):\n"
			     "        kept.append(bytearray(size))\n"
			     "os.write(1, b'r')\n"
			     "if os.read(0, 1):\n"
			     "    keep()\n"
			     "    os.write(1, b'd')\n"
			     "    os.read(0, 1)\n";

/* What is tried on: a target, or a child of ours. */
struct subject {
	const struct process *process;
	const struct py_runtime *runtime;
	struct plan plan;
	struct target_code code;
};

struct child {
	pid_t pid; /* 0: none */
	int to, from;
	struct target target;
};

/* ---- the child ------------------------------------------------------------------------------ */

static _Noreturn void become_python(int in, int out)
{
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(nowhere, STDERR_FILENO);
	execl(TRIAL_PYTHON, "python3", "-I", "-S", "-c", script, TEXT(TRIAL_BLOCKS), TEXT(BLOCK),
	      (char *)NULL);
	_exit(1);
}

static bool said(const struct child *child, char what)
{
	struct pollfd fd = {.fd = child->from, .events = POLLIN};
	char byte;

	return poll(&fd, 1, ANSWER_MS) == 1 && read(child->from, &byte, 1) == 1 && byte == what;
}

static void child_end(struct child *child)
{
	target_close(&child->target);
	if (child->pid <= 0)
		return;
	close(child->to);
	close(child->from);
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
}

static void close_both(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

/* return 0, or why there is none to try on, which says nothing of the machine */
static int child_start(struct child *child, struct err *err)
{
	int to[2], from[2];
	pid_t pid;

	memset(child, 0, sizeof(*child));
	if (access(TRIAL_PYTHON, X_OK))
		return err_set(err, ERR_TARGET,
			       "there is no " TRIAL_PYTHON ", try it on a process: "
			       "-p PID");
	if (pipe2(to, O_CLOEXEC))
		return err_set(err, ERR_FAILED, "pipe: %s", strerror(errno));
	if (pipe2(from, O_CLOEXEC)) {
		close_both(to);
		return err_set(err, ERR_FAILED, "pipe: %s", strerror(errno));
	}
	pid = fork();
	if (pid < 0) {
		close_both(to);
		close_both(from);
		return err_set(err, ERR_FAILED, "fork: %s", strerror(errno));
	}
	if (pid == 0)
		become_python(to[0], from[1]);
	child->pid = pid;
	close(to[0]);
	close(from[1]);
	child->to = to[1];
	child->from = from[0];
	if (!said(child, 'r'))
		return err_set(err, ERR_TARGET, TRIAL_PYTHON " does not run");
	return target_open(&child->target, child->pid, err);
}

/* ---- what is tried -------------------------------------------------------------------------- */

static int subject_open(struct subject *subject, const struct features *features, struct err *err)
{
	const struct plan_options options = {.domains = (1u << ABI_DOMAINS) - 1};
	int result = plan_make(&subject->plan, subject->runtime, subject->process, features,
			       &options, err);

	return result ? result
		      : target_code_open(&subject->code, subject->process->pid, features->c_frames,
					 err);
}

static void subject_close(struct subject *subject)
{
	target_code_close(&subject->code);
	plan_fini(&subject->plan);
}

static void put(FILE *out, const char *what, const char *answer)
{
	fprintf(out, "  %-36s %s\n", what, answer);
}

/* A line for what has failed; the result is passed on. */
static int put_failure(FILE *out, const char *what, int result, const struct err *err)
{
	fprintf(out, "  %-36s no: %s\n", what, err->text);
	return result;
}

static void put_loaded(FILE *out, const char *what, const struct session *session, bool native,
		       double seconds)
{
	const char *why = session_no_native(session);

	fprintf(out, "  %-36s yes, in %s, %s%s%s\n", what, fmt_duration(seconds).text,
		native && !why ? "with C frames" : "without C frames", why ? ": " : "",
		why ? why : "");
}

static int open_session(FILE *out, const char *what, struct session **session,
			struct subject *subject, struct session_options *options, struct err *err)
{
	uint64_t began = clock_now_ns();
	int result;

	options->max_blocks = BLOCKS_ROOM;
	options->max_stacks = STACKS_ROOM;
	options->code = subject->code.tables;
	options->refusals = out;
	result = session_open(session, subject->process, subject->runtime, &subject->plan, options,
			      err);
	if (result)
		return put_failure(out, what, result, err);
	put_loaded(out, what, *session, subject->code.tables,
		   (double)(clock_now_ns() - began) / 1e9);
	return 0;
}

/* Blocks of the child's that were recorded with a stack. */
static uint64_t recorded(const struct session *session)
{
	struct session_view view;
	uint64_t n = 0;

	session_look(session, &view);
	for (uint32_t id = ABI_FIRST_SITE; id < view.n_sites; id++)
		n += view.sites[id].allocated_count;
	return n;
}

static int probe_child(FILE *out, struct session *session, const struct child *child,
		       struct err *err)
{
	static const char what[] = "allocations are recorded";
	int result = session_attach(session, err);
	char text[64];
	uint64_t n;

	if (result)
		return put_failure(out, what, result, err);
	session_start(session);
	if (write(child->to, "k", 1) != 1 || !said(child, 'd'))
		result = err_set(err, ERR_FAILED, TRIAL_PYTHON " exited while it was probed");
	session_stop(session);
	n = recorded(session);
	if (!result && n != TRIAL_BLOCKS)
		result = err_set(err, ERR_KERNEL,
				 "%llu of %d allocations of a " TRIAL_PYTHON " were recorded",
				 (unsigned long long)n, TRIAL_BLOCKS);
	session_detach(session, NULL);
	if (result)
		return put_failure(out, what, result, err);
	snprintf(text, sizeof(text), "yes, %llu of %d, each with its stack", (unsigned long long)n,
		 TRIAL_BLOCKS);
	put(out, what, text);
	return 0;
}

static int try_probes(FILE *out, const struct features *features, struct subject *subject,
		      const struct child *child, struct err *err)
{
	struct session_options options = {
		.min_size = BLOCK, .max_size = BLOCK_MOST, .multi = features->uprobe_multi};
	struct session *session;
	int result = open_session(out, "programs of probes are loaded", &session, subject, &options,
				  err);

	if (result)
		return result;
	if (child)
		result = probe_child(out, session, child, err);
	session_close(session);
	return result;
}

static int try_watchpoint(FILE *out, struct subject *subject, struct err *err)
{
	static const char what[] = "a hardware watchpoint is hit";
	static uint64_t word __attribute__((aligned(8)));
	const struct watchpoint point = {.field = (uintptr_t)&word};
	struct session_options options = {.max_size = UINT64_MAX,
					  .watchpoints = &point,
					  .n_watchpoints = 1,
					  .string_ops = true};
	struct watch_costs costs = {0};
	struct session *session;
	char text[64];
	int result = open_session(out, "programs of watchpoints are loaded", &session, subject,
				  &options, err);

	if (result)
		return result;
	result = watch_cost_try(&costs, session_watch_program(session), err);
	session_close(session);
	if (result)
		return put_failure(out, what, result, err);
	snprintf(text, sizeof(text), "yes, %llu of %d times", (unsigned long long)costs.hits,
		 WATCH_COST_WRITES);
	put(out, what, text);
	return 0;
}

static int try_both(FILE *out, const struct features *features, struct subject *subject,
		    const struct child *child, struct err *err)
{
	struct err of_watch = ERR_INIT;
	int result = subject_open(subject, features, err), watch;

	if (!result)
		result = try_probes(out, features, subject, child, err);
	else
		put_failure(out, "programs of probes are loaded", result, err);
	/* without watchpoints a trace works: who fills a container is not seen then, and said */
	watch = try_watchpoint(out, subject, &of_watch);
	if (watch && watch != -ERR_KERNEL && !result)
		result = err_set(err, of_watch.code, "%s", of_watch.text);
	subject_close(subject);
	return result;
}

int trial_run(FILE *out, const struct features *features, const struct process *process,
	      const struct py_runtime *runtime, struct err *err)
{
	struct subject subject = {.process = process, .runtime = runtime};
	struct err why = ERR_INIT;
	struct child child;
	int result;

	if (process) {
		fprintf(out, "tried with the facts of pid %d; the trial attaches nothing to it\n",
			process->pid);
		return try_both(out, features, &subject, NULL, err);
	}
	if (child_start(&child, &why)) {
		fprintf(out, "not tried: %s\n", why.text);
		child_end(&child);
		return 0;
	}
	subject.process = &child.target.process;
	subject.runtime = &child.target.runtime;
	fprintf(out, "tried on a " TRIAL_PYTHON " of its own (CPython %s)\n",
		child.target.runtime.version);
	result = try_both(out, features, &subject, &child, err);
	child_end(&child);
	return result;
}
