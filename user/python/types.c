/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "python/dict.h"
#include "python/str.h"
#include "target/remote_mem.h"

#define TYPE_HEAD_MAX   512 /* bytes of a type object that are of interest */
#define METATYPE_STEPS  4
#define MODULE_NAME_MAX 160 /* so that the class name behind it finds room too */
#define VERIFY_CHUNK    128

static const char module_key_text[] = "__module__";

/* The part of a type object that is read first; also what distinguishes a type from its successor.
 */
struct type_head {
	uint64_t ob_type, name, dict, flags;
	int64_t basicsize, itemsize;
};

/* of tp_name; a type that was made where another has died may have all its addresses in common with
 * it, but not the name */
#define NAME_HEAD 48

struct known_type {
	struct py_type type; /* key: type.address */
	struct type_head head;
	char name_head[NAME_HEAD]; /* cut off; with zeros behind it */
	UT_hash_handle hh;
};

struct not_a_type {
	uint64_t address;
	UT_hash_handle hh;
};

struct py_types {
	pid_t pid;
	const struct py_runtime *runtime;
	struct known_type *known;
	struct not_a_type *others;
	uint64_t module_key; /* address of the interned "__module__", 0: not seen yet */
};

/* ---- the head of a type object -------------------------------------------------------------- */

static uint64_t field(const uint8_t *bytes, size_t length, int32_t offset, size_t width)
{
	uint64_t value = 0;

	if (offset >= 0 && (size_t)offset + width <= length)
		memcpy(&value, bytes + offset, width);
	return value;
}

static size_t head_length(const struct py_layout *layout)
{
	const int32_t ends[] = {layout->object.ob_type, layout->type.name,  layout->type.basicsize,
				layout->type.itemsize,  layout->type.flags, layout->type.dict};
	int32_t end = 0;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		end = ends[i] > end ? ends[i] : end;
	return end + 8 < TYPE_HEAD_MAX ? (size_t)end + 8 : TYPE_HEAD_MAX;
}

static struct type_head take_head(const struct py_layout *layout, const uint8_t *bytes,
				  size_t length)
{
	return (struct type_head){
		.ob_type = field(bytes, length, layout->object.ob_type, 8),
		.name = field(bytes, length, layout->type.name, 8),
		.dict = field(bytes, length, layout->type.dict, 8),
		.flags = field(bytes, length, layout->type.flags, 8),
		.basicsize = (int64_t)field(bytes, length, layout->type.basicsize, 8),
		.itemsize = (int64_t)field(bytes, length, layout->type.itemsize, 8),
	};
}

static bool is_plausible(const struct py_layout *layout, const struct type_head *head)
{
	return (head->flags & PY_TYPE_READY) && head->name &&
	       head->basicsize >= layout->object.ob_type + 8 && head->basicsize <= 1 << 24 &&
	       head->itemsize >= 0 && head->itemsize <= 1 << 16;
}

static int read_head(struct type_head *head, pid_t pid, const struct py_layout *layout,
		     uint64_t address)
{
	uint8_t bytes[TYPE_HEAD_MAX];
	int result;

	if (address < 4096 || address % 8)
		return -EINVAL;
	result = remote_read(pid, address, bytes, head_length(layout));
	if (result)
		return result;
	*head = take_head(layout, bytes, head_length(layout));
	return is_plausible(layout, head) ? 0 : -EINVAL;
}

/* The instances of this object are types: it is `type`, or a class derived from it. */
static bool is_metatype(const struct py_types *types, uint64_t address)
{
	for (int step = 0; step < METATYPE_STEPS; step++) {
		struct type_head head;

		if (address == types->runtime->type_type)
			return true;
		if (read_head(&head, types->pid, &types->runtime->layout, address) ||
		    !(head.flags & PY_TYPE_TYPE))
			return false;
		address = head.ob_type;
	}
	return false;
}

/* ---- what is under "__module__" in a dict --------------------------------------------------- */

/*
 * The value of "__module__".
 *
 * in     by_address: compare the keys' addresses with that of the interned str, else their text
 * return address of the value, 0: not there
 */
static uint64_t find_module_key(struct py_types *types, const struct py_dict *entries,
				bool by_address)
{
	uint8_t bytes[PY_DICT_CHUNK * PY_DICT_ENTRY_MAX];
	uint64_t keys[PY_DICT_CHUNK], value;

	for (uint64_t first = 0; first < entries->count; first += PY_DICT_CHUNK) {
		uint64_t left = entries->count - first;
		size_t n = left < PY_DICT_CHUNK ? (size_t)left : PY_DICT_CHUNK, i;

		if (remote_read(types->pid, entries->entries + first * entries->entry_size, bytes,
				n * entries->entry_size))
			return 0;
		for (i = 0; i < n; i++)
			memcpy(&keys[i], bytes + i * entries->entry_size + entries->key_offset, 8);
		if (by_address) {
			for (i = 0; i < n && keys[i] != types->module_key; i++)
				;
		} else {
			i = py_keys_match(types->pid, &types->runtime->layout, keys, n,
					  module_key_text);
		}
		if (i < n) {
			types->module_key = keys[i];
			memcpy(&value, bytes + i * entries->entry_size + entries->key_offset + 8,
			       8);
			return value;
		}
	}
	return 0;
}

