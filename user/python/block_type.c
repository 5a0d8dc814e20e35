/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/block_type.h"

#include <endian.h>
#include <string.h>

#include "target/remote_mem.h"

#define PREHEADER_SIZE    16
#define DEBUG_HEADER_SIZE 16
#define ROUNDING          16 /* sizes may be those of pymalloc's classes */
#define ADDRESS_MIN       0x10000u
#define ADDRESS_END       (1ull << 48)
#define MUTEX(layout)     ((uint64_t)(layout)->object.gc_bits - 1) /* ob_mutex, u8 */

/* A block's head as far as it is known, and where in the target it is. */
struct block {
	uint64_t size;
	const uint8_t *head;
	size_t head_length;
};

static bool take(const struct block *block, uint64_t offset, size_t width, uint64_t *value)
{
	*value = 0;
	if (offset > block->head_length || block->head_length - offset < width)
		return false;
	memcpy(value, block->head + offset, width);
	return true;
}

static bool is_address(uint64_t word)
{
	return word >= ADDRESS_MIN && word < ADDRESS_END && word % 8 == 0;
}

/*
 * Debug allocators write the size (big endian), a letter for the domain and seven times 0xfd (in
 * 3.6 0xfb) before the memory.
 */
static bool skip_debug_header(struct block *block)
{
	uint64_t asked, fence;

	if (!take(block, 0, 8, &asked) || !take(block, 8, 8, &fence) ||
	    block->size < DEBUG_HEADER_SIZE || !memchr("omr", fence & 0xff, 3) ||
	    (fence >> 8 != 0xfdfdfdfdfdfdfdull && fence >> 8 != 0xfbfbfbfbfbfbfbull))
		return false;
	asked = be64toh(asked);
	if (asked > block->size - DEBUG_HEADER_SIZE)
		return false;
	block->size = asked;
	block->head += DEBUG_HEADER_SIZE;
	block->head_length -= DEBUG_HEADER_SIZE;
	return true;
}

/* The word is the address of an object, so it is no reference count. */
static bool points_to_object(struct py_types *types, uint64_t word)
{
	const struct py_layout *layout = &py_types_runtime(types)->layout;
	uint64_t type;

	return is_address(word) &&
	       !remote_read_u64(py_types_pid(types), word + (uint64_t)layout->object.ob_type,
				&type) &&
	       is_address(type) && py_types_get(types, type);
}

/*
 * References that other threads than the owner took, less what they gave back; with a large number
 * added to it, the object is only freed by the collector (_Py_REF_DEFERRED, 3.14+).
 */
static bool is_shared_count(int64_t count)
{
	int64_t taken = count > INT64_MAX / 16 ? count - INT64_MAX / 8 : count;

	return taken >= INT32_MIN && taken <= INT32_MAX;
}

/*
 * The thread that owns it, or 0; a byte that is its lock (two bits); ob_ref_local (32 bits);
 * ob_ref_shared (two bits of flags, then a count).
 */
bool py_is_free_threaded_head(const struct py_layout *layout, const uint8_t *head)
{
	uint64_t owner, shared;
	uint32_t local;

	memcpy(&owner, head, sizeof(owner));
	memcpy(&local, head + layout->object.refcount, sizeof(local));
	memcpy(&shared, head + layout->object.refcount + 4, sizeof(shared));
	return (!owner || is_address(owner)) && head[MUTEX(layout)] < 4 && (local || shared >> 2) &&
	       is_shared_count((int64_t)shared >> 2);
}

/*
 * Counts are small, or have the pattern of an immortal object, in 32 bits; what is above them in
 * the word is 0 or, from 3.14 on, flags (bits 48 and up). A word that could be an address is looked
 * at.
 */
static bool has_refcount(struct py_types *types, const struct block *block, uint64_t object)
{
	const struct py_layout *layout = &py_types_runtime(types)->layout;
	uint64_t word;

	if (layout->free_threaded)
		return object + PY_FREE_THREADED_HEAD <= block->head_length &&
		       py_is_free_threaded_head(layout, block->head + object);
	if (!take(block, object + (uint64_t)layout->object.refcount, 8, &word) || !(uint32_t)word)
		return false;
	if (word >> 32 & 0xffff || (layout->object.refcount_bytes == 8 && word >> 48))
		return false;
	return !points_to_object(types, word);
}

/*
 * Up to 3.7 the head says in gc_refs how it is, and the links of an object that was never tracked
 * are whatever the memory held before.
 *
 * return true when the head is not a GC head; *tracked: look at the links too
 */
static bool is_bad_gc_state(uint64_t gc_refs, bool *tracked)
{
	int64_t state = (int64_t)gc_refs >> 1;

	*tracked = state != -2;
	return state < -4 || state == -1 || state > INT32_MAX;
}

/* The links of an object that is tracked, or none. */
static bool has_gc_head(const struct py_layout *layout, const struct block *block, uint64_t head)
{
	uint64_t next, previous, gc_refs;
	bool tracked = false;

	if (!layout->gc_head_size)
		return true;
	if (!take(block, head, 8, &next) || !take(block, head + 8, 8, &previous))
		return false;
	if (layout->gc_refs != LAYOUT_NONE) {
		if (!take(block, head + (uint64_t)layout->gc_refs, 8, &gc_refs) ||
		    is_bad_gc_state(gc_refs, &tracked))
			return false;
		return !tracked || (is_address(next) && is_address(previous));
	}
	/* the low bits are flags; those of `previous` stay when the object is untracked */
	next &= ~3ull;
	previous &= ~3ull;
	return next ? is_address(next) && is_address(previous) : !previous;
}

