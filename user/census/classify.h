/* SPDX-License-Identifier: BSD-2-Clause
 *
 * classify: a block that is in use -> the object in it, or "a buffer". What block_type does for
 * some blocks with all care, this does for tens of millions a second.
 *
 * A block is an object's when it begins with a plausible reference count and the address of a type
 * whose objects begin just there: types with GC behind a GC head (and a pre-header, where they
 * have one), others at the beginning of the block, debug allocators' header before; and when its
 * size is one that such an object has. Reference count 0 is an object that is being freed, or is
 * kept on a free list: none.
 *
 * Builds without a GIL keep objects in heaps of their own: the heap shows whether there is one,
 * and whether its type has GC and a pre-header. Its references are in two counts, and it has no GC
 * head.
 *
 * Place      the census; called by scan and classify_run.
 * Source     Modules/gcmodule.c, Python/gc.c, Include/object.h, Objects/obmalloc.c 3.6-3.15; the
 *            kind of a block (block.h) describes its allocator's layout.
 * Errors     none; an unrecognized block is a buffer.
 * Bounds     reads of the target: types not met before, and reference counts that could be
 *            addresses.
 */
#ifndef PYLEAKTRACE_CENSUS_CLASSIFY_H
#define PYLEAKTRACE_CENSUS_CLASSIFY_H

#include "census/block.h"
#include "census/type_table.h"

struct classifier {
	const struct py_layout *layout;
	pid_t pid;
	struct type_table *table;
	const struct maps *maps;
	/* where nothing says where blocks end: objects up to this size are in pools, not there */
	uint64_t loose_above;
};

struct found {
	struct census_type *type;
	uint64_t address;
	const uint8_t *bytes; /* of the object; valid as long as block.head */
	size_t length;
	uint64_t size; /* bytes of the block that the object has for itself */
	bool tracked;  /* by the collector */
	bool frozen;   /* gc.freeze() has it; where objects say so: in a build without a GIL */
};

/* Which object lies in the block? false: none. */
bool classify_block(const struct classifier *classifier, const struct block *block,
		    struct found *found);

/*
 * Does a young object begin at an address that something refers to? What its block is need not be
 * known.
 *
 * in     object: its first `length` bytes; the CLASSIFY_BEFORE bytes before it are there, too
 * return its type, which a scan has met; NULL: there is none, or it is being freed
 */
#define CLASSIFY_BEFORE 32
struct census_type *classify_at(const struct py_layout *layout, const struct type_table *table,
				const uint8_t *object, size_t length);

/*
 * May an object of the type lie in a block with so much room for it?
 *
 * in  object: what is known of it, `length` bytes. kind: one that says where its blocks end
 */
bool classify_fits(const struct py_layout *layout, const struct block_kind *kind,
		   const struct census_type *type, const uint8_t *object, size_t length,
		   uint64_t room);

#endif
