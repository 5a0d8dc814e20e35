/* SPDX-License-Identifier: BSD-2-Clause
 *
 * watch_cost: what watchpoints take from a target on this machine, measured in a child of our own.
 *
 *      a hit           the trap; what the program does then it times itself
 *      a switch        a thread that has watchpoints comes or goes: the debug registers are written
 *                      (in a virtual machine 1 to 3 us)
 *      bytes in bulk   while one is set the processor may move and fill them (rep movs, rep stos:
 *                      memcpy() and memset() of some KiB, the kernel's copies and fresh pages) one
 *                      by one: an AMD EPYC takes 20 to 50 times as long
 *      split stores    while one is set the processor may take long for each store that crosses a
 *                      cache line, wherever it goes: an Intel Xeon (Sapphire Rapids) 6 ns instead
 *                      of 0.6
 *
 * Place      layer 3; the sums are in container_cost.h.
 * Units      ns of the target's CPU time.
 * Source     arch/x86/kernel/traps.c: exc_debug_user(), hw_breakpoint.c: hw_breakpoint_handler() of
 *            Linux 6.1 to 7.2. The exception's reason (DR6) is read and its watchpoint looked up
 *            with interrupts off, so that no removal of a watchpoint comes between; a reason whose
 *            watchpoint is gone is passed over without a signal. SIGTRAP follows only where DR6
 *            names no reason, or an unrequested single step. KVM before 6.14 could load a
 *            stale DR6 into a guest ("Load the guest's DR6 outside of the innermost .vcpu_run()
 *            loop").
 * Errors     -ERR_KERNEL, -ERR_PERMISSION: no watchpoint can be set. -ERR_KERNEL: a watchpoint
 *            raises SIGTRAP here.
 * Bounds     some 20 ms of CPU time, in two threads of a child, which ends with the tool.
 */
#ifndef PYLEAKTRACE_PROBE_WATCH_COST_H
#define PYLEAKTRACE_PROBE_WATCH_COST_H

#include <stdint.h>

#include "base/err.h"

/* as many watchpoints as a processor has debug registers, or more */
#define WATCH_COST_POINTS_MAX 4

/* how often watch_cost_try() writes */
#define WATCH_COST_WRITES 10

struct watch_costs {
	double trap_ns;     /* of a hit, in addition to the program's work */
	double switch_ns;   /* more that a thread switch takes */
	double string_loss; /* share lost of the time that passes at such instructions: 0 .. 1 */
	double split_ns;    /* more that a split store takes; 0: no more than ever */
	uint64_t hits;      /* of WATCH_COST_WRITES */
};

/* switch_ns, string_loss and split_ns, with n_points watchpoints */
int watch_cost_measure(struct watch_costs *costs, unsigned n_points, struct err *err);

/* trap_ns; in  program_fd: takes no interest in this process */
int watch_cost_trap(struct watch_costs *costs, int program_fd, struct err *err);

/* hits: is a watchpoint noticed at all? (watchpoint_try()); program_fd as above */
int watch_cost_try(struct watch_costs *costs, int program_fd, struct err *err);

#endif
