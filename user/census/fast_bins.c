/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/fast_bins.h"

#include <stdbool.h>
#include <stdlib.h>

#include "target/bss.h"
#include "target/remote_mem.h"

#define N_FAST      10u
#define N_BINS      127u
#define EMPTY_LEAST 64u /* of the bins, so that chance is none */
#define CHUNK_ALIGN 16u
#define FLAGS       7ull
#define STATE_TOPS  2   /* places of `top` in malloc_state: 96, before 2.26 88 */
#define SMALLEST    32u /* bytes of the chunks in the first fast bin */
#define NO_CHUNK    UINT64_MAX

struct walker {
	struct pages *pages;
	const struct maps *maps;
	unsigned left; /* steps */
};

/* ---- the main arena ------------------------------------------------------------------------- */

/* Is the bin whose two links are at words[i] empty? Both point 16 bytes before them. */
static bool is_empty_bin(const uint64_t *words, size_t i, uint64_t address)
{
	uint64_t self = address + 8 * i - 16;

	return words[i] == self && words[i + 1] == self;
}

static bool are_bins(const uint64_t *words, size_t first, uint64_t address)
{
	unsigned empty = 0;

	for (size_t i = 0; i < N_BINS; i++)
		empty += is_empty_bin(words, first + 2 * i, address);
	return empty >= EMPTY_LEAST;
}

/*
 * The bins are 127 pairs, behind `top` and `last_remainder`. The last ones are for the largest
 * chunks and nearly always empty: from the last empty bin the others are counted back. Should the
 * very last ones have chunks, the place that fits is a few pairs further on.
 */
size_t fast_bins_find_top(const uint64_t *words, size_t n, uint64_t address)
{
	size_t last = 0;

	for (size_t i = 2; i + 1 < n; i++)
		if (is_empty_bin(words, i, address))
			last = i;
	for (size_t end = last; last && end <= last + 2 * 8 && end + 1 < n; end += 2) {
		size_t first = end - 2 * (N_BINS - 1);

		if (end < 2 * (N_BINS - 1) + 2 + N_FAST || !are_bins(words, first, address))
			continue;
		return first - 2;
	}
	return n;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static bool is_in_memory(const struct walker *walker, uint64_t chunk)
{
	const struct map_range *range = maps_find(walker->maps, chunk);

	return chunk && chunk % CHUNK_ALIGN == 0 && range && range->writable && !range->inode;
}

/* The one after it in a list of free chunks of this size; 0: it is the last; NO_CHUNK: it is none
 * itself. Links are mixed with their own place, from 2.32 on. */
static uint64_t next_chunk(const struct walker *walker, uint64_t chunk, uint64_t size)
{
	uint64_t found, link;

	if (!is_in_memory(walker, chunk) || !pages_read(walker->pages, chunk + 8, &found) ||
	    (found & ~FLAGS) != size || !pages_read(walker->pages, chunk + 16, &link))
		return NO_CHUNK;
	found = link ^ (chunk + 16) >> 12;
	return is_in_memory(walker, found) || !found ? found : link;
}

/* Steps from the beginning of a list, at most `most`, to where a loop of `loop` chunks begins. */
static uint64_t way_to_loop(const struct walker *walker, uint64_t chunk, uint64_t size,
			    uint64_t loop, uint64_t most)
{
	uint64_t ahead = chunk, n = 0;

	while (loop--)
		ahead = next_chunk(walker, ahead, size);
	for (; chunk != ahead && n < most; n++) {
		chunk = next_chunk(walker, chunk, size);
		ahead = next_chunk(walker, ahead, size);
	}
	return n;
}

/*
 * The chunks of a list, each once: its pages were read one after the other, and what the target
 * took and gave back in between may have made a loop of it. That is found by a mark that is moved
 * ahead in ever longer strides (Brent's algorithm).
 */
static uint64_t list_length(struct walker *walker, uint64_t first, uint64_t size)
{
	uint64_t chunk = first, mark = NO_CHUNK, n = 0, stride = 1, since_mark = 0;

	while (walker->left) {
		uint64_t next = next_chunk(walker, chunk, size);

		if (next == NO_CHUNK)
			break;
		walker->left--;
		n++;
		since_mark++;
		if (next == mark)
			return since_mark +
			       way_to_loop(walker, first, size, since_mark, n - since_mark);
		if (since_mark == stride) {
			mark = next;
			stride *= 2;
			since_mark = 0;
		}
		chunk = next;
	}
	return n;
}

/* in  top: address of the word `top` of an arena's state */
static uint64_t arena_bytes(struct walker *walker, uint64_t top)
{
	uint64_t heads[N_FAST], sum = 0;

	if (remote_read(walker->maps->pid, top - sizeof(heads), heads, sizeof(heads)))
		return 0;
	for (size_t i = 0; i < N_FAST; i++) {
		uint64_t size = SMALLEST + CHUNK_ALIGN * i;

		sum += size * list_length(walker, heads[i], size);
	}
	return sum;
}

/* Where `top` is in the state of an arena that is not the main one: it leads to a chunk. */
static uint64_t find_arena_top(const struct walker *walker, uint64_t state)
{
	static const uint64_t places[STATE_TOPS] = {96, 88};
	uint64_t top;

	for (size_t i = 0; i < STATE_TOPS; i++)
		if (!remote_read_u64(walker->maps->pid, state + places[i], &top) &&
		    is_in_memory(walker, top))
			return state + places[i];
	return 0;
}

/* Look through libc's writable data. */
static uint64_t main_arena_bytes(struct walker *walker, const struct py_runtime *runtime)
{
	const struct maps *maps = walker->maps;

	for (size_t i = 0; i < maps->n_ranges; i++) {
		const struct map_range *range = &maps->ranges[i];
		uint64_t length = range->end - range->start, sum = 0;
		uint64_t *words;
		size_t top, n;

		if (!range->writable || !range->inode || range->start < runtime->libc.start ||
		    range->start >= runtime->libc.end)
			continue;
		length = length < FAST_BINS_DATA ? length : FAST_BINS_DATA;
		n = (size_t)(length / 8);
		words = malloc((size_t)length);
		if (!words || remote_read(maps->pid, range->start, words, (size_t)length)) {
			free(words);
			continue;
		}
		top = fast_bins_find_top(words, n, range->start);
		if (top < n)
			sum = arena_bytes(walker, range->start + 8 * top);
		free(words);
		if (top < n)
			return sum;
	}
	return 0;
}

void fast_bins_read(struct fast_bins *bins, const struct maps *maps,
		    const struct py_runtime *runtime, const uint64_t *arenas, size_t n_arenas)
{
	struct walker walker = {
		.pages = pages_new(maps->pid), .maps = maps, .left = FAST_BINS_STEPS};

	*bins = (struct fast_bins){0};
	if (!walker.pages)
		return;
	if (!runtime->libc_is_musl)
		bins->main_bytes = main_arena_bytes(&walker, runtime);
	for (size_t i = 0; i < n_arenas; i++) {
		uint64_t top = find_arena_top(&walker, arenas[i]);

		if (top)
			bins->side_bytes += arena_bytes(&walker, top);
	}
	pages_free(walker.pages);
}
