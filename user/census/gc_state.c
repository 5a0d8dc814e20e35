/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/gc_state.h"

#include <string.h>

#include "target/remote_mem.h"

/* struct _gc_runtime_state; 0: not known where */
static uint64_t find_state(pid_t pid, const struct py_runtime *runtime)
{
	const struct py_layout *layout = &runtime->layout;
	uint64_t interp;

	if (layout->gc.runtime != LAYOUT_NONE && runtime->runtime)
		return runtime->runtime + (uint64_t)layout->gc.runtime;
	if (layout->interp.gc == LAYOUT_NONE || !runtime->interp_head_address ||
	    remote_read_u64(pid, runtime->interp_head_address, &interp) || !interp)
		return 0;
	return interp + (uint64_t)layout->interp.gc;
}

/* A gc_generation is a GC head and two ints, and as aligned as the head. */
static void read_generations(struct heap_gc *gc, pid_t pid, uint64_t address, size_t head)
{
	size_t stride = head + (head > 16 ? 16 : 8);
	uint8_t bytes[HEAP_GENERATIONS * 48];

	if (!head || stride > 48 || remote_read(pid, address, bytes, HEAP_GENERATIONS * stride))
		return;
	for (size_t i = 0; i < HEAP_GENERATIONS; i++) {
		memcpy(&gc->thresholds[i], bytes + i * stride + head, 4);
		memcpy(&gc->counts[i], bytes + i * stride + head + 4, 4);
	}
	gc->have_generations = true;
}

void gc_state_read(struct heap_gc *gc, pid_t pid, const struct py_runtime *runtime)
{
	const struct py_layout *layout = &runtime->layout;
	uint64_t state = find_state(pid, runtime), pointer, list;
	uint32_t enabled;

	memset(gc, 0, sizeof(*gc));
	if (!state) {
		pointer = module_symbol(&runtime->python, "_PyGC_generation0");
		if (pointer && !remote_read_u64(pid, pointer, &list) && list)
			read_generations(gc, pid, list, layout->gc_head_size);
		return;
	}
	if (layout->gc.generation0 != LAYOUT_NONE &&
	    !remote_read_u64(pid, state + (uint64_t)layout->gc.generation0, &list) && list)
		read_generations(gc, pid, list, layout->gc_head_size);
	if (layout->gc.enabled != LAYOUT_NONE &&
	    !remote_read_u32(pid, state + (uint64_t)layout->gc.enabled, &enabled) && enabled <= 1) {
		gc->have_enabled = true;
		gc->enabled = enabled;
	}
	if (layout->gc.garbage != LAYOUT_NONE &&
	    !remote_read_u64(pid, state + (uint64_t)layout->gc.garbage, &list) && list &&
	    !remote_read_u64(pid, list + (uint64_t)layout->object.var_size, &gc->garbage))
		gc->have_garbage = gc->garbage <= INT64_MAX;
}
