/* SPDX-License-Identifier: BSD-2-Clause
 *
 * prober: a helper process of the tool that puts uprobes into a target and removes them, so that
 * a kill -9 of the tool cannot interrupt either.
 *
 * The kernel changes a target's text page by page, in the process that attaches or detaches, and
 * gives up where that process has a fatal signal pending: "failed to unregister, leaking uprobe".
 * The breakpoint then stays in the target for ever, where each hit is a trap for nothing. A SIGKILL
 * is pending from when it is sent until the thread is back from the system call; after that, in the
 * exit itself, it is not. So breakpoints stay only where a thread of the killed process was inside
 * close(), perf_event_open() or bpf() at that moment, and no thread of the tool is:
 *
 *      tool     ── attach, close ──▶ prober: bpf(), close() ──▶ kernel
 *         SIGKILL      x                │ sees that the tool has ended; closes all links; ends
 *
 * The prober shares the table of file descriptors with the tool (CLONE_FILES), and nothing else:
 * whatever the tool opens the prober has, the same number means the same file in both, and when the
 * tool ends the kernel closes nothing until the prober has ended too. It has a session of its own,
 * and takes no signal of a terminal or of a group. Who kills it together with the tool in the
 * middle of a detach (a control group's end) leaves breakpoints behind; leftovers.h removes them.
 *
 * Place      layer 3; used by attach and sweep; cli starts and stops it. One for the program.
 * Source     mm/gup.c: __get_user_pages() and kernel/events/uprobes.c: uprobe_write_opcode(),
 *            uprobe_unregister() of Linux 6.1 to 7.2: fatal_signal_pending(current) is -EINTR
 *            before any page is looked at, so that it does not help to have the page in memory.
 *            kernel/signal.c: get_signal() takes the SIGKILL from the thread before it exits.
 *            clone(2): CLONE_FILES.
 * Degrades   without a prober (none started, or it was killed) all of this is done in the calling
 *            thread. One that was stopped is continued (SIGCONT) after a second.
 * Bounds     one process, forked while the tool is small; a thread of it for each request, and each
 *            caller waits for its own. A request of at most PROBER_MAX_BYTES; a larger one is done
 *            in the calling thread.
 * Threads    prober_start() while the program has one thread; the rest from any.
 */
#ifndef PYLEAKTRACE_PROBE_PROBER_H
#define PYLEAKTRACE_PROBE_PROBER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROBER_MAX_BYTES 65536

/* Does nothing where there is one already, or more than one thread. */
void prober_start(void);

/* Waits for what it is doing, and for its end. Links that are open then are the caller's. */
void prober_stop(void);

/* uprobe_event_open() there, at an entry */
int prober_open(const char *path, uint64_t offset, pid_t pid);

/* uprobe_event_attach() there */
int prober_attach(int program_fd, const char *path, uint64_t offset, uint64_t cookie, bool returns,
		  pid_t pid);

/* uprobe_multi_attach() there */
int prober_attach_multi(int program_fd, const char *path, const uint64_t *offsets,
			const uint64_t *cookies, unsigned n, bool returns, pid_t pid);

/*
 * close() there; returns when the kernel has detached what this was the last descriptor of. Closed
 * it is in any case, also when the prober is killed meanwhile.
 */
void prober_close(int fd);

/* seconds of CPU time that it has used; 0: there is none */
double prober_cpu_s(void);

#endif
