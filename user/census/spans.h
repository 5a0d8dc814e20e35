/* SPDX-License-Identifier: BSD-2-Clause
 *
 * spans: places in the target's memory that hold references -> each reference that leads to a known
 * object.
 *
 * A span is an array of words, a set's table, a dict's keys, a deque's blocks, a frame, or what
 * atexit has registered. They are collected, and read together in few system calls: a long one in
 * pieces, one that leads to another (keys to their entries, a block to the next) goes on in its
 * place.
 *
 * Place      the census; filled by referents and reach.
 * Source     Objects/dictobject.c, Objects/setobject.c, Modules/_collectionsmodule.c (BLOCKLEN,
 *            struct BLOCK), 3.6-3.15; frames: layout.frame.
 * Errors     what cannot be read is left out and counted (`unread`).
 * Bounds     SPANS_MAX spans and SPANS_BUFFER bytes at a time; `budget` bytes in all, so that false
 *            lengths, or a thousand lists that say that they share one array, end. What came after
 *            is counted (`unread`).
 */
#ifndef PYLEAKTRACE_CENSUS_SPANS_H
#define PYLEAKTRACE_CENSUS_SPANS_H

#include "census/objects.h"
#include "python/runtime.h"

#define SPANS_MAX    8192
#define SPANS_BUFFER (2u << 20)

/* Where in `from` the reference is; `at` says more. */
enum ref_place {
	REF_FIELD,     /* at: offset in the object */
	REF_TYPE,      /* its type */
	REF_DICT,      /* the dict of its attributes, which is before it (from 3.11 on) */
	REF_ATTRIBUTE, /* at: index in the array of its attributes */
	REF_ITEM,      /* at: index */
	REF_MEMBER,    /* of a set */
	REF_CACHED,    /* a result of an lru_cache, or (at: 1) its key */
	REF_KEY,       /* of a dict; at: the value's address */
	REF_VALUE,     /* of a dict; at: the key's address */
	REF_STATE,     /* what a module in C has for itself; at: index */
	REF_FRAME,     /* a field of a frame; at: offset */
	REF_LOCAL,     /* of a frame: locals, cells, free variables, stack; at: index */
	REF_WORD,      /* of memory that is no object; at: its address */
	REF_CALLBACK,  /* of atexit's; at: index */
};

struct ref {
	uint32_t from; /* index in objects; or what the span was given */
	uint32_t to;   /* index in objects */
	enum ref_place place;
	uint64_t at;
};

enum span_kind {
	SPAN_WORDS,     /* left: bytes */
	SPAN_TABLE,     /* of a set; left: bytes */
	SPAN_KEYS,      /* of a dict */
	SPAN_ENTRIES,   /* what SPAN_KEYS becomes; left: bytes, aux: bytes of one */
	SPAN_BLOCKS,    /* of a deque; left: items, aux: index of the first in its block */
	SPAN_LINKS,     /* of an lru_cache, until the one at `aux`, which is the cache itself */
	SPAN_FRAME,     /* a struct of layout.frame */
	SPAN_CALLBACKS, /* addresses of structs of atexit's; left: bytes */
};

struct span {
	enum span_kind kind;
	enum ref_place place; /* of SPAN_WORDS */
	uint32_t from;
	uint64_t address, left, aux;
	uint64_t index; /* of the next item */
};

struct spans {
	pid_t pid;
	const struct py_runtime *runtime;
	const struct objects *objects;
	void (*see)(void *context, const struct ref *ref);
	/* a word that leads to no known object (ref->to: OBJECTS_NONE); NULL: nobody asks */
	void (*miss)(void *context, const struct ref *ref, uint64_t word);
	void *context;
	uint64_t budget;
	/* look at the stack of frames that run, too: words above its end are left over from
	 * before */
	bool whole_frames;
	uint64_t unread;
	/* private */
	struct span *spans;
	size_t n;
	uint8_t *buffer;
	struct {
		uint64_t code;
		uint32_t nlocalsplus, stacksize;
	} * codes;
};

/* in  the struct: zero but for pid, runtime, objects, see, miss, context, budget */
int spans_init(struct spans *spans, struct err *err);
void spans_fini(struct spans *spans);

void spans_add(struct spans *spans, const struct span *span);

/* Read all that was added. */
void spans_flush(struct spans *spans);

/* The reference in a word, if it leads to a known object. */
static inline void spans_word(const struct spans *spans, uint32_t from, uint64_t word,
			      enum ref_place place, uint64_t at)
{
	uint32_t to;

	if (word % 8 || !word)
		return;
	to = objects_find(spans->objects, word);
	if (to != OBJECTS_NONE)
		spans->see(spans->context, &(struct ref){from, to, place, at});
	else if (spans->miss)
		spans->miss(spans->context, &(struct ref){from, to, place, at}, word);
}

#endif
