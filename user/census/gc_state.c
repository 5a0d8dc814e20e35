/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/gc_state.h"

#include <string.h>

#include "census/pages.h"
#include "target/remote_mem.h"

#define RING_ENTRY       64u
#define RING_COLLECTIONS 16u
#define UNUSED_HEAD      16u

/* struct _gc_runtime_state; 0: not known where */
static uint64_t find_state(pid_t pid, const struct py_runtime *runtime)
{
	const struct py_layout *layout = &runtime->layout;
	uint64_t interp;

	if (layout->gc.runtime != LAYOUT_NONE && runtime->runtime)
		return runtime->runtime + (uint64_t)layout->gc.runtime;
	interp = layout->interp.gc == LAYOUT_NONE ? 0 : py_runtime_main(runtime, pid);
	if (!interp)
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

/*
 * A generation is collected when its count is above its threshold; that of the first counts
 * containers, the others' how often the one before them was collected. Without a GIL each
 * collection is of all objects.
 */
static void measure_cycle(struct heap_gc *gc, bool generations)
{
	double n = 0;

	if (!gc->have_generations)
		return;
	for (int i = generations ? HEAP_GENERATIONS - 1 : 0; i >= 0; i--)
		n = n * ((double)gc->thresholds[i] + 1) + (gc->counts[i] > 0 ? gc->counts[i] : 0);
	gc->have_since_full = true;
	gc->since_full = n;
}

static uint64_t word(const uint8_t *bytes, size_t offset)
{
	uint64_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

/* ---- collections ---------------------------------------------------------------------------- */

/* A ring of 3.15: entries of 64 bytes, whose third word counts the collections; then the index. */
static bool read_ring(uint64_t *collections, const uint8_t *ring, size_t entries)
{
	size_t newest = ring[entries * RING_ENTRY];

	if (newest >= entries)
		return false;
	*collections = word(ring, newest * RING_ENTRY + RING_COLLECTIONS);
	return true;
}

static void read_collections(struct heap_gc *gc, pid_t pid, const struct py_layout *layout,
			     uint64_t state)
{
	static const size_t with_gil[HEAP_GENERATIONS] = {11, 3, 3},
			    without[HEAP_GENERATIONS] = {1, 1, 1};
	const size_t *lengths = layout->free_threaded ? without : with_gil;
	uint8_t bytes[(11 + 3 + 3) * RING_ENTRY + 3 * 8];
	uint64_t stats = state + (uint64_t)layout->gc.stats;
	size_t at = 0, size = HEAP_GENERATIONS * 24;

	if (layout->gc.stats == LAYOUT_NONE)
		return;
	if (layout->gc.stats_ring) {
		if (remote_read_u64(pid, stats, &stats))
			return;
		size = (lengths[0] + lengths[1] + lengths[2]) * RING_ENTRY + HEAP_GENERATIONS * 8;
	}
	if (remote_read(pid, stats, bytes, size))
		return;
	for (size_t i = 0; i < HEAP_GENERATIONS; i++) {
		if (!layout->gc.stats_ring)
			gc->collections[i] = word(bytes, i * 24);
		else if (!read_ring(&gc->collections[i], bytes + at, lengths[i]))
			return;
		if (gc->collections[i] > INT64_MAX)
			return;
		at += lengths[i] * RING_ENTRY + 8;
	}
	gc->have_collections = true;
	/* without a GIL there are no generations, whichever a collection is counted as */
	gc->full_collections = gc->collections[2];
	if (layout->free_threaded)
		gc->full_collections += gc->collections[0] + gc->collections[1];
}

/* When was the last one? Known is only between which two looks it was. */
static void follow(struct heap_gc *gc, struct gc_history *history, double now_s)
{
	uint64_t sum = gc->collections[0] + gc->collections[1] + gc->collections[2];

	if (!gc->have_collections)
		return;
	if (!history->begun) {
		history->begun = true;
		history->first_s = now_s;
	} else if (sum != history->collections) {
		history->collected = true;
		history->last_collection_s = now_s;
	}
	history->collections = sum;
	gc->watched_s = now_s - history->first_s;
	gc->collected = history->collected;
	gc->last_collection_s = history->collected ? now_s - history->last_collection_s : 0;
}

/* ---- frozen objects ------------------------------------------------------------------------- */

static void read_frozen(struct heap_gc *gc, pid_t pid, uint64_t head)
{
	struct pages *pages;
	uint64_t at = 0, n = 0;

	if (remote_read_u64(pid, head, &at))
		return;
	gc->have_frozen = at == head;
	pages = at && at != head ? pages_new(pid) : NULL;
	if (!pages)
		return;
	/* the low bits of _gc_next are flags while a collection runs */
	while ((at & ~3ull) != head && n < GC_FROZEN_MAX && pages_read(pages, at & ~3ull, &at))
		n++;
	gc->have_frozen = (at & ~3ull) == head;
	gc->frozen = gc->have_frozen ? n : 0;
	pages_free(pages);
}

/* ---- all ------------------------------------------------------------------------------------ */

static void read_state(struct heap_gc *gc, pid_t pid, const struct py_layout *layout,
		       uint64_t state)
{
	/* objects have none without a GIL; generations still do */
	size_t head = layout->free_threaded ? UNUSED_HEAD : layout->gc_head_size;
	uint64_t list;
	uint32_t enabled;

	if (layout->gc.young != LAYOUT_NONE)
		read_generations(gc, pid, state + (uint64_t)layout->gc.young, head);
	else if (layout->gc.generation0 != LAYOUT_NONE &&
		 !remote_read_u64(pid, state + (uint64_t)layout->gc.generation0, &list) && list)
		read_generations(gc, pid, list, head);
	if (layout->gc.enabled != LAYOUT_NONE &&
	    !remote_read_u32(pid, state + (uint64_t)layout->gc.enabled, &enabled) && enabled <= 1) {
		gc->have_enabled = true;
		gc->enabled = enabled;
	}
	if (layout->gc.garbage != LAYOUT_NONE &&
	    !remote_read_u64(pid, state + (uint64_t)layout->gc.garbage, &list) && list &&
	    !remote_read_u64(pid, list + (uint64_t)layout->object.var_size, &gc->garbage))
		gc->have_garbage = gc->garbage <= INT64_MAX;
	if (layout->gc.permanent != LAYOUT_NONE && !layout->free_threaded)
		read_frozen(gc, pid, state + (uint64_t)layout->gc.permanent);
	read_collections(gc, pid, layout, state);
}

void gc_state_read(struct heap_gc *gc, pid_t pid, const struct py_runtime *runtime,
		   struct gc_history *history, double now_s)
{
	uint64_t state = find_state(pid, runtime), pointer, list;

	memset(gc, 0, sizeof(*gc));
	if (state) {
		read_state(gc, pid, &runtime->layout, state);
	} else {
		pointer = module_symbol(&runtime->python, "_PyGC_generation0");
		if (pointer && !remote_read_u64(pid, pointer, &list) && list)
			read_generations(gc, pid, list, runtime->layout.gc_head_size);
	}
	measure_cycle(gc, !runtime->layout.free_threaded);
	if (history)
		follow(gc, history, now_s);
}
