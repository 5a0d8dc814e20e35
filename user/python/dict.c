/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/dict.h"

#include <errno.h>
#include <string.h>

#include "python/types.h"
#include "target/remote_mem.h"

#define DICT_HEAD_MAX 128
#define KEY_TEXT_MAX  64 /* bytes of a key's str that are compared at most */
#define PREHEADER     16 /* before the GC head: in 3.11 the values; the dict */
#define DICTOFFSET    24 /* of tp_dictoffset, behind tp_dict, in every version */
#define CACHED_KEYS   8  /* of ht_cached_keys, behind ht_qualname, in every version */

static uint64_t field(const uint8_t *bytes, size_t length, int32_t offset, size_t width)
{
	uint64_t value = 0;

	if (offset >= 0 && (size_t)offset + width <= length)
		memcpy(&value, bytes + offset, width);
	return value;
}

/* ---- where the entries are ------------------------------------------------------------------ */

bool py_keys_locate(struct py_dict *dict, const struct py_layout *layout, uint64_t address,
		    const uint8_t *head)
{
	int64_t count = (int64_t)field(head, PY_KEYS_HEAD_MAX, layout->dict.keys_nentries, 8);
	uint64_t index_bytes;
	bool with_hash = true;

	if (layout->dict.keys_size != LAYOUT_NONE) {
		uint64_t size = field(head, PY_KEYS_HEAD_MAX, layout->dict.keys_size, 8);

		if (size > UINT32_MAX)
			return false;
		index_bytes = size <= 0xff ? size : size <= 0xffff ? size * 2 : size * 4;
	} else {
		uint64_t log2 =
			field(head, PY_KEYS_HEAD_MAX, layout->dict.keys_log2_index_bytes, 1);

		if (log2 > 40)
			return false;
		index_bytes = 1ull << log2;
		with_hash = field(head, PY_KEYS_HEAD_MAX, layout->dict.keys_kind, 1) == 0;
	}
	if (count < 0)
		return false;
	dict->entries = address + (uint64_t)layout->dict.keys_indices + index_bytes;
	dict->count = count < PY_DICT_ENTRIES_MAX ? (uint64_t)count : (uint64_t)PY_DICT_ENTRIES_MAX;
	dict->entry_size = with_hash ? 24 : 16;
	dict->key_offset = with_hash ? 8 : 0;
	dict->values = 0;
	return true;
}

static int open_keys(struct py_dict *dict, pid_t pid, const struct py_layout *layout, uint64_t keys,
		     uint64_t values)
{
	uint8_t head[PY_KEYS_HEAD_MAX] = {0};
	int result = -EINVAL;

	if (keys && (size_t)layout->dict.keys_indices <= sizeof(head))
		result = remote_read(pid, keys, head, (size_t)layout->dict.keys_indices);
	if (!result && !py_keys_locate(dict, layout, keys, head))
		result = -EINVAL;
	if (!result)
		dict->values = values;
	return result;
}

int py_dict_open(struct py_dict *dict, pid_t pid, const struct py_layout *layout, uint64_t address)
{
	uint8_t head[DICT_HEAD_MAX];
	size_t length = (size_t)layout->dict.values + 8;
	uint64_t values;
	int result;

	memset(dict, 0, sizeof(*dict));
	if (length > sizeof(head))
		return -EINVAL;
	result = remote_read(pid, address, head, length);
	if (result)
		return result;
	values = field(head, length, layout->dict.values, 8);
	/* from 3.13 on four counts come before the array */
	if (values && layout->values == VALUES_INLINE)
		values += 8;
	return open_keys(dict, pid, layout, field(head, length, layout->dict.keys, 8), values);
}

/* ---- instances ------------------------------------------------------------------------------ */

struct instance {
	uint64_t address, type, flags;
	int64_t basicsize, dictoffset;
};

static int read_instance(struct instance *instance, pid_t pid, const struct py_layout *layout,
			 uint64_t object)
{
	uint64_t dictoffset = 0, basicsize = 0;
	int result;

	instance->address = object;
	result = remote_read_u64(pid, object + (uint64_t)layout->object.ob_type, &instance->type);
	if (result)
		return result;

	struct remote_item items[] = {
		{instance->type + (uint64_t)layout->type.flags, &instance->flags, 8, 0},
		{instance->type + (uint64_t)layout->type.basicsize, &basicsize, 8, 0},
		{instance->type + (uint64_t)layout->type.dict + DICTOFFSET, &dictoffset, 8, 0},
	};

	remote_read_many(pid, items, sizeof(items) / sizeof(items[0]));
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		result = items[i].result ? items[i].result : result;
	instance->basicsize = (int64_t)basicsize;
	instance->dictoffset = (int64_t)dictoffset;
	return result;
}

