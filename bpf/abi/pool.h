/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool: the header of one of pymalloc's pools, and what in it must agree. Nothing else marks a pool
 * as one. BPF asks it of one block, user space of whole heaps (user/python/pool.h).
 *
 * Source     Objects/obmalloc.c, 3.6 to 3.15 (struct pool_header, pymalloc_pool_extend()).
 */
#ifndef PYLEAKTRACE_ABI_POOL_H
#define PYLEAKTRACE_ABI_POOL_H

#include "abi/ints.h"

struct abi_pool_header {
	__u32 n_used; /* blocks */
	__u32 pad;
	__u64 free; /* the first free block */
	__u64 next_pool, previous_pool;
	/* what never changes while the pool has its size, but for next */
	struct abi_pool_size {
		__u32 arena; /* its index */
		__u32 class; /* of the size */
		__u32 next;  /* where the next block that was never used begins */
		__u32 last;  /* the last such place: a block before the end of the pool */
	} size;
	/* blocks, all of one size */
};

#define ABI_POOL_HEADER 48u

_Static_assert(sizeof(struct abi_pool_header) == ABI_POOL_HEADER, "pool_header");

/* The size of the pool's blocks, if it is one: not 0, and no more than the largest there are. */
#define ABI_POOL_BLOCK_SIZE(header, pool_size) ((pool_size) - (header)->last)

/* Does its class stand for blocks of this size? Classes are 16 bytes apart; in early releases of
 * 3.6 and 3.7 they are 8. */
#define ABI_POOL_CLASS_AGREES(header, size) \
	((size) == ((header)->class + 1) * 16 || (size) == ((header)->class + 1) * 8)

#endif
