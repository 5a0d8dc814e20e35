/* SPDX-License-Identifier: BSD-2-Clause
 *
 * class_births: the changes of a class's reference count -> which of its instances came, which of
 * them are still there, and of which stack each is.
 *
 * Every instance of a class made in Python holds a reference to its class: it takes it where it is
 * made (PyType_GenericAlloc() and its kin) and drops it where it dies (the class's tp_dealloc). All
 * other code that names the class changes the count too. They are told apart by what the hits show:
 *
 *   a death    the instruction lies in the code of the class's tp_dealloc, and one of the registers
 *              points to the instance that died
 *   a birth    of an instruction outside of the evaluation loop, of which the same register always
 *              points to an object that either dies before the next birth at its address, or is an
 *              instance of the class at the end. Where two instructions say that of the same
 *              objects, the births are those of the one that says it first: the other has a new
 *              object in its hands (super() in its __init__).
 *
 * Which register it is is found by trying all: in each interpreter from 3.6 to 3.15 one and only
 * one fits (or several with the same values), in all of its hits.
 *
 * Place      containers; used by container_watch. Pure, but for the functions that it is given.
 * Errors     -ERR_FAILED: memory is out.
 * Degrades   known: false where no instruction fits, two registers contradict each other, or other
 *            code has kept references that no birth explains: then nothing is said of any stack.
 * Bounds     CLASS_BIRTHS_PLACES instructions are tried, those that hit most; 24 bytes a hit.
 */
#ifndef PYLEAKTRACE_CONTAINERS_CLASS_BIRTHS_H
#define PYLEAKTRACE_CONTAINERS_CLASS_BIRTHS_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/records.h"
#include "base/err.h"
#include "snapshot/watch_hits.h"

#define CLASS_BIRTHS_PLACES 16

struct class_hits {
	const struct abi_class_hit *hits; /* in the order of their changes */
	size_t n;
	uint64_t dealloc_start, dealloc_end; /* the code of tp_dealloc: [start, end) */
	uint64_t until_ns; /* births until then are followed: the later ones are too young */
	bool (*in_loop)(void *context, uint64_t ip);   /* of the evaluation loop? */
	bool (*holds)(void *context, uint64_t object); /* an instance is there, now */
	void *context;
};

struct class_births {
	bool known;
	uint64_t made, died; /* all; older instances die too */
	int64_t others;      /* references that anything else has taken and not dropped */
	/* of each stack, until until_ns: inserted were made, and of these removed are gone */
	struct watch_hits_site *sites;
	size_t n_sites;
};

/* out  births: to be freed with class_births_fini(), also after a failure */
int class_births_find(struct class_births *births, const struct class_hits *hits, struct err *err);
void class_births_fini(struct class_births *births);

#endif
