/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/walk.h"

#include <string.h>

#include "python/pool.h"
#include "census/segments.h"
#include "target/remote_mem.h"

#define CHUNK_HEADER  16u /* size of the chunk before (if that is free), own size with flags */
#define CHUNK_MIN     32u /* 16: a fencepost at the end of a heap */
#define CHUNK_ALIGN   16u
#define PREV_IN_USE   1ull
#define IS_MAPPED     2ull
#define FLAGS         7ull
#define HEAP_ALIGN    (64u << 20) /* HEAP_MAX_SIZE */
#define HEAP_INFO_MIN 32u
#define HEAP_INFO_MAX 8192u /* heap_info and malloc_state */
#define CHAIN_STEPS   6     /* chunks that must follow each other before they are believed */
#define POOL_ATTEMPTS 4
#define POOL_ARENA    32u /* index of the arena, u32 */

struct chunk {
	uint64_t previous, size;
};

static void offer(struct walk *walk, enum block_kind kind, uint64_t address, uint64_t size,
		  uint64_t resident, const uint8_t *head, size_t head_length,
		  const struct map_range *range)
{
	const struct block block = {
		.kind = kind,
		.address = address,
		.size = size,
		.resident = resident,
		.head = head,
		.head_length = head_length,
		.range_start = range->start,
		.range_end = range->end,
	};

	walk->visit(walk->context, &block);
}

/* ---- pools ---------------------------------------------------------------------------------- */

static void offer_pool(struct walk *walk, const struct pool *pool, const uint8_t *bytes,
		       uint64_t address, const struct map_range *range)
{
	const struct block_run run = {
		.address = address + POOL_HEADER,
		.size = pool->block_size,
		.n = pool->n_blocks,
		.is_free = pool->is_free,
		.bytes = bytes + POOL_HEADER,
		.range_start = range->start,
		.range_end = range->end,
	};

	walk->visit_run(walk->context, &run);
}

static void count_pool(struct walk *walk, const uint8_t *bytes, uint64_t address, uint64_t used)
{
	uint32_t arena;

	memcpy(&arena, bytes + POOL_ARENA, sizeof(arena));
	walk->room.pools++;
	walk->room.pool_bytes += memory_resident(&walk->memory, address, address + walk->pool_size);
	walk->room.pool_used += used;
	if (arena < WALK_ARENAS_MAX && !(walk->arenas_seen[arena / 8] >> arena % 8 & 1)) {
		walk->arenas_seen[arena / 8] |= (uint8_t)(1u << arena % 8);
		walk->room.arenas++;
	}
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, n - 1);
}

/*
 * A pool that was never used: it follows the others of its arena and has only zeros. It is in
 * memory when a huge page is (CPython 3.15 asks for such ones).
 */
static bool walk_unused_pool(struct walk *walk, uint64_t address)
{
	const uint8_t *bytes = memory_peek(&walk->memory, address, walk->pool_size);

	if (address != walk->pools_end || !bytes || !is_zero(bytes, walk->pool_size))
		return false;
	walk->room.pool_bytes += memory_resident(&walk->memory, address, address + walk->pool_size);
	return true;
}

/* return true when there is a pool here */
static bool walk_pool(struct walk *walk, uint64_t address, const struct map_range *range)
{
	const uint8_t *bytes = memory_peek(&walk->memory, address, walk->pool_size);
	uint8_t again[POOL_SIZE_MAX];
	struct pool pool;
	enum pool_state state;

	if (!bytes)
		return false;
	state = pool_parse(&pool, bytes, address, walk->pool_size);
	for (int i = 0; i < POOL_ATTEMPTS && state == POOL_TORN; i++) {
		bytes = again;
		if (remote_read(walk->memory.pid, address, again, walk->pool_size))
			return true; /* it was one, and has been given back meanwhile */
		state = pool_parse(&pool, again, address, walk->pool_size);
	}
	if (state == POOL_NONE)
		return bytes == again;
	walk->n_pools++;
	walk->torn_pools += state == POOL_TORN;
	count_pool(walk, bytes, address,
		   state == POOL_EMPTY ? 0 : (uint64_t)pool.n_live * pool.block_size);
	if (state != POOL_EMPTY)
		offer_pool(walk, &pool, bytes, address, range);
	return true;
}

/* ---- glibc's chunks ------------------------------------------------------------------------- */

static uint64_t chunk_size(const struct chunk *chunk)
{
	return chunk->size & ~FLAGS;
}

static bool is_chunk(const struct chunk *chunk, uint64_t room)
{
	uint64_t size = chunk_size(chunk);

	return !(chunk->size & IS_MAPPED) && size >= CHUNK_MIN && size % CHUNK_ALIGN == 0 &&
	       size <= room;
}

/* Two small chunks end a heap that has been left for another. */
static bool is_fencepost(const struct chunk *chunk)
{
	return !(chunk->size & IS_MAPPED) && (chunk_size(chunk) == 16 || chunk_size(chunk) == 0);
}

