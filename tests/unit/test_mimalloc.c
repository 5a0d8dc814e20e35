/* SPDX-License-Identifier: BSD-2-Clause
 *
 * mimalloc's segments without a target: made by hand, in both releases and both builds that CPython
 * has them in, and made of anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "census/mimalloc.h"

#define BASE    0x7f0000000000ull
#define N_SMALL 700u /* blocks that were ever used */

/* mi_page_t of mimalloc 2.1, as 3.13 has it; a build without a GIL has three words in the place of
 * one. */
struct page_21 {
	uint32_t slice_count, slice_offset;
	uint8_t bits, debug_offset;
	uint16_t capacity, reserved;
	uint8_t flags, retire_expire;
	uint64_t free;
	uint32_t used, xblock_size;
	uint64_t local_free, xthread_free, xheap, next, prev, more[3];
};

/* The same of mimalloc 2.2, as 3.14.10 has it. */
struct page_22 {
	uint32_t slice_count, slice_offset;
	uint8_t bits, unused;
	uint16_t capacity, reserved;
	uint8_t flags, retire_expire;
	uint64_t free, local_free;
	uint16_t used;
	uint8_t block_size_shift, heap_tag, use_qsbr, debug_offset, pad[2];
	uint64_t block_size, page_start, xthread_free, xheap, next, prev, more[3];
};

/* mi_segment_t from segment_slices on. */
struct facts {
	uint64_t segment_slices, info_slices, kind, slice_entries, thread_id;
};

static const struct kind {
	bool free_threaded, is_22;
	size_t facts, entry_size;
} kinds[] = {
	{false, false, 224, 80},
	{true, false, 224, 96},
	{false, true, 248, 96},
	{true, true, 248, 112},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What a page is to be. */
struct want {
	uint32_t slice, count;
	uint64_t start, block_size; /* start: in the page */
	uint16_t capacity, reserved;
	uint32_t used;
	uint64_t lists[3];
	enum block_heap heap;
};

static uint8_t *entry_of(const struct kind *kind, uint8_t *header, uint32_t slice)
{
	return header + kind->facts + sizeof(struct facts) + slice * kind->entry_size;
}

static void put_page(const struct kind *kind, uint8_t *header, const struct want *want)
{
	struct page_21 old = {.slice_count = want->count,
			      .bits = (uint8_t)(want->heap << 3 | 1),
			      .capacity = want->capacity,
			      .reserved = want->reserved,
			      .free = want->lists[0],
			      .used = want->used,
			      .xblock_size = (uint32_t)want->block_size,
			      .local_free = want->lists[1],
			      .xthread_free = want->lists[2]};
	struct page_22 new = {.slice_count = want->count,
			      .capacity = want->capacity,
			      .reserved = want->reserved,
			      .free = want->lists[0],
			      .local_free = want->lists[1],
			      .used = (uint16_t)want->used,
			      .block_size_shift = 0xff,
			      .heap_tag = want->heap,
			      .block_size = want->block_size,
			      .page_start = BASE + want->slice * MI_SLICE + want->start,
			      .xthread_free = want->lists[2]};

	memcpy(entry_of(kind, header, want->slice), kind->is_22 ? (void *)&new : (void *)&old,
	       kind->entry_size);
}

static void put_segment(const struct kind *kind, uint8_t *header, uint64_t slices, uint64_t entries,
			uint64_t huge)
{
	struct facts facts = {slices, 1, huge, entries, 0x7f1234567000};
	struct want own = {.slice = 0, .count = 1, .block_size = MI_SLICE};
	uint64_t bytes = slices * MI_SLICE;

	memset(header, 0, MI_SLICE);
	memcpy(header + 32, &bytes, sizeof(bytes));
	memcpy(header + kind->facts, &facts, sizeof(facts));
	put_page(kind, header, &own);
}

static struct mi_segment parse(const struct kind *kind, const uint8_t *header)
{
	struct mi_segment segment;

	assert_true(
		mi_segment_parse(&segment, header, MI_SEGMENT_HEAD_MAX, BASE, kind->free_threaded));
	assert_int_equal(segment.entry_size, kind->entry_size);
	assert_int_equal(segment.entries, BASE + kind->facts + sizeof(struct facts));
	return segment;
}

/* ---- what it is ----------------------------------------------------------------------------- */

static void a_segment_has_its_end_and_slices(void **state)
{
	uint8_t *header = malloc(MI_SLICE);

	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		struct mi_segment segment;

		put_segment(&kinds[i], header, MI_SLICES, MI_SLICES, 0);
		segment = parse(&kinds[i], header);
		assert_int_equal(segment.end, BASE + MI_SEGMENT_ALIGN);
		assert_int_equal(segment.n_slices, MI_SLICES);
		assert_int_equal(segment.info_slices, 1);
		/* one of a single block: longer, or shorter */
		put_segment(&kinds[i], header, 1025, MI_SLICES, 1);
		assert_int_equal(parse(&kinds[i], header).end, BASE + 1025 * MI_SLICE);
		put_segment(&kinds[i], header, 300, 300, 1);
		assert_int_equal(parse(&kinds[i], header).n_slices, 300);
		/* none begins elsewhere, and half a header is none */
		assert_false(mi_segment_parse(&segment, header, MI_SEGMENT_HEAD_MAX, BASE + 4096,
					      kinds[i].free_threaded));
		assert_false(mi_segment_parse(&segment, header, MI_SEGMENT_HEAD_MAX - 1, BASE,
					      kinds[i].free_threaded));
	}
	free(header);
}

