/* SPDX-License-Identifier: BSD-2-Clause
 *
 * referents: objects -> the references in them, each with its place, as the target has them now.
 *
 * Containers are known by their layouts (tuple, list, dict, set, deque, instances, frames and
 * generators). All other objects are made of words, some of which are addresses of objects: a word
 * of an object that equals the address of a known object is a reference. Weak references are none:
 * those in an object's list of them, and what a weakref refers to. What C code keeps in blocks of
 * its own is not seen.
 *
 * Place      the census; called by reach, chain and backrefs.
 * Source     Include/cpython/ and Objects/ of 3.6-3.15 (listobject.h, tupleobject.h, setobject.h,
 *            dictobject.c, genobject.h, frameobject.h), Modules/_collectionsmodule.c (dequeobject)
 *            and _functoolsmodule.c (lru_cache_object, lru_list_elem); rows in layout.
 * Errors     what cannot be read is left out and counted (spans.unread).
 * Bounds     REFERENTS_IMAGES bytes of objects at a time, and those of spans.
 * Threads    one at a time per struct.
 */
#ifndef PYLEAKTRACE_CENSUS_REFERENTS_H
#define PYLEAKTRACE_CENSUS_REFERENTS_H

#include "census/spans.h"
#include "census/type_table.h"

#define REFERENTS_IMAGES (1u << 20)
#define REFERENTS_PAGES  16
#define REFERENTS_AHEAD  64

struct referents {
	struct spans spans; /* init: as spans_init() says */
	const struct type_table *types;
	/* may be NULL: each object is shown first; bytes: its head, to the end of its type */
	void (*begin)(void *context, uint32_t object, const uint8_t *bytes);
	/* may be NULL: of an object that is not there any more */
	void (*gone)(void *context, uint32_t object);
	/* where few objects are asked for at a time, as the links of a chain are, read whole pages:
	 * what one shows is then as old as REFERENTS_AHEAD objects */
	bool ahead;
	/* private */
	struct {
		uint64_t address; /* 0: none */
		unsigned uses;    /* 0: it was not read, and an object of it was */
	} pages[REFERENTS_PAGES];
	unsigned next_page;
	int64_t head; /* py_head_bytes() */
	uint8_t *images;
	struct image *list;
};

int referents_init(struct referents *referents, struct err *err);
void referents_fini(struct referents *referents);

/* in  objects: n indices in spans.objects, quickest when ascending */
void referents_walk(struct referents *referents, const uint32_t *objects, size_t n);

#endif
