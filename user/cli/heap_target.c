/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/heap_target.h"

int heap_target_open(struct heap_target *target, pid_t pid, struct err *err)
{
	int result = process_open(&target->process, pid, err);

	if (result)
		return result;
	target->have_process = true;
	result = py_runtime_find(&target->runtime, &target->process, err);
	if (result)
		return result;
	target->have_runtime = true;
	target->census = census_new(target->process.pid, &target->runtime, err);
	return target->census ? 0 : -(int)err->code;
}

void heap_target_close(struct heap_target *target)
{
	census_free(target->census);
	if (target->have_runtime)
		py_runtime_fini(&target->runtime);
	if (target->have_process)
		process_close(&target->process);
	*target = (struct heap_target){0};
}
