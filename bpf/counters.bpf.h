/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * counters: count one thing on this CPU. A program may be preempted by another hit on the same CPU,
 * so the additions are atomic.
 */
#ifndef PYLEAKTRACE_BPF_COUNTERS_H
#define PYLEAKTRACE_BPF_COUNTERS_H

#include "maps.bpf.h"

static __always_inline void count_add(enum abi_counter counter, __u64 n)
{
	__u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counts, &zero);

	if (c)
		__sync_fetch_and_add(&c->value[counter], n);
}

static __always_inline void count(enum abi_counter counter)
{
	count_add(counter, 1);
}

/* Count a hit; true for one in ABI_TIMED_HITS, which the caller must time. */
static __always_inline bool count_hit(__u32 counter)
{
	__u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counts, &zero);

	/* the register that is checked must be the one that is used: clang 18 and later make two of
	 * it */
	barrier_var(counter);
	if (!c || counter >= ABI_COUNTERS)
		return false;
	__sync_fetch_and_add(&c->value[counter], 1);
	return (c->value[counter] & (ABI_TIMED_HITS - 1)) == 0;
}

#endif
