/* SPDX-License-Identifier: BSD-2-Clause
 *
 * attach: programs and places -> links.
 *
 * Place      layer 3; used by session and cost.
 * Source     perf_event_open(2) for uprobes, through libbpf. Why not uprobe_multi (6.6), which has one link
 *            for many places: a forked child inherits the breakpoints, and only the perf event's filter tells
 *            the kernel to take them out there. With uprobe_multi children ran 60 times slower (measured on
 *            6.18: 160 ms instead of 2.5 ms of work); with perf events as fast as without.
 * Ownership  links_close() detaches; the kernel does the same when the process ends, however it ends.
 * Errors     -ERR_FAILED with the place; what was attached before stays in `links` for links_close().
 * Bounds     LINKS_MAX links. Attaching changes one instruction of the target's mapped text per place (a
 *            breakpoint, put and removed by the kernel). Each attach and detach waits for the kernel (10 to
 *            150 ms); all places of one call wait at the same time, in threads.
 */
#ifndef PYLEAKTRACE_PROBE_ATTACH_H
#define PYLEAKTRACE_PROBE_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LINKS_MAX 128

struct bpf_program;
struct bpf_link;

struct links {
	struct bpf_link *links[LINKS_MAX];
	unsigned n;
};

/* Where one program goes. */
struct attach_place {
	struct bpf_program *program;
	const char *path; /* of the file */
	uint64_t offset;  /* in it */
	uint64_t cookie;  /* what bpf_get_attach_cookie() gives there */
	bool returns;     /* at the return of the function that is called there */
};

/* Attach to all places, in the process `pid` only. */
int links_attach(struct links *links, const struct attach_place *places, unsigned n_places,
		 pid_t pid, struct err *err);

/* Attach a program to the tracepoint that its section names. */
int links_attach_tracepoint(struct links *links, struct bpf_program *program, struct err *err);

void links_close(struct links *links);

#endif