/*
 * The two words of a pre-header: addresses (3.12 takes 1 from an address that is not a dict's), or
 * 0.
 */
static bool has_preheader(const struct block *block)
{
	uint64_t word;

	for (unsigned i = 0; i < 2; i++) {
		if (!take(block, i * 8, 8, &word))
			return false;
		if (word && !is_address(word) && !is_address(word + 1))
			return false;
	}
	return true;
}

/* The bytes that a compact str at `object` takes, 0: it is none, or cannot be known. */
static uint64_t str_bytes(const struct py_layout *layout, const struct block *block,
			  uint64_t object)
{
	uint64_t state, length, kind, start;

	if (!take(block, object + (uint64_t)layout->str.state, 4, &state) ||
	    !take(block, object + (uint64_t)layout->str.length, 8, &length))
		return 0;
	kind = state >> layout->str.kind_shift & 7;
	if (!(state >> layout->str.compact_bit & 1) || (kind != 1 && kind != 2 && kind != 4) ||
	    length >= block->size)
		return 0;
	start = state >> layout->str.ascii_bit & 1 ? (uint64_t)layout->str.ascii_data
						   : (uint64_t)layout->str.compact_data;
	return start + (length + 1) * kind;
}

/* What an object takes in its block. */
struct extent {
	uint64_t least;
	bool open; /* may be more: the type does not say how much, or the head is too short */
};

static struct extent extent_of(const struct py_layout *layout, const struct py_type *type,
			       const struct block *block, uint64_t object)
{
	struct extent extent = {(uint64_t)type->basicsize,
				type->itemsize || type->flags & PY_TYPE_INLINE_VALUES};
	bool in_head;
	uint64_t items;

	if (type->flags & PY_TYPE_STR) {
		uint64_t compact = str_bytes(layout, block, object);

		extent.least = compact ? compact : extent.least;
	} else if (type->flags & (PY_TYPE_TUPLE | PY_TYPE_BYTES)) {
		in_head = take(block, object + (uint64_t)layout->object.var_size, 8, &items);
		if (in_head && items <= block->size)
			extent.least += items * (uint64_t)type->itemsize;
		else if (in_head)
			extent.least = UINT64_MAX;
		/*
		 * what is derived from tuple may hide items from its length (os.stat_result does)
		 */
		extent.open =
			!in_head || ((type->flags & PY_TYPE_TUPLE) && strcmp(type->name, "tuple"));
	} else if (!type->has_gc && !type->itemsize) {
		/* datetime.time and datetime.datetime leave out a tzinfo of None */
		extent.least -= extent.least > 2 * ROUNDING ? ROUNDING : 0;
	}
	return extent;
}

/* The block is as large as an object of this type would be, as far as that can be known. */
static bool size_fits(const struct py_layout *layout, const struct py_type *type,
		      const struct block *block, uint64_t object)
{
	struct extent extent = extent_of(layout, type, block, object);
	uint64_t room =
		block->size - object; /* the caller knows that the object begins in the block */
	uint64_t most =
		extent.least > (uint64_t)type->basicsize ? extent.least : (uint64_t)type->basicsize;

	return extent.least <= room && (extent.open || room < most + ROUNDING + 7);
}

/* An object of a type that wants just this place begins `object` bytes into the block. */
static const struct py_type *type_at(struct py_types *types, const struct block *block,
				     uint64_t object, bool with_gc, bool with_preheader)
{
	const struct py_layout *layout = &py_types_runtime(types)->layout;
	uint64_t address;
	const struct py_type *type;

	if (object >= block->size ||
	    !take(block, object + (uint64_t)layout->object.ob_type, 8, &address) ||
	    !is_address(address))
		return NULL;
	type = py_types_get(types, address);
	if (!type)
		return NULL;
	if (layout->gc_head_size && type->has_gc != with_gc)
		return NULL;
	if (!(type->flags & (PY_TYPE_MANAGED_DICT | PY_TYPE_MANAGED_WEAKREF)) == with_preheader)
		return NULL;
	if ((with_preheader && !has_preheader(block)) ||
	    (with_gc && !has_gc_head(layout, block, object - layout->gc_head_size)) ||
	    !size_fits(layout, type, block, object) || !has_refcount(types, block, object))
		return NULL;
	return type;
}

const struct py_type *py_block_type(struct py_types *types, uint64_t block, uint64_t size,
				    const uint8_t *head, size_t head_length)
{
	uint64_t gc_head = py_types_runtime(types)->layout.gc_head_size;
	struct block bytes = {size, head, head_length < size ? head_length : (size_t)size};
	const struct py_type *type;

	(void)block; /* all that is asked of it today is in its head */
	skip_debug_header(&bytes);
	type = type_at(types, &bytes, 0, gc_head == 0, false);
	if (!type && gc_head)
		type = type_at(types, &bytes, gc_head, true, false);
	if (!type)
		type = type_at(types, &bytes, gc_head + PREHEADER_SIZE, true, true);
	return type;
}
