/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/map_fill.h"

#include <math.h>

bool map_fill_is_full(const struct map_fill *fill, uint64_t blocks)
{
	return (double)blocks > ROOM_FULL * fill->most;
}

void map_fill_counted(struct map_fill *fill, uint64_t blocks, uint64_t now_ns)
{
	double usual = fill->most * ROOM_NS, wait = usual, grew = (double)blocks - fill->counted,
	       left = fmax(fill->most - (double)blocks, 0),
	       passed = (double)(now_ns - fill->counted_ns);

	/* half of the time in which it would be full */
	if (grew > 0 && fill->counted_ns)
		wait = fmin(usual, passed / grew * left / 2);
	fill->counted = (double)blocks;
	fill->counted_ns = now_ns;
	fill->next_ns = now_ns + (uint64_t)fmax(wait, usual / ROOM_SOONER);
}
