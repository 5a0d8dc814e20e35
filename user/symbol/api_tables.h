/* SPDX-License-Identifier: BSD-2-Clause
 *
 * api_tables: the tables that C code hands to CPython, in the data of an ELF file -> what functions
 * without a symbol are for.
 *
 * Place      layer 3; used by unnamed.
 * Source     Include/cpython/object.h, methodobject.h, descrobject.h, moduleobject.h and
 *            typeslots.h: their fields have kept their order from 3.6 to 3.15 (of PyAsyncMethods
 *            only the first three are read: 3.10 added one; of types all that is read lies behind
 *            the head that free-threaded builds have longer).
 * Shapes     one name for each function that a table points to the very start of (by the unwind
 *            information), in Python's terms, with the field:
 *              list.append       PyMethodDef, of a type or a module
 *              type.__name__.get PyGetSetDef, .set
 *              list.tp_new       a field of PyTypeObject or of its tables, or a PyType_Slot
 *              math.exec         Py_mod_exec of a PyModuleDef
 *              method append     PyMethodDef that belongs to nothing in the file
 *            One that several tables point to has the first of these forms, then the shortest,
 *            then the first by alphabet; where they differ, "|..." follows.
 * Ownership  api_tables_load() allocates, api_tables_fini() frees; all else may go in between.
 * Errors     none: what cannot be read gives fewer names.
 * Bounds     the file is hostile: a table counts when each of its fields can be what it should be;
 *            API_TABLES_NAMES names, API_TABLES_STEPS fields are looked at. Files without a symbol
 * of Python's are not looked at.
 */
#ifndef PYLEAKTRACE_SYMBOL_API_TABLES_H
#define PYLEAKTRACE_SYMBOL_API_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include <libelf.h>

#include "symbol/elf_words.h"
#include "unwind/functions.h"

#define API_TABLES_NAMES 65536u
#define API_TABLES_STEPS (16u << 20)

struct api_name;

struct api_tables {
	struct api_name *names; /* by start, then as in Shapes */
	size_t n, capacity;
};

/* in     words, functions: of the same file */
void api_tables_load(struct api_tables *tables, Elf *elf, const struct elf_words *words,
		     const struct unwind_functions *functions);
void api_tables_fini(struct api_tables *tables); /* accepts a zeroed struct */

/* The name of the function that begins there, or NULL. Borrowed. */
const char *api_tables_find(const struct api_tables *tables, uint64_t start);

#endif
