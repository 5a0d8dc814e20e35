/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/type_table.h"

#include <stdlib.h>
#include <string.h>

#include "target/remote_mem.h"

#define SLOTS      (2u * TYPES_MAX)
#define BASE_STEPS 64
/* next to tp_base, in every version */
#define WEAKLISTOFFSET 48  /* tp_weaklistoffset, before it */
#define DICTOFFSET     32  /* tp_dictoffset, behind it */
#define FINALIZE       136 /* tp_finalize */

struct type_table {
	struct py_types *types;
	uint32_t *slots; /* index + 1 of a type; open addressing */
	struct census_type *rows[TYPES_MAX];
	size_t n_rows;
	uint64_t others[TYPE_TABLE_OTHERS]; /* each in the one place where it would be */
	uint64_t n_asked, n_unasked;
};

static uint32_t hash(uint64_t address)
{
	return (uint32_t)((address >> 3) * 0x9e3779b97f4a7c15ull >> 40);
}

struct type_table *type_table_new(struct py_types *types)
{
	struct type_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->types = types;
	table->slots = calloc(SLOTS, sizeof(*table->slots));
	if (table->slots)
		return table;
	free(table);
	return NULL;
}

void type_table_free(struct type_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_rows; i++)
		free(table->rows[i]);
	free(table->slots);
	free(table);
}

static uint32_t find_slot(const struct type_table *table, uint64_t address)
{
	uint32_t slot = hash(address) % SLOTS;

	while (table->slots[slot] && table->rows[table->slots[slot] - 1]->address != address)
		slot = (slot + 1) % SLOTS;
	return slot;
}

struct census_type *type_table_find(const struct type_table *table, uint64_t address)
{
	uint32_t index = table->slots[find_slot(table, address)];

	return index ? table->rows[index - 1] : NULL;
}

/* ---- what kind of type it is ---------------------------------------------------------------- */

