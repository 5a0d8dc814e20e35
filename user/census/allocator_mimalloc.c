/* SPDX-License-Identifier: BSD-2-Clause
 *
 * mimalloc's row, the one that CPython has of its own: segments, whose bytes mimalloc.h reads. A
 * segment is found by its header, at its beginning; where the kernel has cut it into several
 * ranges, the later ones are known to belong to it.
 *
 * A page that changes while it is read is read again, and counted (torn_pools) when it still does
 * not agree with itself; its blocks are offered nevertheless. There is one small read for each
 * page; what is not in memory is not read.
 */
#include <string.h>

#include "census/allocator.h"
#include "census/mimalloc.h"
#include "census/walk.h"
#include "target/remote_mem.h"

#define ATTEMPTS    4
#define SINCE_MINOR 13 /* CPython 3.13 */

struct mimalloc {
	struct walk *walk;
	bool free_threaded;
	uint64_t segments, room, bytes; /* room: reserved; bytes: in memory */
	uint64_t in_use;                /* bytes of blocks, of any content */
	/* the segment that the walk is in; it may reach over several ranges */
	struct mi_segment segment;
	uint8_t entries[MI_SLICES * MI_ENTRY_MAX];
	struct mi_page page;
};

/* The blocks have a fifth more than was asked for, and an object stays in its block when it becomes
 * smaller by half. */
static uint64_t largest_for(uint64_t asked)
{
	return 2 * asked + asked / 4 + (asked >= MI_SLICE ? MI_SLICE : 0) + BLOCK_ROUNDING;
}

static const struct block_kind page_block = {.owner = BLOCK_OF_PYTHON, .largest_for = largest_for};

/*
 * A build without a GIL always uses it, one with a GIL with PYTHONMALLOC=mimalloc; hooks in the
 * place of its functions hide that.
 */
static bool begin(void *state, struct walk *walk, const struct py_runtime *runtime,
		  const struct maps *maps)
{
	struct mimalloc *mimalloc = state;
	bool is_pymalloc =
		runtime->obj.malloc && runtime->obj.malloc == runtime->default_obj_malloc;

	(void)maps;
	mimalloc->walk = walk;
	mimalloc->free_threaded = runtime->layout.free_threaded;
	return runtime->layout.free_threaded ||
	       (runtime->layout.minor >= SINCE_MINOR && !is_pymalloc);
}

/* Does a segment begin here? Its entries are kept: what is 0 there was never used, and is not
 * read. */
static bool find_segment(struct mimalloc *mimalloc, uint64_t address)
{
	struct walk *walk = mimalloc->walk;
	struct mi_segment segment;
	const uint8_t *bytes;
	size_t length;

	if (address % MI_SEGMENT_ALIGN)
		return false;
	bytes = memory_peek(&walk->memory, address, MI_SEGMENT_HEAD_MAX);
	if (!bytes || !mi_segment_parse(&segment, bytes, MI_SEGMENT_HEAD_MAX, address,
					mimalloc->free_threaded))
		return false;
	length = (size_t)segment.n_slices * segment.entry_size;
	if (walk->range->end - segment.entries < length)
		return false;
	bytes = memory_peek(&walk->memory, segment.entries, length);
	if (!bytes)
		return false;
	memcpy(mimalloc->entries, bytes, length);
	mimalloc->segment = segment;
	mimalloc->segments++;
	mimalloc->room += segment.end - segment.address;
	return true;
}

static bool is_inside(const struct mimalloc *mimalloc, uint64_t address)
{
	return mimalloc->segment.layout && address >= mimalloc->segment.address &&
	       address < mimalloc->segment.end;
}

