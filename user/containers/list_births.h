/* SPDX-License-Identifier: BSD-2-Clause
 *
 * list_births: the changes of a list's head -> of which stack each entry is that came and stayed.
 *
 * What is new is put at the head of the list, so its address is written there. When the newest dies
 * the head gets the address of the next, which is known: so an instruction that ever writes an
 * address not seen before is one of births. The last birth at an address that is in the list at the
 * end is the entry's; what was there before has died.
 *
 *      head     a ──▶ b ──▶ a ──▶ b ──▶ c           in the end: c, b, a
 *      writer      new   die   new   new            b: the third change, c: the fourth
 *
 * Place      containers; used by list_watch. Pure.
 * Shapes     of addresses only the lower 32 bits count: that is what a change has.
 * Errors     -ERR_FAILED: memory is out.
 * Bounds     LIST_BIRTHS_CODES instructions; what others write is no birth.
 */
#ifndef PYLEAKTRACE_CONTAINERS_LIST_BIRTHS_H
#define PYLEAKTRACE_CONTAINERS_LIST_BIRTHS_H

#include "abi/records.h"
#include "base/err.h"
#include "snapshot/watch_hits.h"

#define LIST_BIRTHS_CODES 16

struct list_changes {
	const struct abi_class_hit *hits; /* in the order of the changes */
	size_t n;
	uint64_t head;          /* before the first */
	const uint64_t *before; /* entries of the list at the beginning */
	const uint64_t *after;  /* and at the end */
	size_t n_before, n_after;
	uint64_t until_ns; /* births until then are followed: the later ones are too young */
};

/*
 * out    sites: inserted are those that stayed, each site once; to be freed; NULL after a failure
 *        n: how many
 */
int list_births_find(struct watch_hits_site **sites, size_t *n, const struct list_changes *changes,
		     struct err *err);

/* The same of a count, of which each birth makes one more; deaths leave it. */
int list_births_count(struct watch_hits_site **sites, size_t *n, const struct list_changes *changes,
		      struct err *err);

#endif
