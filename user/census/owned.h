/* SPDX-License-Identifier: BSD-2-Clause
 *
 * owned: an object of a type that is written in C -> the memory that it has in blocks of its own,
 * which are no objects: the nodes of an OrderedDict, the blocks of a deque, the
 * frame that a code object keeps.
 *
 * Such memory is the object's, and no leak of C code beside it. What containers of the core have is
 * measured in buffers.c, which needs more than their own words for it.
 *
 * Place      the census; chosen by type_table, measured by buffers.
 * Source     Objects/odictobject.c (struct _odictobject, _odictnode), Modules/_collectionsmodule.c
 *            (block, dequeobject), 3.6-3.15; Objects/frameobject.c (co_zombieframe), 3.6-3.10.
 * Shapes     a row per type; a row has up to OWNED_PARTS kinds of memory.
 * Degrades   a word that cannot be a count is none.
 */
#ifndef PYLEAKTRACE_CENSUS_OWNED_H
#define PYLEAKTRACE_CENSUS_OWNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "python/layout.h"

#define OWNED_PARTS 2

/* An object, as it is in the target. */
struct owned_object {
	const struct py_layout *layout;
	const uint8_t *bytes;
	size_t length; /* that may be read */
};

struct owned_part {
	/* how many: blocks of their own, or items of one array */
	uint64_t (*count)(const struct owned_object *object);
	/* where the array is; NULL: each is a block of its own */
	uint64_t (*array)(const struct owned_object *object);
	uint32_t size; /* of one, in bytes */
};

struct owned {
	const char *type; /* its name in C */
	bool may_be_made; /* at run time, as C code makes some of its types in later versions */
	struct owned_part parts[OWNED_PARTS]; /* up to one without count */
};

/* What objects of the type of this name own; NULL: nothing that is known. in  made: at run time */
const struct owned *owned_find(const char *type, bool made);

#endif