/* The blocks of a page of several, in the window. NULL: they are not all in the range. */
static const uint8_t *find_area(struct walk *walk, const struct mi_page *page, bool reread)
{
	uint64_t start = page->slices & ~(uint64_t)(MEMORY_PAGE - 1);
	uint64_t length = page->start + page->n_blocks * page->block_size - start;
	const uint8_t *bytes;

	if (reread)
		memory_begin(&walk->memory, walk->range);
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
static enum mi_page_state read_page(struct mimalloc *mimalloc, uint32_t slice, const uint8_t **area)
{
	const struct mi_segment *segment = &mimalloc->segment;
	struct walk *walk = mimalloc->walk;
	struct mi_page *page = &mimalloc->page;
	size_t size = segment->entry_size;
	uint8_t entry[MI_ENTRY_MAX];
	enum mi_page_state state = MI_PAGE_TORN;

	if (!was_used(mimalloc->entries + slice * size, size))
		return MI_PAGE_NONE;
	for (int i = 0; i < ATTEMPTS && state == MI_PAGE_TORN; i++) {
		*area = NULL;
		if (remote_read(walk->memory.pid, segment->entries + slice * size, entry, size))
			return MI_PAGE_NONE;
		state = mi_page_parse(page, segment, slice, entry);
		if (state == MI_PAGE_NONE)
			break;
		if (page->n_blocks > 1) {
			*area = find_area(walk, page, i);
			if (!*area) {
				walk->lost_chains++;
				return MI_PAGE_NONE;
			}
		}
		state = mi_page_read(page, *area);
	}
	return state;
}

static void offer_blocks(struct mimalloc *mimalloc, const uint8_t *area)
{
	const struct mi_page *page = &mimalloc->page;
	struct walk *walk = mimalloc->walk;
	uint64_t length = page->block_size < BLOCK_HEAD_MAX ? page->block_size : BLOCK_HEAD_MAX;
	struct block block = {
		.kind = &page_block,
		.heap = page->heap,
		.size = page->block_size,
		.head_length = (size_t)length,
		.range_start = walk->range->start,
		.range_end = walk->range->end,
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
		mimalloc->in_use += block.resident;
		if (block.head && block.head_length >= 16)
			walk->visit(walk->context, &block);
	}
}

/* return how many slices further the next page may begin */
static uint32_t walk_slice(struct mimalloc *mimalloc, uint32_t slice)
{
	const uint8_t *area = NULL;
	enum mi_page_state state = read_page(mimalloc, slice, &area);

	if (state == MI_PAGE_NONE)
		return 1;
	mimalloc->walk->torn_pools += state == MI_PAGE_TORN;
	offer_blocks(mimalloc, area);
	return (uint32_t)((mimalloc->page.end - mimalloc->page.slices) / MI_SLICE);
}

/* return the end of the segment that the page lies in, or of the range; 0: it lies in none */
static uint64_t take_page(void *state, uint64_t page)
{
	struct mimalloc *mimalloc = state;
	const struct mi_segment *segment = &mimalloc->segment;
	struct memory *memory = &mimalloc->walk->memory;
	uint64_t slice, end = mimalloc->walk->range->end;

	if (!is_inside(mimalloc, page) && !find_segment(mimalloc, page))
		return 0;
	end = segment->end < end ? segment->end : end;
	mimalloc->bytes += memory_resident(memory, page, end);
	slice = (page - segment->address + MI_SLICE - 1) / MI_SLICE;
	if (slice < segment->info_slices)
		slice = segment->info_slices;
	while (slice < segment->n_slices && !memory->gone &&
	       segment->address + slice * MI_SLICE < end)
		slice += walk_slice(mimalloc, (uint32_t)slice);
	return end;
}

static void add_usage(void *state, struct heap_usage *usage)
{
	const struct mimalloc *mimalloc = state;

	usage->mimalloc = mimalloc->segments;
	usage->arenas += mimalloc->segments;
	usage->arenas_bytes += mimalloc->room;
	usage->pools_bytes += mimalloc->bytes;
	usage->pools_used_bytes += mimalloc->in_use;
}

const struct allocator allocator_mimalloc = {
	.state_size = sizeof(struct mimalloc),
	.begin = begin,
	.take_page = take_page,
	.add_usage = add_usage,
};
