/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/heap_target.h"

#include "base/clock.h"

int heap_target_share(struct heap_target *heap, const struct target *target, struct err *err)
{
	heap->target = target;
	heap->census = census_new(target->process.pid, &target->runtime, err);
	return heap->census ? 0 : -(int)err->code;
}

int heap_target_open(struct heap_target *heap, pid_t pid, struct err *err)
{
	int result = target_open(&heap->own, pid, err);

	return result ? result : heap_target_share(heap, &heap->own, err);
}

int heap_target_hold(struct heap_target *heap, struct err *err)
{
	int result;

	heap->held_since_s = clock_now_s();
	result = freeze_begin(&heap->hold, heap->target->process.pid, err);
	heap->held = !result;
	return result;
}

void heap_target_let_go(struct heap_target *heap)
{
	if (!heap->held)
		return;
	freeze_end(&heap->hold);
	heap->held = false;
	heap->pause_s = clock_now_s() - heap->held_since_s;
}

void heap_target_close(struct heap_target *heap)
{
	heap_target_let_go(heap);
	census_free(heap->census);
	target_close(&heap->own);
	*heap = (struct heap_target){0};
}
