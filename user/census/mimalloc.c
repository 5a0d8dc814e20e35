/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/mimalloc.h"

#include <string.h>

#define OFFSETS_OF_HUGE 0x80000000u /* MI_HUGE_BLOCK_SIZE: such a block is as large as its page */
#define INFO_MAX        8u          /* slices of a header: one, with guard pages two */
#define KIND_HUGE       1u

/* mi_segment_t, and mi_page_t, which is the entry of a slice. */
struct mi_layout {
	bool free_threaded;
	uint16_t segment_size;          /* u64, of the segment in bytes */
	uint16_t n_slices, info_slices; /* u64 */
	uint16_t kind;                  /* u32 */
	uint16_t entries;               /* u64; behind it the owner's id, then slice 0 */
	uint16_t slices;
	uint16_t entry_size;
	uint16_t used, used_bytes;
	uint16_t block_size;       /* u32; with page_start u64 */
	uint16_t page_start;       /* 0: it follows from the size of the blocks */
	uint16_t lists[3];         /* free, local_free, xthread_free (with two bits of flags) */
	uint16_t heap, heap_shift; /* u8 */
};

/* The same in all. */
#define SLICE_COUNT 0  /* u32; 0: in the middle of a page, or of free slices */
#define CAPACITY    10 /* u16: blocks that were ever used */
#define RESERVED    12 /* u16: blocks that there is room for */

static const struct mi_layout layouts[] = {
	/* 3.13, 3.14.0 to 3.14.7, 3.15.0rc1 */
	{false, 32, 224, 232, 240, 248, 264, 80, 24, 4, 28, 0, {16, 32, 40}, 8, 3},
	{true, 32, 224, 232, 240, 248, 264, 96, 24, 4, 28, 0, {16, 32, 40}, 8, 3},
	/* 3.14.10, 3.15.2 */
	{false, 32, 248, 256, 264, 272, 288, 96, 32, 2, 40, 48, {16, 24, 56}, 35, 0},
	{true, 32, 248, 256, 264, 272, 288, 112, 32, 2, 40, 48, {16, 24, 56}, 35, 0},
};

static uint64_t load(const uint8_t *bytes, size_t offset, size_t width)
{
	uint64_t value = 0;

	memcpy(&value, bytes + offset, width);
	return value;
}

/* ---- segments ------------------------------------------------------------------------------- */

static bool fits(const struct mi_layout *layout, const uint8_t *bytes)
{
	uint64_t n = load(bytes, layout->n_slices, 8), info = load(bytes, layout->info_slices, 8),
		 entries = load(bytes, layout->entries, 8), kind = load(bytes, layout->kind, 4);

	if (n < 2 || n > UINT32_MAX || load(bytes, layout->segment_size, 8) != n * MI_SLICE ||
	    kind > KIND_HUGE || (kind != KIND_HUGE && n != MI_SLICES))
		return false;
	if (!info || info > INFO_MAX || entries <= info || entries > n || entries > MI_SLICES)
		return false;
	/* the header's own slices are marked as a page of that many; it is no part of another */
	return load(bytes, layout->slices + SLICE_COUNT, 8) == info;
}

bool mi_segment_parse(struct mi_segment *segment, const uint8_t *bytes, size_t length,
		      uint64_t address, bool free_threaded)
{
	segment->layout = NULL;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]) && !segment->layout; i++)
		if (layouts[i].free_threaded == free_threaded && length >= MI_SEGMENT_HEAD_MAX &&
		    fits(&layouts[i], bytes))
			segment->layout = &layouts[i];
	if (!segment->layout || address % MI_SEGMENT_ALIGN)
		return false;
	segment->address = address;
	segment->end = address + load(bytes, segment->layout->n_slices, 8) * MI_SLICE;
	segment->entries = address + segment->layout->slices;
	segment->entry_size = segment->layout->entry_size;
	segment->n_slices = (uint32_t)load(bytes, segment->layout->entries, 8);
	segment->info_slices = (uint32_t)load(bytes, segment->layout->info_slices, 8);
	return segment->end > address;
}

/* ---- pages ---------------------------------------------------------------------------------- */

/* Small blocks do not begin with the slice, so that pages do not all use the same lines of the
 * cache. */
static uint64_t start_offset(uint64_t block_size)
{
	return block_size <= 64 ? 3 * block_size : block_size <= 512 ? block_size : 0;
}

static void find_blocks(struct mi_page *page, const struct mi_layout *layout, const uint8_t *entry)
{
	if (layout->page_start) {
		page->block_size = load(entry, layout->block_size, 8);
		page->start = load(entry, layout->page_start, 8);
		return;
	}
	page->block_size = load(entry, layout->block_size, 4);
	page->start = page->slices + start_offset(page->block_size);
	if (page->block_size == OFFSETS_OF_HUGE)
		page->block_size = page->end - page->start;
}

enum mi_page_state mi_page_parse(struct mi_page *page, const struct mi_segment *segment,
				 uint32_t slice, const uint8_t *entry)
{
	const struct mi_layout *layout = segment->layout;
	uint64_t count = load(entry, SLICE_COUNT, 4), reserved = load(entry, RESERVED, 2), room;

	page->slices = segment->address + slice * MI_SLICE;
	page->end = page->slices + count * MI_SLICE;
	if (!count || load(entry, SLICE_COUNT + 4, 4) || page->end > segment->end)
		return MI_PAGE_NONE;
	find_blocks(page, layout, entry);
	if (page->start < page->slices || page->start >= page->end || page->block_size < 8 ||
	    page->block_size % 8)
		return MI_PAGE_NONE;
	page->n_blocks = (uint32_t)load(entry, CAPACITY, 2);
	page->n_used = (uint32_t)load(entry, layout->used, layout->used_bytes);
	room = (page->end - page->start) / page->block_size;
	if (!reserved || reserved > room || page->n_blocks > reserved ||
	    page->n_blocks > MI_BLOCKS_MAX || page->n_used > page->n_blocks ||
	    (page->n_blocks > 1 && page->end - page->slices > MI_AREA_MAX))
		return MI_PAGE_NONE;
	for (size_t i = 0; i < 3; i++)
		page->lists[i] = load(entry, layout->lists[i], 8) & ~3ull;
	page->heap = load(entry, layout->heap, 1) >> layout->heap_shift & 3;
	return MI_PAGE_LIVE;
}

/* Mark the blocks of a list; how many, or more than there are: it is no list. */
static uint32_t mark(struct mi_page *page, uint64_t block, const uint8_t *area)
{
	uint32_t n = 0;

	for (; block; n++) {
		uint64_t offset = block - page->start, index = offset / page->block_size;

		if (offset % page->block_size || index >= page->n_blocks ||
		    mi_block_is_free(page, (uint32_t)index))
			return page->n_blocks + 1;
		page->is_free[index / 64] |= 1ull << index % 64;
		if (page->n_blocks == 1)
			return 1;
		block = load(area, offset, 8);
	}
	return n;
}

enum mi_page_state mi_page_read(struct mi_page *page, const uint8_t *area)
{
	uint32_t n_own, n_others;

	memset(page->is_free, 0, (page->n_blocks + 63) / 64 * sizeof(page->is_free[0]));
	n_own = mark(page, page->lists[0], area) + mark(page, page->lists[1], area);
	n_others = mark(page, page->lists[2], area);
	page->n_live = 0;
	for (uint32_t i = 0; i < page->n_blocks; i++)
		page->n_live += !mi_block_is_free(page, i);
	return n_own + page->n_used == page->n_blocks && n_others <= page->n_used ? MI_PAGE_LIVE
										  : MI_PAGE_TORN;
}
