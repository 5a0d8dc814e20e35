/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * stack: the current stack -> site id. One site is one stack in one domain.
 *
 * A site is found by the hash of its frames and then compared frame by frame, so that two stacks never share
 * an id by an accident of the hash; up to ABI_MAX_COLLISIONS stacks of one hash are told apart by stepping
 * the hash on. When there is no room left, blocks go to the reserved site of their domain, counted.
 */
#ifndef PYLEAKTRACE_BPF_STACK_H
#define PYLEAKTRACE_BPF_STACK_H

#include "unwind_native.bpf.h"
#include "unwind_python.bpf.h"

/* Make the rest of the last chunk zero, so that whole chunks can be compared. */
static __always_inline void pad_entries(struct abi_thread *thread)
{
	__u32 i, n = thread->n_entries;

	for (i = 0; i < ABI_CHUNK - 1 && n % ABI_CHUNK; i++, n++) {
		struct abi_frame *entry;

		if (n >= ABI_MAX_ENTRIES)
			break;
		entry = entry_at(thread, n);
		entry->where = 0;
		entry->unit = 0;
		entry->tag = 0;
	}
}

static __always_inline bool same_chunk(const struct abi_chunk *a, const struct abi_chunk *b)
{
	__u64 differ = 0;
	int i;

#pragma unroll
	for (i = 0; i < ABI_CHUNK; i++) {
		const __u64 *x = (const __u64 *)&a->frames[i], *y = (const __u64 *)&b->frames[i];

		differ |= (x[0] ^ y[0]) | (x[1] ^ y[1]);
	}
	return differ == 0;
}

static __always_inline bool same_frames(const struct abi_site *site,
					const struct abi_thread *thread)
{
	__u32 n = ABI_CHUNKS(thread->n_entries), first = site->first_chunk, i;

	if (site->n_frames != thread->n_entries)
		return false;
	for (i = 0; i < ABI_CHUNKS(ABI_MAX_ENTRIES) && i < n; i++) {
		__u32 index = first + i;
		const struct abi_chunk *kept = bpf_map_lookup_elem(&frames, &index);

		if (!kept || !same_chunk(kept, &thread->entries[i]))
			return false;
	}
	return true;
}

/* Copy the frames into the pool; false when it is full. */
static __always_inline bool keep_frames(const struct abi_thread *thread, __u32 *first_chunk)
{
	__u32 n = ABI_CHUNKS(thread->n_entries), first, i;

	/* look before adding, or the counter would run on and wrap */
	if (next_chunk + n > facts.max_chunks)
		return false;
	first = __sync_fetch_and_add(&next_chunk, n);
	if (first + n > facts.max_chunks)
		return false;
	for (i = 0; i < ABI_CHUNKS(ABI_MAX_ENTRIES) && i < n; i++) {
		__u32 index = first + i;
		struct abi_chunk *kept = bpf_map_lookup_elem(&frames, &index);

		if (!kept)
			return false;
		*kept = thread->entries[i];
	}
	*first_chunk = first;
	return true;
}

static __always_inline void announce_site(__u32 id)
{
	if (!send_event(ABI_EVENT_SITE, id))
		count(ABI_COUNT_EVENTS_LOST);
}

/* Make a site for the stack in thread->entries; the reserved one when there is no room. */
static __always_inline __u32 new_site(struct abi_thread *thread, __u64 hash, __u32 domain)
{
	struct abi_site *site;
	__u32 id, first, *winner;

	if (next_site >= facts.max_sites || !keep_frames(thread, &first))
		goto full;
	id = __sync_fetch_and_add(&next_site, 1);
	if (id >= facts.max_sites)
		goto full;
	site = bpf_map_lookup_elem(&sites, &id);
	if (!site)
		goto full;
	site->first_chunk = first;
	site->n_frames = thread->n_entries;
	site->domain = domain;
	if (bpf_map_update_elem(&stacks, &hash, &id, BPF_NOEXIST)) {
		/* another thread was faster with the same stack: its site counts, ours stays unused */
		winner = bpf_map_lookup_elem(&stacks, &hash);
		if (!winner)
			goto full;
		return *winner;
	}
	site->hash = hash;
	announce_site(id);
	return id;
full:
	count(ABI_COUNT_STACKS_FULL);
	return domain;
}

/* Write the stack of the current thread into thread->entries; return its hash. */
static __always_inline __u64 walk_stack(struct abi_thread *thread)
{
	__u64 hash = walk_python(thread, walk_native(thread));
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	if (!facts.by_thread)
		return hash;
	put_entry(thread, tid, ABI_FRAME_THREAD);
	return hash_mix(hash, tid);
}

/* The site id of the current thread's stack. */
static __noinline __u32 find_site(struct abi_thread *thread, __u32 domain)
{
	__u64 hash;
	int i;

	if (!thread || domain >= ABI_FIRST_SITE)
		return 0;
	hash = hash_mix(walk_stack(thread), domain + 1);
	pad_entries(thread);
	for (i = 0; i < ABI_MAX_COLLISIONS; i++) {
		__u32 *id = bpf_map_lookup_elem(&stacks, &hash);
		struct abi_site *site;

		if (!id)
			break;
		site = bpf_map_lookup_elem(&sites, id);
		if (site && site->domain == domain && same_frames(site, thread))
			return *id;
		count(ABI_COUNT_COLLISIONS);
		hash++;
	}
	if (i < ABI_MAX_COLLISIONS)
		return new_site(thread, hash, domain);
	count(ABI_COUNT_STACKS_FULL);
	return domain;
}

#endif
