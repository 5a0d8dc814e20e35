/* SPDX-License-Identifier: BSD-2-Clause
 *
 * objects: the objects that a scan finds -> a table sorted by address, with an index from an
 * address to its row.
 *
 * Place      the census; filled from census_set_object_cb(), read by referents, reach and chain.
 * Shapes     address[i], type[i] and size[i] describe one object; type: index in the census' type
 *            table. No address occurs twice, but for objects that were inserted.
 * Ownership  starts zeroed; objects_fini() frees.
 * Errors     -ERR_FAILED: out of memory.
 * Bounds     14 bytes per object, 6 to 12 more once indexed; OBJECTS_MAX objects (`left_out`
 *            counts those beyond). Objects that are inserted later are behind the sorted ones, in
 *            the order in which they came.
 */
#ifndef PYLEAKTRACE_CENSUS_OBJECTS_H
#define PYLEAKTRACE_CENSUS_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OBJECTS_MAX  (1u << 30)
#define OBJECTS_NONE UINT32_MAX

struct objects {
	uint64_t *address;
	uint16_t *type;
	uint32_t *size; /* bytes of its block that are its own, at most UINT32_MAX */
	size_t n;
	uint64_t left_out;
	/* private */
	uint64_t low, high; /* no address is below, none is above */
	size_t room;
	uint32_t *slots; /* index + 1; open addressing */
	unsigned bits;   /* of the number of slots */
	bool failed;     /* memory was out; objects_build_index() says so */
};

/* Add one; after the last, objects_build_index() sorts them and builds the index. */
void objects_add(struct objects *objects, uint64_t address, uint32_t type, uint64_t size);
int objects_build_index(struct objects *objects, struct err *err);
void objects_fini(struct objects *objects);

/*
 * Add one to the index, too; rows keep their places. What was at its address is not found any more.
 *
 * return its row, or OBJECTS_NONE: memory is out
 */
uint32_t objects_insert(struct objects *objects, uint64_t address, uint32_t type, uint64_t size);

/* Its row, or OBJECTS_NONE. */
uint32_t objects_find(const struct objects *objects, uint64_t address);

#endif
