/* SPDX-License-Identifier: BSD-2-Clause
 *
 * class_results: what the rounds with a watchpoint on a class, or on pools of a size, have shown,
 * all rounds together, by type.
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

#define CLASS_RESULTS_MAX     8
#define CLASS_RESULTS_FRESH_S 180

struct class_result {
	struct profile *about; /* the row lives in it; NULL: no round has shown anything */
	struct heap_watch_row *row;
	struct heap_monitor_class class;
	uint64_t ended_ns;
	bool cut; /* the last one */
};

struct class_results {
	struct class_result all[CLASS_RESULTS_MAX];
	size_t n;
};

/* A round has ended, now; seen: NULL: it has failed. cut: the ceiling ended it. */
void class_results_add(struct class_results *results, const struct heap_monitor_class *class,
		       const struct heap_watch_row *seen, bool cut);

void class_results_forget(struct class_results *results);

/* The one of these classes that was watched longest ago; n > 0. */
const struct heap_monitor_class *class_results_next(const struct class_results *results,
						    const struct heap_monitor_class *classes,
						    size_t n);

/* Those that were watched in the last CLASS_RESULTS_FRESH_S. return how many */
size_t class_results_fresh(const struct class_results *results,
			   struct heap_monitor_class classes[CLASS_RESULTS_MAX]);

/*
 * Of those of these classes that were watched.
 *
 * in     rows: with room for n more
 * return how many
 */
size_t class_results_report(const struct class_results *results,
			    const struct heap_monitor_class *classes, size_t n,
			    struct profile *profile, struct growing_class *rows);

#endif
