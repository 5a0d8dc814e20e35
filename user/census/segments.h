/* SPDX-License-Identifier: BSD-2-Clause
 *
 * segments: one of mimalloc's segments in the target's memory -> its blocks in use, one call for
 * each.
 *
 * A part of walk. A segment is found by its header, at its beginning; where the kernel has cut it
 * into several ranges, the later ones are known to belong to it.
 *
 * Place      the census; called by walk.
 * Degrades   a page that changes while it is read is read again, and counted (walk.torn_pools) when
 *            it still does not agree with itself; its blocks are offered nevertheless.
 * Bounds     one small read for each page; what is not in memory is not read.
 */
#ifndef PYLEAKTRACE_CENSUS_SEGMENTS_H
#define PYLEAKTRACE_CENSUS_SEGMENTS_H

#include "census/walk.h"

/* return the end of the segment that this page of the range lies in, or of the range; 0: in none */
uint64_t segments_walk(struct walk *walk, uint64_t page, const struct map_range *range);

#endif
