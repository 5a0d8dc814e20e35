/* SPDX-License-Identifier: BSD-2-Clause
 *
 * doctor: what works here, what does not, why, what to do. The programs are loaded and run, and a
 * watchpoint is set, in processes of the tool's own (trial.h). Changes nothing, but with --restore:
 * then it puts back what a killed pyleaktrace has left in a target. With -p it predicts what a
 * trace would cost: traps are measured on this machine, in a process of the tool's own; nothing is
 * attached to the target.
 */
#include "cli/commands.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/doctor_restore.h"
#include "cli/forecast_text.h"
#include "cli/options.h"
#include "cli/signals.h"
#include "cli/trial.h"
#include "model/profile.h"
#include "probe/plan.h"
#include "python/target.h"

static int show_plan(const struct process *process, const struct py_runtime *runtime,
		     const struct features *features, const struct options *options,
		     struct err *err)
{
	const struct plan_options plan_options = {.domains = (1u << DOMAIN_COUNT) - 1,
						  .no_steer = !options->trace.steer,
						  .by_parts = true};
	struct err why = ERR_INIT;
	struct plan plan;
	int result;

	printf("pid %d: CPython %s in %s\n", process->pid, runtime->version, runtime->python.path);
	printf("  libc %s\n", runtime->libc.path);
	printf("  seccomp %s\n", process->seccomp ? "on" : "off");
	doctor_print_left(process, runtime);
	result = plan_make(&plan, runtime, process, features, &plan_options, err);
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

static int look_at(const struct features *features, const struct options *options, struct err *err)
{
	struct target target;
	int result = target_open(&target, options_pid(options), err);

	if (!result)
		result = options->restore ? doctor_restore(&target.process, &target.runtime, err)
					  : show_plan(&target.process, &target.runtime, features,
						      options, err);
	target_close(&target);
	return result;
}

int command_doctor(const struct options *options)
{
	struct features features;
	struct err err = ERR_INIT;
	int result;

	signals_ignore_usr();
	features_detect(&features);
	if (!options->restore)
		features_print(stdout, &features);
	result = options->trace.n_pids ? look_at(&features, options, &err) : 0;
	if (!result && !options->restore)
		result = features_require(&features, &err);
	if (!result && !options->restore && !options->trace.n_pids)
		result = trial_run(stdout, &features, NULL, NULL, &err);
	if (result)
		fprintf(stderr, "pyleaktrace: %s\n", err.text);
	return -result;
}
