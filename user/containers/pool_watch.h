/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pool_watch: watchpoints on the free lists of some pools of one size -> which stacks made the
 * blocks that stay, by the type of what they hold.
 *
 *      begin    each pool is read once, at a moment between two changes
 *      changes  (BPF)
 *      end      pool_births says which blocks were given out; the pools are read again: what is in
 *               use by then, and what is in it
 *
 * Place      containers; container_watch has one where a size is watched.
 * Ownership  target, session and hits are borrowed.
 * Degrades   a pool of which a change was not seen says nothing; `known` is false when none does.
 * Bounds     CONTAINER_WATCH_MAX pools, POOL_WATCH_TYPES types.
 */
#ifndef PYLEAKTRACE_CONTAINERS_POOL_WATCH_H
#define PYLEAKTRACE_CONTAINERS_POOL_WATCH_H

#include "containers/pool_find.h"
#include "model/heap_watch.h"
#include "probe/session.h"
#include "snapshot/watch_hits.h"

#define POOL_WATCH_TYPES 8

struct pool_watch;

/* NULL: memory is out */
struct pool_watch *pool_watch_new(const struct target *target, struct session *session,
				  const struct pool_place *places, unsigned n);
void pool_watch_free(struct pool_watch *watch); /* accepts NULL */

/* The watchpoints are set, and changes are counted. */
void pool_watch_begin(struct pool_watch *watch);

/* They are gone. Births until then are said to stay or not; later ones are too young. */
void pool_watch_end(struct pool_watch *watch, uint64_t until_ns, double followed_s);

/* One row for each type, most blocks that stay first; empty where nothing is known. */
struct heap_watch *pool_watch_report(struct pool_watch *watch, struct watch_hits *hits,
				     struct profile *about);

#endif
