/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/classify_run.h"

#include <string.h>

#define PREHEADER_SIZE  16
#define SMALL_REFCOUNT  0xffffu /* the usual count: no address, no flags, not immortal */
#define ADDRESS_MIN     0x10000u
#define ADDRESS_END     (1ull << 48)
#define PREV_COLLECTING 2ull
#define OLD_UNTRACKED   (-2) /* gc_refs >> 1, up to 3.7 */
#define OLD_REACHABLE   (-3)

struct run {
	struct run_classifier *classifier;
	const struct block_run *blocks;
	const struct py_layout *layout;
	size_t head;               /* min(block size, BLOCK_HEAD_MAX) */
	size_t offsets[RUN_FORMS]; /* where objects begin in blocks */
	struct run_known *last;
	uint32_t n, tracked, with_values; /* objects like `last`, not yet added to their type */
	uint32_t n_counted;
};

static uint64_t load(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* ---- what is usual -------------------------------------------------------------------------- */

/* No reference count has such a word: 0, or an address as nearly all are. */
static __always_inline bool is_no_count(uint64_t word)
{
	return !word || (word >> 32 & 0xffff);
}

static __always_inline bool is_between(uint64_t word)
{
	return word - ADDRESS_MIN < ADDRESS_END - ADDRESS_MIN;
}

/* Outside a collection. */
static __always_inline bool is_usual_gc_head(const struct py_layout *layout, const uint8_t *head,
					     bool *tracked)
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

static __always_inline bool is_usual_preheader(const uint8_t *bytes)
{
	for (int i = 0; i < 2; i++) {
		uint64_t word = load(bytes + 8 * i);

		if (word && (!is_between(word) || ((word & 7) && (word & 7) != 7)))
			return false;
	}
	return true;
}

/*
 * An object of this type lies in the block, and classify_block() would say so too.
 *
 * in     form: known->form, a constant of the caller's loop
 */
static __always_inline bool is_like(const struct run *run, const struct run_known *known,
				    enum run_form form, const uint8_t *block, bool *tracked)
{
	size_t gc = run->offsets[RUN_GC], offset = run->offsets[form];
	const uint8_t *object = block + offset;

	*tracked = false;
	if (load(object + 8) != known->address || load(object) - 1 >= SMALL_REFCOUNT)
		return false;
	if (form != RUN_PLAIN &&
	    (!is_no_count(load(block)) || !is_usual_gc_head(run->layout, object - gc, tracked)))
		return false;
	if (form == RUN_PREHEADER && (!is_no_count(load(block + gc)) || !is_usual_preheader(block)))
		return false;
	return known->fits || classify_fits(run->layout, run->blocks->kind, known->type, object,
					    run->head - offset, run->blocks->size - offset);
}

/* ---- what is known -------------------------------------------------------------------------- */

static struct run_known *place(const struct run *run, uint64_t type)
{
	uint64_t mixed = (type >> 4) + (type >> 13) + (uint64_t)run->blocks->size * 5;

	return &run->classifier->known[mixed % RUN_KNOWN];
}

static bool is_known(const struct run *run, const struct run_known *known, uint64_t type,
		     enum run_form form)
{
	return known->address == type && known->size == run->blocks->size && known->form == form;
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
	for (enum run_form form = 0; form < RUN_FORMS && run->offsets[form] + 16 <= run->head;
	     form++) {
		const uint8_t *object = block + run->offsets[form];
		uint64_t type = load(object + 8);
		struct run_known *known = place(run, type);

		if (is_no_count(load(object)))
			continue;
		return is_known(run, known, type, form) ? known : NULL;
	}
	*nothing = true;
	return NULL;
}

/* An object was found with all care: the next like it are known, but for those behind a debug
 * header. */
static void remember(const struct run *run, const struct found *found, uint64_t address)
{
	const struct census_type *type = found->type;
	enum run_form form = type->has_preheader ? RUN_PREHEADER
			     : type->py->has_gc  ? RUN_GC
						 : RUN_PLAIN;

	if (found->address - address != run->offsets[form])
		return;
	*place(run, type->address) = (struct run_known){
		.address = type->address,
		.type = found->type,
		.size = run->blocks->size,
		.form = (uint8_t)form,
		.fits = type->kind != KIND_STR && type->kind != KIND_BYTES &&
			type->kind != KIND_TUPLE,
		.counts = !run->classifier->show_all && type->kind != KIND_LIST &&
			  type->kind != KIND_DICT && type->kind != KIND_SET &&
			  type->kind != KIND_BYTEARRAY && !type->owned,
		.may_have_values = type->values_bytes,
	};
}

/* ---- the blocks ----------------------------------------------------------------------------- */

/* Add the objects that are like `last` to their type. */
static void flush_counts(struct run *run)
{
	struct census_type *type = run->last->type;

	if (!run->n)
		return;
	type->count += run->n;
	type->tracked += run->tracked;
	type->bytes += (uint64_t)run->n * run->blocks->size;
	buffers_add_values(run->classifier->buffers, type, run->with_values);
	run->n_counted += run->n;
	run->n = run->tracked = run->with_values = 0;
}

static void take(struct run *run, const struct found *found)
{
	run->classifier->take(run->classifier->context, found);
}

static void show(struct run *run, uint64_t address, const uint8_t *block, bool tracked)
{
	size_t offset = run->offsets[run->last->form];
	const struct found found = {
		.type = run->last->type,
		.address = address + offset,
		.bytes = block + offset,
		.length = run->head - offset,
		.size = run->blocks->size,
		.tracked = tracked,
	};

	take(run, &found);
}

static void classify_carefully(struct run *run, uint64_t address, const uint8_t *bytes)
{
	const struct block block = {
		.kind = run->blocks->kind,
		.address = address,
		.size = run->blocks->size,
		.resident = run->blocks->size,
		.head = bytes,
		.head_length = run->head,
		.range_start = run->blocks->range_start,
		.range_end = run->blocks->range_end,
	};
	struct found found;

	if (!classify_block(run->classifier->classifier, &block, &found))
		return;
	flush_counts(run);
	take(run, &found);
	remember(run, &found, address);
}

static bool is_like_known(const struct run *run, const struct run_known *known,
			  const uint8_t *block, bool *tracked)
{
	switch (known->form) {
	case RUN_PLAIN:
		return is_like(run, known, RUN_PLAIN, block, tracked);
	case RUN_GC:
		return is_like(run, known, RUN_GC, block, tracked);
	default:
		return is_like(run, known, RUN_PREHEADER, block, tracked);
	}
}

static void classify_one(struct run *run, uint64_t address, const uint8_t *block)
{
	bool nothing, tracked;
	struct run_known *known = guess(run, block, &nothing);

	if (nothing)
		return;
	if (!known || !is_like_known(run, known, block, &tracked)) {
		classify_carefully(run, address, block);
		return;
	}
	if (known != run->last)
		flush_counts(run);
	run->last = known;
	if (!known->counts) {
		show(run, address, block, tracked);
		return;
	}
	run->n++;
	run->tracked += tracked;
	if (known->may_have_values)
		run->with_values +=
			buffers_has_values(run->layout, block + run->offsets[known->form]);
}

/*
 * Count the blocks that are like the last one.
 *
 * in     blocks: the first; live: a bit for each that is in use
 * return the bits of those from the first on that is not
 */
static __always_inline uint64_t streak(struct run *run, enum run_form form, const uint8_t *blocks,
				       uint64_t live)
{
	const struct run_known *last = run->last;
	uint32_t size = run->blocks->size, n = 0, n_tracked = 0, with_values = 0;

	for (; live; live &= live - 1) {
		const uint8_t *block = blocks + (size_t)__builtin_ctzll(live) * size;
		bool tracked;

		if (!is_like(run, last, form, block, &tracked))
			break;
		n++;
		n_tracked += tracked;
		if (form == RUN_PREHEADER && last->may_have_values)
			with_values += buffers_has_values(run->layout, block + run->offsets[form]);
	}
	run->n += n;
	run->tracked += n_tracked;
	run->with_values += with_values;
	return live;
}

static void classify_64(struct run *run, uint32_t first, uint64_t live)
{
	const uint8_t *blocks = run->blocks->bytes + (size_t)first * run->blocks->size;

	while (live) {
		size_t offset;

		if (run->last->counts && run->last->form == RUN_PLAIN)
			live = streak(run, RUN_PLAIN, blocks, live);
		else if (run->last->counts && run->last->form == RUN_GC)
			live = streak(run, RUN_GC, blocks, live);
		else if (run->last->counts)
			live = streak(run, RUN_PREHEADER, blocks, live);
		if (!live)
			break;
		offset = (size_t)__builtin_ctzll(live) * run->blocks->size;
		classify_one(run,
			     run->blocks->address + (uint64_t)first * run->blocks->size + offset,
			     blocks + offset);
		live &= live - 1;
	}
}

uint32_t classify_run(struct run_classifier *classifier, const struct block_run *blocks)
{
	const struct py_layout *layout = classifier->classifier->layout;
	struct run_known none = {0};
	struct run run = {
		.classifier = classifier,
		.blocks = blocks,
		.layout = layout,
		.head = blocks->size < BLOCK_HEAD_MAX ? blocks->size : BLOCK_HEAD_MAX,
		.offsets = {[RUN_GC] = layout->gc_head_size,
			    [RUN_PREHEADER] = layout->gc_head_size + PREHEADER_SIZE},
		.last = &none,
	};

	if (run.head < 16)
		return 0;
	for (uint32_t i = 0; i < blocks->n; i += 64) {
		uint64_t live = ~blocks->is_free[i / 64];

		if (blocks->n - i < 64)
			live &= (1ull << (blocks->n - i)) - 1;
		classify_64(&run, i, live);
	}
	flush_counts(&run);
	return run.n_counted;
}
