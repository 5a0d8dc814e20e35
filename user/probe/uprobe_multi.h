/* SPDX-License-Identifier: BSD-2-Clause
 *
 * uprobe_multi: many probes of one file in one link, by a direct bpf() call, since Debian 12's libbpf (1.1) is
 * older than the kernels that have it (6.6).
 *
 * Place      layer 3; used by attach.c and features.c.
 * Source     union bpf_attr, link_create.uprobe_multi, in include/uapi/linux/bpf.h of 6.6 and newer.
 */
#ifndef PYLEAKTRACE_PROBE_UPROBE_MULTI_H
#define PYLEAKTRACE_PROBE_UPROBE_MULTI_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* BPF_TRACE_UPROBE_MULTI; programs must be loaded for it */
#define UPROBE_MULTI_ATTACH_TYPE 48

/*
 * Attach a program to `n` places of one file.
 *
 * in     cookies: one per place, or NULL; returns: at the functions' return instead; pid: only in this
 *        process, 0: in all
 * return file descriptor of the link (closing it detaches), or -1 and errno
 */
int uprobe_multi_attach(int prog_fd, const char *path, const uint64_t *offsets,
			const uint64_t *cookies, unsigned n, bool returns, pid_t pid);

#endif
