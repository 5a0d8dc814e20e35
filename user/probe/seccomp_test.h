/* SPDX-License-Identifier: BSD-2-Clause
 *
 * seccomp_test: would a return probe kill a process that has a seccomp filter? Tried on a process
 * of our own.
 *
 * From Linux 6.11 on a probed function of x86-64 returns through a system call, uretprobe (335).
 * Until that was fixed (6.14, and in stable kernels before it, Debian's 6.12 among them) filters
 * saw the call, and one that kills for system calls that it does not know killed the process. A
 * version number does not show which kernel has the fix; this does:
 *
 *      tool ──fork──▶ tester ──fork──▶ child: filter (read, write, exit), calls a function
 *                        │ return probe on it ────────────▲              │
 *      verdict ◀─────────┴── it has answered and the probe was hit, or SIGSYS
 *
 * The tester's end closes the probe, so that a tool that is killed meanwhile cannot be in the
 * middle of that (prober.h).
 *
 * Place      layer 3; used by features.
 * Source     kernel/seccomp.c: __secure_computing(), arch/x86/kernel/uprobes.c: uretprobe;
 *            seccomp(2).
 * Errors     RETURN_UNKNOWN: it cannot be tried (not permitted, no uprobes, no answer within 10 s).
 * Bounds     two processes, which have ended when this returns, and end by themselves when the tool
 *            is killed; 100 to 200 ms, most of it the kernel's wait at the end of the probe. Never
 *            a core dump.
 */
#ifndef PYLEAKTRACE_PROBE_SECCOMP_TEST_H
#define PYLEAKTRACE_PROBE_SECCOMP_TEST_H

#include <stdbool.h>

enum return_verdict { RETURN_UNKNOWN, RETURN_SURVIVES, RETURN_KILLS };

/* in  as_older: the child makes a call that its filter does not know, as it would on a kernel
 *     without the fix */
enum return_verdict seccomp_test(bool as_older);

#endif
