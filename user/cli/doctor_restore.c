/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/doctor_restore.h"

#include <stdio.h>

#include "probe/claim.h"
#include "probe/leftovers.h"
#include "probe/plan.h"
#include "probe/prober.h"
#include "probe/steer.h"

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static int restore_words(pid_t pid, const struct py_runtime *runtime, unsigned *n, struct err *err)
{
	struct plan_word words[PLAN_MAX_WORDS];
	int result;

	*n = steer_find(runtime, words);
	result = steer_restore(pid, words, *n, err);
	if (!result && *n)
		printf("pid %d: %u pointer%s of the allocator tables restored\n", pid, *n,
		       plural(*n));
	return result;
}

/* out  n: how many were found */
static int restore_text(pid_t pid, unsigned *n, struct err *err)
{
	struct leftovers before, after;
	int result = leftovers_find(&before, pid, err);

	*n = before.n;
	if (!result && before.n)
		result = leftovers_remove(&before, pid, err);
	leftovers_free(&before);
	if (result || !*n)
		return result;
	result = leftovers_find(&after, pid, err);
	if (result)
		return result;
	if (*n > after.n)
		printf("pid %d: %u breakpoint%s removed\n", pid, *n - after.n,
		       plural(*n - after.n));
	if (after.n)
		printf("pid %d: %u breakpoint%s of a tracer that is running stay%s (if it has just "
		       "been killed, try again)\n",
		       pid, after.n, plural(after.n), after.n == 1 ? "s" : "");
	leftovers_free(&after);
	return 0;
}

int doctor_restore(const struct process *process, const struct py_runtime *runtime, struct err *err)
{
	struct claim claim = {0};
	unsigned n_words = 0, n_breakpoints = 0;
	/* not while another pyleaktrace traces */
	int result = claim_take(&claim, process->pid, err);

	prober_start();
	if (!result)
		result = restore_words(process->pid, runtime, &n_words, err);
	if (!result)
		result = restore_text(process->pid, &n_breakpoints, err);
	prober_stop();
	claim_drop(&claim);
	if (!result && !n_words && !n_breakpoints)
		printf("pid %d: nothing to restore\n", process->pid);
	return result;
}

void doctor_print_left(const struct process *process, const struct py_runtime *runtime)
{
	struct plan_word words[PLAN_MAX_WORDS];
	struct leftovers leftovers;
	bool steered = steer_find(runtime, words) > 0;

	if (leftovers_find(&leftovers, process->pid, NULL))
		leftovers.n = 0;
	if (steered)
		printf("  steered: a pyleaktrace is tracing it, or was killed before it could undo "
		       "this\n");
	if (leftovers.n)
		printf("  %u breakpoint%s in its text: of a pyleaktrace, another tracer or a "
		       "debugger "
		       "that is at work, or left by one that was killed\n",
		       leftovers.n, plural(leftovers.n));
	if (steered || leftovers.n)
		printf("  it runs on correctly; doctor --restore -p %d cleans up what was left\n",
		       process->pid);
	leftovers_free(&leftovers);
}
