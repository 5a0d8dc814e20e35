/* SPDX-License-Identifier: BSD-2-Clause
 *
 * target_trace_impl: what the files of target_trace share: its state.
 *
 * Place      trace; target_trace.c (its life, from the attach to the detach), target_profile.c
 *            (reports and live lines), and no other file.
 */
#ifndef PYLEAKTRACE_TRACE_TARGET_TRACE_IMPL_H
#define PYLEAKTRACE_TRACE_TARGET_TRACE_IMPL_H

#include <pthread.h>

#include "base/lock.h"
#include "trace/heap_monitor.h"
#include "trace/growth_tracer.h"
#include "trace/idle_parent.h"
#include "trace/target_trace.h"
#include "govern/governor.h"
#include "govern/reading.h"
#include "probe/claim.h"
#include "probe/cost.h"
#include "probe/target_code.h"
#include "python/target.h"
#include "snapshot/snapshot.h"
#include "target/image.h"

/* mappings are few, and each is recorded */
#define SAMPLED_DOMAINS (1u << ABI_MALLOC | 1u << ABI_OBJECT)

struct target_trace {
	const struct trace_options *options;
	const struct features *features;
	struct target target;
	struct plan plan;
	struct claim claim;
	struct idle_parent parent;
	struct image image; /* of the target, when it was opened */
	struct target_code code;
	char no_native[256]; /* why, where they were wanted; "": they are walked, or were not */
	uint32_t max_blocks;
	struct session *session; /* NULL, and all that hangs on it: nothing is traced, and */
	char why_not_traced[512];
	struct snapshot *snapshot;
	struct heap_monitor *monitor;  /* NULL: the heap is not looked at */
	struct growth_tracer *holders; /* NULL: containers are not looked for */
	struct governor *governor;     /* NULL: everything is traced */
	struct budget budget;          /* of the governor and the growth tracer */
	struct lock looking;           /* a report is being made */
	bool have_plan;
	/* measures the cost of the traps while we wait for the first report */
	pthread_t calibration;
	bool calibrating, calibrated;
	struct probe_costs costs;
	struct reading started, reported,
		lived;                   /* at the start, the last report, the last live line */
	uint64_t forgotten_ns;           /* of the last target_trace_baseline(), or the start */
	double syscalls, other_syscalls; /* system calls that were slower, at the last report */
	double last_growth;
	uint64_t last_outstanding;
};

/*
 * Make room for stacks, if it is time (snapshot_reclaim()). The governor calls it where there is
 * one, between windows; else it is called where there may be new stacks, and before a report.
 */
void target_trace_maintain(void *trace, struct survivors *survivors);

/* The target runs another program by now. */
bool target_trace_execed(const struct target_trace *trace);

/* Wait for the calibration; its figures are used from here on. */
void target_trace_finish_calibration(struct target_trace *trace);

/*
 * The target has code that is new to us, or may have. Where an answer was no use, it is asked again
 * only after the next report: a stack with a damaged end would have us read the mappings all the
 * time.
 */
void target_trace_refresh_code(struct target_trace *trace, bool in_vain_too);

#endif
