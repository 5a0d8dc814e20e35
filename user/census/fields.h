/* SPDX-License-Identifier: BSD-2-Clause
 *
 * fields: where fields are in the structs of CPython's C types that are the same in every version:
 * all offsets are from the end of PyObject, which is longer in builds without a GIL
 * (py_head_bytes()), but for those that say otherwise.
 *
 * Place      the census.
 * Source     the headers in Include/cpython, Include/internal, and Modules/_collectionsmodule.c,
 *            Modules/_functoolsmodule.c, Objects/memoryobject.c, Objects/odictobject.c, of CPython
 *            3.6-3.15.
 */
#ifndef PYLEAKTRACE_CENSUS_FIELDS_H
#define PYLEAKTRACE_CENSUS_FIELDS_H

#include "python/layout.h"

#define LIST_ITEMS        8 /* PyListObject.ob_item */
#define LIST_ALLOCATED    16
#define LIST_BASE         24 /* where a subclass has more */
#define SET_USED          8
#define SET_MASK          16 /* PySetObject.mask */
#define SET_TABLE         24
#define SET_BASE          184
#define BYTEARRAY_ROOM    8  /* PyByteArrayObject.ob_alloc */
#define BYTEARRAY_DATA    16 /* .ob_bytes */
#define BYTEARRAY_OBJECT  40 /* .ob_bytes_object, from 3.15 on */
#define DEQUE_LEFT        8  /* first block, */
#define DEQUE_LEFT_INDEX  24 /* and where in it the first item is */
#define DEQUE_BASE        48
#define ODICT_TABLE       16 /* od_fast_nodes, from the end of the dict on */
#define ODICT_SLOTS       24
#define MEMORYVIEW_BUFFER 8  /* mbuf */
#define BUFFER_OWNER      24 /* master.obj */
#define WEAKREF_CALLBACK  8
#define WEAKREF_BASE      40
#define LRU_NEXT          8  /* of lru_list_elem and lru_cache_object */
#define LRU_LINKS         16 /* the links to the next and the previous; not owned */
#define LRU_KEY           24 /* of lru_list_elem */
#define LRU_RESULT        32
#define MODULE_DICT       0
#define MODULE_DEF_SIZE   40  /* PyModuleDef.m_size */
#define TYPE_SUBCLASSES   104 /* tp_subclasses, behind tp_base */
#define STATIC_TYPE       384 /* of a type in C code's data: the rest is no object's */
#define PREHEADER         16  /* two words before an object and its GC head: from 3.11 on */

/* Bytes of PyObject: references and type. */
static inline int64_t py_head_bytes(const struct py_layout *layout)
{
	return layout->object.ob_type + 8;
}

#endif