/* in  made: the type was made at run time; C code makes some of its types so, in later versions */
static enum type_kind kind_by_name(const char *name, bool made)
{
	static const struct {
		const char *name;
		enum type_kind kind;
		bool may_be_made;
	} kinds[] = {
		{"set", KIND_SET, false},
		{"frozenset", KIND_SET, false},
		{"bytearray", KIND_BYTEARRAY, false},
		{"int", KIND_LEAF, false},
		{"float", KIND_LEAF, false},
		{"complex", KIND_LEAF, false},
		{"module", KIND_MODULE, false},
		{"function", KIND_FUNCTION, false},
		{"code", KIND_CODE, false},
		{"frame", KIND_FRAME, false},
		{"generator", KIND_GENERATOR, false},
		{"coroutine", KIND_GENERATOR, false},
		{"async_generator", KIND_GENERATOR, false},
		{"weakref", KIND_WEAKREF, false},
		{"weakproxy", KIND_WEAKREF, false},
		{"weakcallableproxy", KIND_WEAKREF, false},
		{"weakref.ReferenceType", KIND_WEAKREF, false},
		{"weakref.ProxyType", KIND_WEAKREF, false},
		{"weakref.CallableProxyType", KIND_WEAKREF, false},
		{"memoryview", KIND_MEMORYVIEW, false},
		{"managedbuffer", KIND_MANAGED_BUFFER, false},
		{"collections.deque", KIND_DEQUE, true},
		{"functools._lru_cache_wrapper", KIND_LRU_CACHE, true},
		{"functools._lru_list_elem", KIND_LRU_LINK, true},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((!made || kinds[i].may_be_made) && !strcmp(name, kinds[i].name))
			return kinds[i].kind;
	return KIND_PLAIN;
}

/* The type that it derives from; NULL: none, or it cannot be read. */
static const struct py_type *base_of(const struct type_table *table, const struct py_type *type)
{
	const struct py_layout *layout = &py_types_runtime(table->types)->layout;
	uint64_t base;

	if (remote_read_u64(py_types_pid(table->types), type->address + (uint64_t)layout->type.base,
			    &base) ||
	    !base)
		return NULL;
	return py_types_get(table->types, base);
}

/* These have no flag: the type that it derives from says it. */
static enum type_kind kind_by_base(const struct type_table *table, const struct py_type *type)
{
	for (int step = 0; type && step < BASE_STEPS; step++) {
		bool made = type->flags & PY_TYPE_HEAP;
		enum type_kind kind = kind_by_name(type->name, made);

		/* an int with attributes is no leaf */
		if (kind == KIND_LEAF && step)
			return KIND_PLAIN;
		if (kind != KIND_PLAIN || !made)
			return kind;
		type = base_of(table, type);
	}
	return KIND_PLAIN;
}

/* Types that are made at run time own what those own that they derive from. */
static const struct owned *owned_by_base(const struct type_table *table, const struct py_type *type)
{
	for (int step = 0; type && step < BASE_STEPS; step++) {
		bool made = type->flags & PY_TYPE_HEAP;
		const struct owned *owned = owned_find(type->name, made);

		if (owned || !made)
			return owned;
		type = base_of(table, type);
	}
	return NULL;
}

static enum type_kind kind_of(const struct type_table *table, const struct py_type *type)
{
	static const struct {
		uint64_t flag;
		enum type_kind kind;
	} flags[] = {{PY_TYPE_STR, KIND_STR},     {PY_TYPE_BYTES, KIND_BYTES},
		     {PY_TYPE_TUPLE, KIND_TUPLE}, {PY_TYPE_LIST, KIND_LIST},
		     {PY_TYPE_DICT, KIND_DICT},   {PY_TYPE_TYPE, KIND_TYPE}};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (type->flags & flags[i].flag)
			return flags[i].kind;
	return kind_by_base(table, type);
}

/* Where its objects have their weak references and their dict, and whether they have __del__. */
static void read_offsets(const struct type_table *table, struct census_type *row)
{
	uint64_t base = row->address + (uint64_t)py_types_runtime(table->types)->layout.type.base;
	uint64_t finalize = 0;
	struct remote_item items[] = {
		{base - WEAKLISTOFFSET, &row->weaklist, 8, 0},
		{base + DICTOFFSET, &row->dict, 8, 0},
		{base + FINALIZE, &finalize, 8, 0},
	};

	remote_read_many(py_types_pid(table->types), items, 3);
	row->has_del = finalize != 0;
}

/*
 * Attributes that are not in a dict are in an array as long as the class's keys ever get
 * (new_values() in Objects/dictobject.c): a byte for each and two more, rounded up to 8, then a
 * word for each.
 */
static uint32_t values_count(const struct type_table *table, const struct py_type *type)
{
	const struct py_layout *layout = &py_types_runtime(table->types)->layout;
	pid_t pid = py_types_pid(table->types);
	uint64_t keys, counts[2], n; /* dk_usable, dk_nentries: all that there is room for */

	if (!(type->flags & PY_TYPE_MANAGED_DICT) ||
	    (layout->values != VALUES_ATTACHED && layout->values != VALUES_TAGGED))
		return 0;
	/* ht_cached_keys stands behind ht_qualname (Include/cpython/object.h) */
	if (remote_read_u64(pid, type->address + (uint64_t)layout->type.heap_qualname + 8, &keys) ||
	    !keys ||
	    remote_read(pid, keys + (uint64_t)layout->dict.keys_nentries - 8, counts,
			sizeof(counts)))
		return 0;
	n = counts[0] + counts[1];
	return n > 255 ? 0 : (uint32_t)n;
}

/* ---- types that are met for the first time -------------------------------------------------- */

static struct census_type *add(struct type_table *table, const struct py_type *type, uint32_t slot)
{
	struct census_type *row = calloc(1, sizeof(*row));

	if (!row)
		return NULL;
	row->address = type->address;
	row->py = type;
	row->kind = kind_of(table, type);
	row->owned = owned_by_base(table, type);
	row->has_preheader = type->flags & (PY_TYPE_MANAGED_DICT | PY_TYPE_MANAGED_WEAKREF);
	read_offsets(table, row);
	row->n_values = values_count(table, type);
	if (row->n_values)
		row->values_bytes = (row->n_values + 2 + 7) / 8 * 8 + 8 * row->n_values;
	row->index = (uint32_t)table->n_rows;
	table->rows[table->n_rows++] = row;
	table->slots[slot] = (uint32_t)table->n_rows;
	return row;
}

struct census_type *type_table_get(struct type_table *table, uint64_t address)
{
	uint32_t slot = find_slot(table, address), other = hash(address) % TYPE_TABLE_OTHERS;
	const struct py_type *type;

	if (table->slots[slot])
		return table->rows[table->slots[slot] - 1];
	if (table->others[other] == address || table->n_rows == TYPES_MAX)
		return NULL;
	if (table->n_asked == TYPE_TABLE_ASKED) {
		table->n_unasked++;
		return NULL;
	}
	table->n_asked++;
	type = py_types_get(table->types, address);
	if (type)
		return add(table, type, slot);
	table->others[other] = address;
	return NULL;
}

size_t type_table_length(const struct type_table *table)
{
	return table->n_rows;
}

struct census_type *type_table_at(const struct type_table *table, size_t index)
{
	return table->rows[index];
}

uint64_t type_table_unasked(const struct type_table *table)
{
	return table->n_unasked;
}
