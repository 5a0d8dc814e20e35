/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * watchpoint: the size field of a container is written -> which stack made it larger or smaller, by
 * how many items.
 *
 * The processor stops the thread behind the instruction that wrote; the program runs in that
 * thread, which holds the GIL. So the field has the value that was written, no other thread writes
 * meanwhile, and the difference from the hit before is what this stack did:
 *
 *      field    120031 ──▶ 120032                    ──▶ 120031
 *               hit: +1, SESSIONS[key] = ...         hit: -1, del SESSIONS[key]
 *
 * A hit while nothing is recorded is looked at too, so that the first one that counts has a value
 * to compare with. Two watchpoints on one field (a thread may have got one twice) do no harm:
 * the second finds no difference.
 *
 * The field may be an object's reference count as well: who takes references, and who drops them.
 * Of a class each change is kept for itself, with the registers: every instance holds a reference
 * to its class.
 *
 * The user's registers lie where a system call has them: a debug exception from user mode is
 * handled on the thread's own kernel stack.
 */
#ifndef PYLEAKTRACE_BPF_WATCHPOINT_H
#define PYLEAKTRACE_BPF_WATCHPOINT_H

#include "own_stack.bpf.h"
#include "stack.bpf.h"
#include "task.bpf.h"

static __always_inline void add_items(__u32 id, __s64 step)
{
	struct abi_site *site = bpf_map_lookup_elem(&sites, &id);

	if (!site)
		return;
	if (step > 0) {
		__sync_fetch_and_add(&site->allocated_bytes, (__u64)step);
		__sync_fetch_and_add(&site->allocated_count, 1);
	} else {
		__sync_fetch_and_add(&site->freed_bytes, (__u64)-step);
		__sync_fetch_and_add(&site->freed_count, 1);
	}
}

/* slow: too many samples were at string instructions (string_op.bpf.h) */
static __always_inline void end_counting(bool slow)
{
	if (__sync_lock_test_and_set(&active, 0))
		send_event(ABI_EVENT_OVER, slow);
}

/* A class has one reference more or less, of this stack. Counting ends where there is no room. */
static __always_inline void keep_hit(__u32 site, __u64 ip, __s64 step)
{
	__u32 place = __sync_fetch_and_add(&class_hits_seen, 1);
	struct abi_class_hit *hit = bpf_map_lookup_elem(&class_hits, &place);

	if (!hit) {
		end_counting(false);
		return;
	}
	hit->time_ns = bpf_ktime_get_ns();
	hit->ip = ip;
	hit->site = site;
	hit->step = (__s32)step;
	keep_object_registers(hit->registers, user_registers());
}

/* The current stack made the container `number` larger by `step`. */
static __always_inline void count_step(__u32 number, __u64 ip, __s64 step)
{
	struct abi_thread *thread = thread_get();
	__u32 id = number;

	if (thread) {
		if (facts.native)
			keep_registers(thread, user_registers(), true);
		id = find_site(thread, number);
	}
	add_items(id, step);
	if (watches[number & (ABI_MAX_WATCHES - 1)].each)
		keep_hit(id, ip, step);
}

/* As many as were allowed: the ceiling of the cost is reached. */
static __always_inline bool is_over(const struct abi_watch *watch)
{
	__u64 counted = 0;
	int i;

	for (i = 0; i < ABI_MAX_WATCHES; i++)
		counted += watches[i].counted;
	if (counted < watch_allowance)
		return false;
	end_counting(false);
	return true;
}

static __always_inline void see_field(struct abi_watch *watch, __u32 number, __u64 ip)
{
	__s64 value, before = watch->last;
	__u64 type;

	if (!read_u64(watch->field, (__u64 *)&value) || !read_u64(watch->type_field, &type)) {
		__sync_fetch_and_add(&watch->unread, 1);
		return;
	}
	watch->last = value;
	if (!active || is_over(watch))
		return;
	__sync_fetch_and_add(&watch->counted, 1);
	if (type != watch->type || watch->dead) {
		__sync_fetch_and_add(&watch->foreign, 1);
	} else if (value == before) {
		__sync_fetch_and_add(&watch->same, 1);
	} else {
		if (watch->first == ABI_NOT_SEEN)
			watch->first = before;
		count_step(number, ip, value - before);
	}
	if (watch->refs && !(__u32)value)
		watch->dead = 1;
}

/*
 * Which container has its size at this address; ABI_MAX_WATCHES: none. Without branches, or the
 * verifier would go through all that follows once for each of them.
 */
static __always_inline __u32 find_watch(__u64 address)
{
	__u64 number = 0, others = 0;
	int i;

#pragma unroll
	for (i = 0; i < ABI_MAX_WATCHES; i++) {
		__u64 differs = watches[i].field ^ address;

		differs |= -differs;
		barrier_var(differs);
		differs >>= 63;
		others += differs;
		number += (1 - differs) * i;
	}
	return others == ABI_MAX_WATCHES ? ABI_MAX_WATCHES : (__u32)number;
}

SEC("perf_event")
int on_watchpoint(struct bpf_perf_event_data *ctx)
{
	__u64 start = bpf_ktime_get_ns();
	__u32 i;

	KEEP_OWN_STACK(ctx, after_watchpoint);
	/* forked children have inherited it, on kernels before 5.13 */
	if (!is_target_process())
		return 0;
	i = find_watch(ctx->addr);
	if (i >= ABI_MAX_WATCHES)
		return 0;
	__sync_fetch_and_add(&watches[i].hits, 1);
	see_field(&watches[i], i, interrupted_at(ctx));
	__sync_fetch_and_add(&watches[i].ns, bpf_ktime_get_ns() - start);
	return 0;
}

#endif
