/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trend_look: a target, now -> one more look in its trend. Joins what /proc, the census and
 * CPython's threads say.
 *
 * Place      trace; used by `pyleaktrace trend` and by heap_monitor.
 * Ownership  trend_watch_open() gives, trend_watch_close() takes; process and runtime are borrowed;
 *            the trend belongs to the trend_watch.
 * Degrades   what cannot be read is missing in the look, and said in trend->missing.
 * Bounds     what the rooms below have; nothing is stopped, nothing is written.
 */
#ifndef PYLEAKTRACE_TRACE_TREND_LOOK_H
#define PYLEAKTRACE_TRACE_TREND_LOOK_H

#include "model/trend.h"
#include "python/runtime.h"
#include "target/process.h"

struct trend_watch {
	const struct process *process;
	const struct py_runtime *runtime;
	struct trend *trend;
	/* at the first look, or when the past was forgotten */
	bool have_first;
	uint64_t first_made;
	size_t first_threads;
};

int trend_watch_open(struct trend_watch *watch, const struct process *process,
		     const struct py_runtime *runtime, struct err *err);
void trend_watch_close(struct trend_watch *watch);

/*
 * Look.
 *
 * in     scan: made just now, or NULL: then the parts of the heap are not known in this look
 */
void trend_watch_look(struct trend_watch *watch, const struct heap_scan *scan);

/* For a report: the threads, the control group, rows, the account and what they show. */
void trend_watch_settle(struct trend_watch *watch);

/* Something cannot be known, for this reason. */
void trend_watch_miss(struct trend_watch *watch, const struct err *err);

/* USR2: the last look is the first. */
void trend_watch_forget(struct trend_watch *watch);

#endif
