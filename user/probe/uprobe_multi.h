/* SPDX-License-Identifier: BSD-2-Clause
 *
 * uprobe_multi: many places of one file in one link, by a direct bpf() call, since Debian 12's
 * libbpf (1.1) is older than the kernels that have it (6.6).
 *
 * Place      layer 3; used by attach, sweep and features.
 * Source     union bpf_attr, link_create.uprobe_multi, in include/uapi/linux/bpf.h of Linux 6.6 and
 *            newer. How to detect that its filter works: libbpf 1.5, features.c: until 6.10 it took
 *            one thread for the process, and it did not refuse a PID of -1.
 * Ownership  a link is a file descriptor; closing it detaches.
 */
#ifndef PYLEAKTRACE_PROBE_UPROBE_MULTI_H
#define PYLEAKTRACE_PROBE_UPROBE_MULTI_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* BPF_TRACE_UPROBE_MULTI; programs must be loaded for it */
#define UPROBE_MULTI_ATTACH_TYPE 48

/* Has the kernel such links, and do they keep to one process? */
bool uprobe_multi_works(void);

/*
 * Attach a program to `n` places of one file, in one process.
 *
 * in     cookies: one per place, or NULL; returns: at the return of the functions instead
 * return file descriptor of the link, or -1 and errno
 */
int uprobe_multi_attach(int program_fd, const char *path, const uint64_t *offsets,
			const uint64_t *cookies, unsigned n, bool returns, pid_t pid);

#endif
