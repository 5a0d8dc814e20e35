/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sweep: the target forks -> the child's copies of the breakpoints are removed.
 *
 * A child of fork() has a copy of the target's memory, with the breakpoints of links.multi in it
 * (attach.h). Each of its allocator calls would trap, uncounted: an allocating child ran 60 times
 * slower, for its whole life. But whenever a user of a place ends, the kernel goes through every
 * process that has the file mapped, and removes the breakpoint from each that no remaining user
 * has asked for. So after each fork a second link with a program that does nothing is put on the
 * places, in the target, and closed at once:
 *
 *      target   ──fork──▶ on_fork ─▶ ring `forks` ─▶ this thread: attach, close
 *      child      traps traps traps ...................................│ runs freely
 *
 * The target's own breakpoints stay all the while, and its hits are counted as before: its links
 * are not touched.
 *
 * Measured on 6.18, 2 cores, others at work on them: 0.2 ms of work for 18 places, and 0.3 us for
 * each other process and place (300 processes: 2 ms). The child runs slowly for 5 to 20 ms, most of
 * which the kernel waits for a grace period; right after another sweep it need not. 60 children one
 * after the other, each with 40 ms of work, took 1.0 to 1.2 times the CPU time that they take
 * untraced (with perf events: 1.0 to 1.1).
 *
 * Place      layer 3; used by session.
 * Source     kernel/events/uprobes.c: register_for_each_vma() for a consumer that ends; Linux 6.10
 *            to 6.18.
 * Ownership  the links are borrowed until sweeper_stop().
 * Errors     sweeper_start(): -ERR_FAILED, -ERR_KERNEL. Later ones are tried again while the target
 *            lives.
 * Degrades   children that could not be swept are swept when the tool detaches: the end of its
 *            links does it too.
 * Bounds     what a debugger has put on the very place of a probe is swept too, in processes that
 *            were probed: the kernel cannot distinguish it from its own; so it is at each detach,
 *            of any tool. Sweeping takes a tenth of a core at most: children of a target that
 *            forks all the time wait longer. Closing waits for the kernel (20 to 50 ms), in at most
 *            SWEEP_MAX_CLOSING threads.
 * Threads    makes one of its own.
 */
#ifndef PYLEAKTRACE_PROBE_SWEEP_H
#define PYLEAKTRACE_PROBE_SWEEP_H

#include "base/lock.h"
#include "probe/attach.h"

#define SWEEP_MAX_CLOSING 8

struct sweeper;

/* What a sweeper needs to know; copied. */
struct sweep {
	pid_t pid;                    /* the target */
	const struct links *links[2]; /* whose places are swept */
	struct lock *lock;            /* held while they are looked at */
	int program_fd;               /* a program that does nothing, loaded for uprobe_multi */
	int ring_fd;                  /* map `forks` */
};

/* Sweep whenever the ring says that the target has forked. To be called before anything is
 * attached. */
int sweeper_start(struct sweeper **out, const struct sweep *sweep, struct err *err);
void sweeper_stop(struct sweeper *sweeper); /* waits for what is being closed; accepts NULL */

#endif
