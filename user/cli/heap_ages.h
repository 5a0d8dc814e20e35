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

/* in  ages: zero. Without a time there is nothing to do. INT and TERM end the wait. */
int heap_ages_collect(struct ages *ages, const struct options *options, struct heap_target *heap,
		      struct err *err);

#endif
