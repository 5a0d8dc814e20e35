/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * lifecycle: threads end, the target replaces itself, the target ends. (Forked children have another tgid and
 * are not the target.)
 */
#ifndef PYLEAKTRACE_BPF_LIFECYCLE_H
#define PYLEAKTRACE_BPF_LIFECYCLE_H

#include "probes.bpf.h"

SEC("tp/sched/sched_process_exit")
int on_thread_exit(void *ctx)
{
	struct abi_thread *thread;

	if ((__u32)(bpf_get_current_pid_tgid() >> 32) != facts.tgid)
		return 0;
	/* what a call holds that never returns is still there */
	thread = thread_find();
	if (thread && thread->call.sp)
		abandon_call(thread);
	thread_forget();
	if (last_thread()) {
		active = 0;
		send_event(ABI_EVENT_EXIT, exit_status());
	}
	return 0;
}

SEC("tp/sched/sched_process_exec")
int on_exec(void *ctx)
{
	if (!is_target())
		return 0;
	active = 0; /* all addresses are another program's from here on */
	send_event(ABI_EVENT_EXEC, 0);
	return 0;
}

#endif
