/* SPDX-License-Identifier: BSD-2-Clause
 *
 * watched: one target from its PID to its final report; everything that is opened for it, in one place.
 *
 * Place      layer 6; cmd_watch.c has one per PID.
 * Ownership  watched_open() gives, watched_close() takes and leaves the target as it was found.
 * Errors     of the rooms below; the sentence is put before nothing, it names the pid itself.
 * Example    watched_open(&watched, pid, &options, &features, err);
 *            watched_start(watched);
 *            profile = watched_look(watched, options.older_ns, err);   ...   profile_free(profile);
 *            watched_stop(watched);
 *            watched_close(watched);
 */
#ifndef PYLEAKTRACE_CLI_WATCHED_H
#define PYLEAKTRACE_CLI_WATCHED_H

#include "cli/options.h"
#include "model/profile.h"
#include "probe/features.h"
#include "view/live_line.h"

struct watched;

/*
 * Find the runtime, plan, load, attach: all probes are in place, nothing is recorded yet. Where nothing can be traced
 * (-ERR_KERNEL, -ERR_PERMISSION) and not all is to be (--exact) the heap is looked at from outside, and every profile
 * has a note that says why.
 */
int watched_open(struct watched **out, pid_t pid, const struct options *options,
		 const struct features *features, struct err *err);
void watched_start(struct watched *watched);
void watched_stop(struct watched *watched);

/* Detach and release all; 0, or the exit code of a steering that could not be undone (said on stderr). */
int watched_close(struct watched *watched);

pid_t watched_pid(const struct watched *watched);
const char *watched_python(const struct watched *watched); /* "3.11.2" */

bool watched_traced(const struct watched *watched);

/* File descriptors for poll(): the process's end; new stacks and exec (-1: nothing is traced). */
int watched_pidfd(const struct watched *watched);
int watched_events_fd(const struct watched *watched);

/* Readable when the ceiling cannot be kept with everything traced (--on-limit stop); -1: there is none. */
int watched_limit_fd(const struct watched *watched);

/* Take the waiting events; new names are read now. */
void watched_events(struct watched *watched);

/* The target has exited, was killed or replaced itself: nothing more will come. */
bool watched_ended(const struct watched *watched);

/* USR2: forget the past. */
void watched_baseline(struct watched *watched);

/*
 * Look: a profile with the cost in it, sorted as the options say. NULL, with err set, when it cannot be had.
 * The caller frees it.
 */
struct profile *watched_look(struct watched *watched, struct err *err);

/* Rates since the last call, for the live line. */
void watched_live(struct watched *watched, struct live_state *state);

#endif
