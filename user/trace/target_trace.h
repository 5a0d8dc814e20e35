/* SPDX-License-Identifier: BSD-2-Clause
 *
 * target_trace: one target from its PID to its final report; everything that is opened for it, in
 * one place.
 *
 * Place      trace; cmd_trace.c has one per PID.
 * Ownership  target_trace_open() allocates; target_trace_close() frees, and restores the target.
 * Errors     of the rooms below; the sentence needs no prefix, it names the pid itself.
 * Example    target_trace_open(&trace, pid, &options, &features, err);
 *            target_trace_start(trace);
 *            profile = target_trace_profile(trace, options.older_ns, err);
 *            ...
 *            profile_free(profile);
 *            target_trace_stop(trace);
 *            target_trace_close(trace);
 */
#ifndef PYLEAKTRACE_TRACE_TARGET_TRACE_H
#define PYLEAKTRACE_TRACE_TARGET_TRACE_H

#include "model/live_state.h"
#include "model/profile.h"
#include "probe/features.h"
#include "trace/trace_options.h"

struct target_trace;

/*
 * Find the runtime, plan, load, attach: all probes are in place, nothing is recorded yet. Where
 * nothing can be traced (-ERR_KERNEL, -ERR_PERMISSION), and without --exact, only the heap is
 * scanned from outside, and every profile has a note that says why.
 */
int target_trace_open(struct target_trace **out, pid_t pid, const struct trace_options *options,
		      const struct features *features, struct err *err);
void target_trace_start(struct target_trace *trace);
void target_trace_stop(struct target_trace *trace);

/* Detach and release all; 0, or the exit code of a steering that could not be undone (said on
 * stderr). */
int target_trace_close(struct target_trace *trace);

pid_t target_trace_pid(const struct target_trace *trace);
const char *target_trace_python(const struct target_trace *trace); /* "3.11.2" */

bool target_trace_traced(const struct target_trace *trace);

/* File descriptors for poll(): the process's end; new stacks and exec (-1: nothing is traced). */
int target_trace_pidfd(const struct target_trace *trace);
int target_trace_events_fd(const struct target_trace *trace);

/* Readable when the ceiling cannot be kept with everything traced (-X on-limit=stop); -1: there is
 * none. */
int target_trace_limit_fd(const struct target_trace *trace);

/* Take the waiting events; new names are read now. */
void target_trace_events(struct target_trace *trace);

/* The target has exited, was killed or replaced itself: nothing more will come. */
bool target_trace_ended(const struct target_trace *trace);

/* USR2: forget the past. */
void target_trace_baseline(struct target_trace *trace);

/*
 * Look: a profile with the cost in it, sorted as the options say. NULL, with err set, when it
 * is unavailable. The caller frees it.
 */
struct profile *target_trace_profile(struct target_trace *trace, struct err *err);

/* The growth of these domains (bits) is explained (leak/judge.h): they are traced less from here
 * on. */
void target_trace_explain(struct target_trace *trace, unsigned domains);

/* Rates since the last call, for the live line. */
void target_trace_live(struct target_trace *trace, struct live_state *state);

#endif
