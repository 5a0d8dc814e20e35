/* SPDX-License-Identifier: BSD-2-Clause
 *
 * native_allocators: the files of a target -> the allocators of C and C++ in them, with their
 * functions.
 *
 * libc's malloc may be unused: jemalloc, tcmalloc, mimalloc or another one takes its place
 * (LD_PRELOAD, linked into the program), or works next to it under names of its own, for one
 * library that embeds it or that is loaded later. A probe that is never hit costs
 * nothing, so all of them are probed, and a block belongs to the one that returned it. The symbols
 * of a file identify it, not its name:
 *
 *      it exports malloc and free                     the first one loaded replaces libc's
 *      PREFIXmalloc_usable_size, PREFIXmallocx, ...   functions that only an allocator has:
 *                                                     je_malloc, _rjem_malloc, mi_malloc,
 *                                                     tc_malloc, dlmalloc
 *
 * Of such a file the whole family is taken: C's functions with each prefix, the ones that jemalloc,
 * tcmalloc and mimalloc have in addition, and operator new and delete, which many of them do not
 * build on malloc. (libstdc++'s do, and need no probe.) Functions call and jump to each
 * other as they like; the outermost counts (probes.bpf.h).
 *
 * Place      layer 3; used by plan.c.
 * Source     public headers of jemalloc 5.3, gperftools 2.10, mimalloc 2.0 (argument layouts);
 *            Itanium C++ ABI (names of the operators).
 * Shapes     one allocator per file, whatever number of prefixes it has. A function is there once,
 *            under the first of its names (aliases share an address). A file that has none, but the
 *            function by which exceptions are thrown, is an item without functions: exceptions
 *            leave operator new.
 * Units      addresses in the target.
 * Ownership  the list has the modules; native_allocators_fini() releases them. Allocators never
 *            move.
 * Errors     none: a file that cannot be read has none. What is found, but cannot be probed, is
 *            plan.c's matter.
 * Degrades   symbols that are stripped are not found: private copies (PREFIXmalloc) that are not
 *            exported. Not followed: mi_strdup and its kin where they do not call a function of the
 *            family, heaps of mimalloc that are destroyed as a whole, changes of size in place
 *            (xallocx, mi_expand).
 * Bounds     NATIVE_MAX_ALLOCATORS, NATIVE_MAX_FUNCTIONS each, NATIVE_MAX_PREFIXES;
 *            NATIVE_MAX_FILES are looked at.
 */
#ifndef PYLEAKTRACE_PROBE_NATIVE_ALLOCATORS_H
#define PYLEAKTRACE_PROBE_NATIVE_ALLOCATORS_H

#include "abi/records.h"
#include "target/maps.h"
#include "target/module.h"

#define NATIVE_MAX_ALLOCATORS 32
#define NATIVE_MAX_FUNCTIONS  112
#define NATIVE_MAX_PREFIXES   6
#define NATIVE_MAX_FILES      4096

struct native_function {
	char name[48]; /* "malloc", "je_malloc", "operator new[]" */
	enum abi_call_kind kind;
	uint64_t address;
};

struct native_allocator {
	struct module *module;
	const char *brand;  /* "jemalloc", ...; "malloc": none that is known by name; NULL: no
			       allocator */
	bool replaces_libc; /* it exports malloc and free */
	char prefixes[NATIVE_MAX_PREFIXES][32]; /* "" first, if it is one of them */
	unsigned n_prefixes;
	struct native_function functions[NATIVE_MAX_FUNCTIONS];
	unsigned n_functions;
	uint64_t throws; /* _Unwind_RaiseException in this file; 0: is not there */
};

struct native_file {
	uint32_t dev_major, dev_minor;
	uint64_t inode;
};

struct native_allocators {
	struct native_allocator *items[NATIVE_MAX_ALLOCATORS];
	unsigned n;
	struct native_file *files; /* that were looked at */
	size_t n_files, capacity;
};

/*
 * Look at the files that have been mapped as code since the last call.
 *
 * in     libc: its own allocator is not taken again; python: nor is CPython's private copy of
 *        mimalloc
 * return the number of allocators that were appended
 */
unsigned native_allocators_update(struct native_allocators *list, const struct maps *maps,
				  const struct module *libc, const struct module *python);
void native_allocators_fini(struct native_allocators *list); /* accepts a zeroed struct */

/*
 * What one file has.
 *
 * in     is_libc, is_python: as above
 * return false when that is nothing
 */
bool native_allocator_find(struct native_allocator *out, struct module *module, bool is_libc,
			   bool is_python);

#endif
