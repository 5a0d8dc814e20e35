/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/heap_target.h"

#include "base/clock.h"

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

int heap_target_hold(struct heap_target *target, struct err *err)
{
	int result;

	target->held_since_s = clock_now_s();
	result = hold_begin(&target->hold, target->process.pid, err);
	target->held = !result;
	return result;
}

void heap_target_let_go(struct heap_target *target)
{
	if (!target->held)
		return;
	hold_end(&target->hold);
	target->held = false;
	target->pause_s = clock_now_s() - target->held_since_s;
}

void heap_target_close(struct heap_target *target)
{
	heap_target_let_go(target);
	census_free(target->census);
	if (target->have_runtime)
		py_runtime_fini(&target->runtime);
	if (target->have_process)
		process_close(&target->process);
	*target = (struct heap_target){0};
}
