/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trend_look: a target, now -> one more sample in its trend. Combines /proc, the census and
 * CPython's thread states.
 *
 * Place      trace; used by `pyleaktrace trend` and by heap_monitor.
 * Ownership  trend_recorder_open() allocates, trend_recorder_close() frees; process and runtime
 *            are borrowed; the trend belongs to the recorder.
 * Degrades   what cannot be read is missing from the sample and listed in trend->missing.
 * Bounds     those of the rooms below; nothing is stopped, nothing is written.
 */
#ifndef PYLEAKTRACE_TRACE_TREND_LOOK_H
#define PYLEAKTRACE_TRACE_TREND_LOOK_H

#include "model/trend.h"
#include "python/runtime.h"
#include "target/process.h"

struct trend_recorder {
	const struct process *process;
	const struct py_runtime *runtime;
	struct trend *trend;
	/* since the first sample, or since the history was dropped */
	bool have_first;
	uint64_t first_made;
	size_t first_threads;
};

int trend_recorder_open(struct trend_recorder *recorder, const struct process *process,
			const struct py_runtime *runtime, struct err *err);
void trend_recorder_close(struct trend_recorder *recorder);

/*
 * Take a sample.
 *
 * in     scan: made just now, or NULL: this sample then lacks the parts of the heap
 */
void trend_recorder_look(struct trend_recorder *recorder, const struct heap_scan *scan);

/* Before a report: read the threads, then compute the rows, the RSS account and the findings. */
void trend_recorder_evaluate(struct trend_recorder *recorder);

/* Record why something is missing. */
void trend_recorder_miss(struct trend_recorder *recorder, const struct err *err);

/* USR2: drop the history; the last sample becomes the first. */
void trend_recorder_forget(struct trend_recorder *recorder);

#endif
