/* SPDX-License-Identifier: BSD-2-Clause
 *
 * edges: one object holds another -> what Python calls that: ".SESSIONS", "['k1']", "[3]",
 * " local `batch`".
 *
 * Some objects are only a part of another: the dict of an instance, the tuple of a closure. They
 * are hidden, and what they hold is attributed to the whole: this is the purpose of a part's role.
 *
 * Place      the census; used by chain and backrefs.
 * Source     names; Objects/funcobject.c, Modules/_functoolsmodule.c (lru_cache_object, which keeps
 *            its results in a dict, from 3.6 on each in an lru_list_elem unless maxsize is None).
 * Bounds     one object is read, of REACH_SPAN_BUDGET bytes and of the budget of all; text is cut
 * to EDGES_TEXT.
 */
#ifndef PYLEAKTRACE_CENSUS_EDGES_H
#define PYLEAKTRACE_CENSUS_EDGES_H

#include "census/names.h"
#include "census/reach.h"

#define EDGES_TEXT 256

enum edge_role {
	ROLE_ITSELF,
	ROLE_MODULES,    /* sys.modules */
	ROLE_ATTRIBUTES, /* a dict of attributes */
	ROLE_CLOSURE,
	ROLE_CELL, /* of a closure */
	ROLE_DEFAULTS,
	ROLE_KWDEFAULTS,
	ROLE_CACHE, /* of an lru_cache */
	ROLE_CACHED,
	ROLE_FRAME, /* of a generator, up to 3.10 */
};

/* What is known of an object that was reached. */
struct edge_part {
	enum edge_role role;
	uint64_t code;     /* CLOSURE, CELL, DEFAULTS, FRAME */
	uint64_t index, n; /* CELL: of n; DEFAULTS: n */
};

struct edges {
	const struct reach *reach;
	struct names names;
	struct referents finder;
	/* what is looked for, and found */
	uint32_t wanted;
	bool found;
	struct ref best;
	uint64_t budget; /* bytes that may be read again; UINT64_MAX until somebody sets it */
};

int edges_init(struct edges *edges, const struct reach *reach, struct err *err);
void edges_fini(struct edges *edges);

/*
 * Read `from` (an index in objects, or REACH_ROOT | that of a root) again: where is `to` in it?
 *
 * return false: it does not hold it (any more)
 */
bool edges_find(struct edges *edges, uint32_t from, uint32_t to, struct ref *ref);

/* The same of what was seen when it was followed, and may have changed (reach_recall()). */
bool edges_recall(const struct edges *edges, uint32_t from, uint32_t to, struct ref *ref);

/* Read `from` again: every reference in it that leads to a known object is shown. */
void edges_each(struct edges *edges, uint32_t from,
		void (*see)(void *context, const struct ref *ref), void *context);

/*
 * Say it.
 *
 * in     ref: of an object; part: what ref->from is, then (out) what ref->to is
 * out    via: EDGES_TEXT bytes
 * return ref->to is a part of ref->from, and hidden; via is "" then
 */
bool edges_describe(const struct edges *edges, const struct ref *ref, struct edge_part *part,
		    char *via);

/* len() of a container; false: it is not one. */
bool edges_items(const struct edges *edges, uint32_t object, uint64_t *items);

/*
 * The most items that a container may have: of a deque its maxlen, of an lru_cache its maxsize.
 *
 * out    most: -1: it has no bound, though it could have one
 * return false: it is no container of that kind, or cannot be read
 */
bool edges_bound(const struct edges *edges, uint32_t object, int64_t *most);

/* The dict in which an lru_cache has its results; OBJECTS_NONE: the object is not one. */
uint32_t edges_cache(const struct edges *edges, uint32_t object);

const struct census_type *edges_type(const struct edges *edges, uint32_t object);
/* Has the object its type still? An address that was given away again may hold another. */
bool edges_still_there(const struct edges *edges, uint32_t object);

#endif
