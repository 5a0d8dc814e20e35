/* SPDX-License-Identifier: BSD-2-Clause
 *
 * idle_parent: a target that does nothing while its children work -> a note that says which PIDs to
 * trace.
 *
 * The master of a prefork server (gunicorn, uWSGI, multiprocessing) waits; what leaks is in its
 * workers. Said where the target has used hardly any CPU time since the trace began, and those of
 * its children that are CPython too have used much more.
 *
 * Place      trace; target_profile.c has one for its target.
 * Bounds     IDLE_PARENT_NAMED PIDs in a note. Which children are CPython is asked only where all
 *            of them together have used enough. Memory of a child is read only where it runs
 *            another file than its parent does, and of IDLE_PARENT_KNOWN such only once.
 */
#ifndef PYLEAKTRACE_TRACE_IDLE_PARENT_H
#define PYLEAKTRACE_TRACE_IDLE_PARENT_H

#include <stdbool.h>

#include "model/profile.h"
#include "target/children.h"
#include "target/image.h"
#include "target/process.h"

#define IDLE_PARENT_NAMED 16
#define IDLE_PARENT_KNOWN 64

/* of a core: who uses more than that does something */
#define IDLE_PARENT_MOST 0.01
/* its children have used this many times more, and this many ns at least */
#define IDLE_PARENT_TIMES    4.0
#define IDLE_PARENT_LEAST_NS 30e6

struct idle_parent {
	double cpu_ns; /* of the target, when the trace began */
	uint64_t began_ns;
	struct children before;
	/* children of other files than the target's, that have been looked at; private */
	struct idle_child {
		pid_t pid;
		struct image image;
		bool cpython;
	} known[IDLE_PARENT_KNOWN];
	unsigned n_known, next;
};

void idle_parent_begin(struct idle_parent *parent, const struct process *process);

/* Pure. in  own_ns, children_ns: of CPU time, used in passed_ns */
bool idle_parent_is(double own_ns, double children_ns, double passed_ns);

/*
 * Add the note "children_work", if it is so.
 *
 * in     pids: n of them, that are traced; with one of the children among them the user knows
 *        already
 */
void idle_parent_note(struct idle_parent *parent, const struct process *process, const pid_t *pids,
		      unsigned n, struct profile *profile);

#endif