/*
 * The key is nearly always the interned one, so that no str has to be read once its address is
 * known.
 */
static uint64_t find_module(struct py_types *types, const struct py_dict *entries)
{
	uint64_t value = types->module_key ? find_module_key(types, entries, true) : 0;

	return value ? value : find_module_key(types, entries, false);
}

/* ---- names ---------------------------------------------------------------------------------- */

static const char *without_builtins(const char *name)
{
	return strncmp(name, "builtins.", 9) ? name : name + 9;
}

static void copy_name(struct py_type *type, const char *name)
{
	name = without_builtins(name);
	memmove(type->name, name, strlen(name) + 1);
}

/* A str object's text, only if it is one: as the interned key is. */
static long read_module_name(const struct py_types *types, uint64_t address, char *buffer,
			     size_t size)
{
	const struct py_layout *layout = &types->runtime->layout;
	uint8_t head[PY_STR_HEAD_MAX];
	size_t length = py_str_head_length(layout, address);
	uint64_t str_type;

	buffer[0] = '\0';
	if (remote_read_u64(types->pid, types->module_key + (uint64_t)layout->object.ob_type,
			    &str_type) ||
	    remote_read(types->pid, address, head, length) ||
	    field(head, length, layout->object.ob_type, 8) != str_type)
		return -EINVAL;
	return py_str_finish(types->pid, layout, address, head, length, buffer, size);
}

/*
 * A class that was made at run time: tp_name is its bare name when Python made it, its full name
 * when PyType_FromSpec() did. What Python itself shows is "__module__" and the qualified name.
 */
static int name_heap_type(struct py_types *types, struct py_type *type,
			  const struct type_head *head)
{
	const struct py_layout *layout = &types->runtime->layout;
	uint8_t dict[128] = {0}, keys[PY_KEYS_HEAD_MAX] = {0}, str[PY_STR_HEAD_MAX];
	char module[MODULE_NAME_MAX] = "", name[PY_TYPE_NAME_MAX - MODULE_NAME_MAX - 1] = "";
	struct py_dict entries;
	uint64_t qualname = 0, keys_addr, value;
	long result;

	struct remote_item first[] = {
		{type->address + (uint64_t)layout->type.heap_qualname, &qualname, 8, 0},
		{head->dict, dict, (size_t)layout->dict.keys + 8, 0},
	};

	result = remote_read_string(types->pid, head->name, type->name, sizeof(type->name));
	if (result < 0)
		return (int)result;
	if (first[1].length > sizeof(dict))
		first[1].length = 0;
	remote_read_many(types->pid, first, 2);
	keys_addr = field(dict, sizeof(dict), layout->dict.keys, 8);

	struct remote_item second[] = {
		{qualname, str, qualname ? py_str_head_length(layout, qualname) : 0, 0},
		{keys_addr, keys, keys_addr ? (size_t)layout->dict.keys_indices : 0, 0},
	};

	if (second[1].length > sizeof(keys))
		second[1].length = 0;
	remote_read_many(types->pid, second, 2);
	if (second[0].length && !second[0].result)
		py_str_finish(types->pid, layout, qualname, str, second[0].length, name,
			      sizeof(name));
	if (second[1].length && !second[1].result &&
	    py_keys_locate(&entries, layout, keys_addr, keys)) {
		value = find_module(types, &entries);
		if (value)
			read_module_name(types, value, module, sizeof(module));
	}
	if (!name[0] || (!module[0] && strchr(type->name, '.')))
		copy_name(type, type->name);
	else if (!module[0] || !strcmp(module, "builtins"))
		snprintf(type->name, sizeof(type->name), "%s", name);
	else
		snprintf(type->name, sizeof(type->name), "%s.%s", module, name);
	return 0;
}

static int name_static_type(const struct py_types *types, struct py_type *type,
			    const struct type_head *head)
{
	long result = remote_read_string(types->pid, head->name, type->name, sizeof(type->name));

	if (result < 0)
		return (int)result;
	copy_name(type, type->name);
	return 0;
}

static int read_type(struct py_types *types, struct py_type *type, struct type_head *head,
		     uint64_t address)
{
	int result = read_head(head, types->pid, &types->runtime->layout, address);

	memset(type, 0, sizeof(*type));
	if (result)
		return result;
	if (!is_metatype(types, head->ob_type))
		return -EINVAL;
	type->address = address;
	type->flags = head->flags;
	type->basicsize = head->basicsize;
	type->itemsize = head->itemsize;
	type->has_gc = head->flags & PY_TYPE_HAVE_GC;
	return head->flags & PY_TYPE_HEAP ? name_heap_type(types, type, head)
					  : name_static_type(types, type, head);
}

