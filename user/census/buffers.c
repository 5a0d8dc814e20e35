/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/buffers.h"

#include <string.h>

#include "census/fields.h"
#include "target/remote_mem.h"

#define SET_SMALL   8 /* PySet_MINSIZE: a table of this size is in the object */
#define SET_ENTRY   16
#define LARGE_PAGES 16 /* smaller buffers are in memory */
#define CHUNK_HEAD  8  /* of glibc's malloc */

static uint64_t load(const uint8_t *bytes, size_t length, int64_t offset, size_t width)
{
	uint64_t value = 0;

	if (offset >= 0 && (uint64_t)offset + width <= length)
		memcpy(&value, bytes + offset, width);
	return value;
}

/* What a block takes that is not in a pool. mimalloc's, the only ones without a GIL, have no head.
 */
static uint64_t block_size(const struct buffers *buffers, uint64_t bytes)
{
	return (bytes + (buffers->layout->free_threaded ? 0 : CHUNK_HEAD) + 15) & ~15ull;
}

/* One buffer to the account of memory, as large as its block is there and as far as its pages are
 * in memory. */
static void account(struct buffers *buffers, uint64_t address, uint64_t bytes)
{
	uint64_t pages = bytes / MEMORY_PAGE;

	if (bytes <= buffers->small_max) {
		buffers->small_bytes += (bytes + 15) & ~15ull;
	} else if (pages < LARGE_PAGES) {
		buffers->large_bytes += block_size(buffers, bytes);
	} else {
		buffers->large_bytes += memory_resident(buffers->memory, address, address + bytes);
	}
}

static void take(struct buffers *buffers, struct census_type *type, uint64_t address,
		 uint64_t bytes)
{
	type->bytes += bytes;
	account(buffers, address, bytes);
}

/* Blocks that are too short to be out of memory. */
static void account_blocks(struct buffers *buffers, uint64_t n, uint64_t bytes)
{
	if (bytes <= buffers->small_max)
		buffers->small_bytes += n * ((bytes + 15) & ~15ull);
	else
		buffers->large_bytes += n * block_size(buffers, bytes);
}

static void take_blocks(struct buffers *buffers, struct census_type *type, uint64_t n,
			uint64_t bytes)
{
	type->bytes += n * bytes;
	account_blocks(buffers, n, bytes);
}

/* A word of the object behind its head. */
static uint64_t field(const struct buffers *buffers, const struct found *found, int64_t offset)
{
	return load(found->bytes, found->length, py_head_bytes(buffers->layout) + offset, 8);
}

static void add(struct buffers *buffers, struct census_type *type, uint64_t address, uint64_t count,
		uint64_t size)
{
	if (count && count < BUFFERS_MAX / 64 && size <= 64)
		take(buffers, type, address, count * size);
}

/* ---- what types of C code own --------------------------------------------------------------- */

static void add_owned(struct buffers *buffers, const struct found *found)
{
	const struct owned_object object = {buffers->layout, found->bytes, found->length};
	const struct owned_part *part = found->type->owned->parts;

	for (unsigned i = 0; i < OWNED_PARTS && part->count; i++, part++) {
		uint64_t n = part->count(&object), array = part->array ? part->array(&object) : 0;

		if (!part->array)
			take_blocks(buffers, found->type, n, part->size);
		else if (array)
			add(buffers, found->type, array, n, part->size);
	}
}

/* ---- dicts ---------------------------------------------------------------------------------- */

static uint64_t round_up(uint64_t n)
{
	return (n + 7) & ~7ull;
}

/* Bytes of a keys object, and how many values an array for it has room for. */
static bool measure_keys(const struct py_layout *layout, const uint8_t *head, uint64_t *bytes,
			 uint64_t *n_values)
{
	uint64_t slots, index_bytes, entry = 24;

	if (layout->dict.keys_size != LAYOUT_NONE) {
		slots = load(head, KEYS_HEAD_MAX, layout->dict.keys_size, 8);
		index_bytes = slots <= 0xff         ? slots
			      : slots <= 0xffff     ? slots * 2
			      : slots <= 0xffffffff ? slots * 4
						    : slots * 8;
		*n_values = slots * 2 / 3;
	} else {
		uint64_t log2_index =
			load(head, KEYS_HEAD_MAX, layout->dict.keys_log2_index_bytes, 1);
		uint64_t log2_slots =
			load(head, KEYS_HEAD_MAX, layout->dict.keys_log2_index_bytes - 1, 1);

		if (log2_index > 40 || log2_slots > 40)
			return false;
		slots = 1ull << log2_slots;
		index_bytes = 1ull << log2_index;
		entry = load(head, KEYS_HEAD_MAX, layout->dict.keys_kind, 1) ? 16 : 24;
		*n_values = load(head, KEYS_HEAD_MAX, layout->dict.keys_nentries, 8) +
			    load(head, KEYS_HEAD_MAX, layout->dict.keys_nentries - 8, 8);
	}
	if (slots > BUFFERS_MAX / 64)
		return false;
	*bytes = (uint64_t)layout->dict.keys_indices + index_bytes + slots * 2 / 3 * entry;
	return true;
}

