/* SPDX-License-Identifier: BSD-2-Clause
 *
 * names: a place in an object of the target -> what Python calls it: an attribute, a key, a local.
 *
 * Place      the census; used by edges.
 * Source     Include/structmember.h (PyMemberDef: {name, type, offset, flags, doc}), which classes
 *            with __slots__ and types of C code have; Objects/codeobject.c (co_localsplusnames; up
 *            to 3.10 co_varnames, co_cellvars, co_freevars); Objects/dictobject.c;
 *            Include/cpython/pyerrors.h (PyException_HEAD).
 * Shapes     text is written to the caller's buffer, cut to it; "" where nothing is known.
 * Bounds     NAMES_MEMBERS members of each of NAMES_BASES bases are looked at.
 */
#ifndef PYLEAKTRACE_CENSUS_NAMES_H
#define PYLEAKTRACE_CENSUS_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/runtime.h"

#define NAMES_MAX     160
#define NAMES_MEMBERS 256
#define NAMES_BASES   16

struct names {
	pid_t pid;
	const struct py_runtime *runtime;
};

/* What repr() shows of a str or a small int, in short; "" for other objects. */
void names_key(const struct names *names, uint64_t key, char *text, size_t size);

/* The str itself; "" when it is not one. */
void names_str(const struct names *names, uint64_t object, char *text, size_t size);

/* The member of the type (or of a base) at this offset in its objects. */
void names_member(const struct names *names, uint64_t type, uint64_t offset, char *text,
		  size_t size);

/* The same of an exception's own fields, which are no members. */
void names_exception(const struct names *names, uint64_t type, uint64_t offset, char *text,
		     size_t size);

/* All members of the type and its bases that are references, its own first. The text is the
 * target's. */
typedef void names_see(void *context, const char *name, uint64_t offset);
void names_each_member(const struct names *names, uint64_t type, names_see *see, void *context);

/* The attribute at an index of the array of an instance's, or of a dict's, values. */
void names_attribute(const struct names *names, uint64_t keys, uint64_t index, char *text,
		     size_t size);
uint64_t names_cached_keys(const struct names *names, uint64_t type);

/* The local, cell or free variable of a code object. */
void names_local(const struct names *names, uint64_t code, uint64_t index, char *text, size_t size);

/* The free variable `index` of the n that a closure has; the argument that default `index` of n is
 * for. */
void names_free(const struct names *names, uint64_t code, uint64_t index, uint64_t n, char *text,
		size_t size);
void names_argument(const struct names *names, uint64_t code, uint64_t index, uint64_t n,
		    char *text, size_t size);

/* ob_size of an object; 0 when it cannot be read. */
uint64_t names_length(const struct names *names, uint64_t object);

#endif
