/* SPDX-License-Identifier: BSD-2-Clause
 *
 * retained: the searches of several looks -> a tree of ways from the roots, with what each retains,
 * over time. Equal ways are one: all values of a dict that have one type are, and so are the links
 * of a list of any length. So growth is seen that is spread over thousands of containers, and what
 * grows is divided among the ways without anything counted twice.
 *
 *      sys.modules ─ 'app' ─ .__dict__ ─ .USERS (dict, 1) ─ [*] (User, 12,000) ─ .history (list,
 *      12,000) ─ [*] (dict, 41,000 ▲)
 *
 * Each object counts in one node, by the shortest way to it (reach.h). A node is known again in the
 * next look by its key: its parent, the kind of reference, what the reference is called (a name, an
 * offset), and the type.
 *
 * Place      the census; fed by reach, read by ways_growing.
 * Shapes     a node is a child of a node with a smaller index; the first RETAINED_ROOTS are roots.
 *            count and bytes: one for each look that is kept, oldest first; of the node's objects
 *            alone, buffers included. weight: its objects, and the ones that they hold themselves.
 *            RETAINED_ATEXIT has no objects, and the bytes of the blocks that hold what is below.
 * Ownership  retained_new() gives, retained_free() takes. type: of the node's own.
 * Errors     -ERR_FAILED: memory is out.
 * Degrades   an object that two ways reach counts for the shorter one. Buffers are measured by
 *            type; a type's growth is divided among the nodes that hold more. Of more than
 *            RETAINED_SUBS_NAMED sub-interpreters equal ways are one, whatever names are in them:
 *            each has all its modules again, and strings of its own for their names.
 * Bounds     RETAINED_NODES nodes (ways beyond count for their parents, `merged` counts them) and
 *            RETAINED_LOOKS looks: 600 bytes a node; in a search 4 bytes an object, 8 at its end.
 */
#ifndef PYLEAKTRACE_CENSUS_RETAINED_H
#define PYLEAKTRACE_CENSUS_RETAINED_H

#include "census/reach.h"
#include "model/retention.h"

#define RETAINED_NODES      (1u << 16)
#define RETAINED_LOOKS      24
#define RETAINED_NONE       UINT32_MAX
#define RETAINED_SUBS_NAMED 8

enum retained_root {
	RETAINED_NAMED,   /* modules, frames, threads */
	RETAINED_OTHER,   /* the interpreter's words, data of programs, immortal objects */
	RETAINED_SUB,     /* modules, frames, threads and words of sub-interpreters */
	RETAINED_ATEXIT,  /* what atexit.register() was given: it is a container, too */
	RETAINED_HELD,    /* by C code, or by a lost reference */
	RETAINED_GARBAGE, /* by nothing: cycles that wait for a collection */
	RETAINED_ROOTS,
};

struct retained_node {
	uint32_t parent;  /* RETAINED_NONE: of roots */
	uint32_t place;   /* enum ref_place, as its parent's objects hold it, ... */
	uint64_t called;  /* ... and what distinguishes it from others in such places; 0: nothing */
	char *type;       /* of its objects; NULL: of roots */
	uint64_t type_at; /* its address; 0: of roots */
	bool names;       /* a dict of names: of a module, a class, an instance */
	bool sub;         /* RETAINED_SUB, or below it */
	/* of its objects those that hold most themselves, in the last look, most first;
	 * OBJECTS_NONE: it has fewer */
	uint32_t examples[RETENTION_EXAMPLES];
	uint64_t examples_at[RETENTION_EXAMPLES]; /* their addresses, which the next look prefers */
	uint64_t *count, *bytes;                  /* [RETAINED_LOOKS] each */
	uint64_t weight;                          /* in the last look */
	uint64_t weight_before;                   /* in the one before it; 0: there was none */
	double buffers;                           /* of bytes, in the last look */
	/* of what C code or a lost reference holds: objects that were held so in one look and are
	 * in the next, and those that others of them hold by then */
	uint64_t stayed, moved;
};

/* An object that nothing of the program is known to hold. */
struct retained_head {
	uint64_t address;
	uint32_t node;
};

struct retained {
	struct retained_node *nodes;
	size_t n_nodes;
	double seconds[RETAINED_LOOKS], since_full[RETAINED_LOOKS];
	bool have_since_full;
	size_t n_looks;
	uint64_t merged;
	bool roots_cut; /* in some look: what seems to be held by C code may be held by a frame */
	struct retained_head *heads; /* in the last look, by address */
	size_t n_heads;
	/* private: of the search that goes on */
	const struct reach *reach;
	uint32_t *node_of;      /* of each object */
	uint32_t *node_of_root; /* of each of reach's roots */
	struct retained_key *keys;
};

struct retained *retained_new(void);
void retained_free(struct retained *retained); /* accepts NULL */

/* Forget all looks; nodes stay known. */
void retained_forget(struct retained *retained);

/* Before reach_search(): its objects are there. Then reach calls retained_see(). */
int retained_begin(struct retained *retained, const struct reach *reach, struct err *err);

/* An object was reached: through this reference, or (from: a root) as what that root holds. */
void retained_see(struct retained *retained, const struct ref *ref);

/* After reach_rest(): count. The look is the newest then. */
int retained_end(struct retained *retained, struct err *err);

/*
 * Of a node below RETAINED_HELD: is it a structure whose newest end changes while it is read? What
 * holds it was made after the objects had been listed, so that it only seems to be held by C code:
 * in the next look it hangs on what was newer. What is held by C code stays so.
 */
bool retained_moves(const struct retained *retained, uint32_t node);

/*
 * Is a node held by words of the interpreter's own state? That has a size: its cache of attributes
 * fills up to 4,096 names, and no more.
 */
bool retained_is_fixed(const struct retained *retained, uint32_t node);

/* The search has failed, or is no longer needed. Works without one in progress. */
void retained_abandon(struct retained *retained);

#endif
