/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * syscalls: mmap, munmap, mremap at their tracepoints. Only anonymous memory counts; what an
 * allocator maps for itself (glibc's heaps and big blocks, pymalloc's arenas) happens inside an
 * allocator call and is that call's matter. A mapping is taken off the account before the kernel
 * unmaps it, and entered after it was made.
 */
#ifndef PYLEAKTRACE_BPF_SYSCALLS_H
#define PYLEAKTRACE_BPF_SYSCALLS_H

#include "mappings.bpf.h"
#include "own_stack.bpf.h"
#include "task.bpf.h"

#define FLAG_MAP_FIXED     0x10
#define FLAG_MAP_ANONYMOUS 0x20
#define FLAG_MAP_STACK     0x20000
#define PAGE_MASK_MIN      4095ull
/* results above this are -errno */
#define MAX_RESULT (~0ull - 4095)

static __always_inline __u64 page_up(__u64 length)
{
	return (length + PAGE_MASK_MIN) & ~PAGE_MASK_MIN;
}

/* The thread's entry when it is the target's and not inside an allocator. */
static __always_inline struct abi_thread *syscall_thread(void)
{
	struct abi_thread *thread;

	if (!is_target() || !is_recorded(ABI_PART_NATIVE))
		return NULL;
	count(ABI_COUNT_HITS_SYSCALL);
	thread = thread_get();
	if (!thread || current_call(thread, ABI_PART_NATIVE)->sp ||
	    current_call(thread, ABI_PART_OBJECT)->sp)
		return NULL;
	/* begun before the part was last switched off */
	if (thread->syscall.turn != turns[ABI_PART_NATIVE])
		thread->syscall.sp = 0;
	return thread;
}

static __always_inline void begin_syscall(struct abi_thread *thread, __u32 kind, __u64 size)
{
	thread->syscall.sp = 1;
	thread->syscall.turn = turns[ABI_PART_NATIVE];
	thread->syscall.kind = kind;
	thread->syscall.size = size;
}

/*
 * Address space that is only reserved is no memory: glibc reserves 64 MiB for each thread's heap,
 * at times outside of any allocator call. A thread's stack begins as such a reservation, and
 * counts.
 */
static __always_inline bool is_reservation(struct trace_event_raw_sys_enter *ctx)
{
	return ctx->args[2] == 0 /* PROT_NONE */ && !(ctx->args[3] & FLAG_MAP_STACK);
}

SEC("tp/syscalls/sys_enter_mmap")
int on_enter_mmap(struct trace_event_raw_sys_enter *ctx)
{
	struct abi_thread *thread = syscall_thread();

	if (!thread || (is_reservation(ctx) && !(ctx->args[3] & FLAG_MAP_FIXED)))
		return 0;
	begin_syscall(thread, ABI_CALL_MMAP, page_up(ctx->args[1]));
	thread->syscall_flags = ctx->args[3];
	return 0;
}

SEC("tp/syscalls/sys_enter_munmap")
int on_enter_munmap(struct trace_event_raw_sys_enter *ctx)
{
	struct abi_thread *thread = syscall_thread();
	__u64 start = ctx->args[0], length = page_up(ctx->args[1]);

	KEEP_OWN_STACK(ctx, after_munmap);
	/* what the kernel refuses anyway changes nothing */
	if (!thread || !length || start & PAGE_MASK_MIN || start + length < start)
		return 0;
	begin_syscall(thread, ABI_CALL_MUNMAP, unmap_range(start, length));
	if (!thread->syscall.size)
		count(ABI_COUNT_UNKNOWN_UNMAPS);
	return 0;
}

SEC("tp/syscalls/sys_enter_mremap")
int on_enter_mremap(struct trace_event_raw_sys_enter *ctx)
{
	struct abi_thread *thread = syscall_thread();
	__u64 start = ctx->args[0], length = page_up(ctx->args[1]);
	struct abi_block *block;

	if (!thread)
		return 0;
	begin_syscall(thread, ABI_CALL_MREMAP, page_up(ctx->args[2]));
	thread->syscall.old_address = start;
	thread->syscall.old.time_ns = 0;
	block = bpf_map_lookup_elem(&mappings, &start);
	/* the usual case, a whole mapping, is taken out so that it can be put back when the call
	 * fails */
	if (length && block && block->size == length) {
		thread->syscall.old = *block;
		bpf_map_delete_elem(&mappings, &start);
	}
	thread->syscall_flags = length;
	return 0;
}

/* mmap has returned: has it made a mapping that counts? */
static __always_inline bool finish_mmap(struct abi_thread *thread, __u64 start)
{
	if (start >= MAX_RESULT)
		return false;
	if (thread->syscall_flags & FLAG_MAP_FIXED)
		unmap_range(start, thread->syscall.size);
	return thread->syscall_flags & FLAG_MAP_ANONYMOUS;
}

/* The same of mremap. */
static __always_inline bool finish_mremap(struct abi_thread *thread, __u64 start)
{
	struct abi_call *call = &thread->syscall;
	__u64 known = 0;

	if (start >= MAX_RESULT) {
		if (call->old.time_ns &&
		    bpf_map_update_elem(&mappings, &call->old_address, &call->old, BPF_NOEXIST)) {
			count(ABI_COUNT_MAPPINGS_FULL);
			site_freed(call->old.site, call->old.size, 1);
		}
		return false;
	}
	if (call->old.time_ns) {
		site_freed(call->old.site, call->old.size, 1);
		known = 1;
	} else if (thread->syscall_flags) {
		/* a part of a mapping moved away, or a mapping that is not known */
		known = unmap_range(call->old_address, thread->syscall_flags);
	}
	/* MREMAP_FIXED: what was at the new place is gone */
	if (start != call->old_address)
		unmap_range(start, call->size);
	if (!known)
		count(ABI_COUNT_UNKNOWN_UNMAPS);
	return known;
}

/*
 * The exit of all three; the cookie says of which. One program, because walking the stack is what
 * the verifier takes its time for at each load.
 */
SEC("tp/syscalls/sys_exit_mmap")
int on_exit_mapping(struct trace_event_raw_sys_exit *ctx)
{
	struct abi_thread *thread = syscall_thread();
	bool made = false;

	KEEP_OWN_STACK(ctx, after_mapping);
	if (!thread || !thread->syscall.sp || thread->syscall.kind != bpf_get_attach_cookie(ctx))
		return 0;
	thread->syscall.sp = 0;
	switch (thread->syscall.kind) {
	case ABI_CALL_MMAP:
		made = finish_mmap(thread, ctx->ret);
		break;
	case ABI_CALL_MREMAP:
		made = finish_mremap(thread, ctx->ret);
		break;
	case ABI_CALL_MUNMAP:
		if (ctx->ret && thread->syscall.size)
			count(ABI_COUNT_UNMAP_UNDONE);
		break;
	}
	if (!made)
		return 0;
	if (facts.native)
		keep_registers(thread, user_registers(), true);
	record_mapping(thread, ctx->ret, thread->syscall.size);
	return 0;
}

/* Everybody's calls of any kind: each is slower while the tracepoints above are there. Attached for
 * short periods only. */
SEC("raw_tp/sys_enter")
int on_syscall(void *ctx)
{
	count(is_target_process() ? ABI_COUNT_SYSCALLS : ABI_COUNT_OTHER_SYSCALLS);
	return 0;
}

#endif
