/* SPDX-License-Identifier: BSD-2-Clause
 *
 * thin: live blocks in the kernel's map -> a sample of them, so that there is room for more.
 *
 * A block that was recorded with p is kept with q / p, where q is what it would be recorded with at the new, larger shift; from then on it
 * stands for 1 / q. So what the blocks stand for stays the same on the average, and those that are recorded from now on, with
 * that shift, go with them.
 *
 * Place      layer 4; called by govern.
 * Errors     -ERR_FAILED: the map cannot be read.
 * Degrades   each is looked at again just before it is written or taken out. In the microsecond
 *            between, one may still be freed and its address given out again; then the new block has the old one's record.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_THIN_H
#define PYLEAKTRACE_SNAPSHOT_THIN_H

#include "probe/session.h"

/* in  domains: bits; shift: larger than that of the blocks (others are left). out  kept: of how many; NULL if not wanted */
int thin_blocks(const struct session_view *view, unsigned domains, unsigned shift, uint64_t *kept,
		struct err *err);

/* Blocks in the map, of these domains. */
int thin_count(const struct session_view *view, unsigned domains, uint64_t *count, struct err *err);

#endif