/* An array of values that is apart from the keys. */
static uint64_t measure_values(const struct buffers *buffers, uint64_t address, uint64_t n_values)
{
	uint8_t head[4];

	switch (buffers->layout->values) {
	case VALUES_NOWHERE:
		return n_values <= 1 << 20 ? 8 * n_values : 0;
	case VALUES_ATTACHED:
	case VALUES_TAGGED:
		return n_values <= 255 ? round_up(n_values + 2) + 8 * n_values : 0;
	case VALUES_INLINE: /* capacity, size, embedded (in the instance), valid */
		if (remote_read(buffers->memory->pid, address, head, sizeof(head)) || head[2])
			return 0;
		return round_up(head[0]) + 8 * (1 + (uint64_t)head[0]);
	}
	return 0;
}

static void add_wanted(struct buffers *buffers, size_t i)
{
	const uint8_t *head = buffers->wanted[i].head;
	uint64_t keys = buffers->wanted[i].keys, bytes, n_values;

	if (!measure_keys(buffers->layout, head, &bytes, &n_values))
		return;
	if (load(head, KEYS_HEAD_MAX, 0, 8) == 1) { /* references to the keys */
		take(buffers, buffers->wanted[i].type, keys, bytes);
	} else {
		buffers->shared[keys / 16 % BUFFERS_KNOWN].keys = keys;
		buffers->shared[keys / 16 % BUFFERS_KNOWN].n_values = n_values;
	}
	if (buffers->wanted[i].values)
		add(buffers, buffers->wanted[i].type, buffers->wanted[i].values,
		    measure_values(buffers, buffers->wanted[i].values, n_values), 1);
}

void buffers_flush(struct buffers *buffers)
{
	struct remote_item items[BUFFERS_BATCH];
	size_t head = (size_t)buffers->layout->dict.keys_indices;

	for (size_t i = 0; i < buffers->n_wanted; i++)
		items[i] = (struct remote_item){buffers->wanted[i].keys, buffers->wanted[i].head,
						head, 0};
	remote_read_many(buffers->memory->pid, items, buffers->n_wanted);
	for (size_t i = 0; i < buffers->n_wanted; i++)
		if (!items[i].result)
			add_wanted(buffers, i);
	buffers->n_wanted = 0;
}

static void add_dict(struct buffers *buffers, const struct found *found)
{
	uint64_t keys = load(found->bytes, found->length, buffers->layout->dict.keys, 8);
	uint64_t values = load(found->bytes, found->length, buffers->layout->dict.values, 8);
	size_t head = (size_t)buffers->layout->dict.keys_indices, i = buffers->n_wanted;
	size_t known = keys / 16 % BUFFERS_KNOWN;
	const uint8_t *here;

	if (!keys || head > KEYS_HEAD_MAX)
		return;
	if (buffers->shared[known].keys == keys) {
		if (values)
			add(buffers, found->type, values,
			    measure_values(buffers, values, buffers->shared[known].n_values), 1);
		return;
	}
	buffers->wanted[i].type = found->type;
	buffers->wanted[i].keys = keys;
	buffers->wanted[i].values = values;
	here = memory_here(buffers->memory, keys, head);
	if (here) {
		memcpy(buffers->wanted[i].head, here, head);
		add_wanted(buffers, i);
	} else if (++buffers->n_wanted == BUFFERS_BATCH) {
		buffers_flush(buffers);
	}
}

/* ---- all ------------------------------------------------------------------------------------ */

void buffers_add_values(struct buffers *buffers, struct census_type *type, uint32_t n)
{
	take_blocks(buffers, type, n, type->values_bytes);
}

void buffers_add_callbacks(struct buffers *buffers, const struct py_atexit *atexit)
{
	if (!atexit->array)
		return;
	account(buffers, atexit->array, 8ull * atexit->room);
	account_blocks(buffers, atexit->count, 8 * PY_ATEXIT_WORDS);
}

/* From 3.15 on a bytearray's bytes are those of a bytes object, which is counted as such. */
static bool has_bytes_object(const struct buffers *buffers, const struct found *found)
{
	uint64_t object = field(buffers, found, BYTEARRAY_OBJECT);

	return object && field(buffers, found, BYTEARRAY_DATA) - object ==
				 (uint64_t)buffers->layout->object.bytes_data;
}

void buffers_add(struct buffers *buffers, const struct found *found)
{
	struct census_type *type = found->type;
	uint64_t n, address;

	switch (type->kind) {
	case KIND_LIST:
		address = field(buffers, found, LIST_ITEMS);
		if (address)
			add(buffers, type, address, field(buffers, found, LIST_ALLOCATED), 8);
		break;
	case KIND_DICT:
		add_dict(buffers, found);
		break;
	case KIND_SET:
		n = field(buffers, found, SET_MASK);
		if (n >= SET_SMALL)
			add(buffers, type, field(buffers, found, SET_TABLE), n + 1, SET_ENTRY);
		break;
	case KIND_BYTEARRAY:
		if (!has_bytes_object(buffers, found))
			add(buffers, type, field(buffers, found, BYTEARRAY_DATA),
			    field(buffers, found, BYTEARRAY_ROOM), 1);
		break;
	default:
		break;
	}
	if (type->owned)
		add_owned(buffers, found);
	if (type->values_bytes && buffers_has_values(buffers->layout, found->bytes))
		buffers_add_values(buffers, type, 1);
}
