/* SPDX-License-Identifier: BSD-2-Clause
 *
 * features: what this kernel can do and what we may do, as a table with a sentence and a remedy
 * each.
 *
 * Place      layer 3; used by plan, attach and cli (doctor).
 * Source     kernel versions next to each row in features.c; detection by trying where that is
 *            cheap. Capabilities count for BPF only in the initial user namespace (bpf_capable():
 *            capable(), not ns_capable()).
 * Errors     features_require(): -ERR_PERMISSION or -ERR_KERNEL for the first thing that is missing
 *            and needed.
 * Bounds     changes nothing; loads at most two tiny BPF programs, opens one event that counts
 *            nothing, and has a child of its own probed (seccomp_test.h).
 */
#ifndef PYLEAKTRACE_PROBE_FEATURES_H
#define PYLEAKTRACE_PROBE_FEATURES_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "target/process.h"

struct features {
	unsigned kernel; /* major << 16 | minor << 8 | patch (at most 255) */
	char release[65];
	char missing[64];      /* "CAP_BPF and CAP_PERFMON": of what BPF needs; "": nothing */
	bool bpf_permitted;    /* CAP_BPF + CAP_PERFMON, or CAP_SYS_ADMIN; in the initial user
				  namespace */
	bool ptrace_permitted; /* CAP_SYS_PTRACE */
	bool user_namespace;   /* we are not in the initial one */
	bool seccomp;          /* a filter looks at our own system calls */
	/* errno of bpf(2) and perf_event_open(2) where the call itself is refused; 0: they work, or
	 * were not tried */
	int bpf_error, perf_error;
	bool lockdown; /* confidentiality: BPF programs may not read kernel memory */
	bool btf;      /* /sys/kernel/btf/vmlinux */
	bool jit;
	bool tracefs;  /* system call tracepoints can be found */
	bool cookies;  /* 5.15: a probe says which it is */
	bool c_frames; /* can be walked on this architecture, where the verifier does not refuse
			  the program that does */
	/* 6.10: one link for many places. (Not where return probes are a hazard; see below.) */
	bool uprobe_multi;
	bool return_hazard; /* a return probe kills targets that have a seccomp filter
			       (seccomp_test.h) */
	bool pid_namespace; /* we are not in the initial one: the kernel would call the target
			       otherwise */
};

#define KERNEL(major, minor) ((unsigned)((major) << 16 | (minor) << 8))

/*
 * Must hash maps have all their elements from the start? Before 6.1 the kernel refuses a program of
 * a perf event whose map allocates them as it fills, and for one of a probe or tracepoint it writes
 * a WARNING to its log, at which a machine with panic_on_warn goes down; with PREEMPT_RT it refuses
 * both (check_map_prog_compatibility() in kernel/bpf/verifier.c, until commit 96da3f7d489d).
 * PYLEAKTRACE_WITHOUT=allocation: as if they must (for tests).
 */
bool features_must_preallocate(void);

/* Are BPF programs compiled? The interpreter is slow, and cannot run all that the verifier
 * accepts. */
bool features_jit(void);

/* The kernel's version alone, of uname(2). */
unsigned features_kernel(void);

/*
 * The environment's
 * PYLEAKTRACE_WITHOUT=tracefs,btf,c_frames,uprobe_multi,jit,lockdown,bpf,perf_events,user_namespace
 * makes them missing, or as bad as they can be, seccomp makes return probes a hazard (for tests).
 */
void features_detect(struct features *features);

/* 0, or the first thing that tracing and watchpoints need and that is missing, with its remedy. */
int features_require(const struct features *features, struct err *err);

/* May a return probe kill this target? */
bool features_seccomp_hazard(const struct features *features, const struct process *process);

/* The table, one line a row. */
void features_print(FILE *out, const struct features *features);

#endif
