/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * lifecycle: threads end, the target replaces itself, forks, ends. (Forked children have another
 * tgid and are not the target.)
 */
#ifndef PYLEAKTRACE_BPF_LIFECYCLE_H
#define PYLEAKTRACE_BPF_LIFECYCLE_H

#include "probes.bpf.h"
#include "task.bpf.h"

SEC("raw_tp/sched_process_exit")
int on_thread_exit(void *ctx)
{
	struct abi_thread *thread;
	__u32 part;

	if (!is_target_process())
		return 0;
	/* what a call holds that never returns is still there; of a part that is off the return
	 * would not have been seen */
	thread = thread_find();
#pragma unroll
	for (part = 0; part < ABI_PARTS; part++)
		if (thread && is_recorded(part) && current_call(thread, part)->sp)
			abandon_call(&thread->calls[part]);
	thread_forget();
	if (last_thread()) {
		active = 0;
		send_event(ABI_EVENT_EXIT, exit_status());
	}
	return 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx)
{
	if (!is_target())
		return 0;
	active = 0; /* all addresses are another program's from here on */
	send_event(ABI_EVENT_EXEC, 0);
	return 0;
}

/*
 * The child, which has not run yet, is the second argument. Threads, and what vfork() and
 * posix_spawn() make, share the target's memory: there is nothing to take out of a copy. No room in
 * the ring: user space is being woken anyway.
 */
SEC("raw_tp/sched_process_fork")
int on_fork(__u64 *ctx)
{
	/* not is_target(): the breakpoints are there before and after anything is recorded */
	if (is_target_process() && !shares_memory(ctx[1]))
		send_through(&forks, ABI_EVENT_FORK, 0);
	return 0;
}

/* What is attached for a moment so that its end takes the breakpoints out of forked children
 * (user/probe/sweep.h). */
SEC("uprobe")
int on_nothing(struct pt_regs *ctx)
{
	return 0;
}

#endif
