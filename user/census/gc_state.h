/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gc_state: the collector of the target's main interpreter, from outside.
 *
 * Place      the census; called by scan.
 * Source     struct _gc_runtime_state of each version (layout.gc); in 3.6 gc_generation's array
 *            behind the exported pointer _PyGC_generation0. 3.15 keeps its statistics in struct
 *            gc_stats: rings of the last 11, 3 and 3 collections (without a GIL one each), whose
 *            newest entries hold the sums (Include/internal/pycore_interp_structs.h).
 * Degrades   what a version does not provide is marked as unknown (3.6: all but thresholds and
 *            counts). Frozen objects are counted along their list, as gc.get_freeze_count() does;
 *            when that changes meanwhile, is longer than GC_FROZEN_MAX, or leads into pages that
 *            are not in memory, their number is not known. Without a GIL there is no list: scan
 *            counts them.
 * Bounds     a handful of small reads; of the list of frozen objects each page about once.
 */
#ifndef PYLEAKTRACE_CENSUS_GC_STATE_H
#define PYLEAKTRACE_CENSUS_GC_STATE_H

#include "model/heap_types.h"
#include "python/runtime.h"

#define GC_FROZEN_MAX (1u << 21)

/* What a run remembers of the looks before. All zero: none. */
struct gc_history {
	bool begun, collected;
	double first_s, last_collection_s; /* monotonic clock */
	uint64_t collections;
};

/* in  history: may be NULL; now_s: monotonic clock */
void gc_state_read(struct heap_gc *gc, pid_t pid, const struct py_runtime *runtime,
		   struct gc_history *history, double now_s);

#endif
