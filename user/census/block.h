/* SPDX-License-Identifier: BSD-2-Clause
 *
 * block: an allocator's block that is in use, as the walk offers it and as the classifier takes it.
 *
 * What all blocks of one kind have in common is in struct block_kind, which the allocator's own
 * file fills in: the classifier asks it, and need not know whose block it looks at.
 *
 * Place      the census; made by the allocators' files, read by classify, classify_run and scan.
 * Units      addresses in the target; sizes in bytes.
 * Ownership  kinds are constants. The bytes of a block are the walk's, valid during the call.
 */
#ifndef PYLEAKTRACE_CENSUS_BLOCK_H
#define PYLEAKTRACE_CENSUS_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_HEAD_MAX 256 /* bytes of a block that are shown, at most */
#define BLOCK_ROUNDING 16u /* any block may be this much larger than requested */

/* Which part of the memory an object takes its bytes from (struct heap_usage). */
enum block_owner {
	BLOCK_OF_PYTHON, /* pymalloc_bytes */
	BLOCK_OF_MALLOC, /* malloc_bytes */
	BLOCK_OF_NOBODY, /* other_bytes */
	BLOCK_OWNERS,
};

/* Which of CPython's heaps a block is of. Only a build without a GIL keeps objects apart so. */
enum block_heap { BLOCK_HEAP_MEM, BLOCK_HEAP_OBJECT, BLOCK_HEAP_GC, BLOCK_HEAP_GC_PRE };

struct block;

struct block_kind {
	enum block_owner owner;
	/* The largest block that is given for this many bytes, by BLOCK_ROUNDING larger at least.
	 * NULL: nothing says where a block begins or ends, so only the object itself can show it.
	 */
	uint64_t (*largest_for)(uint64_t asked);
	/* A free block that looks as if it were in use; word: its first. NULL: there is none. */
	bool (*is_free)(const struct block *block, uint64_t word);
};

struct block {
	const struct block_kind *kind;
	enum block_heap heap;
	uint64_t address;
	uint64_t size;     /* that may be used; where nothing says it, up to the end of the range */
	uint64_t resident; /* of the block and its header; 0 where nothing says its size */
	const uint8_t *head; /* valid during the call */
	size_t head_length;  /* min(size, BLOCK_HEAD_MAX), at least 16 */
	uint64_t range_start, range_end;
};

/* Blocks of one size, side by side, as a pool has them. */
struct block_run {
	const struct block_kind *kind;
	uint64_t address;        /* of the first */
	uint32_t size, n;        /* of each block; how many */
	const uint64_t *is_free; /* a bit for each */
	const uint8_t *bytes;    /* of all; valid during the call */
	uint64_t range_start, range_end;
};

#endif
