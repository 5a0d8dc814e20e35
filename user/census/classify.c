/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/classify.h"

#include <endian.h>
#include <string.h>

#include "python/block_type.h"
#include "target/remote_mem.h"

#define PREHEADER_SIZE    16
#define DEBUG_HEADER_SIZE 16
#define ADDRESS_MIN       0x10000u
#define ADDRESS_END       (1ull << 48)
#define USUAL_REFCOUNT    (1u << 20) /* a type is first met in an object with fewer references */
#define PREV_COLLECTING   2ull       /* bit of _gc_prev, from 3.8 on */
#define PY_GC_UNTRACKED   (-2)       /* gc_refs >> 1, up to 3.7 */

/* The block, less a debug header; and where in it the candidate is. */
struct candidate {
	const struct classifier *classifier;
	const struct block *block;
	uint64_t address, size;
	const uint8_t *head;
	size_t head_length;
};

static uint64_t load(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static bool is_address(uint64_t word)
{
	return word >= ADDRESS_MIN && word < ADDRESS_END && word % 8 == 0;
}

/* As block_type does; 0xfb is of 3.6 and 3.7. Blocks that pymalloc has from malloc may have two. */
static bool skip_debug_header(struct candidate *at)
{
	uint64_t fence = load(at->head + 8), asked;

	if (fence >> 8 != 0xfdfdfdfdfdfdfdull && fence >> 8 != 0xfbfbfbfbfbfbfbull)
		return false;
	asked = be64toh(load(at->head));
	if (!memchr("omr", (int)(fence & 0xff), 3) || at->size < DEBUG_HEADER_SIZE ||
	    asked > at->size - DEBUG_HEADER_SIZE)
		return false;
	at->address += DEBUG_HEADER_SIZE;
	at->head += DEBUG_HEADER_SIZE;
	at->head_length -= DEBUG_HEADER_SIZE;
	if (asked < at->head_length)
		at->head_length = (size_t)asked;
	at->size = asked;
	return true;
}

/* The word is the address of an object, so it is no reference count (a list of two, a free list's
 * link). */
static bool points_to_object(const struct classifier *classifier, uint64_t word)
{
	uint64_t type;

	return is_address(word) && maps_find(classifier->maps, word) &&
	       !remote_read_u64(classifier->pid,
				word + (uint64_t)classifier->layout->object.ob_type, &type) &&
	       is_address(type) && maps_find(classifier->maps, type) &&
	       type_table_get(classifier->table, type);
}

/* As block_type: small, or an immortal object's pattern in 32 bits; above it 0, or flags from 3.14
 * on. */
static bool is_refcount(const struct py_layout *layout, uint64_t word)
{
	return (uint32_t)word && !(word >> 32 & 0xffff) &&
	       (layout->object.refcount_bytes < 8 || !(word >> 48));
}

static bool is_usual_refcount(uint64_t word)
{
	return (uint32_t)word < USUAL_REFCOUNT || (uint32_t)word >= 0x80000000u;
}

/* Is there an object's head as far as its references? That is in a free-threaded build before its
 * type. */
static bool has_references(const struct candidate *at, size_t offset)
{
	const struct py_layout *layout = at->classifier->layout;

	if (offset + (size_t)layout->object.ob_type + 8 > at->head_length)
		return false;
	if (layout->free_threaded)
		return py_is_free_threaded_head(layout, at->head + offset);
	return is_refcount(layout, load(at->head + offset + layout->object.refcount));
}

/* In the lists' heads, which are the collector's own data, some builds have these at multiples of
 * four. */
static bool is_link(uint64_t word)
{
	return word >= ADDRESS_MIN && word < ADDRESS_END && word % 4 == 0;
}

/* As block_type, with what it says of the object. A free-threaded one has none, and a bit in its
 * own head. */
static bool is_gc_head(const struct py_layout *layout, const uint8_t *head, bool *tracked)
{
	uint64_t next, previous;
	int64_t state;

	if (layout->free_threaded) {
		*tracked = head[layout->object.gc_bits] & PY_GC_BITS_TRACKED;
		return true;
	}
	next = load(head);
	previous = load(head + 8);
	if (layout->gc_refs != LAYOUT_NONE) {
		state = (int64_t)load(head + layout->gc_refs) >> 1;
		*tracked = state != PY_GC_UNTRACKED;
		if (state < -4 || state == -1 || state > INT32_MAX)
			return false;
		return !*tracked || (is_link(next) && is_link(previous));
	}
	*tracked = next != 0;
	/*
	 * In the middle of a collection a count of references stands where the link back was, and,
	 * of what was found to be unreachable so far, the link again.
	 */
	if (previous & PREV_COLLECTING)
		return next && is_link(next & ~3ull) &&
		       (previous >> 2 <= UINT32_MAX || is_link(previous & ~3ull));
	next &= ~3ull;
	previous &= ~3ull;
	return next ? is_link(next) && is_link(previous) : !previous;
}

/* The two words before a GC head: addresses, in 3.12 also one less, or 0. */
static bool is_preheader(const uint8_t *bytes)
{
	for (int i = 0; i < 2; i++) {
		uint64_t word = load(bytes + 8 * i);

		if (word && !is_address(word) && !is_address(word + 1))
			return false;
	}
	return true;
}

/* The bytes of a compact str, 0: it is not one. */
static uint64_t str_bytes(const struct py_layout *layout, const uint8_t *object, uint64_t room)
{
	uint32_t state;
	uint64_t length = load(object + layout->str.length), kind, start;

	memcpy(&state, object + layout->str.state, sizeof(state));
	kind = state >> layout->str.kind_shift & 7;
	if (!(state >> layout->str.compact_bit & 1) || (kind != 1 && kind != 2 && kind != 4) ||
	    length >= room)
		return 0;
	start = state >> layout->str.ascii_bit & 1 ? (uint64_t)layout->str.ascii_data
						   : (uint64_t)layout->str.compact_data;
	return start + (length + 1) * kind;
}

/*
 * The bytes that the object has at least.
 *
 * out    exact: it has no more
 * return UINT64_MAX: cannot be
 */
static uint64_t least_size(const struct py_layout *layout, const struct census_type *type,
			   const uint8_t *object, size_t length, uint64_t room, bool *exact)
{
	uint64_t size = (uint64_t)type->py->basicsize, items;

	*exact = !type->py->itemsize && !(type->py->flags & PY_TYPE_INLINE_VALUES);
	if (length < (size_t)layout->str.state + 8 || length < (size_t)layout->object.var_size + 8)
		return size;
	switch (type->kind) {
	case KIND_STR:
		items = str_bytes(layout, object, room);
		*exact = items;
		return items ? items : size;
	case KIND_BYTES:
	case KIND_TUPLE:
		items = load(object + layout->object.var_size);
		*exact = type->kind == KIND_BYTES;
		return items > room ? UINT64_MAX : size + items * (uint64_t)type->py->itemsize;
	default:
		/* datetime.time and datetime.datetime leave out a tzinfo of None */
		if (!type->py->has_gc && *exact && size > 32)
			return size - 16;
		return size;
	}
}

/* With a GC head before it that is sure enough; without, the block must not be much larger
 * either. */
bool classify_fits(const struct py_layout *layout, const struct block_kind *kind,
		   const struct census_type *type, const uint8_t *object, size_t length,
		   uint64_t room)
{
	bool exact;
	uint64_t least = least_size(layout, type, object, length, room, &exact), most;

	if (least > room || type->py->has_gc || !exact)
		return least <= room;
	most = least > (uint64_t)type->py->basicsize ? least : (uint64_t)type->py->basicsize;
	return room < most + BLOCK_ROUNDING + 7 || room < kind->largest_for(most) + 7;
}

static bool size_fits(const struct candidate *at, const struct census_type *type, size_t offset)
{
	const struct py_layout *layout = at->classifier->layout;
	uint64_t room = at->size - offset, least;
	bool exact;

	if (at->block->kind->largest_for)
		return classify_fits(layout, at->block->kind, type, at->head + offset,
				     at->head_length - offset, room);
	least = least_size(layout, type, at->head + offset, at->head_length - offset, room, &exact);
	return least <= room && offset + least > at->classifier->loose_above;
}

/* A small block that was freed may look in use. */
static bool is_free(const struct block *block, uint64_t word)
{
	return block->kind->is_free && block->kind->is_free(block, word);
}

/* An object of a type that wants just this place begins `offset` bytes into the block. */
static struct census_type *type_at(const struct candidate *at, size_t offset, bool with_gc,
				   bool with_preheader, bool *tracked)
{
	const struct classifier *classifier = at->classifier;
	/* a free-threaded build keeps objects apart from all else */
	bool sure = classifier->layout->free_threaded;
	uint64_t count, address;
	struct census_type *type;

	*tracked = false;
	if (!has_references(at, offset))
		return NULL;
	count = load(at->head + offset + classifier->layout->object.refcount);
	address = load(at->head + offset + classifier->layout->object.ob_type);
	if (!is_address(address))
		return NULL;
	type = type_table_find(classifier->table, address);
	if (type ? type->py->has_gc != with_gc || type->has_preheader != with_preheader
		 : !sure && !is_usual_refcount(count))
		return NULL;
	if (with_gc && !is_gc_head(classifier->layout,
				   at->head + offset - classifier->layout->gc_head_size, tracked))
		return NULL;
	if (with_preheader && !is_preheader(at->head))
		return NULL;
	if (!type && maps_find(classifier->maps, address))
		type = type_table_get(classifier->table, address);
	if (!type || type->py->has_gc != with_gc || type->has_preheader != with_preheader)
		return NULL;
	if (!size_fits(at, type, offset))
		return NULL;
	if (!sure &&
	    ((offset == 0 && is_free(at->block, count)) || points_to_object(classifier, count)))
		return NULL;
	return type;
}

static void describe(struct found *found, const struct candidate *at, size_t offset)
{
	found->address = at->address + offset;
	found->bytes = at->head + offset;
	found->length = at->head_length - offset;
	found->frozen = at->classifier->layout->free_threaded && found->tracked &&
			found->bytes[at->classifier->layout->object.gc_bits] & PY_GC_BITS_FROZEN;
	found->size = at->block->size;
	if (!at->block->kind->largest_for) {
		bool exact;

		found->size = offset + least_size(at->classifier->layout, found->type, found->bytes,
						  found->length, at->size - offset, &exact);
	}
}

/*
 * Without a GIL the block says itself what is in it: the collector goes through the heaps that it
 * knows. Objects are in no other memory.
 *
 * return where in the block its object begins
 */
static size_t find_free_threaded(const struct candidate *at, struct found *found)
{
	size_t offset = at->block->heap == BLOCK_HEAP_GC_PRE ? PREHEADER_SIZE : 0;

	if (at->block->heap != BLOCK_HEAP_MEM)
		found->type = type_at(at, offset, at->block->heap != BLOCK_HEAP_OBJECT, offset,
				      &found->tracked);
	return offset;
}

static size_t find(const struct candidate *at, struct found *found)
{
	size_t gc = at->classifier->layout->gc_head_size, offset = 0;

	found->type = type_at(at, 0, false, false, &found->tracked);
	if (!found->type)
		found->type = type_at(at, offset = gc, true, false, &found->tracked);
	if (!found->type)
		found->type =
			type_at(at, offset = gc + PREHEADER_SIZE, true, true, &found->tracked);
	return offset;
}

bool classify_block(const struct classifier *classifier, const struct block *block,
		    struct found *found)
{
	struct candidate at = {
		.classifier = classifier,
		.block = block,
		.address = block->address,
		.size = block->size,
		.head = block->head,
		.head_length = block->head_length,
	};
	size_t offset;

	for (int i = 0; i < 2 && at.head_length >= 16 && skip_debug_header(&at); i++)
		;
	found->type = NULL;
	offset = classifier->layout->free_threaded ? find_free_threaded(&at, found)
						   : find(&at, found);
	if (!found->type)
		return false;
	describe(found, &at, offset);
	return true;
}

struct census_type *classify_at(const struct py_layout *layout, const struct type_table *table,
				const uint8_t *object, size_t length)
{
	const struct classifier classifier = {.layout = layout};
	const struct candidate at = {
		.classifier = &classifier, .head = object, .head_length = length};
	const uint8_t *head = object - layout->gc_head_size;
	struct census_type *type;
	bool tracked;

	/* without a million references: it is young */
	if (!has_references(&at, 0) ||
	    (!layout->free_threaded && !is_usual_refcount(load(object + layout->object.refcount))))
		return NULL;
	type = type_table_find(table, load(object + layout->object.ob_type));
	if (!type || (type->py->has_gc && !is_gc_head(layout, head, &tracked)) ||
	    (type->has_preheader && !is_preheader(head - PREHEADER_SIZE)))
		return NULL;
	return type;
}
