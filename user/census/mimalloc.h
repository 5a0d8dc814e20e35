/* SPDX-License-Identifier: BSD-2-Clause
 *
 * mimalloc: the bytes of one of mimalloc's segments -> its pages, and which of a page's blocks are
 * in use.
 *
 * CPython has a mimalloc of its own: all that a build without a GIL allocates is there, and what
 * others allocate with PYTHONMALLOC=mimalloc. A segment begins at a multiple of 32 MiB. It is cut
 * in slices of 64 KiB; its header has an entry for each:
 *
 *     segment    header: facts, slice 0, slice 1, ... slice 511
 *     + 64 KiB   a page: one slice, blocks of up to 8 KiB, all of one size
 *     + 128 KiB  a page of eight slices, blocks of up to 128 KiB; or of as many as one block needs
 *     ...        free slices
 *
 * A segment of one block that is larger than 16 MiB is as long as that. Free blocks of a page are
 * in three lists: what will be given out, what its thread and what others gave back. Segments and
 * pages of threads that ended are like all others: nothing depends on who owns them.
 *
 * Nothing marks a segment as one. It is recognised by what its header must agree with: the number
 * of slices, its length, the entry of the header's own slices, its kind. A page's entry must fit in
 * its slices, and blocks in use, counted in its lists, must be as many as it says.
 *
 * Place      the census; called by allocator_mimalloc. Pure: reads nothing but the bytes given.
 * Source     Include/internal/mimalloc/mimalloc/types.h, Objects/mimalloc/segment.c and page.c of
 *            CPython 3.13.0 to 3.15.2 (struct mi_segment_s, mi_page_s); the later releases of 3.14
 *            and 3.15 have another release of mimalloc. Offsets from their DWARF. Builds with
 *            Py_DEBUG write their lists otherwise: they are not known.
 * Units      addresses in the target; sizes in bytes.
 * Degrades   MI_PAGE_TORN: read while it changed; the caller reads it again.
 * Bounds     MI_BLOCKS_MAX blocks; the lists are followed no further than that.
 */
#ifndef PYLEAKTRACE_CENSUS_MIMALLOC_H
#define PYLEAKTRACE_CENSUS_MIMALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "census/block.h"

#define MI_SEGMENT_ALIGN (32ull << 20)
#define MI_SLICE         (64ull << 10)
#define MI_SLICES        512u           /* that a header has entries for */
#define MI_ENTRY_MAX     112u           /* bytes of an entry */
#define MI_AREA_MAX      (8 * MI_SLICE) /* of a page that has more than one block */
#define MI_BLOCKS_MAX    (MI_SLICE / 8)

struct mi_layout;

struct mi_segment {
	const struct mi_layout *layout; /* NULL: there is none */
	uint64_t address, end;
	uint64_t entries;     /* address of that of slice 0 */
	uint32_t entry_size;  /* <= MI_ENTRY_MAX */
	uint32_t n_slices;    /* that have entries */
	uint32_t info_slices; /* the first of them: the header */
};

enum mi_page_state {
	MI_PAGE_NONE, /* no page begins here: free, or in the middle of one */
	MI_PAGE_LIVE,
	MI_PAGE_TORN, /* looks like a page that is just being changed */
};

struct mi_page {
	uint64_t slices, end; /* where its first slice begins, its last one ends */
	uint64_t start;       /* of its first block */
	uint64_t block_size;
	uint32_t n_blocks; /* that were ever used, or will be without further ado */
	uint32_t n_used;   /* as it says; blocks that other threads gave back are among them */
	uint32_t n_live;
	enum block_heap heap;
	uint64_t lists[3];
	uint64_t is_free[MI_BLOCKS_MAX / 64];
};

/*
 * Does a segment begin here?
 *
 * in     bytes: length of them, at `address`; MI_SEGMENT_HEAD_MAX are enough
 */
#define MI_SEGMENT_HEAD_MAX (288u + MI_ENTRY_MAX)
bool mi_segment_parse(struct mi_segment *segment, const uint8_t *bytes, size_t length,
		      uint64_t address, bool free_threaded);

/*
 * The page that begins with this slice.
 *
 * in     entry: entry_size bytes of the segment's header
 * out    page: all but n_live and is_free
 * return MI_PAGE_NONE or MI_PAGE_LIVE
 */
enum mi_page_state mi_page_parse(struct mi_page *page, const struct mi_segment *segment,
				 uint32_t slice, const uint8_t *entry);

/*
 * Which of its blocks are free.
 *
 * in     area: the bytes from page->start to the end of block n_blocks - 1; of a page of one block
 *        none are looked at (NULL)
 * return MI_PAGE_LIVE, or MI_PAGE_TORN: then is_free has what was found so far
 */
enum mi_page_state mi_page_read(struct mi_page *page, const uint8_t *area);

static inline bool mi_block_is_free(const struct mi_page *page, uint32_t index)
{
	return page->is_free[index / 64] >> (index % 64) & 1;
}

#endif
