/* SPDX-License-Identifier: BSD-2-Clause
 *
 * types: addresses of type objects in the target -> names and sizes, each read once.
 *
 * Place      layer 2; used by python/block_type, snapshot and the census.
 * Source     Include/cpython/object.h of each version; Objects/typeobject.c (type_module(),
 *            type_qualname()); Objects/dictobject.c for the keys of a type's dict; rows in layout.
 * Units      remote addresses; sizes in bytes as CPython has them (tp_basicsize, tp_itemsize).
 * Errors     negative errno of the read; -EINVAL: not a type object.
 * Bounds     TYPES_MAX types and as many addresses that are none are remembered; of a type's dict
 *            at most PY_DICT_ENTRIES_MAX (dict.h) entries are looked at. The target is read, never
 *            stopped.
 * Threads    one at a time per struct py_types.
 */
#ifndef PYLEAKTRACE_PYTHON_TYPES_H
#define PYLEAKTRACE_PYTHON_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/runtime.h"

#define PY_TYPE_NAME_MAX 256
#define TYPES_MAX        65536

/* tp_flags of interest; the places are the same in all versions that have them */
#define PY_TYPE_INLINE_VALUES   (1ull << 2) /* 3.13+: attributes behind the object */
#define PY_TYPE_MANAGED_WEAKREF (1ull << 3) /* 3.12+: two words before the GC head */
#define PY_TYPE_MANAGED_DICT    (1ull << 4) /* 3.11+: the same two words */
#define PY_TYPE_IMMUTABLE       (1ull << 8) /* 3.10+: its attributes cannot be set */
#define PY_TYPE_HEAP            (1ull << 9)
#define PY_TYPE_READY           (1ull << 12)
#define PY_TYPE_HAVE_GC         (1ull << 14)
#define PY_TYPE_INT             (1ull << 24) /* int and what derives from it; so the others */
#define PY_TYPE_LIST            (1ull << 25)
#define PY_TYPE_TUPLE           (1ull << 26)
#define PY_TYPE_BYTES           (1ull << 27)
#define PY_TYPE_STR             (1ull << 28)
#define PY_TYPE_DICT            (1ull << 29)
#define PY_TYPE_EXCEPTION       (1ull << 30)
#define PY_TYPE_TYPE            (1ull << 31)

struct py_type {
	uint64_t address;
	/* "dict", "collections.OrderedDict", "__main__.Outer.Inner": module and qualified name; no
	   module where it is builtins, or is not known */
	char name[PY_TYPE_NAME_MAX];
	uint64_t flags;
	int64_t basicsize, itemsize;
	bool has_gc;
};

/*
 * Read a type object. -EINVAL when the object there is not a type: its own type must be PyType_Type
 * or a metatype whose type is PyType_Type (and so on, up to four steps), with plausible sizes.
 */
int py_type_read(struct py_type *type, pid_t pid, const struct py_runtime *runtime,
		 uint64_t address);

/*
 * Types by address, read once each. Types die and addresses are reused, so each entry is verified
 * (tp_name, tp_dict, sizes) by py_types_begin(), which every report calls first. The runtime is
 * borrowed.
 */
struct py_types;
struct py_types *py_types_new(pid_t pid,
			      const struct py_runtime *runtime); /* NULL: memory is out */
void py_types_free(struct py_types *types);
void py_types_begin(struct py_types *types);

/*
 * The type at this address, or NULL when there is none (that is remembered too, until
 * py_types_begin()). Valid until py_types_begin() or py_types_free().
 */
const struct py_type *py_types_get(struct py_types *types, uint64_t address);

pid_t py_types_pid(const struct py_types *types);
const struct py_runtime *py_types_runtime(const struct py_types *types);

#endif
