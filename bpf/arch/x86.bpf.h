/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * x86: what is x86-64's own (arch.bpf.h).
 */
#ifndef PYLEAKTRACE_BPF_X86_H
#define PYLEAKTRACE_BPF_X86_H

#include "abi/ints.h"
#include "abi/records.h"

#define RETURN_SP_STEP           8 /* a call pushes the return address */
#define STRING_INSTRUCTION_BYTES 3

/* in  exact: the instruction pointer is the instruction itself, not a return address */
static __always_inline void keep_registers(struct abi_thread *thread, const struct pt_regs *from,
					   bool exact)
{
	thread->pc = from->ip;
	thread->exact = exact;
	thread->regs[ABI_REG_SP] = from->sp;
	thread->regs[ABI_REG_BP] = from->bp;
	thread->regs[ABI_REG_BX] = from->bx;
	thread->regs[ABI_REG_R12] = from->r12;
	thread->regs[ABI_REG_R13] = from->r13;
	thread->regs[ABI_REG_R14] = from->r14;
	thread->regs[ABI_REG_R15] = from->r15;
}

static __always_inline void step_over_ret(struct abi_thread *thread)
{
	bpf_probe_read_user(&thread->pc, sizeof(thread->pc),
			    (const void *)thread->regs[ABI_REG_SP]);
	thread->regs[ABI_REG_SP] += sizeof(thread->pc);
}

static __always_inline void keep_object_registers(__u64 to[ABI_CLASS_HIT_REGISTERS],
						  const struct pt_regs *from)
{
	to[0] = from->ax;
	to[1] = from->bx;
	to[2] = from->cx;
	to[3] = from->dx;
	to[4] = from->si;
	to[5] = from->di;
	to[6] = from->bp;
	to[7] = from->r8;
	to[8] = from->r9;
	to[9] = from->r10;
	to[10] = from->r11;
	to[11] = from->r12;
	to[12] = from->r13;
	to[13] = from->r14;
	to[14] = from->r15;
}

/*
 * rep movs, rep stos. While a processor has a watchpoint set it does so byte by byte (measured:
 * memset() of 4 KiB takes 50 times as long).
 */
static __always_inline bool is_string_instruction(const __u8 text[STRING_INSTRUCTION_BYTES])
{
	bool repeats = (text[0] & 0xfe) == 0xf2, wide = (text[1] & 0xf0) == 0x40;
	__u8 opcode = wide ? text[2] : text[1];

	return repeats && ((opcode & 0xfe) == 0xa4 || (opcode & 0xfe) == 0xaa);
}

static __always_inline __u64 interrupted_at(const struct bpf_perf_event_data *ctx)
{
	return ctx->regs.ip;
}

#ifdef __bpf__
/*
 * pthread_self() on glibc and musl. thread.fsbase is what arch_prctl() or clone() set: libc never
 * changes it behind the kernel's back.
 */
static __always_inline __u64 thread_pointer(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, thread.fsbase);
}
#endif

#endif
