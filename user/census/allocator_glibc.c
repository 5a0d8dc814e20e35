/* SPDX-License-Identifier: BSD-2-Clause
 *
 * glibc's row: chunks. They lie without gaps, each with its size, so that a walk from the beginning
 * of a heap meets every one; whether it is in use is written in the next.
 *
 *     main heap    [heap], and mappings where that could not grow in place
 *     side heaps   of the other arenas: each begins at a multiple of 64 MiB
 *     mapped       a large chunk that is a mapping of its own: whole pages
 *
 * Where what should be a chunk is not one, as in a heap that is just changing, the walk looks for
 * the next place from which a chain of chunks leads on (lost_chains).
 *
 * Source     glibc malloc/malloc.c and arena.c, 2.17 to 2.42 (struct malloc_chunk, heap_info,
 *            HEAP_MAX_SIZE; PROTECT_PTR: how the links of freed chunks are written).
 */
#include <string.h>

#include "census/allocator.h"
#include "census/fast_bins.h"
#include "census/walk.h"
#include "target/remote_mem.h"

#define CHUNK_HEADER  16u /* size of the chunk before (if that is free), own size with flags */
#define CHUNK_MIN     32u /* 16: a fencepost at the end of a heap */
#define CHUNK_ALIGN   16u
#define CHUNK_REST    40u /* a rest too small to be a chunk stays with the block */
#define PREV_IN_USE   1ull
#define IS_MAPPED     2ull
#define FLAGS         7ull
#define FAST_MAX      176         /* usable bytes of chunks whose links are kept apart */
#define HEAP_ALIGN    (64u << 20) /* HEAP_MAX_SIZE */
#define HEAP_INFO_MIN 32u
#define HEAP_INFO_MAX 8192u /* heap_info and malloc_state */
#define CHAIN_STEPS   6     /* chunks that must follow each other before they are believed */
#define ARENAS_MAX    512u  /* there are up to 8 for each CPU */

struct chunk {
	uint64_t previous, size;
};

/* How much of a kind of heap is in memory, and free: chunks, and what is at its end. */
struct heaps {
	uint64_t n, bytes, free_bytes;
};

struct glibc {
	struct walk *walk;
	const struct py_runtime *runtime;
	const struct maps *maps;
	struct heaps main, side;
	uint64_t mapped, mapped_bytes;
	uint64_t blocks[ABI_SIZE_CLASSES]; /* in use, or kept by a thread for its next call */
	uint64_t arenas[ARENAS_MAX];       /* their states, but the main one's */
	size_t n_arenas;
};

static bool begin(void *state, struct walk *walk, const struct py_runtime *runtime,
		  const struct maps *maps)
{
	struct glibc *glibc = state;

	glibc->walk = walk;
	glibc->runtime = runtime;
	glibc->maps = maps;
	return !runtime->libc_is_musl && allocator_is_libc(runtime, maps);
}

/* ---- kinds of blocks ------------------------------------------------------------------------ */

static uint64_t largest_for(uint64_t asked)
{
	return asked + CHUNK_REST;
}

static uint64_t largest_mapped_for(uint64_t asked)
{
	return asked + MEMORY_PAGE;
}

/*
 * A small chunk that was freed looks in use; its first word then links to the next of its kind:
 * plainly, or from glibc 2.32 on mixed with its own address.
 */
static bool is_free(const struct block *block, uint64_t word)
{
	uint64_t next = word ^ block->address >> 12;

	if (block->size > FAST_MAX)
		return false;
	return !next || (next % 16 == 0 && next >= block->range_start && next < block->range_end) ||
	       (word % 16 == 0 && word >= block->range_start && word < block->range_end);
}

static const struct block_kind heap_chunk = {
	.owner = BLOCK_OF_MALLOC, .largest_for = largest_for, .is_free = is_free};
static const struct block_kind mapped_chunk = {.owner = BLOCK_OF_MALLOC,
					       .largest_for = largest_mapped_for};

