/* SPDX-License-Identifier: BSD-2-Clause
 *
 * session_syscalls: what the tracepoints of system calls take from every process of the machine.
 *
 * Place      layer 3.
 * Units      ns a call.
 */
#ifndef PYLEAKTRACE_PROBE_SESSION_SYSCALLS_H
#define PYLEAKTRACE_PROBE_SESSION_SYSCALLS_H

#include "probe/session.h"

/*
 * While mappings are traced (ABI_PART_NATIVE is on) each system call of every process of the system
 * takes this many ns more: measured on a call that is not traced itself, whenever the tracepoints
 * are attached. 0: not known, or there are none.
 */
double session_syscall_ns(const struct session *session);

/* The same, with the tracepoints there for a moment: before anything is attached. */
double session_measure_syscall(struct session *session);

/*
 * Count the target's system calls, and those of others (ABI_COUNT_SYSCALLS,
 * ABI_COUNT_OTHER_SYSCALLS), for a moment: each of them takes session_count_ns() more meanwhile.
 * return false: they are not counted
 */
bool session_count_syscalls(struct session *session, bool on);
double session_count_ns(const struct session *session);

#endif
