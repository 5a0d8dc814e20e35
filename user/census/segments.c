/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/segments.h"

#include <string.h>

#include "target/remote_mem.h"

#define ATTEMPTS 4

/* Does a segment begin here? Its entries are kept: what is 0 there was never used, and is not
 * read. */
static bool begin(struct walk *walk, uint64_t address, const struct map_range *range)
{
	struct mi_segment segment;
	const uint8_t *bytes;
	size_t length;

	if (address % MI_SEGMENT_ALIGN)
		return false;
	bytes = memory_peek(&walk->memory, address, MI_SEGMENT_HEAD_MAX);
	if (!bytes ||
	    !mi_segment_parse(&segment, bytes, MI_SEGMENT_HEAD_MAX, address, walk->free_threaded))
		return false;
	length = (size_t)segment.n_slices * segment.entry_size;
	if (range->end - segment.entries < length)
		return false;
	bytes = memory_peek(&walk->memory, segment.entries, length);
	if (!bytes)
		return false;
	memcpy(walk->entries, bytes, length);
	walk->segment = segment;
	walk->room.segments++;
	walk->room.segment_room += segment.end - segment.address;
	return true;
}

static bool is_inside(const struct walk *walk, uint64_t address)
{
	return walk->segment.layout && address >= walk->segment.address &&
	       address < walk->segment.end;
}

/* The blocks of a page of several, in the window. NULL: they are not all in the range. */
static const uint8_t *find_area(struct walk *walk, const struct mi_page *page, bool anew,
				const struct map_range *range)
{
	uint64_t start = page->slices & ~(uint64_t)(MEMORY_PAGE - 1);
	uint64_t length = page->start + page->n_blocks * page->block_size - start;
	const uint8_t *bytes;

	if (anew)
		memory_begin(&walk->memory, range);
	bytes = memory_peek(&walk->memory, start, length);
	return bytes ? bytes + (page->start - start) : NULL;
}

static bool was_used(const uint8_t *entry, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (entry[i])
			return true;
	return false;
}

/* out  area: NULL for a page of one block */
static enum mi_page_state read_page(struct walk *walk, uint32_t slice,
				    const struct map_range *range, const uint8_t **area)
{
	const struct mi_segment *segment = &walk->segment;
	struct mi_page *page = &walk->page;
	size_t size = segment->entry_size;
	uint8_t entry[MI_ENTRY_MAX];
	enum mi_page_state state = MI_PAGE_TORN;

	if (!was_used(walk->entries + slice * size, size))
		return MI_PAGE_NONE;
	for (int i = 0; i < ATTEMPTS && state == MI_PAGE_TORN; i++) {
		*area = NULL;
		if (remote_read(walk->memory.pid, segment->entries + slice * size, entry, size))
			return MI_PAGE_NONE;
		state = mi_page_parse(page, segment, slice, entry);
		if (state == MI_PAGE_NONE)
			break;
		if (page->n_blocks > 1) {
			*area = find_area(walk, page, i, range);
			if (!*area) {
				walk->lost_chains++;
				return MI_PAGE_NONE;
			}
		}
		state = mi_page_read(page, *area);
	}
	return state;
}

static void offer_blocks(struct walk *walk, const uint8_t *area, const struct map_range *range)
{
	const struct mi_page *page = &walk->page;
	uint64_t length = page->block_size < BLOCK_HEAD_MAX ? page->block_size : BLOCK_HEAD_MAX;
	struct block block = {
		.kind = BLOCK_PAGE,
		.heap = page->heap,
		.size = page->block_size,
		.head_length = (size_t)length,
		.range_start = range->start,
		.range_end = range->end,
	};

	for (uint32_t i = 0; i < page->n_blocks; i++) {
		if (mi_block_is_free(page, i))
			continue;
		block.address = page->start + i * page->block_size;
		block.resident = page->block_size < MEMORY_PAGE
					 ? page->block_size
					 : memory_resident(&walk->memory, block.address,
							   block.address + page->block_size);
		block.head = area ? area + i * page->block_size
				  : memory_peek(&walk->memory, block.address, block.head_length);
		walk->room.segment_used += block.resident;
		if (block.head && block.head_length >= 16)
			walk->visit(walk->context, &block);
	}
}

/* return how many slices further the next page may begin */
static uint32_t walk_slice(struct walk *walk, uint32_t slice, const struct map_range *range)
{
	const uint8_t *area = NULL;
	enum mi_page_state state = read_page(walk, slice, range, &area);

	if (state == MI_PAGE_NONE)
		return 1;
	walk->n_pools++;
	walk->torn_pools += state == MI_PAGE_TORN;
	offer_blocks(walk, area, range);
	return (uint32_t)((walk->page.end - walk->page.slices) / MI_SLICE);
}

uint64_t segments_walk(struct walk *walk, uint64_t page, const struct map_range *range)
{
	const struct mi_segment *segment = &walk->segment;
	uint64_t slice, end;

	if (!is_inside(walk, page) && !begin(walk, page, range))
		return 0;
	end = segment->end < range->end ? segment->end : range->end;
	walk->room.segment_bytes += memory_resident(&walk->memory, page, end);
	slice = (page - segment->address + MI_SLICE - 1) / MI_SLICE;
	if (slice < segment->info_slices)
		slice = segment->info_slices;
	while (slice < segment->n_slices && !walk->memory.gone &&
	       segment->address + slice * MI_SLICE < end)
		slice += walk_slice(walk, (uint32_t)slice, range);
	return end;
}
