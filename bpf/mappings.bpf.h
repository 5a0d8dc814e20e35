/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * mappings: the program's own anonymous mappings, which may be cut anywhere.
 *
 *      munmap:      ########            a mapping loses its middle:
 *      mapping:  [------------------]   ->  [--]        [-------]
 *
 * Pieces keep site and time of the mapping they came from; each piece counts as a block of its own,
 * so a cut in the middle adds one to the outstanding count (and to the allocated one). The usual
 * case, a range that is exactly one mapping, costs one lookup; everything else walks the map, which
 * is small.
 */
#ifndef PYLEAKTRACE_BPF_MAPPINGS_H
#define PYLEAKTRACE_BPF_MAPPINGS_H

#include "account.bpf.h"

struct cut {
	__u64 start, end; /* [start, end) goes away */
	bool touched;     /* not a count: the verifier must see the callback's state converge */
};

static __always_inline void put_piece(__u64 start, __u64 size, const struct abi_block *from)
{
	struct abi_block piece = *from;

	piece.size = size;
	if (bpf_map_update_elem(&mappings, &start, &piece, BPF_ANY)) {
		count(ABI_COUNT_MAPPINGS_FULL);
		return;
	}
	site_allocated(piece.site, size);
}

static long cut_mapping(void *map, const __u64 *key, struct abi_block *value, struct cut *cut)
{
	__u64 start = *key, end = start + value->size;
	struct abi_block block = *value;

	if (end <= cut->start || start >= cut->end)
		return 0;
	cut->touched = true;
	bpf_map_delete_elem(&mappings, &start);
	site_freed(block.site, block.size, 1);
	if (start < cut->start)
		put_piece(start, cut->start - start, &block);
	if (end > cut->end)
		put_piece(cut->end, end - cut->end, &block);
	return 0;
}

/* Take the range off the account; true when it touched any known mapping. */
static __always_inline bool unmap_range(__u64 start, __u64 length)
{
	struct cut cut = {.start = start, .end = start + length};
	struct abi_block *exact = bpf_map_lookup_elem(&mappings, &start);

	if (exact && exact->size == length) {
		__u32 site = exact->site;

		if (bpf_map_delete_elem(&mappings, &start) == 0)
			site_freed(site, length, 1);
		return true;
	}
	bpf_for_each_map_elem(&mappings, cut_mapping, &cut, 0);
	return cut.touched;
}

static __always_inline void record_mapping(struct abi_thread *thread, __u64 start, __u64 length)
{
	struct abi_block block = {}, old = {}, *found;
	long err;

	if (length < facts.min_size || length > facts.max_size) {
		count(ABI_COUNT_FILTERED);
		return;
	}
	block.size = length;
	block.time_ns = bpf_ktime_get_ns();
	block.domain = ABI_MMAP;
	block.site = find_site(thread, ABI_MMAP);
	err = bpf_map_update_elem(&mappings, &start, &block, BPF_NOEXIST);
	if (err == EEXIST_CODE) {
		found = bpf_map_lookup_elem(&mappings, &start);
		if (found)
			old = *found;
		if (found && is_current(&old))
			count(ABI_COUNT_MISSED_FREES);
		err = bpf_map_update_elem(&mappings, &start, &block, BPF_ANY);
		if (found && !err)
			site_freed(old.site, old.size, 1);
	}
	if (err) {
		count(ABI_COUNT_MAPPINGS_FULL);
		return;
	}
	site_allocated(block.site, length);
}

#endif