/* From the window when it is there, which is not moved. */
static bool read_chunk(const struct walk *walk, uint64_t address, struct chunk *chunk)
{
	const uint8_t *here = memory_here(&walk->memory, address, sizeof(*chunk));

	if (!here)
		return remote_read(walk->memory.pid, address, chunk, sizeof(*chunk)) == 0;
	memcpy(chunk, here, sizeof(*chunk));
	return true;
}

/* A chain of chunks begins here: each leads to one that agrees with it. */
static bool is_chain(const struct walk *walk, uint64_t address, uint64_t end)
{
	struct chunk chunk, next;

	if (end - address < CHUNK_MIN || !read_chunk(walk, address, &chunk))
		return false;
	for (int step = 0; step < CHAIN_STEPS; step++) {
		if (!is_chunk(&chunk, end - address))
			return step && is_fencepost(&chunk);
		address += chunk_size(&chunk);
		if (address == end)
			return true;
		if (end - address < CHUNK_HEADER || !read_chunk(walk, address, &next))
			return false;
		if (!(next.size & PREV_IN_USE) && next.previous != chunk_size(&chunk))
			return false;
		chunk = next;
	}
	return true;
}

/* return the first place in [address, limit) from which a chain leads on, or limit */
static uint64_t find_chain(struct walk *walk, uint64_t address, uint64_t limit, uint64_t end)
{
	for (; address + CHUNK_MIN <= limit; address += CHUNK_ALIGN) {
		const uint8_t *header = memory_peek(&walk->memory, address, CHUNK_HEADER);
		struct chunk chunk;

		if (!header)
			break;
		memcpy(&chunk, header, sizeof(chunk));
		if (is_chunk(&chunk, end - address) && is_chain(walk, address, end))
			return address;
	}
	return limit;
}

/* in  size: with the header */
static void offer_chunk(struct walk *walk, enum block_kind kind, uint64_t address, uint64_t size,
			uint64_t usable, const struct map_range *range)
{
	uint64_t head = usable < BLOCK_HEAD_MAX ? usable : BLOCK_HEAD_MAX;
	uint64_t resident = memory_resident(&walk->memory, address, address + size);
	const uint8_t *bytes = memory_peek(&walk->memory, address + CHUNK_HEADER, head);

	walk->n_chunks++;
	if (bytes)
		offer(walk, kind, address + CHUNK_HEADER, usable, resident, bytes, head, range);
}

/*
 * Walk a chain to its end: the top chunk, which ends where the heap does, or a fencepost.
 *
 * return where it ended, or where what should be a chunk is none
 */
static uint64_t walk_chain(struct walk *walk, uint64_t address, uint64_t end,
			   const struct map_range *range)
{
	while (end - address >= CHUNK_MIN) {
		const uint8_t *header = memory_peek(&walk->memory, address, CHUNK_HEADER);
		struct chunk chunk, next;
		uint64_t size;

		if (!header)
			return address;
		memcpy(&chunk, header, sizeof(chunk));
		if (!is_chunk(&chunk, end - address))
			return is_fencepost(&chunk) ? end : address;
		size = chunk_size(&chunk);
		if (end - address - size < CHUNK_HEADER) { /* what is left of the heap */
			*walk->free_bytes += memory_resident(&walk->memory, address, end);
			return end;
		}
		if (!read_chunk(walk, address + size, &next) ||
		    (!is_chunk(&next, end - address - size) && !is_fencepost(&next)))
			return address;
		/* the last 8 bytes of a chunk in use belong to its user: size - 8 may be used */
		if (next.size & PREV_IN_USE)
			offer_chunk(walk, BLOCK_CHUNK, address, size, size - 8, range);
		else
			*walk->free_bytes +=
				memory_resident(&walk->memory, address, address + size);
		address += size;
	}
	return end;
}

static void walk_heap(struct walk *walk, uint64_t address, uint64_t end, uint64_t *free_bytes,
		      const struct map_range *range)
{
	walk->free_bytes = free_bytes;
	address = find_chain(walk, address, end, end);
	while (address < end && !walk->memory.gone) {
		address = walk_chain(walk, address, end, range);
		if (address >= end)
			break;
		walk->lost_chains++;
		address = find_chain(walk, address + CHUNK_ALIGN, end, end);
	}
}

/* A chunk that is a mapping of its own; return its end, or 0. */
static uint64_t walk_mapped_chunk(struct walk *walk, uint64_t address,
				  const struct map_range *range)
{
	const uint8_t *header = memory_peek(&walk->memory, address, CHUNK_HEADER);
	struct chunk chunk;
	uint64_t size;

	if (!header)
		return 0;
	memcpy(&chunk, header, sizeof(chunk));
	size = chunk_size(&chunk);
	if (size % MEMORY_PAGE ==
	    MEMORY_PAGE - CHUNK_HEADER) /* from glibc 2.42 on, without the header */
		size += CHUNK_HEADER;
	if (chunk.previous || (chunk.size & FLAGS) != IS_MAPPED || !size || size % MEMORY_PAGE ||
	    size > range->end - address)
		return 0;
	walk->room.mapped++;
	walk->room.mapped_bytes += memory_resident(&walk->memory, address, address + size);
	offer_chunk(walk, BLOCK_MAPPED, address, size, size - CHUNK_HEADER, range);
	return address + size;
}