/* ---- chunks --------------------------------------------------------------------------------- */

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

/* The same, and the window is moved there. */
static bool peek_chunk(struct walk *walk, uint64_t address, struct chunk *chunk)
{
	const uint8_t *header = memory_peek(&walk->memory, address, sizeof(*chunk));

	if (header)
		memcpy(chunk, header, sizeof(*chunk));
	return header;
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
		struct chunk chunk;

		if (!peek_chunk(walk, address, &chunk))
			break;
		if (is_chunk(&chunk, end - address) && is_chain(walk, address, end))
			return address;
	}
	return limit;
}

/* in  size: with the header */
static void offer_chunk(struct glibc *glibc, const struct block_kind *kind, uint64_t address,
			uint64_t size, uint64_t usable)
{
	struct walk *walk = glibc->walk;
	struct block block = {
		.kind = kind,
		.address = address + CHUNK_HEADER,
		.size = usable,
		.resident = memory_resident(&walk->memory, address, address + size),
		.head_length = usable < BLOCK_HEAD_MAX ? usable : BLOCK_HEAD_MAX,
		.range_start = walk->range->start,
		.range_end = walk->range->end,
	};

	glibc->blocks[abi_size_class(usable)]++;
	block.head = memory_peek(&walk->memory, block.address, block.head_length);
	if (block.head)
		walk->visit(walk->context, &block);
}

/* ---- heaps ---------------------------------------------------------------------------------- */

/*
 * Walk a chain to its end: the top chunk, which ends where the heap does, or a fencepost.
 *
 * return where it ended, or where what should be a chunk is not one
 */
static uint64_t walk_chain(struct glibc *glibc, struct heaps *heaps, uint64_t address, uint64_t end)
{
	struct walk *walk = glibc->walk;

	while (end - address >= CHUNK_MIN) {
		struct chunk chunk, next;
		uint64_t size;

		if (!peek_chunk(walk, address, &chunk))
			return address;
		if (!is_chunk(&chunk, end - address))
			return is_fencepost(&chunk) ? end : address;
		size = chunk_size(&chunk);
		if (end - address - size < CHUNK_HEADER) { /* what is left of the heap */
			heaps->free_bytes += memory_resident(&walk->memory, address, end);
			return end;
		}
		if (!read_chunk(walk, address + size, &next) ||
		    (!is_chunk(&next, end - address - size) && !is_fencepost(&next)))
			return address;
		/* the last 8 bytes of a chunk in use belong to its user: size - 8 may be used */
		if (next.size & PREV_IN_USE)
			offer_chunk(glibc, &heap_chunk, address, size, size - 8);
		else
			heaps->free_bytes +=
				memory_resident(&walk->memory, address, address + size);
		address += size;
	}
	return end;
}

/* in  first: where its chunks begin, or may begin */
static void walk_heap(struct glibc *glibc, struct heaps *heaps, uint64_t start, uint64_t first,
		      uint64_t end)
{
	struct walk *walk = glibc->walk;
	uint64_t address;

	heaps->n++;
	heaps->bytes += memory_resident(&walk->memory, start, end);
	address = find_chain(walk, first, end, end);
	while (address < end && !walk->memory.gone) {
		address = walk_chain(glibc, heaps, address, end);
		if (address >= end)
			break;
		walk->lost_chains++;
		address = find_chain(walk, address + CHUNK_ALIGN, end, end);
	}
}

static void walk_main_heap(struct glibc *glibc)
{
	const struct map_range *range = glibc->walk->range;

	walk_heap(glibc, &glibc->main, range->start, range->start, range->end);
}

static void note_arena(struct glibc *glibc, uint64_t state)
{
	for (size_t i = 0; i < glibc->n_arenas; i++)
		if (glibc->arenas[i] == state)
			return;
	if (glibc->n_arenas < ARENAS_MAX)
		glibc->arenas[glibc->n_arenas++] = state;
}

