/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gc_state: the collector of the target's first interpreter, from outside.
 *
 * Place      the census; called by scan.
 * Source     struct _gc_runtime_state of each version (layout.gc); in 3.6 gc_generation's array
 *            behind the exported pointer _PyGC_generation0.
 * Degrades   what a version does not tell is marked as not known (3.6: enabled and garbage).
 * Bounds     a handful of small reads.
 */
#ifndef PYLEAKTRACE_CENSUS_GC_STATE_H
#define PYLEAKTRACE_CENSUS_GC_STATE_H

#include "model/heap_types.h"
#include "python/runtime.h"

void gc_state_read(struct heap_gc *gc, pid_t pid, const struct py_runtime *runtime);

#endif
