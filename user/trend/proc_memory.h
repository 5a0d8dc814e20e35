/* SPDX-License-Identifier: BSD-2-Clause
 *
 * proc_memory: /proc/PID/smaps and smaps_rollup -> how much of a process is in memory, and what
 * kind of mappings it is in.
 *
 * Place      trend; called by cli.
 * Source     proc(5), Documentation/filesystems/proc.rst: Rss, Pss, Private_*, Shared_*, Anonymous,
 *            Swap of each mapping. The sums of smaps are exact; VmRSS and statm are not (counted
 *            per CPU since 6.2).
 * Shapes     every mapping's Rss is in one of heap, stack, data, files, shared, other.
 * Units      bytes.
 * Errors     -ERR_PERMISSION, -ERR_TARGET (ended), -ERR_FAILED; the sentence names the file.
 * Bounds     PROC_MEMORY_MAX bytes of text. Reading holds the target's mmap lock while its page
 *            tables are walked: some milliseconds per GB.
 */
#ifndef PYLEAKTRACE_TREND_PROC_MEMORY_H
#define PYLEAKTRACE_TREND_PROC_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define PROC_MEMORY_MAX (512UL << 20)

struct proc_memory {
	uint64_t rss, pss, anonymous, swap;
	uint64_t own; /* of rss: pages that no other process maps: Private_* */
	/*
	 * Of rss: anonymous pages of private mappings that a forked parent or child maps too, so
	 * that a write copies them. Shared_Dirty, without a file Shared_Clean too, at most
	 * Anonymous. smaps_rollup has only the sums of all mappings: Shared_Dirty, which may
	 * include shared memory, at most Anonymous.
	 */
	uint64_t common;
	/* parts of rss */
	uint64_t heap;   /* private, readable, writable, no file: what a census walks */
	uint64_t stack;  /* the main thread's */
	uint64_t data;   /* changed pages of private mappings of files */
	uint64_t files;  /* unchanged ones, and shared mappings of files */
	uint64_t shared; /* shared memory without a file of its own: /dev/shm, memfd, SysV,
			    anonymous */
	uint64_t other;  /* no file, not readable or not writable; vdso and vsyscall */
};

/* The parts too; one mapping after the other. */
int proc_memory_read(struct proc_memory *memory, pid_t pid, struct err *err);

/* rss, pss, anonymous, swap, own and common only: cheaper. */
int proc_memory_sums(struct proc_memory *memory, pid_t pid, struct err *err);

/* The text of smaps; changed while it is read. Pure, for tests. */
void proc_memory_parse(struct proc_memory *memory, char *text);

#endif
