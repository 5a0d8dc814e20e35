/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dict: a dict, or the attributes of an instance, in the target -> keys and values.
 *
 * Place      layer 2; used by types, threads, and the census.
 * Source     Objects/dictobject.c and Include/internal/pycore_dict.h of each version: the keys
 *            object {..., indices, entries}; values are in the entries, or (split) in an array that
 *            the instance has; rows in layout. Where an instance has its attributes: enum
 *            attribute_values of layout.h, tp_dictoffset up to 3.10.
 * Shapes     struct py_dict says where the entries are; nothing of them has been read yet.
 * Units      addresses in the target.
 * Errors     negative errno of the read; -EINVAL: not what it should be.
 * Bounds     PY_DICT_ENTRIES_MAX entries are looked at, in chunks of PY_DICT_CHUNK.
 */
#ifndef PYLEAKTRACE_PYTHON_DICT_H
#define PYLEAKTRACE_PYTHON_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/runtime.h"

#define PY_DICT_ENTRIES_MAX 16384
#define PY_DICT_CHUNK       64 /* entries looked at in one go */
#define PY_DICT_ENTRY_MAX   24
#define PY_KEYS_HEAD_MAX    64

struct py_dict {
	uint64_t entries;
	uint64_t count; /* that were ever used, deleted ones too */
	size_t entry_size;
	size_t key_offset; /* in an entry; the value is behind it */
	uint64_t values;   /* of a split dict: the array; 0: the values are in the entries */
};

struct py_item {
	uint64_t key, value; /* 0: a deleted one */
};

/* in  head: the first PY_KEYS_HEAD_MAX bytes of the keys object at `address` (zero where not
 *     read) */
bool py_keys_locate(struct py_dict *dict, const struct py_layout *layout, uint64_t address,
		    const uint8_t *head);

/* A dict object. */
int py_dict_open(struct py_dict *dict, pid_t pid, const struct py_layout *layout, uint64_t address);

/* The attributes of an instance; -EINVAL: it has none. */
int py_attributes_open(struct py_dict *dict, pid_t pid, const struct py_layout *layout,
		       uint64_t object);

/*
 * Read items from index `first` on.
 *
 * out    items: PY_DICT_CHUNK at most
 * return how many; 0: there are no more, or they cannot be read
 */
size_t py_dict_read(const struct py_dict *dict, pid_t pid, uint64_t first, struct py_item *items);

/* Which of these objects is the ASCII str `text`? All are read in one go; return its index, or
 * n. */
size_t py_keys_match(pid_t pid, const struct py_layout *layout, const uint64_t *keys, size_t n,
		     const char *text);

/* The value of an ASCII str key, or 0. */
uint64_t py_dict_find(const struct py_dict *dict, pid_t pid, const struct py_layout *layout,
		      const char *key);

#endif
