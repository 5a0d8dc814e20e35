/* SPDX-License-Identifier: BSD-2-Clause
 *
 * uprobe_event: a uprobe at one place, in one process, as a perf event.
 *
 * Place      layer 3; used by prober and leftovers.
 * Source     perf_event_open(2): the dynamic PMU "uprobe", config1 and config2; the PMU's type and
 *            the bit of a return probe in /sys/bus/event_source/devices/uprobe
 *            (ABI/testing/sysfs-bus-event_source-devices-*).
 * Ownership  a file descriptor; closing the last copy of it detaches.
 * Errors     -1 and errno. ENOENT: the kernel has no such PMU.
 */
#ifndef PYLEAKTRACE_PROBE_UPROBE_EVENT_H
#define PYLEAKTRACE_PROBE_UPROBE_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Put a breakpoint there. Nothing runs when it is hit. */
int uprobe_event_open(const char *path, uint64_t offset, bool returns, pid_t pid);

/*
 * The same, with a program that runs at its hits.
 *
 * in     cookie: what bpf_get_attach_cookie() gives there
 * return a BPF link, which keeps the event
 */
int uprobe_event_attach(int program_fd, const char *path, uint64_t offset, uint64_t cookie,
			bool returns, pid_t pid);

#endif
