/* SPDX-License-Identifier: BSD-2-Clause
 *
 * estimates: how many outstanding blocks of the target one survivor of a window stands for.
 *
 * Objects: the census counts all of them for nothing, so it says how many there are more of a type;
 * windows say which lines they are from. A type that does not grow cannot leak: what survived of it
 * was work in progress.
 *
 *      census    Session +1,200 since the start
 *      windows   Session: 30 at line 41, 10 at 77
 *      so        900 at line 41, 300 at line 77
 *
 * Buffers (a dict's table, an instance's attributes) have no type: they are scaled as the growing
 * types are together, and by the growth of blocks that belong to no object.
 *
 * All objects together cannot have grown by more bytes than the census has seen: where chance, or
 * work in progress, would make them, the scale is smaller.
 *
 * C code's blocks, and objects without a census: by the target's own work. So many survived of the
 * work of the windows' first halves; so much work was done since the start. Its own work in a
 * window is what it used less what the hits took: the more of it they took, the less is known.
 * malloc's blocks are no more bytes than the census can have seen come into use: a service that
 * only works has no leak. Where that does not grow for sure, none of them is sure.
 *
 * Place      trace; target_trace.c has one for each report, for snapshot_estimate().
 * Shapes     sums over all survivors, then a scale for each: snapshot_scale.
 */
#ifndef PYLEAKTRACE_TRACE_ESTIMATES_H
#define PYLEAKTRACE_TRACE_ESTIMATES_H

#include "trace/heap_monitor.h"
#include "govern/governor.h"
#include "snapshot/snapshot.h"

struct estimates;

/* in  state: as of now; monitor: NULL for none; passed_s: since the baseline. NULL: out of
 *     memory */
struct estimates *estimates_new(const struct governor_state *state, struct survivors *survivors,
				struct heap_monitor *monitor, double passed_s);
void estimates_free(struct estimates *estimates); /* may be NULL */

/* For struct snapshot_estimates; context: the estimates. */
struct snapshot_scale estimates_scale(void *estimates, const struct survivor *survivor);

#endif
