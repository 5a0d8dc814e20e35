/* SPDX-License-Identifier: BSD-2-Clause
 *
 * watchpoint: words of the target's memory -> a hardware watchpoint on each, in every thread, that
 * runs a BPF program behind each instruction that writes there.
 *
 * A watchpoint is a perf event of one thread, which its new threads inherit. Threads that are there
 * already get one each: the list of threads is read again until it has no new ones. A thread
 * created meanwhile may have inherited one too; the program then sees two hits for one write, and
 * no difference at the second.
 *
 *      threads   1  2  3          events  1  2  3
 *      read again 1  2  3  4               .  .  .  4     (2 made 4 before or after)
 *      read again 1  2  3  4               none new: all that start now inherit
 *
 * Place      layer 3; session has one. Knows perf events, nothing about Python.
 * Source     perf_event_open(2): PERF_TYPE_BREAKPOINT, inherit_thread (5.13).
 *            kernel/events/hw_breakpoint.c: a thread has as many as the processor has debug
 *            registers (four on x86-64), debuggers' included.
 * Ownership  watchpoints_open() sets, watchpoints_close() removes. When the program ends the
 *            kernel does.
 * Errors     -ERR_KERNEL: the debug registers are taken, or there are none; -ERR_PERMISSION;
 *            -ERR_TARGET: it ended.
 * Bounds     one file descriptor for each word and thread, and one more for each thread (main.c
 *            raises the limit). TASKS_MAX threads.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_PROBE_WATCHPOINT_H
#define PYLEAKTRACE_PROBE_WATCHPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* A container: 8 bytes at `field`, a multiple of 8, are its size; or an object: they are its
 * reference count. */
struct watchpoint {
	uint64_t field, type_field, type; /* as in struct abi_watch */
	bool refs;
	bool each; /* the object is a class: each change is kept for itself (abi_class_hit) */
};

struct watchpoints;

/* All threads of the process have them when this returns; hits run the program at once. */
int watchpoints_open(struct watchpoints **out, pid_t pid, const struct watchpoint *points,
		     unsigned n_points, int program_fd, struct err *err);
void watchpoints_close(struct watchpoints *watchpoints); /* accepts NULL */

/* No more hits from here on; the counts stay readable. */
void watchpoints_stop(struct watchpoints *watchpoints);

/* Hits that the events of word i have counted, of all threads, the ended ones too; false: not
 * known. */
bool watchpoints_count(const struct watchpoints *watchpoints, unsigned i, uint64_t *hits);

/* How often threads with watchpoints have come or gone so far; those not known (no file descriptor
 * was left) are not in it. */
uint64_t watchpoints_switches(const struct watchpoints *watchpoints);

/*
 * One on a word of our own, in this thread alone, to measure with.
 *
 * in     program_fd: < 0: nothing runs at its hits
 * return a file descriptor, to be closed; -err
 */
int watchpoint_here(uint64_t address, int program_fd, struct err *err);

/*
 * Write `writes` times to a word of our own with a watchpoint on it, and see whether that is
 * noticed.
 *
 * in     word: a multiple of 8; program_fd: as watchpoint_here()
 * out    hits: that the processor has counted
 * return 0 when all were; -ERR_KERNEL also when it can be set and is not hit (some virtual
 * machines)
 */
int watchpoint_try(volatile uint64_t *word, unsigned writes, int program_fd, uint64_t *hits,
		   struct err *err);

#endif
