/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * stack: the current stack -> site id. One site is one stack in one domain.
 *
 * A site is found by the hash of its frames and then compared frame by frame, so that two stacks
 * never share an id by an accident of the hash; up to ABI_MAX_COLLISIONS stacks of one hash are
 * distinguished by stepping the hash on. When there is no room left, blocks go to the reserved site
 * of their domain, counted.
 *
 * A site that nothing refers to any more is given another stack: user space takes it out of
 * `stacks`, waits until all hits that may have found it there have ended, clears it, and puts it
 * into the ring of free ones (user/probe/session_sites.c).
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

/* A free site that has room for exactly n_chunks, or 0. */
static __always_inline __u32 take_free_site(__u32 n_chunks)
{
	struct abi_free_ring *ring = &free_rings[n_chunks];
	__u32 taken, index;
	__u64 *id;

	taken = *(volatile __u32 *)&ring->taken;
	if (*(volatile __u32 *)&ring->put == taken)
		return 0;
	/* in the ring first, then read: until we are done user space puts nothing in our place
	 * (session_wait_grace_period()) */
	if (__sync_val_compare_and_swap(&ring->taken, taken, taken + 1) != taken)
		return 0; /* another thread was faster; a new one will do */
	index = n_chunks * ABI_FREE_ROOM + taken % ABI_FREE_ROOM;
	id = bpf_map_lookup_elem(&free_sites, &index);
	return id ? (__u32)*id : 0;
}

/* One that has never been used, with room for n_chunks; 0 when the pools are empty. */
static __always_inline __u32 take_new_site(__u32 n_chunks)
{
	struct abi_site *site;
	__u32 id, first;

	/* look before adding, or the counters would run on and wrap */
	if (next_site >= facts.max_sites || next_chunk + n_chunks > facts.max_chunks)
		return 0;
	first = __sync_fetch_and_add(&next_chunk, n_chunks);
	if (first + n_chunks > facts.max_chunks)
		return 0;
	id = __sync_fetch_and_add(&next_site, 1);
	if (id >= facts.max_sites)
		return 0;
	site = bpf_map_lookup_elem(&sites, &id);
	if (!site)
		return 0;
	site->first_chunk = first;
	site->n_chunks = n_chunks;
	return id;
}

static __always_inline __u32 take_site(__u32 n_chunks)
{
	__u32 id;

	barrier_var(n_chunks); /* or the compiler leaves out what the verifier wants to see */
	if (n_chunks >= ABI_FREE_CLASSES)
		return 0;
	id = take_free_site(n_chunks);
	if (!id)
		id = take_new_site(n_chunks);
	/* longer runs would do as well; to look for them here is 250,000 steps of the verifier's */
	if (!id)
		__sync_fetch_and_add(&free_rings[n_chunks].missed, 1);
	return id;
}

/* Copy the frames of thread->entries to their place. */
static __always_inline bool keep_frames(const struct abi_site *site,
					const struct abi_thread *thread)
{
	__u32 n = ABI_CHUNKS(thread->n_entries), first = site->first_chunk, i;

	for (i = 0; i < ABI_CHUNKS(ABI_MAX_ENTRIES) && i < n; i++) {
		__u32 index = first + i;
		struct abi_chunk *kept = bpf_map_lookup_elem(&frames, &index);

		if (!kept)
			return false;
		*kept = thread->entries[i];
	}
	return true;
}

static __always_inline void announce_site(__u32 id)
{
	if (!send_event(ABI_EVENT_SITE, id))
		count(ABI_COUNT_EVENTS_LOST);
}

/* Make a site for the stack in thread->entries; the reserved one when there is no room. */
static __noinline __u32 new_site(struct abi_thread *thread, __u64 hash, __u32 domain)
{
	__u32 id = take_site(ABI_CHUNKS(thread->n_entries)), *winner;
	struct abi_site *site = id ? bpf_map_lookup_elem(&sites, &id) : NULL;

	if (!site || !keep_frames(site, thread))
		goto full;
	site->n_frames = thread->n_entries;
	site->domain = domain;
	if (bpf_map_update_elem(&stacks, &hash, &id, BPF_NOEXIST)) {
		/* another thread was faster with the same stack: its site counts, ours stays
		 * unused */
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
