/* SPDX-License-Identifier: BSD-2-Clause
 *
 * late: references to objects that a scan does not have, as they were made when it had passed by ->
 * these objects, and what they refer to.
 *
 * A service replaces the newest link of a chain hundreds of times a second: the head of a linked
 * list, a configuration that keeps the one before it. What the root refers to by the time the
 * references are followed is then younger than the scan, and the whole chain behind it would seem
 * to be held by nothing. So a word that leads to no known object is asked for: if an object is
 * there it is added to the table, and what it refers to is read at once, before it goes away, and
 * kept. The search takes these references when it comes to the object, as those of any other: ways
 * stay the shortest ones. Objects from an older to a younger one are read in rounds, until one
 * refers to nothing unknown.
 *
 * What was gone when it was asked for has been replaced: what referred to it is read again. The
 * same is done for an object of the scan that is gone when the search reads it; where another
 * object has its address by now, that one is a late object.
 *
 * Place      the census, private to reach and edges; fed by spans.miss.
 * Source     the same as referents and classify.
 * Shapes     late objects are behind those of the scan in the table of objects.
 * Errors     none: what cannot be had (memory is out, a bound) is left unknown.
 * Degrades   what is at an address when it is asked for counts as what was there when the reference
 *            was read, right before. Of a word in an object of C code it is not known whether it is
 * a reference: what it leads to counts when it looks like an object in all that can be compared.
 * Types that the scan has not met are not known. Bounds     LATE_MAX objects, LATE_REFS references
 * of theirs (of more the rest is read when the search comes to them), LATE_ASKED words that are
 * sure to be references and as many others, LATE_GONE that are gone between two looks, LATE_AGAIN
 * objects read again, LATE_BUDGET bytes. Memory: 32 KiB until something is asked for, then 7 MiB,
 * and 15 MiB when all references are there.
 */
#ifndef PYLEAKTRACE_CENSUS_LATE_H
#define PYLEAKTRACE_CENSUS_LATE_H

#include "census/referents.h"
#include "target/maps.h"

#define LATE_MAX    (1u << 16)
#define LATE_REFS   (1u << 18)
#define LATE_ASKED  (1u << 16)
#define LATE_AGAIN  1024
#define LATE_GONE   4096
#define LATE_BUDGET (64ull << 20)

struct late {
	pid_t pid;
	const struct py_runtime *runtime;
	const struct type_table *types;
	struct objects *objects;
	/* a reference from an object of the scan, or from a root, to a late object; one that is
	 * there when it is read again; and what is shown */
	void (*see)(void *context, const struct ref *ref);
	void *context;
	size_t n_scanned; /* objects; what is behind them in the table is late */
	/* private */
	bool failed, looking;
	struct maps maps;
	uint64_t *data_end; /* of each range; UINT64_MAX: not asked for yet */
	uint64_t *known;    /* addresses that have been asked for, each in the one place for it */
	struct late_wanted *wanted, *asked;
	size_t n_wanted, n_asked[2]; /* n_asked: not sure, sure to be references */
	struct late_object *found;   /* [LATE_MAX] */
	struct late_gone *gone;
	size_t n_gone;
	struct late_ref *refs;
	size_t n_refs, refs_room;
	uint32_t *again; /* objects that are to be read again */
	size_t n_again, n_read_again;
	struct late_holder *holders; /* that were, each in the one place for it */
	struct referents referents;
};

/* in  the struct: zero but for pid, runtime, types, objects, see, context. The scan is over. */
void late_begin(struct late *late);
void late_fini(struct late *late);

/* A word that leads to no known object. */
void late_miss(struct late *late, const struct ref *ref, uint64_t word);

/* An object of the scan is gone. holder: the one that referred to it; OBJECTS_NONE: a root did. */
void late_gone(struct late *late, uint32_t object, uint32_t holder);

/* Look at what has been missed, or is gone; soon, as it does not stay. */
void late_look(struct late *late);

/* Show what a late object refers to. return false: there is more in it, which has to be read */
bool late_show(struct late *late, uint32_t object);

/* A reference to or from a late object, as it was read; false: none was. */
bool late_recall(const struct late *late, uint32_t from, uint32_t to, struct ref *ref);

static inline bool late_is(const struct late *late, uint32_t object)
{
	return object >= late->n_scanned && object < late->objects->n;
}

#endif
