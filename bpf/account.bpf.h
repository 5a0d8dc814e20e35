/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * account: blocks come, blocks go; the totals of their sites follow.
 *
 * Invariant, for every site: allocated - freed = what `blocks` and `mappings` hold of it. A block
 * is entered after its allocator has returned it and removed before its allocator is asked to free
 * it, so no moment exists in which an address given out again meets its old entry. When it does, a
 * free was not seen (MISSED_FREES): the old block is closed on its own site, and the account is
 * right again.
 */
#ifndef PYLEAKTRACE_BPF_ACCOUNT_H
#define PYLEAKTRACE_BPF_ACCOUNT_H

#include "sample.bpf.h"
#include "stack.bpf.h"

#define EEXIST_CODE (-17)

static __always_inline void site_allocated(__u32 id, __u64 bytes)
{
	struct abi_site *site = bpf_map_lookup_elem(&sites, &id);

	if (!site)
		return;
	__sync_fetch_and_add(&site->allocated_bytes, bytes);
	__sync_fetch_and_add(&site->allocated_count, 1);
}

static __always_inline void site_freed(__u32 id, __u64 bytes, __u64 n)
{
	struct abi_site *site = bpf_map_lookup_elem(&sites, &id);

	if (!site)
		return;
	__sync_fetch_and_add(&site->freed_bytes, bytes);
	__sync_fetch_and_add(&site->freed_count, n);
}

/* Has it been recorded since its part was last switched on? Else it no longer counts. */
static __always_inline bool is_current(const struct abi_block *block)
{
	return block->time_ns >= began_ns[part_of(block->domain)];
}

/* Take the block out of the map; false when it is not known. The site's totals are the caller's. */
static __always_inline bool take_block(__u64 address, struct abi_block *out)
{
	struct abi_block *block = bpf_map_lookup_elem(&blocks, &address);

	if (!block)
		return false;
	*out = *block;
	/* of two threads that free one address at once, one has the block */
	if (bpf_map_delete_elem(&blocks, &address))
		return false;
	if (is_current(out))
		return true;
	site_freed(out->site, out->size, 1);
	return false;
}

/* Enter a block as it is, after a call failed that would have freed it. */
static __always_inline void put_block_back(__u64 address, const struct abi_block *block)
{
	if (bpf_map_update_elem(&blocks, &address, block, BPF_NOEXIST)) {
		count(ABI_COUNT_BLOCKS_FULL);
		site_freed(block->site, block->size, 1);
	}
}

/* A new block at this address, allocated by the current thread here and now. */
static __always_inline void record_block(struct abi_thread *thread, __u64 address, __u64 size,
					 __u32 domain, __u32 flags)
{
	struct abi_block block = {}, old = {}, *found;
	__u32 shift;
	long err;

	if (size < facts.min_size || size > facts.max_size) {
		count(ABI_COUNT_FILTERED);
		return;
	}
	if (is_skipped_size(domain, size) || !take_sample(thread, domain, size, &shift))
		return;
	block.size = size;
	block.time_ns = bpf_ktime_get_ns();
	block.domain = domain;
	block.flags = flags | ABI_BLOCK_SAMPLED(shift);
	block.site = find_site(thread, domain);

	err = bpf_map_update_elem(&blocks, &address, &block, BPF_NOEXIST);
	if (err == EEXIST_CODE) {
		found = bpf_map_lookup_elem(&blocks, &address);
		if (found)
			old = *found;
		if (found && is_current(&old))
			count(ABI_COUNT_MISSED_FREES);
		err = bpf_map_update_elem(&blocks, &address, &block, BPF_ANY);
		/* an update may fail for lack of memory: then the old block is still in the map */
		if (found && !err)
			site_freed(old.site, old.size, 1);
	}
	if (err) {
		count(ABI_COUNT_BLOCKS_FULL);
		return;
	}
	site_allocated(block.site, size);
}

#endif
