/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * lifecycle: threads end, the target replaces itself, the target ends. (Forked children have another tgid and
 * are not the target.)
 */
#ifndef PYLEAKTRACE_BPF_LIFECYCLE_H
#define PYLEAKTRACE_BPF_LIFECYCLE_H

#include "probes.bpf.h"

static __always_inline void announce(enum abi_event_kind kind, __u32 value)
{
	struct abi_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return;
	event->kind = kind;
	event->value = value;
	bpf_ringbuf_submit(event, 0);
}

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
		announce(ABI_EVENT_EXIT, exit_status());
	}
	return 0;
}

SEC("tp/sched/sched_process_exec")
int on_exec(void *ctx)
{
	if (!is_target())
		return 0;
	active = 0; /* all addresses are another program's from here on */
	announce(ABI_EVENT_EXEC, 0);
	return 0;
}

#endif
