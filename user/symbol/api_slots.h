/* SPDX-License-Identifier: BSD-2-Clause
 *
 * api_slots: the fields of CPython's types that hold functions.
 *
 * Place      layer 3; used by api_tables.
 * Source     typeslots.h (the numbers) and cpython/object.h (the places), 3.6 to 3.15.
 */
#ifndef PYLEAKTRACE_SYMBOL_API_SLOTS_H
#define PYLEAKTRACE_SYMBOL_API_SLOTS_H

#include <stddef.h>
#include <stdint.h>

/* Places in PyTypeObject, in words behind tp_name. */
enum api_type {
	TYPE_NAME,
	TYPE_BASICSIZE,
	TYPE_ITEMSIZE,
	TYPE_DEALLOC,
	TYPE_VECTORCALL_OFFSET, /* up to 3.7: tp_print */
	TYPE_GETATTR,
	TYPE_SETATTR,
	TYPE_AS_ASYNC,
	TYPE_REPR,
	TYPE_AS_NUMBER,
	TYPE_AS_SEQUENCE,
	TYPE_AS_MAPPING,
	TYPE_HASH,
	TYPE_CALL,
	TYPE_STR,
	TYPE_GETATTRO,
	TYPE_SETATTRO,
	TYPE_AS_BUFFER,
	TYPE_FLAGS,
	TYPE_DOC,
	TYPE_TRAVERSE,
	TYPE_CLEAR,
	TYPE_RICHCOMPARE,
	TYPE_WEAKLISTOFFSET,
	TYPE_ITER,
	TYPE_ITERNEXT,
	TYPE_METHODS,
	TYPE_MEMBERS,
	TYPE_GETSET,
	TYPE_BASE,
	TYPE_DICT,
	TYPE_DESCR_GET,
	TYPE_DESCR_SET,
	TYPE_DICTOFFSET,
	TYPE_INIT,
	TYPE_ALLOC,
	TYPE_NEW,
	TYPE_FREE,
	TYPE_IS_GC,
	TYPE_BASES,
	TYPE_MRO,
	TYPE_CACHE,
	TYPE_SUBCLASSES,
	TYPE_WEAKLIST,
	TYPE_DEL,
	TYPE_VERSION_TAG,
	TYPE_FINALIZE,
	TYPE_WORDS, /* tp_vectorcall follows from 3.8 on */
};

#define API_SLOT_METHODS 64
#define API_SLOT_GETSET  73
#define API_SLOT_LAST    96 /* room for what later versions add */

struct api_slot {
	const char *name;
	uint8_t number; /* of PyType_Slot */
	uint8_t table; /* the word of the type that points to the table; TYPE_NAME: the type itself;
			  TYPE_WORDS: none that is the same in all versions */
	uint8_t place; /* in words */
};

extern const struct api_slot api_slots[];
extern const size_t api_n_slots;

#endif