/* A heap of another arena than the main one; return its end, or 0. */
static uint64_t walk_side_heap(struct glibc *glibc, uint64_t address)
{
	struct walk *walk = glibc->walk;
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
	    size % MEMORY_PAGE || size > HEAP_ALIGN || size > walk->range->end - address)
		return 0;
	first = find_chain(walk, address + HEAP_INFO_MIN,
			   address + (size < HEAP_INFO_MAX ? size : HEAP_INFO_MAX), address + size);
	if (first >= address + size)
		return 0;
	note_arena(glibc, info[0]);
	walk_heap(glibc, &glibc->side, address, first, address + size);
	return address + size;
}

/* A chunk that is a mapping of its own; return its end, or 0. */
static uint64_t walk_mapped_chunk(struct glibc *glibc, uint64_t address)
{
	struct walk *walk = glibc->walk;
	struct chunk chunk;
	uint64_t size;

	if (!peek_chunk(walk, address, &chunk))
		return 0;
	size = chunk_size(&chunk);
	if (size % MEMORY_PAGE ==
	    MEMORY_PAGE - CHUNK_HEADER) /* from glibc 2.42 on, without the header */
		size += CHUNK_HEADER;
	if (chunk.previous || (chunk.size & FLAGS) != IS_MAPPED || !size || size % MEMORY_PAGE ||
	    size > walk->range->end - address)
		return 0;
	glibc->mapped++;
	glibc->mapped_bytes += memory_resident(&walk->memory, address, address + size);
	offer_chunk(glibc, &mapped_chunk, address, size, size - CHUNK_HEADER);
	return address + size;
}

/* ---- the row -------------------------------------------------------------------------------- */

static bool take_range(void *state)
{
	struct glibc *glibc = state;

	if (strcmp(glibc->walk->range->path, "[heap]"))
		return false;
	walk_main_heap(glibc);
	return true;
}

static uint64_t take_page(void *state, uint64_t page)
{
	struct glibc *glibc = state;
	const struct map_range *range = glibc->walk->range;
	uint64_t end = walk_mapped_chunk(glibc, page);

	if (!end)
		end = walk_side_heap(glibc, page);
	/* where the main heap could not grow in place, it goes on in a mapping */
	if (!end && page == range->start && is_chain(glibc->walk, page, range->end)) {
		walk_main_heap(glibc);
		end = range->end;
	}
	return end;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void add_usage(void *state, struct heap_usage *usage)
{
	const struct glibc *glibc = state;
	struct fast_bins fast;
	uint64_t main_free, side_free;

	fast_bins_read(&fast, glibc->maps, glibc->runtime, glibc->arenas, glibc->n_arenas);
	/* these lists were read at another moment than the heaps */
	main_free = lesser(glibc->main.free_bytes + fast.main_bytes, glibc->main.bytes);
	side_free = lesser(glibc->side.free_bytes + fast.side_bytes, glibc->side.bytes);
	usage->main_bytes += glibc->main.bytes;
	usage->main_free_bytes += main_free;
	usage->side_heaps += glibc->side.n;
	usage->side_bytes += glibc->side.bytes;
	usage->side_free_bytes += side_free;
	usage->mapped += glibc->mapped;
	usage->mapped_bytes += glibc->mapped_bytes;
	memcpy(usage->malloc_blocks, glibc->blocks, sizeof(usage->malloc_blocks));
	usage->malloc_sized = true;
	usage->malloc_free_bytes += main_free + side_free;
	usage->malloc_bytes +=
		glibc->main.bytes - main_free + glibc->side.bytes - side_free + glibc->mapped_bytes;
}

const struct allocator allocator_glibc = {
	.state_size = sizeof(struct glibc),
	.is_malloc = true,
	.begin = begin,
	.take_range = take_range,
	.take_page = take_page,
	.add_usage = add_usage,
};
