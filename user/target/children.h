/* SPDX-License-Identifier: BSD-2-Clause
 *
 * children: a PID -> the processes that it is the parent of, and the CPU time that each has used.
 *
 * Place      layer 1; used by cli and probe.
 * Source     proc(5): ppid (field 4) and starttime (field 22) of /proc/PID/stat;
 *            clock_getcpuclockid(3).
 * Shapes     in the order of /proc; children of children are not among them.
 * Units      ns of CPU time of all threads.
 * Bounds     CHILDREN_MAX rows, the rest is counted; reads one line of every process there is.
 */
#ifndef PYLEAKTRACE_TARGET_CHILDREN_H
#define PYLEAKTRACE_TARGET_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILDREN_MAX 256

struct child {
	pid_t pid;
	uint64_t start_time; /* distinguishes a PID that is used again */
	double cpu_ns;
};

struct children {
	struct child rows[CHILDREN_MAX];
	size_t n_rows;
	size_t n_children; /* those beyond CHILDREN_MAX too */
	uint64_t newest;   /* the last start time of all those */
};

void children_read(struct children *children, pid_t parent);

/*
 * ns that the child has used since `before`, or in all when it began after that. 0: not known, as
 * `before` had no row left for it.
 */
double children_used(const struct children *before, const struct child *child);

#endif