int py_type_read(struct py_type *type, pid_t pid, const struct py_runtime *runtime,
		 uint64_t address)
{
	struct py_types once = {.pid = pid, .runtime = runtime};
	struct type_head head;

	return read_type(&once, type, &head, address);
}

/* ---- the cache ------------------------------------------------------------------------------ */

struct py_types *py_types_new(pid_t pid, const struct py_runtime *runtime)
{
	struct py_types *types = calloc(1, sizeof(*types));

	if (types) {
		types->pid = pid;
		types->runtime = runtime;
	}
	return types;
}

static void forget_type(struct py_types *types, struct known_type *known)
{
	HASH_DEL(types->known, known);
	free(known);
}

static void forget_others(struct py_types *types)
{
	struct not_a_type *other, *next;

	HASH_ITER (hh, types->others, other, next) {
		HASH_DEL(types->others, other);
		free(other);
	}
}

void py_types_free(struct py_types *types)
{
	struct known_type *known, *next;

	if (!types)
		return;
	HASH_ITER (hh, types->known, known, next)
		forget_type(types, known);
	forget_others(types);
	free(types);
}

pid_t py_types_pid(const struct py_types *types)
{
	return types->pid;
}

const struct py_runtime *py_types_runtime(const struct py_types *types)
{
	return types->runtime;
}

/* What was read from tp_name on: nothing but the name. */
static void cut_name(char name[NAME_HEAD])
{
	size_t length = strnlen(name, NAME_HEAD);

	memset(name + length, 0, NAME_HEAD - length);
}

static bool same_head(const struct type_head *a, const struct type_head *b)
{
	return a->ob_type == b->ob_type && a->name == b->name && a->dict == b->dict &&
	       a->basicsize == b->basicsize && a->itemsize == b->itemsize;
}

/* Read the heads of n types and their names again; forget the ones that changed. */
static void verify(struct py_types *types, struct known_type **batch, size_t n)
{
	const struct py_layout *layout = &types->runtime->layout;
	uint8_t heads[VERIFY_CHUNK][TYPE_HEAD_MAX];
	char names[VERIFY_CHUNK][NAME_HEAD];
	struct remote_item items[2 * VERIFY_CHUNK];
	size_t length = head_length(layout);

	for (size_t i = 0; i < n; i++) {
		items[i] = (struct remote_item){batch[i]->type.address, heads[i], length, 0};
		items[n + i] = (struct remote_item){batch[i]->head.name, names[i], NAME_HEAD, 0};
	}
	remote_read_many(types->pid, items, 2 * n);
	for (size_t i = 0; i < n; i++) {
		struct type_head now = take_head(layout, heads[i], length);

		cut_name(names[i]);
		if (items[i].result || !same_head(&now, &batch[i]->head) ||
		    memcmp(names[i], batch[i]->name_head, NAME_HEAD) != 0)
			forget_type(types, batch[i]);
	}
}

void py_types_begin(struct py_types *types)
{
	struct known_type *batch[VERIFY_CHUNK], *known, *next;
	bool full = HASH_COUNT(types->known) >= TYPES_MAX;
	size_t n = 0;

	forget_others(types);
	HASH_ITER (hh, types->known, known, next) {
		if (full) {
			forget_type(types, known);
			continue;
		}
		batch[n++] = known;
		if (n == VERIFY_CHUNK) {
			verify(types, batch, n);
			n = 0;
		}
	}
	verify(types, batch, n);
}

static void remember_other(struct py_types *types, uint64_t address)
{
	struct not_a_type *other;

	if (HASH_COUNT(types->others) >= TYPES_MAX)
		forget_others(types);
	other = malloc(sizeof(*other));
	if (!other)
		return;
	other->address = address;
	HASH_ADD(hh, types->others, address, sizeof(other->address), other);
}

const struct py_type *py_types_get(struct py_types *types, uint64_t address)
{
	struct not_a_type *other;
	struct known_type *known;

	HASH_FIND(hh, types->known, &address, sizeof(address), known);
	if (known)
		return &known->type;
	HASH_FIND(hh, types->others, &address, sizeof(address), other);
	if (other || HASH_COUNT(types->known) >= TYPES_MAX)
		return NULL;
	known = malloc(sizeof(*known));
	if (!known)
		return NULL;
	if (read_type(types, &known->type, &known->head, address)) {
		free(known);
		remember_other(types, address);
		return NULL;
	}
	/* zeros where it cannot be read, in both */
	remote_read(types->pid, known->head.name, known->name_head, NAME_HEAD);
	cut_name(known->name_head);
	HASH_ADD(hh, types->known, type.address, sizeof(known->type.address), known);
	return &known->type;
}