static void what_does_not_agree_is_no_segment(void **state)
{
	/* slices, entries, kind */
	static const uint64_t wrong[][3] = {
		{511, 511, 0},        {513, 512, 0}, {512, 513, 0}, {512, 512, 2}, {1, 1, 1},
		{1ull << 33, 512, 1}, {600, 513, 1}, {600, 1, 1},   {0, 0, 0},     {300, 301, 1}};
	uint8_t *header = malloc(MI_SLICE);
	struct mi_segment segment;

	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		bool ft = kinds[i].free_threaded;

		for (size_t j = 0; j < sizeof(wrong) / sizeof(wrong[0]); j++) {
			put_segment(&kinds[i], header, wrong[j][0], wrong[j][1], wrong[j][2]);
			assert_false(
				mi_segment_parse(&segment, header, MI_SEGMENT_HEAD_MAX, BASE, ft));
			assert_null(segment.layout);
		}
		put_segment(&kinds[i], header, MI_SLICES, MI_SLICES, 0);
		header[32] ^= 1; /* its length */
		assert_false(mi_segment_parse(&segment, header, MI_SEGMENT_HEAD_MAX, BASE, ft));
		put_segment(&kinds[i], header, MI_SLICES, MI_SLICES, 0);
		entry_of(&kinds[i], header, 0)[4] = 80; /* the header is part of a page */
		assert_false(mi_segment_parse(&segment, header, MI_SEGMENT_HEAD_MAX, BASE, ft));
		memset(header, 0xff, MI_SLICE);
		assert_false(mi_segment_parse(&segment, header, MI_SEGMENT_HEAD_MAX, BASE, ft));
	}
	free(header);
}

/* ---- pages ---------------------------------------------------------------------------------- */

/* Blocks 5 and 2 are free, 9 was given back by its thread, 600 and 7 by others. */
static struct want small_page(const struct kind *kind, uint8_t *area, uint64_t block_size)
{
	struct want want = {.slice = 3,
			    .count = 1,
			    .block_size = block_size,
			    .capacity = N_SMALL,
			    .used = N_SMALL - 3,
			    .heap = kind->free_threaded ? BLOCK_HEAP_GC_PRE : BLOCK_HEAP_MEM};
	uint64_t first;

	want.start = kind->is_22 ? 192 : block_size <= 64 ? 3 * block_size : block_size;
	want.reserved = (uint16_t)((MI_SLICE - want.start) / block_size);
	first = BASE + 3 * MI_SLICE + want.start;
	memset(area, 0xab, N_SMALL * block_size);
	want.lists[0] = first + 5 * block_size;
	memcpy(area + 5 * block_size, &(uint64_t){first + 2 * block_size}, 8);
	memset(area + 2 * block_size, 0, 8);
	want.lists[1] = first + 9 * block_size;
	memset(area + 9 * block_size, 0, 8);
	want.lists[2] = (first + 600 * block_size) | 2; /* flags */
	memcpy(area + 600 * block_size, &(uint64_t){first + 7 * block_size}, 8);
	memset(area + 7 * block_size, 0, 8);
	return want;
}

