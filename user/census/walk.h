/* SPDX-License-Identifier: BSD-2-Clause
 *
 * walk: a range of the target's memory -> the allocators' blocks in it that are in use, one call
 * for each.
 *
 * Objects are looked for at the beginning of blocks only, and only in blocks that are in use: that
 * is what tells an object from its remains and from bytes that look like one. These kinds of blocks
 * are known:
 *
 *   pool   pymalloc's, up to 512 bytes. A pool is known by its own header (pool.h).
 *   page   of CPython's mimalloc, of any size, where it is used (mimalloc.h).
 *   chunk  glibc's. They lie without gaps, each with its size, so that a walk from the beginning
 *          of a heap meets every one; whether it is in use is written in the next. A heap is
 *          [heap], or begins at a multiple of 64 MiB.
 *   mapped a large chunk of glibc's that is a mapping of its own: whole pages.
 *   loose  under another malloc (musl's, jemalloc, ...): nothing tells where blocks begin, so
 *          every place where one could is offered, and the caller judges by the object alone.
 *
 * Place      the census; called by scan.
 * Source     Objects/obmalloc.c 3.6-3.15; glibc malloc/malloc.c and arena.c, 2.17 to 2.42 (struct
 *            malloc_chunk, heap_info, HEAP_MAX_SIZE).
 * Degrades   a target that runs may change a heap between two reads. The walk then looks for the
 *            next place from which a chain of chunks leads on (lost_chains), and reads a pool
 *            again (torn_pools counts those that were still torn then; their blocks are offered
 *            nevertheless).
 * Bounds     no memory but the window's; every loop moves on in the range.
 */
#ifndef PYLEAKTRACE_CENSUS_WALK_H
#define PYLEAKTRACE_CENSUS_WALK_H

#include "census/memory.h"
#include "census/mimalloc.h"

enum block_kind { BLOCK_POOL, BLOCK_PAGE, BLOCK_CHUNK, BLOCK_MAPPED, BLOCK_LOOSE };

#define BLOCK_HEAD_MAX     256        /* bytes of a block that are shown, at most */
#define WALK_MALLOC_ARENAS 512u       /* glibc has up to 8 for each CPU */
#define WALK_ARENAS_MAX    (1u << 18) /* of pymalloc: beyond, they are not told apart */

struct block {
	enum block_kind kind;
	enum mi_heap heap; /* of BLOCK_PAGE */
	uint64_t address;
	uint64_t size;       /* that may be used; BLOCK_LOOSE: up to the end of the range */
	uint64_t resident;   /* of the block and its header; BLOCK_LOOSE: 0 */
	const uint8_t *head; /* valid during the call */
	size_t head_length;  /* min(size, BLOCK_HEAD_MAX), at least 16 */
	uint64_t range_start, range_end;
};

/* Blocks of one size, side by side: those of a pool. */
struct block_run {
	uint64_t address;        /* of the first */
	uint32_t size, n;        /* of each block; how many */
	const uint64_t *is_free; /* a bit for each */
	const uint8_t *bytes;    /* of all; valid during the call */
	uint64_t range_start, range_end;
};

/* A part of the address space that holds no blocks: a thread's stack. */
struct walk_span {
	uint64_t start, end;
};

/* How the memory that was walked is used: bytes that are in memory. */
struct walk_usage {
	uint64_t pools, pool_bytes,
		pool_used; /* bytes: unused ones too; used: blocks, of any content */
	uint64_t arenas;   /* of pymalloc, that have a pool */
	uint64_t segments, segment_room, segment_bytes, segment_used; /* of mimalloc */
	uint64_t heap_bytes, heap_free; /* of the main heap; free: chunks, and what is at its end */
	uint64_t side_heaps, side_bytes, side_free; /* heaps of glibc's other arenas */
	uint64_t mapped, mapped_bytes;              /* chunks that are mappings of their own */
	uint64_t span_bytes;
	uint64_t other_bytes[2]; /* none of these; [1]: before data_end */
};

struct walk {
	struct memory memory;
	uint32_t pool_size;
	bool mimalloc, free_threaded; /* CPython uses its mimalloc; it has no GIL */
	bool loose; /* offer loose blocks where there are neither pools nor chunks */
	void (*visit)(void *context, const struct block *block);
	void (*visit_run)(void *context, const struct block_run *run); /* a pool's blocks */
	void *context;

	uint64_t n_pools, torn_pools, lost_chains; /* torn: pages too */
	uint64_t n_chunks;
	struct walk_usage room;
	const struct walk_span *spans; /* not walked; by address; borrowed */
	size_t n_spans, next_span;
	uint64_t data_end;    /* of this range: what is no block before it is a program's data */
	uint64_t *free_bytes; /* private: where free chunks are added up */
	uint64_t pools_end;   /* private: of the last pool; those that were never used follow it */
	uint8_t arenas_seen[WALK_ARENAS_MAX / 8];
	uint64_t malloc_arenas[WALK_MALLOC_ARENAS]; /* glibc's states, but the main one's */
	size_t n_malloc_arenas;
	/* private: the segment that the walk is in; it may reach over several ranges */
	struct mi_segment segment;
	uint8_t entries[MI_SLICES * MI_ENTRY_MAX];
	struct mi_page page;
};

/* Walk one range; ranges come in the order of their addresses. */
void walk_range(struct walk *walk, const struct map_range *range);

#endif
