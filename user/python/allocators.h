/* SPDX-License-Identifier: BSD-2-Clause
 *
 * allocators: an interpreter in the target -> its three allocator tables, the arena allocator, and
 * what the functions in them would be by default.
 *
 * CPython sends every allocation through one of three records {ctx, malloc, calloc, realloc, free},
 * one a domain (raw, mem, obj). From 3.12 on they are in _PyRuntime; before, they are private
 * variables. Next to them lies the state of the debug hooks, three of {api letter, the record that
 * the hooks call}:
 *
 *     live     raw{0, _PyMem_RawMalloc, ...} mem{0, _PyObject_Malloc, ...} obj{0, _PyObject_Malloc,
 *              ...}
 *     debug    'r' raw{...}                  'm' mem{...}                  'o' obj{...}
 *
 * Without PYTHONMALLOC=debug the debug copies are as the linker left them: the defaults. With it
 * the live records hold the hooks, and each ctx points at its debug copy.
 *
 * Place      layer 2; called by runtime.
 * Source     Objects/obmalloc.c 3.6-3.15, Include/internal/pycore_pymem.h.
 * Shapes     a table address of 0: not found.
 * Bounds     ALLOCATORS_SCAN_MAX bytes of each writable range of the module are read by the scan.
 */
#ifndef PYLEAKTRACE_PYTHON_ALLOCATORS_H
#define PYLEAKTRACE_PYTHON_ALLOCATORS_H

#include "python/runtime.h"
#include "target/maps.h"

#define ALLOCATORS_SCAN_MAX (16UL << 20)

/* Addresses of the records in the target. */
struct py_tables {
	uint64_t raw, mem, obj;
	uint64_t debug; /* of the debug hooks' state; 0: not found */
};

/*
 * Fill raw, mem, obj, arena and default_obj_malloc of the runtime, whose other facts are there
 * already. What is not found stays zero.
 */
void py_allocators_find(struct py_runtime *runtime, const struct maps *maps);

/*
 * The ways in which the tables are found, apart from each other, so that one can be held against
 * another. Each leaves 0 what it does not find; a record that does not hold four functions does not
 * count.
 */
void py_tables_by_layout(struct py_tables *tables, const struct py_runtime *runtime,
			 const struct maps *maps); /* 3.12+ */
void py_tables_by_symbols(struct py_tables *tables, const struct py_runtime *runtime,
			  const struct maps *maps); /* 3.6-3.11, not stripped */
void py_tables_by_code(struct py_tables *tables, const struct py_runtime *runtime,
		       const struct maps *maps); /* PyMem_GetAllocator() followed */
void py_tables_by_scan(struct py_tables *tables, const struct py_runtime *runtime,
		       const struct maps *maps); /* the data searched; meant for 3.6-3.11 */

/*
 * Does the raw domain take its memory from libc? So it does everywhere but where CPython uses
 * mimalloc for it too (MIMALLOC_RAWALLOC in Objects/obmalloc.c): free-threaded 3.15, or
 * PYTHONMALLOC=mimalloc.
 */
bool py_raw_is_libc(const struct py_runtime *runtime);

#endif