static void note_arena(struct walk *walk, uint64_t state)
{
	for (size_t i = 0; i < walk->n_malloc_arenas; i++)
		if (walk->malloc_arenas[i] == state)
			return;
	if (walk->n_malloc_arenas < WALK_MALLOC_ARENAS)
		walk->malloc_arenas[walk->n_malloc_arenas++] = state;
}

/* A heap of another arena than the main one; return its end, or 0. */
static uint64_t walk_arena_heap(struct walk *walk, uint64_t address, const struct map_range *range)
{
	uint64_t info[3], first, size; /* arena, heap before, size */
	const uint8_t *bytes;

	if (address % HEAP_ALIGN)
		return 0;
	bytes = memory_peek(&walk->memory, address, sizeof(info));
	if (!bytes)
		return 0;
	memcpy(info, bytes, sizeof(info));
	size = info[2];
	if (!info[0] || info[0] % CHUNK_ALIGN || info[1] % HEAP_ALIGN || !size ||
	    size % MEMORY_PAGE || size > HEAP_ALIGN || size > range->end - address)
		return 0;
	first = find_chain(walk, address + HEAP_INFO_MIN,
			   address + (size < HEAP_INFO_MAX ? size : HEAP_INFO_MAX), address + size);
	if (first >= address + size)
		return 0;
	note_arena(walk, info[0]);
	walk->room.side_heaps++;
	walk->room.side_bytes += memory_resident(&walk->memory, address, address + size);
	walk_heap(walk, first, address + size, &walk->room.side_free, range);
	return address + size;
}

/* ---- anything else -------------------------------------------------------------------------- */

static void walk_loose_page(struct walk *walk, uint64_t page, const struct map_range *range)
{
	uint64_t end = page + MEMORY_PAGE;

	for (uint64_t at = page; at < end; at += CHUNK_ALIGN) {
		uint64_t room = range->end - at;
		size_t head = room < BLOCK_HEAD_MAX ? (size_t)room : BLOCK_HEAD_MAX;
		const uint8_t *bytes = memory_peek(&walk->memory, at, head);

		if (bytes)
			offer(walk, BLOCK_LOOSE, at, room, 0, bytes, head, range);
	}
}

static void walk_main_heap(struct walk *walk, const struct map_range *range)
{
	walk->room.heap_bytes += memory_resident(&walk->memory, range->start, range->end);
	walk_heap(walk, range->start, range->end, &walk->room.heap_free, range);
}

/* return the end of what begins at this page */
static uint64_t walk_page(struct walk *walk, uint64_t page, const struct map_range *range)
{
	uint64_t end;

	if (!memory_peek(&walk->memory, page, MEMORY_PAGE))
		return page + MEMORY_PAGE;
	if (!memory_page_present(&walk->memory, page))
		return memory_after_absent(&walk->memory, page);
	end = walk->mimalloc ? segments_walk(walk, page, range) : 0;
	if (end)
		return end;
	if (page % walk->pool_size == 0 && range->end - page >= walk->pool_size &&
	    (walk_pool(walk, page, range) || walk_unused_pool(walk, page))) {
		walk->pools_end = page + walk->pool_size;
		return walk->pools_end;
	}
	end = walk->loose ? 0 : walk_mapped_chunk(walk, page, range);
	if (!end && !walk->loose)
		end = walk_arena_heap(walk, page, range);
	/* where the main heap could not grow in place, it goes on in a mapping */
	if (!end && !walk->loose && page == range->start && is_chain(walk, page, range->end)) {
		walk_main_heap(walk, range);
		end = range->end;
	}
	if (end)
		return (end + MEMORY_PAGE - 1) & ~(uint64_t)(MEMORY_PAGE - 1);
	walk->room.other_bytes[page < walk->data_end] += MEMORY_PAGE;
	if (walk->loose)
		walk_loose_page(walk, page, range);
	return page + MEMORY_PAGE;
}

/* return the end of the span that the page lies in, or 0 */
static uint64_t step_over_span(struct walk *walk, uint64_t page, const struct map_range *range)
{
	const struct walk_span *span;
	uint64_t end;

	while (walk->next_span < walk->n_spans && walk->spans[walk->next_span].end <= page)
		walk->next_span++;
	span = &walk->spans[walk->next_span];
	if (walk->next_span == walk->n_spans || span->start > page)
		return 0;
	end = (span->end + MEMORY_PAGE - 1) & ~(uint64_t)(MEMORY_PAGE - 1);
	end = end < range->end ? end : range->end;
	walk->room.span_bytes += memory_resident(&walk->memory, page, end);
	return end;
}

void walk_range(struct walk *walk, const struct map_range *range)
{
	uint64_t page = range->start;

	memory_begin(&walk->memory, range);
	if (!walk->loose && !strcmp(range->path, "[heap]")) {
		walk_main_heap(walk, range);
		return;
	}
	while (page < range->end && !walk->memory.gone) {
		uint64_t end = step_over_span(walk, page, range);

		page = end ? end : walk_page(walk, page, range);
	}
}
