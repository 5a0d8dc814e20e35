/* SPDX-License-Identifier: BSD-2-Clause
 *
 * attach: programs and places -> links. One link per program and file where the kernel can (uprobe_multi),
 * else one per place.
 *
 * Place      layer 3; used by session and cost.
 * Ownership  links_close() detaches; the kernel does the same when the process ends, however it ends.
 * Errors     -ERR_FAILED with the place; what was attached before stays in `links` for links_close().
 * Bounds     LINKS_MAX links. Attaching changes one instruction of the target's mapped text per place (a
 *            breakpoint, put and removed by the kernel).
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
	int fds[LINKS_MAX]; /* of uprobe_multi */
	unsigned n_fds;
	struct bpf_link *links[LINKS_MAX]; /* of libbpf */
	unsigned n_links;
};

/* Places of one file. */
struct attach_places {
	const char *path;
	const uint64_t *offsets; /* in the file */
	const uint64_t *cookies;
	unsigned n;
};

/*
 * Attach `program` to all places.
 *
 * in     returns: at the return of the functions; pid: the process; multi: the kernel has uprobe_multi and the
 *        program was loaded for it
 */
int links_attach(struct links *links, struct bpf_program *program,
		 const struct attach_places *places, bool returns, pid_t pid, bool multi,
		 struct err *err);

/* Attach a program to the tracepoint that its section names. */
int links_attach_tracepoint(struct links *links, struct bpf_program *program, struct err *err);

void links_close(struct links *links);

#endif
