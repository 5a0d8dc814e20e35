/* SPDX-License-Identifier: BSD-2-Clause
 *
 * attach: programs and places -> links.
 *
 * There are two ways. Both put a breakpoint into the target's own mapping of each place, and let
 * the program run in the process that was named only.
 *
 *      links.multi    one link for all places of a program in a file (uprobe_multi)
 *      otherwise      one perf event per place
 *
 * What a forked child does with the breakpoints that it inherits is the difference: a perf event
 * has the kernel remove one when the child hits it; with uprobe_multi it traps for ever. So users
 * of links.multi sweep the children (sweep.h).
 *
 *      measured on 6.18, 2 cores, others at work    uprobe_multi                perf events
 *      attach, 36 places                           5 to 15 ms                 10 to 15 ms
 *      detach                                     50 to 70 ms          1,500 ms to 3,000 ms
 *      a pair of malloc and free                      5.66 us                     5.75 us
 *      a forked child runs slowly for              5 to 20 ms                      0.1 ms
 *
 * Closing perf events takes so long because each waits for a grace period of its own, and all
 * behind one mutex of the kernel; threads, io_uring or a process left behind to close them wait in
 * the same queue, and as long as they wait the target still traps. The end of a uprobe_multi link
 * removes all its breakpoints first and waits once.
 *
 * Place      layer 3; used by session, sweep and cost.
 * Source     uprobe_event.h; uprobe_multi.h; kernel/events/uprobes.c.
 * Ownership  links_close() detaches; the prober does the same when the tool is killed.
 * Errors     -ERR_FAILED with the place; what was attached before stays in `links` for
 *            links_close().
 * Bounds     LINKS_MAX links, LINKS_MAX_MULTI of uprobe_multi. Attaching changes one instruction of
 *            the target's mapped text per place (a breakpoint, put and removed by the kernel in the
 *            prober's name; prober.h). What waits for the kernel waits at the same time, in
 *            threads.
 * Threads    links_attach() and the rest: one at a time; but a sweeper may read links.multi_links
 *            meanwhile, of which there are more and never less until links_close().
 */
#ifndef PYLEAKTRACE_PROBE_ATTACH_H
#define PYLEAKTRACE_PROBE_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LINKS_MAX       1024
#define LINKS_MAX_MULTI 128

struct bpf_program;
struct bpf_link;

/* One program at some places of one file. */
struct multi_link {
	int fd; /* negative: could not be attached */
	bool returns;
	char *path;
	uint64_t *offsets, *cookies; /* n of them */
	unsigned n;
};

struct links {
	bool multi; /* set before the first links_attach(); the programs must be loaded for it */
	struct bpf_link *links[LINKS_MAX]; /* of libbpf: tracepoints */
	unsigned n;
	int events[LINKS_MAX]; /* links of perf events */
	unsigned n_events;
	struct multi_link multi_links[LINKS_MAX_MULTI];
	unsigned n_multi;
};

/* Where one program goes. */
struct attach_place {
	struct bpf_program *program;
	const char *path; /* of the file */
	uint64_t offset;  /* in it */
	uint64_t cookie;  /* what bpf_get_attach_cookie() gives there */
	bool returns;     /* at the return of the function that is called there */
};

/* Attach to all places, in the process `pid` only; returns first. May be called again for more
 * places. */
int links_attach(struct links *links, const struct attach_place *places, unsigned n_places,
		 pid_t pid, struct err *err);

/* Attach a program to the tracepoint that its section names. */
int links_attach_tracepoint(struct links *links, struct bpf_program *program, struct err *err);

/* Attach a program to a tracepoint of system calls ("sys_exit_mmap"), which passes it the cookie.
 */
int links_attach_syscall(struct links *links, struct bpf_program *program, const char *event,
			 uint64_t cookie, struct err *err);

/* Detach all; `multi` stays. */
void links_close(struct links *links);

#endif
