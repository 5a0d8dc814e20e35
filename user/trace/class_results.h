/* SPDX-License-Identifier: BSD-2-Clause
 *
 * class_results: what the rounds with a watchpoint on a class have shown, all rounds together.
 *
 * A round with a class of which many instances come and go is short, and sees few that stay; so
 * what each saw is added up.
 *
 * Place      trace; growth_tracer has one. Pure.
 * Ownership  class_results_forget() releases all.
 * Bounds     CLASS_RESULTS_MAX classes; the one that was watched longest ago makes room.
 * Threads    one at a time: under the lock of growth_tracer.
 */
#ifndef PYLEAKTRACE_TRACE_CLASS_RESULTS_H
#define PYLEAKTRACE_TRACE_CLASS_RESULTS_H

#include "model/heap_watch.h"
#include "trace/heap_monitor.h"

#define CLASS_RESULTS_MAX HEAP_MONITOR_CLASSES

struct class_result {
	struct profile *about; /* the row lives in it; NULL: no round has shown anything */
	struct heap_watch_row *row;
	uint64_t address, ended_ns;
	bool cut; /* the last one */
};

struct class_results {
	struct class_result all[CLASS_RESULTS_MAX];
	size_t n;
};

/* A round has ended, now; report: NULL: it has failed. */
void class_results_add(struct class_results *results, uint64_t address,
		       const struct heap_watch *report);

void class_results_forget(struct class_results *results);

/* The one of these classes that was watched longest ago; n > 0. */
const struct heap_monitor_class *class_results_next(const struct class_results *results,
						    const struct heap_monitor_class *classes,
						    size_t n);

/* Into the profile: of those of these classes that were watched. */
void class_results_report(const struct class_results *results,
			  const struct heap_monitor_class *classes, size_t n,
			  struct profile *profile);

#endif
