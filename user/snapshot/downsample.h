/* SPDX-License-Identifier: BSD-2-Clause
 *
 * downsample: fewer blocks of what is sampled count, each for more, so that there is room for
 * others.
 *
 *      shift    0 ----------- 8 ------------- 11 ------------ 9 -------▸ time
 *      block    A (all)       B (p of 8)      C (p of 11)     D (p of 9)
 *      now      A, B: kept with p(11) / p, then as good as C  D: as it was recorded
 *
 * A block of s bytes that was recorded with p is kept with q / p, where q is what it would be
 * recorded with at the largest shift to which it has been thinned since; from then on it stands for
 * 1 / q. So what the blocks stand for stays the same on the average.
 *
 * Whether a block still counts follows from its address and its time, the same at each look. So no
 * record is written back into the map: it could meet what the target has made again at that
 * address.
 *
 * Place      layer 4; pure but for downsample_blocks(). Added to by govern, applied by live_blocks.
 * Threads    the caller ensures that a list is not applied while it is being added to.
 * Errors     -ERR_FAILED: the map cannot be read. Dropped blocks stay dropped, but keep their room.
 * Degrades   downsample_blocks() looks at a block again just before it takes it out. In the
 *            microsecond between, one may still be freed and its address given out again; then a
 *            block that counts is missing in the sample.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_DOWNSAMPLE_H
#define PYLEAKTRACE_SNAPSHOT_DOWNSAMPLE_H

#include <stdbool.h>

#include "probe/session.h"
#include "probe/session_maps.h"

/* Zeroed: nothing has been thinned. */
struct downsampling {
	/* ns of CLOCK_MONOTONIC: what is older and was recorded with a smaller shift has been
	 * thinned to this one; 0: never */
	uint64_t until_ns[ABI_DOMAINS][ABI_SAMPLE_SHIFT_MAX + 1];
	unsigned largest; /* shift, of all domains */
};

/* What was recorded until now in these domains (bits) with a smaller shift than this one; from now
 * on none is. */
void downsample_add(struct downsampling *downsampling, unsigned domains, unsigned shift,
		    uint64_t now_ns);

/* Does it still count? Then its shift is what it counts with. downsampling: NULL: it does */
bool downsample_apply(const struct downsampling *downsampling, uint64_t address,
		      struct abi_block *block);

/* Take out of the map what no longer counts. */
int downsample_blocks(const struct session_view *view, const struct downsampling *downsampling,
		      struct err *err);

/* Blocks in the map, of these domains. */
int downsample_count(const struct session_view *view, unsigned domains, uint64_t *count,
		     struct err *err);

#endif
