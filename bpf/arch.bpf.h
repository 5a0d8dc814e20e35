/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * arch: what differs between x86-64 and AArch64.
 */
#ifndef PYLEAKTRACE_BPF_ARCH_H
#define PYLEAKTRACE_BPF_ARCH_H

#include "abi/ints.h"
#include "abi/records.h"

/* A call pushes the return address on x86, so at the return the stack pointer is 8 above the
 * entry's. */
#if defined(__TARGET_ARCH_arm64)
#define RETURN_SP_STEP 0
#else
#define RETURN_SP_STEP 8
#endif

/*
 * The registers with which the walk along the C frames begins.
 *
 * in     exact: the instruction pointer is the instruction itself, not a return address
 * note   on arm64 nothing walks C frames yet (facts.native is 0 there)
 */
static __always_inline void keep_registers(struct abi_thread *thread, const struct pt_regs *from,
					   bool exact)
{
#if !defined(__TARGET_ARCH_arm64)
	thread->pc = from->ip;
	thread->exact = exact;
	thread->regs[ABI_REG_SP] = from->sp;
	thread->regs[ABI_REG_BP] = from->bp;
	thread->regs[ABI_REG_BX] = from->bx;
	thread->regs[ABI_REG_R12] = from->r12;
	thread->regs[ABI_REG_R13] = from->r13;
	thread->regs[ABI_REG_R14] = from->r14;
	thread->regs[ABI_REG_R15] = from->r15;
#endif
}

/* bytes of an instruction that tell what is_string_instruction() asks */
#define STRING_INSTRUCTION_BYTES 3

/*
 * Does it move or fill many bytes at one go: rep movs, rep stos? While a processor has a watchpoint
 * set it does so byte by byte (measured: memset() of 4 KiB takes 50 times as long).
 */
static __always_inline bool is_string_instruction(const __u8 text[STRING_INSTRUCTION_BYTES])
{
#if defined(__TARGET_ARCH_arm64)
	return false;
#else
	bool repeats = (text[0] & 0xfe) == 0xf2, wide = (text[1] & 0xf0) == 0x40;
	__u8 opcode = wide ? text[2] : text[1];

	return repeats && ((opcode & 0xfe) == 0xa4 || (opcode & 0xfe) == 0xaa);
#endif
}

/* Where the thread was interrupted; in the kernel it may be too. */
static __always_inline __u64 interrupted_at(const struct bpf_perf_event_data *ctx)
{
#if defined(__TARGET_ARCH_arm64)
	return ctx->regs.pc;
#else
	return ctx->regs.ip;
#endif
}

#ifdef __bpf__
/* Registers of the current thread as they were when it entered the kernel for a system call. */
static __always_inline const struct pt_regs *user_registers(void)
{
	return (const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

/*
 * The thread pointer of the current thread (pthread_self() on glibc and musl for x86; TPIDR_EL0 on
 * arm64). thread.fsbase is what arch_prctl() or clone() set: libc never changes it behind the
 * kernel's back.
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

/* Does this task (its address) share the memory of the current one? */
static __always_inline bool shares_memory(__u64 task)
{
	struct task_struct *current = (struct task_struct *)bpf_get_current_task();
	struct task_struct *other = (struct task_struct *)task;

	return BPF_CORE_READ(current, mm) == BPF_CORE_READ(other, mm);
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
