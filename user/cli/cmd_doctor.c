/* SPDX-License-Identifier: BSD-2-Clause
 *
 * doctor: what works here, what does not, why, what to do. The programs are loaded and run, and a
 * watchpoint is set, in processes of the tool's own (trial.h). Changes nothing, but with --restore:
 * then it puts back what a killed pyleaktrace has left in a target. With -p it predicts what a
 * watch would cost: traps are measured on this machine, in a process of the tool's own; nothing is
 * attached to the target.
 */
#include "cli/commands.h"

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmt.h"
#include "cli/doctor_restore.h"
#include "cli/forecast_text.h"
#include "cli/signals.h"
#include "cli/trial.h"
#include "model/profile.h"
#include "probe/plan.h"
#include "python/target.h"

enum key { KEY_RESTORE = 256, KEY_NO_STEER };

static const struct argp_option rows[] = {
	{"pid", 'p', "PID", 0, "look at this process too: its Python, the plan of the probes", 0},
	{"restore", KEY_RESTORE, NULL, 0, "put back what a killed pyleaktrace left in the process",
	 0},
	{"no-steer", KEY_NO_STEER, NULL, 0, "plan as with --no-steer", 0},
	{"help", 'h', NULL, 0, "this text", 0},
	{0},
};

struct wishes {
	pid_t pid; /* 0: none */
	bool restore, no_steer, helped;
};

static error_t take_option(int key, char *arg, struct argp_state *state)
{
	struct wishes *wishes = state->input;
	struct err err = ERR_INIT;
	uint64_t pid;

	switch (key) {
	case 'p':
		if (fmt_parse_number(arg, 1, INT32_MAX, &pid, &err)) {
			fprintf(stderr, "pyleaktrace: --pid: %s\n", err.text);
			return EINVAL;
		}
		wishes->pid = (pid_t)pid;
		return 0;
	case KEY_RESTORE:
		wishes->restore = true;
		return 0;
	case KEY_NO_STEER:
		wishes->no_steer = true;
		return 0;
	case 'h':
		state->name = (char *)"pyleaktrace doctor";
		argp_state_help(state, stdout, ARGP_HELP_LONG | ARGP_HELP_USAGE | ARGP_HELP_DOC);
		wishes->helped = true;
		return ECANCELED;
	case ARGP_KEY_ARG:
		fprintf(stderr, "pyleaktrace: doctor takes no argument\n");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int show_plan(const struct process *process, const struct py_runtime *runtime,
		     const struct features *features, const struct wishes *wishes, struct err *err)
{
	const struct plan_options options = {.domains = (1u << DOMAIN_COUNT) - 1,
					     .no_steer = wishes->no_steer,
					     .by_parts = true};
	struct err why = ERR_INIT;
	struct plan plan;
	int result;

	printf("pid %d: CPython %s in %s\n", process->pid, runtime->version, runtime->python.path);
	printf("  libc %s\n", runtime->libc.path);
	printf("  seccomp %s\n", process->seccomp ? "on" : "off");
	doctor_print_left(process, runtime);
	result = plan_make(&plan, runtime, process, features, &options, err);
	if (!result) {
		plan_print(stdout, &plan);
		if (features_require(features, &why))
			printf("  cost: not predicted: %s\n", why.text);
		else
			forecast_text(stdout, process, runtime, &plan, features);
	}
	plan_fini(&plan);
	if (!result && features_require(features, NULL) == 0)
		result = trial_run(stdout, features, process, runtime, err);
	return result;
}

static int look_at(const struct features *features, const struct wishes *wishes, struct err *err)
{
	struct target target;
	int result = target_open(&target, wishes->pid, err);

	if (!result)
		result = wishes->restore ? doctor_restore(&target.process, &target.runtime, err)
					 : show_plan(&target.process, &target.runtime, features,
						     wishes, err);
	target_close(&target);
	return result;
}

int command_doctor(int argc, char **argv)
{
	const struct argp argp = {
		.options = rows,
		.parser = take_option,
		.doc = "What works here, what does not, why, what to do. Changes nothing, but with "
		       "--restore."};
	struct wishes wishes = {0};
	struct features features;
	struct err err = ERR_INIT;
	int result;

	argv[0] = program_invocation_short_name; /* what messages begin with */
	signals_ignore_usr();
	if (argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_NO_EXIT, NULL, &wishes))
		return wishes.helped ? 0 : ERR_USAGE;
	if (wishes.restore && !wishes.pid) {
		fprintf(stderr, "pyleaktrace: doctor --restore needs -p PID\n");
		return ERR_USAGE;
	}
	features_detect(&features);
	if (!wishes.restore)
		features_print(stdout, &features);
	result = wishes.pid ? look_at(&features, &wishes, &err) : 0;
	if (!result && !wishes.restore)
		result = features_require(&features, &err);
	if (!result && !wishes.restore && !wishes.pid)
		result = trial_run(stdout, &features, NULL, NULL, &err);
	if (result)
		fprintf(stderr, "pyleaktrace: %s\n", err.text);
	return -result;
}
