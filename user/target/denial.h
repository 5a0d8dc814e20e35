/* SPDX-License-Identifier: BSD-2-Clause
 *
 * denial: the kernel does not let this tool read a process -> who denies it, and the remedy.
 *
 * Place      layer 1; used by process.
 * Source     ptrace(2), "Ptrace access mode checking"; proc(5) /proc/self/status (CapEff, Seccomp),
 *            /proc/sys/kernel/yama/ptrace_scope, /proc/PID/ns/user;
 *            lsm_list_modules(2).
 */
#ifndef PYLEAKTRACE_TARGET_DENIAL_H
#define PYLEAKTRACE_TARGET_DENIAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* What is known of this tool and this machine. */
struct denial {
	bool is_root;       /* by its user */
	bool may_ptrace;    /* CAP_SYS_PTRACE is in effect */
	bool own_namespace; /* the tool is in a user namespace that is not the machine's first */
	bool filtered;      /* a seccomp filter is around the tool */
	long yama;          /* ptrace_scope; -1: no Yama */
	char modules[96];   /* security modules that may deny it; "": not known */
};

void denial_look(struct denial *denial);

/* The sentence. Pure, for tests. in  name: of the process, for people */
int denial_explain(const struct denial *denial, pid_t pid, const char *name, struct err *err);

/* Both. return -ERR_PERMISSION */
int denial_say(pid_t pid, const char *name, struct err *err);

#endif
