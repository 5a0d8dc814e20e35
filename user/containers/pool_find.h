/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool_find: a size of blocks -> the pools of pymalloc's that serve the next allocations of it.
 *
 * Pools of one size that have free blocks are a ring, which goes through a header that is no pool:
 * an entry of `usedpools`, in the interpreter's data or state. The pool behind it serves.
 *
 *      usedpools[17] ──▶ pool, serves now ──▶ pool, when that is full ──▶ ... ──▶ usedpools[17]
 *
 * Where usedpools is need not be known: from any of these pools the ring leads to it.
 *
 * Place      containers; pool_watch uses it.
 * Source     Objects/obmalloc.c, 3.6 to 3.15 (usedpools, struct pool_header).
 * Errors     -ERR_TARGET: no pool of that size has free blocks; -ERR_FAILED: memory is out.
 * Degrades   the target runs on: what is found was true a moment ago. The snapshot of a pool that
 *            is watched says what it is by then.
 * Bounds     POOL_FIND_HEADERS headers are read, POOL_FIND_RING pools of one size are known.
 */
#ifndef PYLEAKTRACE_CONTAINERS_POOL_FIND_H
#define PYLEAKTRACE_CONTAINERS_POOL_FIND_H

#include "containers/container_find.h"

#define POOL_FIND_HEADERS (1u << 20)
#define POOL_FIND_RING    (1u << 16)

/* Those that serve now, in the first of n places; the others keep some of what they have. */
void pool_find_again(struct pool_place *places, unsigned n, const struct target *target,
		     uint32_t block_size);

/* out  n: how many places are filled, in the order in which they serve; 0 after a failure */
int pool_find(struct pool_place places[CONTAINER_WATCH_MAX], unsigned *n,
	      const struct target *target, uint32_t block_size, struct err *err);

#endif
