/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/target.h"

int target_open(struct target *target, pid_t pid, struct err *err)
{
	int result;

	*target = (struct target){0};
	result = process_open(&target->process, pid, err);
	if (result)
		return result;
	target->have_process = true;
	result = py_runtime_find(&target->runtime, &target->process, err);
	target->have_runtime = result == 0;
	return result;
}

void target_close(struct target *target)
{
	if (target->have_runtime)
		py_runtime_fini(&target->runtime);
	if (target->have_process)
		process_close(&target->process);
	*target = (struct target){0};
}
