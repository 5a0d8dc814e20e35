/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_ages: scans over a time -> the ages of the objects that are asked for. The last scan is not
 * made here: it is the one that a search follows (heap_held.h).
 *
 *      start                                TIME
 *        | scan    | scan    | scan    | scan | search
 *
 * Place      cli; for the command objects.
 * Errors     those of newest_look(), signals_take_usual() and heap_target_hold(); -ERR_TARGET: the
 *            target has ended.
 * Bounds     HEAP_AGES_PARTS scans, or fewer where one takes longer than a part of the time; and
 *            one for each USR1, up to AGES_SCANS_MAX.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_AGES_H
#define PYLEAKTRACE_CLI_HEAP_AGES_H

#include "census/ages.h"
#include "census/heap_target.h"
#include "cli/options.h"

#define HEAP_AGES_PARTS 4

struct heap_ages_found {
	struct ages ages;
	/* of the last scan, for when the target has ended: */
	struct heap_scan *scan;
	struct process_stats last;
};

/*
 * Without a time there is nothing to do. INT, TERM and the end of the target end the wait.
 *
 * in     found: zero; to be freed with heap_ages_fini(), also after a failure
 * return 0, also when the target has ended and something was seen of it; -ERR_TARGET: the first
 *        scan has no such type
 */
int heap_ages_collect(struct heap_ages_found *found, const struct options *options,
		      struct heap_target *heap, struct err *err);
void heap_ages_fini(struct heap_ages_found *found);

#endif