static bool is_free(uint32_t block)
{
	return block == 5 || block == 2 || block == 9 || block == 600 || block == 7;
}

static void a_small_page_has_its_live_blocks(void **state)
{
	static const uint64_t sizes[] = {16, 32, 48, 64, 80};
	uint8_t *header = malloc(MI_SLICE), *area = malloc(MI_SLICE);
	struct mi_page *page = malloc(sizeof(*page));

	(void)state;
	for (size_t i = 0; i < N_KINDS * 5; i++) {
		const struct kind *kind = &kinds[i / 5];
		uint64_t size = sizes[i % 5];
		struct want want = small_page(kind, area, size);
		struct mi_segment segment;

		put_segment(kind, header, MI_SLICES, MI_SLICES, 0);
		put_page(kind, header, &want);
		segment = parse(kind, header);
		assert_int_equal(mi_page_parse(page, &segment, 3, entry_of(kind, header, 3)),
				 MI_PAGE_LIVE);
		assert_int_equal(page->slices, BASE + 3 * MI_SLICE);
		assert_int_equal(page->end, BASE + 4 * MI_SLICE);
		assert_int_equal(page->start, page->slices + want.start);
		assert_int_equal(page->block_size, size);
		assert_int_equal(page->heap, want.heap);
		assert_int_equal(mi_page_read(page, area), MI_PAGE_LIVE);
		assert_int_equal(page->n_live, N_SMALL - 5);
		for (uint32_t j = 0; j < N_SMALL; j++)
			assert_int_equal(mi_block_is_free(page, j), is_free(j));
		/* no page begins with the next slice */
		assert_int_equal(mi_page_parse(page, &segment, 4, entry_of(kind, header, 4)),
				 MI_PAGE_NONE);
	}
	free(header);
	free(area);
	free(page);
}

static void large_pages_have_their_live_blocks(void **state)
{
	const struct want medium = {.slice = 8,
				    .count = 8,
				    .block_size = 81920,
				    .capacity = 4,
				    .reserved = 6,
				    .used = 4},
			  large = {.slice = 16,
				   .count = 30,
				   .block_size = 30 * MI_SLICE,
				   .capacity = 1,
				   .reserved = 1,
				   .used = 1};
	uint8_t *header = malloc(MI_SLICE), *area = calloc(4, 81920);
	struct mi_page *page = malloc(sizeof(*page));

	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		const struct kind *kind = &kinds[i];
		struct want freed = large;
		struct mi_segment segment;

		put_segment(kind, header, MI_SLICES, MI_SLICES, 0);
		put_page(kind, header, &medium);
		put_page(kind, header, &large);
		segment = parse(kind, header);
		assert_int_equal(mi_page_parse(page, &segment, 8, entry_of(kind, header, 8)),
				 MI_PAGE_LIVE);
		assert_int_equal(mi_page_read(page, area), MI_PAGE_LIVE);
		assert_int_equal(page->n_live, 4);
		assert_int_equal(mi_page_parse(page, &segment, 16, entry_of(kind, header, 16)),
				 MI_PAGE_LIVE);
		assert_int_equal(page->end, BASE + 46 * MI_SLICE);
		assert_int_equal(mi_page_read(page, NULL), MI_PAGE_LIVE);
		assert_int_equal(page->n_live, 1);
		freed.used = 0;
		freed.lists[1] = BASE + 16 * MI_SLICE;
		put_page(kind, header, &freed);
		mi_page_parse(page, &segment, 16, entry_of(kind, header, 16));
		assert_int_equal(mi_page_read(page, NULL), MI_PAGE_LIVE);
		assert_int_equal(page->n_live, 0);
	}
	free(header);
	free(area);
	free(page);
}

