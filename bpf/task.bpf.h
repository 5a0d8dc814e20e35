/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * task: what the kernel knows of the current task. The host tests have functions of their own in
 * its place.
 */
#ifndef PYLEAKTRACE_BPF_TASK_H
#define PYLEAKTRACE_BPF_TASK_H

#ifdef __bpf__
/* Registers of the current thread as they were when it entered the kernel for a system call. */
static __always_inline const struct pt_regs *user_registers(void)
{
	return (const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
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
