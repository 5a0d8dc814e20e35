/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_report: a scan -> the report of it that the user asked for.
 *
 * Place      layer 6; used by the commands that look at the heap.
 * Ownership  heap_report_fill() allocates, heap_report_fini() frees (also after a failure).
 * Errors     heap_report_fill(): -1, memory is out.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_REPORT_H
#define PYLEAKTRACE_CLI_HEAP_REPORT_H

#include "census/heap_target.h"
#include "cli/options.h"
#include "model/heap_graph.h"
#include "model/heap_types.h"

/* Is a type of this name, with this many objects, one of those asked for? */
bool heap_report_wants(const struct options *options, const char *name, uint64_t count);

/* Is the container one of those asked for? */
bool heap_report_wants_holder(const struct options *options, const struct heap_holder *holder);

/*
 * in     report: zero but for `scan`, `held`, and `growth` (the same as growth), which stay the
 *        caller's growth: is sorted; NULL: none
 */
int heap_report_fill(struct heap_report *report, const struct options *options,
		     const struct heap_target *heap, double duration_s, struct heap_growth *growth);

/* What the target used when it was last looked at: stays in the report when it has ended since. */
void heap_report_look(struct process_stats *last, const struct heap_target *heap);
void heap_report_set_last(struct heap_report *report, const struct process_stats *last);
void heap_report_fini(struct heap_report *report);

#endif
