/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The row for what no other row takes. Where the target's malloc is one that has no row, its blocks
 * are there, but nothing says where they begin: every place where one could is offered, and the
 * object alone decides.
 */
#include "census/allocator.h"
#include "census/walk.h"

#define ALIGN 16u /* of what a malloc gives */

struct unknown {
	struct walk *walk;
	uint64_t data_bytes, other_bytes; /* data: of a program's or library's .bss */
};

static const struct block_kind loose_block = {.owner = BLOCK_OF_NOBODY};

static bool begin(void *state, struct walk *walk, const struct py_runtime *runtime,
		  const struct maps *maps)
{
	struct unknown *unknown = state;

	(void)runtime;
	(void)maps;
	unknown->walk = walk;
	return true;
}

static void offer_all(struct walk *walk, uint64_t page)
{
	for (uint64_t at = page; at < page + MEMORY_PAGE; at += ALIGN) {
		uint64_t room = walk->range->end - at;
		size_t length = room < BLOCK_HEAD_MAX ? (size_t)room : BLOCK_HEAD_MAX;
		const struct block block = {
			.kind = &loose_block,
			.address = at,
			.size = room,
			.head = memory_peek(&walk->memory, at, length),
			.head_length = length,
			.range_start = walk->range->start,
			.range_end = walk->range->end,
		};

		if (block.head)
			walk->visit(walk->context, &block);
	}
}

static uint64_t take_page(void *state, uint64_t page)
{
	struct unknown *unknown = state;

	if (page < unknown->walk->data_end)
		unknown->data_bytes += MEMORY_PAGE;
	else
		unknown->other_bytes += MEMORY_PAGE;
	if (!unknown->walk->knows_malloc)
		offer_all(unknown->walk, page);
	return page + MEMORY_PAGE;
}

static void add_usage(void *state, struct heap_usage *usage)
{
	const struct unknown *unknown = state;

	usage->data_bytes += unknown->data_bytes;
	usage->other_bytes += unknown->other_bytes;
}

const struct allocator allocator_unknown = {
	.state_size = sizeof(struct unknown),
	.begin = begin,
	.take_page = take_page,
	.add_usage = add_usage,
};
