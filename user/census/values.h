/* SPDX-License-Identifier: BSD-2-Clause
 *
 * values: an object in the target -> what is in it: its text, its first items, its attributes.
 *
 *      str, bytes, bytearray      'abc'... (1,048,576 characters)
 *      int, float, complex        -17, 0.1, (1+2j); of more than 64 bits <int of 70 bits>
 *      bool, None, types          True, None, <class app.Session>
 *      list, tuple, dict, set,    <dict of 3>, and as parts the first items
 *      frozenset, deque
 *      what has attributes        as parts those of its dict, the class's shared keys, __slots__
 *      all others                 <app.Session>
 *
 * Parts are written in a line: a container in one is <dict of 3>, an instance <app.Session>.
 *
 * Place      the census; latest asks for it.
 * Source     python/str, number, dict, types; fields.h; names.h (__slots__ and members of types of
 * C code); Objects/setobject.c (a dummy's hash is -1); Modules/_collectionsmodule.c. Errors
 * -ERR_FAILED: memory is out. What cannot be read, or is none, is <type>, or left out. Bounds
 * VALUES_PARTS items and as many attributes; VALUE_TEXT_COLUMNS columns of a text,
 *            VALUES_PART_COLUMNS of a part's, VALUES_NAME_COLUMNS of its name; PY_DICT_ENTRIES_MAX
 *            entries of a dict and VALUES_SLOTS_MAX places of a set are looked at.
 * Degrades   the target runs on: an object that changes while it is read shows old and new.
 */
#ifndef PYLEAKTRACE_CENSUS_VALUES_H
#define PYLEAKTRACE_CENSUS_VALUES_H

#include "census/names.h"
#include "census/type_table.h"
#include "model/heap_objects.h"

#define VALUES_PARTS        5
#define VALUES_PART_COLUMNS 40
#define VALUES_NAME_COLUMNS 24
#define VALUES_SLOTS_MAX    4096

struct values {
	struct names names;
	const struct type_table *types; /* of the last scan; NULL: none, subclasses of set and deque
					   are seen as instances */
};

/* out  value: to be freed with heap_value_fini(), also after a failure */
int values_read(struct heap_value *value, const struct values *values, uint64_t object,
		struct err *err);

#endif
