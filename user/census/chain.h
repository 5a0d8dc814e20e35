/* SPDX-License-Identifier: BSD-2-Clause
 *
 * chain: an object that the search reached -> the chain of objects from a root to it, each link
 * read again in the target.
 *
 * Place      the census; called by cli; fills model/heap_graph.
 * Errors     -ERR_FAILED: memory is out.
 * Degrades   a link that is not there any more is marked (changed), and called as it was when it
 *            was followed where that was kept (reach.h); a hidden part is named by its offset when
 *            nothing better is known.
 * Bounds     HEAP_LINKS_MAX links; of a longer chain the last ones, its root, and in its path what
 *            the first CHAIN_FIRST objects are called.
 */
#ifndef PYLEAKTRACE_CENSUS_CHAIN_H
#define PYLEAKTRACE_CENSUS_CHAIN_H

#include "census/edges.h"
#include "model/heap_graph.h"

#define CHAIN_FIRST  8
#define CHAIN_ATEXIT "atexit callbacks" /* a root */

/* in  object: index; how[object] says that it is held.
 * out chain: to be freed with heap_chain_fini() */
int chain_build(struct heap_chain *chain, struct edges *edges, uint32_t object, struct err *err);

/* What a root is called: "local `batch` of worker (jobs.py:88)". ref: what it holds; NULL: not
 * known. */
void chain_root(const struct edges *edges, size_t root, const struct ref *ref, char *text,
		size_t size);

#endif
