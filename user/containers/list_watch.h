/* SPDX-License-Identifier: BSD-2-Clause
 *
 * list_watch: a watchpoint on the head of a list of the interpreter's (enum listed) -> which stacks
 * made the entries that stay.
 *
 * Place      containers; container_watch has one where a list is watched.
 * Source     Python/pystate.c, 3.6 to 3.15: new states are put at the head of their list, by whom
 *            starts the thread, before that runs.
 * Ownership  target and session are borrowed.
 * Degrades   entries that die while a list is read end it; those behind them are not seen.
 * Bounds     LIST_WATCH_ENTRIES; a longer list says nothing of the older ones.
 */
#ifndef PYLEAKTRACE_CONTAINERS_LIST_WATCH_H
#define PYLEAKTRACE_CONTAINERS_LIST_WATCH_H

#include "model/heap_watch.h"
#include "probe/session.h"
#include "python/target.h"
#include "snapshot/watch_hits.h"

#define LIST_WATCH_ENTRIES 4096

struct list_watch;

/* in  head: the address of the word with the newest entry. NULL: memory is out */
struct list_watch *list_watch_new(const struct target *target, struct session *session,
				  enum listed which, uint64_t head);
void list_watch_free(struct list_watch *watch); /* accepts NULL */

/* in  value: of the head, with which the first change is compared */
void list_watch_begin(struct list_watch *watch, uint64_t value);

/* Births until then are said to stay or not; later ones are too young. */
void list_watch_end(struct list_watch *watch, uint64_t until_ns);

/* The stacks that made entries which stayed: inserted. */
void list_watch_take(const struct list_watch *watch, struct watch_hits *hits, struct profile *about,
		     struct heap_watch_row *row);

#endif
