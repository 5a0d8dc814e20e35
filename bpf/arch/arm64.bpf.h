/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * arm64: what is AArch64's own (arch.bpf.h).
 */
#ifndef PYLEAKTRACE_BPF_ARM64_H
#define PYLEAKTRACE_BPF_ARM64_H

#include "abi/ints.h"
#include "abi/records.h"

#define RETURN_SP_STEP           0
#define STRING_INSTRUCTION_BYTES 3

/* Nothing walks C frames yet (facts.native is 0). */
static __always_inline void keep_registers(struct abi_thread *thread, const struct pt_regs *from,
					   bool exact)
{
}

static __always_inline void step_over_ret(struct abi_thread *thread)
{
}

/* Nothing says where a C function ends, so no change is known to be an instance's. */
static __always_inline void keep_object_registers(__u64 to[ABI_CLASS_HIT_REGISTERS],
						  const struct pt_regs *from)
{
}

static __always_inline bool is_string_instruction(const __u8 text[STRING_INSTRUCTION_BYTES])
{
	return false;
}

static __always_inline __u64 interrupted_at(const struct bpf_perf_event_data *ctx)
{
	return ctx->regs.pc;
}

#ifdef __bpf__
/* TPIDR_EL0 */
static __always_inline __u64 thread_pointer(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, thread.uw.tp_value);
}
#endif

#endif
