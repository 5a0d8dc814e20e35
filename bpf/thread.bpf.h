/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * thread: what is remembered of one thread of the target while it lives.
 */
#ifndef PYLEAKTRACE_BPF_THREAD_H
#define PYLEAKTRACE_BPF_THREAD_H

#include "counters.bpf.h"

/* Whether anything is recorded of it or not. */
static __always_inline bool is_target_process(void)
{
	return (__u32)(bpf_get_current_pid_tgid() >> 32) == facts.tgid;
}

static __always_inline bool is_target(void)
{
	return active && is_target_process();
}

/* The part that has the calls and the blocks of this domain. */
static __always_inline __u32 part_of(__u32 domain)
{
	return facts.split && domain == ABI_OBJECT ? ABI_PART_OBJECT : ABI_PART_NATIVE;
}

static __always_inline bool is_recorded(__u32 part)
{
	return recording >> part & 1;
}

/* This thread's entry, or NULL when nothing is known of it. */
static __always_inline struct abi_thread *thread_find(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&threads, &tid);
}

/* This thread's entry, made when there is none; NULL, counted, when there is no room. */
static __always_inline struct abi_thread *thread_get(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), zero = 0;
	struct abi_thread *thread = bpf_map_lookup_elem(&threads, &tid);
	void *empty;

	if (thread)
		return thread;
	empty = bpf_map_lookup_elem(&thread_zero, &zero);
	if (!empty)
		return NULL;
	bpf_map_update_elem(&threads, &tid, empty, BPF_NOEXIST);
	thread = bpf_map_lookup_elem(&threads, &tid);
	if (!thread)
		count(ABI_COUNT_THREADS_FULL);
	return thread;
}

static __always_inline void thread_forget(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&threads, &tid);
}

#endif
