/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/judge_run.h"

#include <string.h>

#define PREHEADER_SIZE  16
#define SMALL_REFCOUNT  0xffffu /* the usual count: no address, no flags, not immortal */
#define ADDRESS_MIN     0x10000u
#define ADDRESS_END     (1ull << 48)
#define PREV_COLLECTING 2ull
#define OLD_UNTRACKED   (-2) /* gc_refs >> 1, up to 3.7 */
#define OLD_REACHABLE   (-3)

struct run {
	struct run_judge *judge;
	const struct block_run *blocks;
	const struct run_taker *taker;
	const struct py_layout *layout;
	size_t head;       /* min(block size, BLOCK_HEAD_MAX) */
	size_t offsets[3]; /* where objects begin: without GC head, with, with a pre-header */
	struct run_known *last;
	uint32_t n, tracked; /* objects like `last`, not yet added to their type */
	uint32_t n_counted;
};

static uint64_t load(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* ---- what is usual --------------------------------------------------------------------------- */

/* No reference count has such a word: 0, or an address as nearly all are. */
static bool is_no_count(uint64_t word)
{
	return !word || (word >> 32 & 0xffff);
}

static bool is_between(uint64_t word)
{
	return word - ADDRESS_MIN < ADDRESS_END - ADDRESS_MIN;
}

/* Outside a collection. */
static bool is_usual_gc_head(const struct py_layout *layout, const uint8_t *head, bool *tracked)
{
	uint64_t next = load(head), previous = load(head + 8);

	if (layout->gc_refs != LAYOUT_NONE) {
		int64_t state = (int64_t)load(head + layout->gc_refs) >> 1;

		*tracked = state == OLD_REACHABLE;
		if (*tracked)
			return is_between(next) && is_between(previous) && !((next | previous) & 3);
		return state == OLD_UNTRACKED && previous < ADDRESS_END;
	}
	*tracked = next;
	if (!next)
		return previous <= 1;
	return is_between(next & ~3ull) && !(previous & PREV_COLLECTING) &&
	       is_between(previous & ~3ull);
}

static bool is_usual_preheader(const uint8_t *bytes)
{
	for (int i = 0; i < 2; i++) {
		uint64_t word = load(bytes + 8 * i);

		if (word && (!is_between(word) || ((word & 7) && (word & 7) != 7)))
			return false;
	}
	return true;
}

/* An object of this type lies in the block, and judge_block() would say so too. */
static bool is_like(const struct run *run, const struct run_known *known, const uint8_t *block,
		    bool *tracked)
{
	size_t offset = known->offset;

	*tracked = false;
	if (load(block + offset + 8) != known->address ||
	    load(block + offset) - 1 >= SMALL_REFCOUNT)
		return false;
	if (offset) {
		size_t gc = run->offsets[1];

		if (!is_no_count(load(block)) ||
		    !is_usual_gc_head(run->layout, block + offset - gc, tracked))
			return false;
		if (offset > gc && (!is_no_count(load(block + gc)) || !is_usual_preheader(block)))
			return false;
	}
	return known->fits || judge_fits(run->layout, BLOCK_POOL, known->type, block + offset,
					 run->head - offset, run->blocks->size - offset);
}

/* ---- what is known --------------------------------------------------------------------------- */

static struct run_known *place(const struct run *run, uint64_t type)
{
	uint64_t mixed = (type >> 4) + (type >> 13) + (uint64_t)run->blocks->size * 5;

	return &run->judge->known[mixed % RUN_KNOWN];
}

static bool is_known(const struct run *run, const struct run_known *known, uint64_t type,
		     size_t offset)
{
	return known->address == type && known->size == run->blocks->size &&
	       known->offset == offset;
}

/*
 * What the block may be like, judged by its first reference count.
 *
 * out    nothing: it is no object
 */
static struct run_known *guess(const struct run *run, const uint8_t *block, bool *nothing)
{
	*nothing = false;
	if (load(block + 8) >> 56) /* a debug allocator's header */
		return NULL;
	for (size_t i = 0; i < 3 && run->offsets[i] + 16 <= run->head; i++) {
		const uint8_t *object = block + run->offsets[i];
		uint64_t type = load(object + 8);
		struct run_known *known = place(run, type);

		if (is_no_count(load(object)))
			continue;
		return is_known(run, known, type, run->offsets[i]) ? known : NULL;
	}
	*nothing = true;
	return NULL;
}

/* An object was found with all care: the next like it are known. */
static void remember(const struct run *run, const struct found *found, uint64_t address)
{
	const struct census_type *type = found->type;

	/* objects behind a debug allocator's header are not */
	for (size_t i = 0; i < 3; i++) {
		if (found->address - address != run->offsets[i])
			continue;
		*place(run, type->address) = (struct run_known){
			.address = type->address,
			.type = found->type,
			.size = run->blocks->size,
			.offset = (uint16_t)run->offsets[i],
			.fits = type->kind != KIND_STR && type->kind != KIND_BYTES &&
				type->kind != KIND_TUPLE,
			.has_all = type->kind != KIND_LIST && type->kind != KIND_DICT &&
				   type->kind != KIND_SET && type->kind != KIND_BYTEARRAY &&
				   type->kind != KIND_DEQUE && !type->values_bytes,
		};
	}
}

/* ---- the blocks ------------------------------------------------------------------------------ */

/* Add the objects that are like `last` to their type. */
static void settle(struct run *run)
{
	struct census_type *type = run->last->type;

	if (!run->n)
		return;
	type->count += run->n;
	type->tracked += run->tracked;
	type->bytes += (uint64_t)run->n * run->blocks->size;
	run->n_counted += run->n;
	run->n = run->tracked = 0;
}

static void take(struct run *run, const struct found *found)
{
	run->taker->take(run->taker->context, found);
}

/* All are without memory of their own, and nobody wants to see them. */
static bool only_counts(const struct run *run)
{
	return run->last->has_all && !run->taker->all;
}

static void show(struct run *run, uint64_t address, const uint8_t *block, bool tracked)
{
	const struct run_known *known = run->last;
	const struct found found = {
		.type = known->type,
		.address = address + known->offset,
		.bytes = block + known->offset,
		.length = run->head - known->offset,
		.size = run->blocks->size,
		.tracked = tracked,
	};

	take(run, &found);
}

static void judge_carefully(struct run *run, uint64_t address, const uint8_t *bytes)
{
	const struct block block = {
		.kind = BLOCK_POOL,
		.address = address,
		.size = run->blocks->size,
		.resident = run->blocks->size,
		.head = bytes,
		.head_length = run->head,
		.range_start = run->blocks->range_start,
		.range_end = run->blocks->range_end,
	};
	struct found found;

	if (!judge_block(run->judge->judge, &block, &found))
		return;
	settle(run);
	take(run, &found);
	remember(run, &found, address);
}

/* A block that is not like the last one. */
static void judge_other(struct run *run, uint64_t address, const uint8_t *block)
{
	bool nothing, tracked;
	struct run_known *known = guess(run, block, &nothing);

	if (nothing)
		return;
	if (!known || !is_like(run, known, block, &tracked)) {
		judge_carefully(run, address, block);
		return;
	}
	settle(run);
	run->last = known;
	if (only_counts(run)) {
		run->n++;
		run->tracked += tracked;
	} else {
		show(run, address, block, tracked);
	}
}

static void judge_64(struct run *run, uint32_t first, uint64_t live)
{
	const struct block_run *blocks = run->blocks;

	for (; live; live &= live - 1) {
		size_t offset = (size_t)(first + (uint32_t)__builtin_ctzll(live)) * blocks->size;
		const uint8_t *block = blocks->bytes + offset;
		bool tracked;

		if (!run->last->address || !is_like(run, run->last, block, &tracked)) {
			judge_other(run, blocks->address + offset, block);
		} else if (only_counts(run)) {
			run->n++;
			run->tracked += tracked;
		} else {
			show(run, blocks->address + offset, block, tracked);
		}
	}
}

uint32_t judge_run(struct run_judge *judge, const struct block_run *blocks,
		   const struct run_taker *taker)
{
	const struct py_layout *layout = judge->judge->layout;
	struct run_known none = {0};
	struct run run = {
		.judge = judge,
		.blocks = blocks,
		.taker = taker,
		.layout = layout,
		.head = blocks->size < BLOCK_HEAD_MAX ? blocks->size : BLOCK_HEAD_MAX,
		.offsets = {0, layout->gc_head_size, layout->gc_head_size + PREHEADER_SIZE},
		.last = &none,
	};

	if (run.head < 16)
		return 0;
	for (uint32_t i = 0; i < blocks->n; i += 64) {
		uint64_t live = ~blocks->is_free[i / 64];

		if (blocks->n - i < 64)
			live &= (1ull << (blocks->n - i)) - 1;
		judge_64(&run, i, live);
	}
	settle(&run);
	return run.n_counted;
}