/* The attributes are in an array as long as the keys that the class shares. */
static int open_values(struct py_dict *dict, pid_t pid, const struct py_layout *layout,
		       const struct instance *instance, uint64_t values)
{
	uint64_t keys;
	int result = remote_read_u64(
		pid, instance->type + (uint64_t)layout->type.heap_qualname + CACHED_KEYS, &keys);

	return result ? result : open_keys(dict, pid, layout, keys, values);
}

static int open_managed(struct py_dict *dict, pid_t pid, const struct py_layout *layout,
			const struct instance *instance)
{
	uint64_t words[2], dict_address, address = instance->address;
	uint8_t counts[4]; /* capacity, size, embedded, valid */
	int result =
		remote_read(pid, address - layout->gc_head_size - PREHEADER, words, sizeof(words));

	if (result)
		return result;
	dict_address = words[1];
	switch (layout->values) {
	case VALUES_NOWHERE:
		return -EINVAL;
	case VALUES_ATTACHED:
		if (words[0])
			return open_values(dict, pid, layout, instance, words[0]);
		break;
	case VALUES_TAGGED:
		if (dict_address & 1)
			return open_values(dict, pid, layout, instance, dict_address + 1);
		break;
	case VALUES_INLINE:
		if (dict_address || !(instance->flags & PY_TYPE_INLINE_VALUES))
			break;
		address += (uint64_t)instance->basicsize;
		result = remote_read(pid, address, counts, sizeof(counts));
		if (!result && counts[3])
			return open_values(dict, pid, layout, instance, address + 8);
		break;
	}
	return result         ? result
	       : dict_address ? py_dict_open(dict, pid, layout, dict_address)
			      : -EINVAL;
}

int py_attributes_open(struct py_dict *dict, pid_t pid, const struct py_layout *layout,
		       uint64_t object)
{
	struct instance instance;
	uint64_t address;
	int result = read_instance(&instance, pid, layout, object);

	memset(dict, 0, sizeof(*dict));
	if (result)
		return result;
	if (instance.flags & PY_TYPE_MANAGED_DICT && layout->values != VALUES_NOWHERE)
		return open_managed(dict, pid, layout, &instance);
	/* negative: from the end of an object of variable size; none that is asked for is one */
	if (instance.dictoffset <= 0 || instance.dictoffset > instance.basicsize)
		return -EINVAL;
	result = remote_read_u64(pid, object + (uint64_t)instance.dictoffset, &address);
	return result ? result : address ? py_dict_open(dict, pid, layout, address) : -EINVAL;
}

/* ---- items ---------------------------------------------------------------------------------- */

size_t py_dict_read(const struct py_dict *dict, pid_t pid, uint64_t first, struct py_item *items)
{
	uint8_t bytes[PY_DICT_CHUNK * PY_DICT_ENTRY_MAX];
	uint64_t values[PY_DICT_CHUNK];
	uint64_t left = first < dict->count ? dict->count - first : 0;
	size_t n = left < PY_DICT_CHUNK ? (size_t)left : PY_DICT_CHUNK;

	if (!n ||
	    remote_read(pid, dict->entries + first * dict->entry_size, bytes, n * dict->entry_size))
		return 0;
	if (dict->values && remote_read(pid, dict->values + first * 8, values, n * 8))
		return 0;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *key = bytes + i * dict->entry_size + dict->key_offset;

		memcpy(&items[i].key, key, 8);
		memcpy(&items[i].value, key + 8, 8);
		if (dict->values)
			items[i].value = values[i];
	}
	return n;
}

size_t py_keys_match(pid_t pid, const struct py_layout *layout, const uint64_t *keys, size_t n,
		     const char *text)
{
	size_t text_at = (size_t)layout->str.ascii_data, length = strlen(text);
	struct remote_item items[PY_DICT_CHUNK];
	uint8_t heads[PY_DICT_CHUNK][128];

	if (n > PY_DICT_CHUNK || length > KEY_TEXT_MAX || text_at + length > sizeof(heads[0]))
		return n;
	for (size_t i = 0; i < n; i++)
		items[i] =
			(struct remote_item){keys[i], heads[i], keys[i] ? text_at + length : 0, 0};
	remote_read_many(pid, items, n);
	for (size_t i = 0; i < n; i++) {
		if (!items[i].length || items[i].result)
			continue;
		if (field(heads[i], text_at, layout->str.length, 8) == length &&
		    !memcmp(heads[i] + text_at, text, length))
			return i;
	}
	return n;
}

uint64_t py_dict_find(const struct py_dict *dict, pid_t pid, const struct py_layout *layout,
		      const char *key)
{
	struct py_item items[PY_DICT_CHUNK];
	uint64_t keys[PY_DICT_CHUNK];

	for (uint64_t first = 0; first < dict->count; first += PY_DICT_CHUNK) {
		size_t n = py_dict_read(dict, pid, first, items), i;

		if (!n)
			return 0;
		for (i = 0; i < n; i++)
			keys[i] = items[i].value ? items[i].key : 0;
		i = py_keys_match(pid, layout, keys, n, key);
		if (i < n)
			return items[i].value;
	}
	return 0;
}
