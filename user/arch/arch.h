/* SPDX-License-Identifier: BSD-2-Clause
 *
 * arch: what the architecture that the tool runs on decides in user space. Each has a file, and
 * both have the same names:
 *
 *   ARCH_MACHINE            of ELF files that the target can have
 *   ARCH_C_FRAMES           BPF walks C frames (the registers are those of abi/registers.h)
 *   ARCH_TSS_FOLLOWED       where glibc keeps a thread's values for pthread keys is known
 *   ARCH_RETURN_IS_SYSCALL  a return probe may end in a system call that a seccomp filter sees
 *   ARCH_BREAKPOINT         the bytes that the kernel puts for a uprobe, aligned to their number
 *   ARCH_STEPPED            assembly of an instruction that the kernel steps over when it is probed
 *   ARCH_UNPROBED           the bytes of an instruction that is never probed; may be none
 *   arch_fill()             with zeros, as a watchpoint slows it down most
 *
 * Instructions themselves are decoded by Zydis, for x86-64 only (probe/insn.h, python/flow.h).
 *
 * Place      below all rooms but base. The BPF side has bpf/arch.bpf.h.
 */
#ifndef PYLEAKTRACE_ARCH_ARCH_H
#define PYLEAKTRACE_ARCH_ARCH_H

#if defined(__x86_64__)
#include "arch/x86.h"
#elif defined(__aarch64__)
#include "arch/arm64.h"
#else
#error "pyleaktrace runs on x86-64 and AArch64"
#endif

#endif
