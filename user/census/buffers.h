/* SPDX-License-Identifier: BSD-2-Clause
 *
 * buffers: an object -> the bytes that it has in addition to its own block: a list's items, a
 * dict's keys and values, a set's table, a bytearray's bytes, attributes in a block of their own,
 * and what types of C code own (owned.h).
 *
 * What several objects share (the keys of a class's instances, the table of all empty dicts)
 * counts for none of them. Memory of types that are written in C and not in owned.c is not known.
 *
 * Place      the census; called by scan.
 * Source     Include/cpython/{list,set,bytearray}object.h, Objects/dictobject.c (struct
 *            _dictkeysobject, new_values()), and set_object of Include/setobject.h, 3.6-3.15.
 * Shapes     a dict's keys are far away: they are asked for in batches, and their bytes are added
 *            to the type later, at the latest by buffers_flush().
 * Bounds     one batch of BUFFERS_BATCH reads; sizes above BUFFERS_MAX are not believed.
 */
#ifndef PYLEAKTRACE_CENSUS_BUFFERS_H
#define PYLEAKTRACE_CENSUS_BUFFERS_H

#include <string.h>

#include "census/classify.h"
#include "census/memory.h"
#include "python/atexit.h"

#define BUFFERS_BATCH 256
#define BUFFERS_MAX   (1ull << 46)
#define BUFFERS_KNOWN 64
#define KEYS_HEAD_MAX 64

struct buffers {
	const struct py_layout *layout;
	struct memory *memory; /* its window is looked at first */
	uint64_t small_max;    /* blocks up to this size are pymalloc's */
	/* of the buffers: bytes of pymalloc's blocks, and of malloc's that are in memory */
	uint64_t small_bytes, large_bytes;
	struct {
		struct census_type *type;
		uint64_t values; /* 0: the values are with the keys */
		uint64_t keys;
		uint8_t head[KEYS_HEAD_MAX];
	} wanted[BUFFERS_BATCH];
	size_t n_wanted;
	struct {
		uint64_t keys, n_values;
	} shared[BUFFERS_KNOWN]; /* keys that were seen to be shared; each in the one place where it
				    would be */
};

/* 3.11 and 3.12: are the instance's attributes in an array of their own? */
static inline bool buffers_has_values(const struct py_layout *layout, const uint8_t *object)
{
	uint64_t words[2]; /* the pre-header */

	memcpy(words, object - layout->gc_head_size - sizeof(words), sizeof(words));
	return layout->values == VALUES_ATTACHED ? words[0] != 0 : words[1] & 1;
}

/* The arrays of this many instances. */
void buffers_add_values(struct buffers *buffers, struct census_type *type, uint32_t n);

/* What an interpreter keeps of the functions that atexit.register() was given: of no type. */
void buffers_add_callbacks(struct buffers *buffers, const struct py_atexit *atexit);

/* Add to the type's bytes what the object has in addition to its block. */
void buffers_add(struct buffers *buffers, const struct found *found);

void buffers_flush(struct buffers *buffers);

#endif
