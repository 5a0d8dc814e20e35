/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trace_options: what a trace of a target is to do.
 *
 * Place      trace; the command line fills one (cli/options).
 * Units      bytes; ns; shares of the target's own CPU time.
 */
#ifndef PYLEAKTRACE_TRACE_TRACE_OPTIONS_H
#define PYLEAKTRACE_TRACE_TRACE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/profile.h"

#define TRACE_MAX_PIDS 64

/* When the ceiling would be crossed: trace less, or end */
enum on_limit { ON_LIMIT_THROTTLE, ON_LIMIT_STOP };

/* Where memory grows and a stack is missing (focus.h), or everywhere and at once */
enum trace_when { TRACE_WHERE_IT_GROWS, TRACE_ALWAYS };

struct trace_options {
	pid_t pids[TRACE_MAX_PIDS]; /* all that are traced at a time: they share what the tool may
				       use */
	unsigned n_pids;
	enum profile_order order;
	bool by_thread;    /* stacks of different threads are different */
	uint64_t older_ns; /* only blocks that are older are reported */
	uint64_t min_size, max_size;
	unsigned domains;       /* bits of enum domain */
	unsigned sample_shift;  /* a block of every 2^sample_shift bytes; 0: all; implies exact */
	bool exact;             /* everything is traced, whatever it costs */
	double max_overhead;    /* else: the most that the target may lose */
	enum on_limit on_limit; /* not exact */
	uint64_t max_window_ns; /* not exact: the longest that a window may be */
	bool steer;             /* allocator pointers of the target may be changed */
	enum trace_when when;   /* not exact */
	bool heap_scan;         /* the heap is scanned, and memory looked at */
	bool native;            /* C frames in the stacks */
	uint32_t max_blocks;    /* 0: from the target's size */
	uint32_t max_stacks;
	unsigned verbose;
};

#endif