/* Read in the middle of a change: the numbers do not agree, or a list leads astray. */
static void a_page_read_in_a_change_is_torn(void **state)
{
	uint8_t *header = malloc(MI_SLICE), *area = malloc(MI_SLICE);
	struct mi_page *page = malloc(sizeof(*page));

	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		const struct kind *kind = &kinds[i];
		uint64_t first = BASE + 3 * MI_SLICE + small_page(kind, area, 64).start;
		const uint64_t astray[] = {first - 64, first + 64 * N_SMALL, first + 8,
					   8,          first + 5 * 64,       UINT64_MAX - 7};
		struct mi_segment segment;

		put_segment(kind, header, MI_SLICES, MI_SLICES, 0);
		segment = parse(kind, header);
		for (size_t j = 0; j < 7; j++) {
			struct want want = small_page(kind, area, 64);

			if (j == 6)
				want.used--;
			else
				memcpy(area + (size_t)2 * 64, &astray[j], 8);
			put_page(kind, header, &want);
			assert_int_equal(
				mi_page_parse(page, &segment, 3, entry_of(kind, header, 3)),
				MI_PAGE_LIVE);
			assert_int_equal(mi_page_read(page, area), MI_PAGE_TORN);
		}
	}
	free(header);
	free(area);
	free(page);
}

static void what_does_not_agree_is_no_page(void **state)
{
	uint8_t *header = malloc(MI_SLICE), *area = malloc(MI_SLICE);
	struct mi_page *page = malloc(sizeof(*page));

	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		const struct kind *kind = &kinds[i];
		const struct want good = small_page(kind, area, 64);
		struct want wrong[8];
		struct mi_segment segment;

		for (size_t j = 0; j < 8; j++)
			wrong[j] = good;
		wrong[0].block_size = 0; /* free slices */
		wrong[1].block_size = 1; /* in the middle of a page */
		wrong[2].block_size = 60;
		wrong[3].count = MI_SLICES;
		wrong[4].capacity = (uint16_t)(good.reserved + 1);
		wrong[5].reserved = 2000;
		wrong[6].used = N_SMALL + 1;
		wrong[7].count = 9; /* as many have one block */
		put_segment(kind, header, MI_SLICES, MI_SLICES, 0);
		segment = parse(kind, header);
		for (size_t j = 0; j < 8; j++) {
			put_page(kind, header, &wrong[j]);
			assert_int_equal(
				mi_page_parse(page, &segment, 3, entry_of(kind, header, 3)),
				MI_PAGE_NONE);
		}
	}
	free(header);
	free(area);
	free(page);
}

/* Whatever the bytes are, nothing outside them is touched (sanitizers look) and it comes to an
 * end. */
static void any_bytes_come_to_an_end(void **state)
{
	uint8_t *header = malloc(MI_SLICE), *area = malloc(MI_AREA_MAX);
	struct mi_page *page = malloc(sizeof(*page));
	unsigned random = 1, live = 0;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		const struct kind *kind = &kinds[round % N_KINDS];
		struct want want = small_page(kind, area, 64);
		uint8_t *entry = entry_of(kind, header, 3);
		struct mi_segment segment;

		put_segment(kind, header, MI_SLICES, MI_SLICES, 0);
		put_page(kind, header, &want);
		for (unsigned i = 0; i < 4; i++) {
			random = random * 1664525u + 1013904223u;
			memcpy(area + (random >> 8 & 0xfff8) % (N_SMALL * 64), &random, 4);
			if (i == 0)
				memcpy(entry + (random >> 16 & 0x3c), &random, round % 3 + 1);
		}
		segment = parse(kind, header);
		if (mi_page_parse(page, &segment, 3, entry) == MI_PAGE_NONE)
			continue;
		live++;
		assert_true(page->n_blocks <= MI_BLOCKS_MAX &&
			    page->start + page->n_blocks * page->block_size <= page->end);
		mi_page_read(page, area);
	}
	assert_true(live > 1000);
	free(header);
	free(area);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_has_its_end_and_slices),
		cmocka_unit_test(what_does_not_agree_is_no_segment),
		cmocka_unit_test(a_small_page_has_its_live_blocks),
		cmocka_unit_test(large_pages_have_their_live_blocks),
		cmocka_unit_test(a_page_read_in_a_change_is_torn),
		cmocka_unit_test(what_does_not_agree_is_no_page),
		cmocka_unit_test(any_bytes_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
