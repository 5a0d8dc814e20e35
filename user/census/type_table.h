/* SPDX-License-Identifier: BSD-2-Clause
 *
 * type_table: words of the target that may be addresses of types -> types, fast, with their totals
 * of one scan.
 *
 * Types are found where objects are: a word in the place of an object's type, behind a word that
 * is a plausible reference count, is looked up in the target once, and remembered whether it is a
 * type or not.
 *
 * Place      the census; used by classify and scan. Names and sizes come from python/types.
 * Shapes     one struct census_type for each type object that has been met, in that order.
 * Ownership  the types belong to the table; pointers are valid until type_table_free().
 * Bounds     TYPES_MAX types, TYPE_TABLE_OTHERS words that are not types are remembered, and at
 *            most TYPE_TABLE_ASKED are asked for in the target; `unasked` counts those beyond.
 * Threads    one at a time per table.
 */
#ifndef PYLEAKTRACE_CENSUS_TYPE_TABLE_H
#define PYLEAKTRACE_CENSUS_TYPE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "census/owned.h"
#include "python/types.h"

#define TYPE_TABLE_OTHERS (1u << 14)
#define TYPE_TABLE_ASKED  (1u << 20)

/* what an object of the type has in addition to its own block, and where its references are */
enum type_kind {
	KIND_PLAIN,
	KIND_STR,
	KIND_BYTES,
	KIND_TUPLE,
	KIND_LIST,
	KIND_DICT,
	KIND_SET,
	KIND_BYTEARRAY,
	/* no buffers that count, but references in places of their own */
	KIND_LEAF, /* none: int, float, complex */
	KIND_TYPE,
	KIND_MODULE,
	KIND_FUNCTION,
	KIND_CODE,
	KIND_FRAME,
	KIND_GENERATOR, /* coroutines and asynchronous generators too */
	KIND_WEAKREF,   /* proxies too */
	KIND_DEQUE,
	KIND_MEMORYVIEW,
	KIND_MANAGED_BUFFER, /* what a memoryview is of */
	KIND_LRU_CACHE,
	KIND_LRU_LINK, /* an entry of a KIND_LRU_CACHE */
};

struct census_type {
	uint64_t address;
	const struct py_type
		*py; /* name, flags, sizes; of the struct py_types that the table was made with */
	enum type_kind kind;
	const struct owned *owned; /* what its objects have in blocks of their own; NULL: nothing */
	bool has_preheader;
	bool has_del;   /* objects of it have __del__ (tp_finalize) */
	uint32_t index; /* in the table */
	/* tp_weaklistoffset, tp_dictoffset: in an object; 0: it has none */
	int64_t weaklist, dict;
	uint32_t n_values; /* that an instance's array of attributes has room for; 3.11 and 3.12 */
	uint64_t values_bytes; /* of that array */

	uint64_t count, tracked, bytes; /* of this scan */
	uint64_t pinning;               /* of them, in runs of blocks that are nearly all free */
};

struct type_table;

/* in  types: borrowed; py_types_begin() has been called. NULL: memory is out */
struct type_table *type_table_new(struct py_types *types);
void type_table_free(struct type_table *table);

/* The type at this address when it has been met before, else NULL. */
struct census_type *type_table_find(const struct type_table *table, uint64_t address);

/* The same; asks the target when it has not been met. */
struct census_type *type_table_get(struct type_table *table, uint64_t address);

size_t type_table_length(const struct type_table *table);
struct census_type *type_table_at(const struct type_table *table, size_t index);
uint64_t type_table_unasked(const struct type_table *table);

#endif
