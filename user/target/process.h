/* SPDX-License-Identifier: BSD-2-Clause
 *
 * process: a PID from the command line -> a handle that stays with this very process.
 *
 * Place      layer 1; opened by cli; used by python, probe, symbol and snapshot.
 * Source     proc(5), pidfd_open(2). A pidfd and the start time distinguish a reused PID.
 * Shapes     one struct process for one target; paths inside the target go through /proc/PID/root,
 *            so that containers and deleted files work.
 * Errors     -ERR_TARGET: no such process, a kernel thread, a zombie, or a thread id that is not a
 *            process (the sentence says which, and for a thread id names its process).
 *            -ERR_PERMISSION: it may not be read, or not without making private what it shares with
 *            a forked process; the sentence says who may, and the remedy.
 * Ownership  process_open() fills, process_close() releases.
 * Bounds     nothing is written to the target; all text from /proc is bounded (comm 64, exe
 *            PATH_MAX, 128 arguments of 4 KiB).
 */
#ifndef PYLEAKTRACE_TARGET_PROCESS_H
#define PYLEAKTRACE_TARGET_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct process {
	pid_t pid;
	int pidfd;           /* becomes readable when the process is gone */
	uint64_t start_time; /* clock ticks since boot, field 22 of /proc/PID/stat */
	char comm[64];
	char exe[PATH_MAX]; /* target of /proc/PID/exe, " (deleted)" removed */
	bool exe_deleted;
	int seccomp;  /* "Seccomp:" of /proc/PID/status: 0 off, 1 strict, 2 filter */
	pid_t ns_pid; /* the PID that the process has in its own namespace */
	bool reads;   /* remote_mem has a handle for it, which process_close() gives back */
};

int process_open(struct process *process, pid_t pid, struct err *err);
void process_close(struct process *process);

/* True while the process that was opened is alive (a zombie is not). */
bool process_alive(const struct process *process);

/* State letter of /proc/PID/stat ('R', 'S', 'T', 't', 'Z', ...), or 0 when it is gone. */
char process_state(const struct process *process);

/* By a signal or by a tracer (a debugger). */
bool process_stopped(const struct process *process);

struct process_stats {
	unsigned threads;
	uint64_t rss_bytes;
	double cpu_s; /* user + system of all threads, also ended ones */
};

/* 0, or -1 when the process is gone (stats zeroed). */
int process_stats(const struct process *process, struct process_stats *stats);

/* ns of CPU time of all threads, also ended ones: the kernel's clock of the process, exact. 0 when
 * it is gone. */
double process_cpu_ns(const struct process *process);

/* How many files it has open, or -1: not permitted, or gone. */
long process_fds(const struct process *process);

/*
 * The command line as an array of strings, NULL-terminated, in one allocation that the caller frees
 * with free(). Empty (first element NULL) when it cannot be read; NULL only when memory is out.
 */
char **process_cmdline(const struct process *process, size_t *n_words);

#endif
