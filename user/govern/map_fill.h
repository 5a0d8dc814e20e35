/* SPDX-License-Identifier: BSD-2-Clause
 *
 * map_fill: how many blocks are in the map -> is it nearly full, and when are they to be counted
 * again?
 *
 * To count them takes time, 0.3 us each: so it is done after 10 us for each that the map has room
 * for, which is 3 % of a core when it is full; and up to ROOM_SOONER times as often where the map
 * would fill up meanwhile:
 *
 *      75 %  ------------------------------- full: thinned out (snapshot/downsample.h)
 *                                    x
 *                        x
 *      x                                     x counted: sooner and sooner, as long as they become
 *                                            more
 *
 * Place      layer 5; governor has one. Pure: no clock, no map.
 * Units      blocks; ns of wall time.
 */
#ifndef PYLEAKTRACE_GOVERN_MAP_FILL_H
#define PYLEAKTRACE_GOVERN_MAP_FILL_H

#include <stdbool.h>
#include <stdint.h>

#define ROOM_NS     10000.0 /* for each block that there is room for */
#define ROOM_SOONER 8       /* times as often, at most */
#define ROOM_FULL   0.75    /* of it: beyond this it counts as full */

struct map_fill {
	double most;      /* blocks that there is room for; the caller's */
	uint64_t next_ns; /* when they are to be counted again; 0: now */
	double counted;   /* the last time ... */
	uint64_t counted_ns;
};

bool map_fill_is_full(const struct map_fill *fill, uint64_t blocks);

/* There were this many at now_ns: sets next_ns. */
void map_fill_counted(struct map_fill *fill, uint64_t blocks, uint64_t now_ns);

#endif
