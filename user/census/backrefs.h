/* SPDX-License-Identifier: BSD-2-Clause
 *
 * backrefs: some objects -> the graph of what refers to them, and to that, some steps back.
 *
 * References are only written in the object that has them: each step reads all objects once more.
 *
 * Place      the census; called by cli; fills model/heap_graph.
 * Shapes     nodes: the ones asked for first, then the ones that refer to them, nearest first.
 *            Modules and what roots hold are not followed further. Where more than BACKREFS_EACH
 *            refer to a node the first ones are shown and the others counted (more).
 * Errors     -ERR_FAILED: memory is out; -ERR_TARGET: there is no such object.
 * Bounds     BACKREFS_STARTS objects to begin with, BACKREFS_NODES nodes.
 */
#ifndef PYLEAKTRACE_CENSUS_BACKREFS_H
#define PYLEAKTRACE_CENSUS_BACKREFS_H

#include "census/owners.h"

#define BACKREFS_STARTS 3
#define BACKREFS_EACH   10
#define BACKREFS_NODES  1000

/* in  at: address of the one object, 0: some of the types asked for; out  held: graph */
int backrefs_find(struct heap_held *held, struct reach *reach, struct edges *edges,
		  const struct owners_wanted *wanted, uint64_t at, unsigned depth, struct err *err);

#endif
