/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cgroup: a process -> the memory that its control group uses, and the limit that holds for it.
 *
 * The limit may be set on the process's own group or on any above it (a pod, a slice): the tightest
 * one counts, and usage is of that level, since that is what is compared with it. Without a limit
 * usage is of the process's own group.
 *
 * Place      trend; called by cli.
 * Source     cgroups(7); Documentation/admin-guide/cgroup-v2.rst (memory.current, memory.max,
 *            memory.stat) and cgroup-v1/memory.rst (memory.usage_in_bytes, memory.limit_in_bytes);
 *            /proc/PID/cgroup and /proc/self/mountinfo say where.
 * Errors     -ERR_FAILED with the reason: no memory controller, not mounted here, not readable.
 * Bounds     CGROUP_LEVELS levels; small files only.
 */
#ifndef PYLEAKTRACE_TREND_CGROUP_H
#define PYLEAKTRACE_TREND_CGROUP_H

#include "base/err.h"
#include "model/trend.h"

#define CGROUP_LEVELS 64

/* in  proc: "/proc"; another folder is for tests, in which paths of mounts are taken as they
 *     stand */
int cgroup_read(struct trend_cgroup *cgroup, const char *proc, pid_t pid, struct err *err);

#endif
