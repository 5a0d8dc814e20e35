/* SPDX-License-Identifier: BSD-2-Clause
 *
 * clocks: a BPF program that runs every so often on every CPU, whatever runs there.
 *
 * One timer for each CPU, and not one for each thread of the target: a thread's own timer is set
 * and stopped each time that it comes and goes (measured in a virtual machine: 9 us a time, where a
 * change of threads takes 2.5).
 *
 * Place      layer 3; session has one while it has watchpoints.
 * Source     perf_event_open(2): PERF_COUNT_SW_CPU_CLOCK.
 * Ownership  clocks_open() gives, clocks_close() takes; the kernel does when the program ends.
 * Errors     -ERR_KERNEL: refused. A CPU that is not there (any more) is left out.
 * Bounds     one file descriptor for each CPU.
 */
#ifndef PYLEAKTRACE_PROBE_CLOCKS_H
#define PYLEAKTRACE_PROBE_CLOCKS_H

#include <stdint.h>

#include "base/err.h"

struct clocks;

int clocks_open(struct clocks **out, uint64_t period_ns, int program_fd, struct err *err);
void clocks_close(struct clocks *clocks); /* accepts NULL */

#endif
