/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * entries: the stack that is being recorded, frame by frame, in the thread's scratch; and what both
 * walks need.
 */
#ifndef PYLEAKTRACE_BPF_ENTRIES_H
#define PYLEAKTRACE_BPF_ENTRIES_H

#include "thread.bpf.h"

#define HASH_SEED   0x9e3779b97f4a7c15ull
#define TARGET_PAGE 4096ull

static __always_inline __u64 hash_mix(__u64 h, __u64 word)
{
	h = (h ^ word) * 0xff51afd7ed558ccdull;
	return h ^ (h >> 29);
}

static __always_inline bool read_u64(__u64 address, __u64 *value)
{
	return bpf_probe_read_user(value, sizeof(*value), (const void *)address) == 0;
}

/* The entry of this index in the thread's scratch. */
static __always_inline struct abi_frame *entry_at(struct abi_thread *thread, __u32 index)
{
	return &thread->entries[index / ABI_CHUNK].frames[index % ABI_CHUNK];
}

static __always_inline void put_entry(struct abi_thread *thread, __u32 unit, __u32 tag)
{
	__u32 n = thread->n_entries;
	struct abi_frame *entry;

	if (n >= ABI_MAX_ENTRIES)
		return;
	entry = entry_at(thread, n);
	entry->where = 0;
	entry->unit = unit;
	entry->tag = tag;
	thread->n_entries = n + 1;
}

/* Say behind the entries so far what is missing. */
static __always_inline void put_gap(struct abi_thread *thread, enum abi_gap why)
{
	put_entry(thread, why, ABI_FRAME_GAP);
}

/* Report something to user space through one of the ring buffers; false, when there is no room for
 * it. */
static __always_inline bool send_through(void *ring, __u32 kind, __u32 value)
{
	struct abi_event *event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);

	if (!event)
		return false;
	event->kind = kind;
	event->value = value;
	bpf_ringbuf_submit(event, 0);
	return true;
}

static __always_inline bool send_event(__u32 kind, __u32 value)
{
	return send_through(&events, kind, value);
}

/* There is executable memory that user space does not know (yet): ask it once to read the
 * mappings. */
static __always_inline void want_code(void)
{
	if (!code_wanted && __sync_lock_test_and_set(&code_wanted, 1) == 0 &&
	    !send_event(ABI_EVENT_CODE, 0))
		code_wanted = 0;
}

#endif
