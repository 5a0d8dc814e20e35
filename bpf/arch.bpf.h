/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * arch: what differs between x86-64 and AArch64.
 */
#ifndef PYLEAKTRACE_BPF_ARCH_H
#define PYLEAKTRACE_BPF_ARCH_H

#include "abi/ints.h"

/* A call pushes the return address on x86, so at the return the stack pointer is 8 above the entry's. */
#if defined(__TARGET_ARCH_arm64)
#define RETURN_SP_STEP 0
#else
#define RETURN_SP_STEP 8
#endif

#ifdef __bpf__
/*
 * The thread pointer of the current thread (pthread_self() on glibc and musl for x86; TPIDR_EL0 on arm64).
 * thread.fsbase is what arch_prctl() or clone() set: libc never changes it behind the kernel's back.
 */
static __always_inline __u64 thread_pointer(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

#if defined(__TARGET_ARCH_arm64)
	return BPF_CORE_READ(task, thread.uw.tp_value);
#else
	return BPF_CORE_READ(task, thread.fsbase);
#endif
}

/* Is the current thread, which ends, the last one of its process? */
static __always_inline bool last_thread(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, signal, live.counter) == 0;
}

/* Status of the ending process as wait(2) gives it. */
static __always_inline __u32 exit_status(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, exit_code);
}
#endif

#endif
