/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ways_growing: the ways from the roots and what they retained in each look (retained.h) -> those
 * that retain more and more, fastest first.
 *
 * Growth is attributed to the last way that does not grow itself: where a dict gains objects, and
 * these gain attributes, it is the dict. So no byte is counted twice, and all rows together are at
 * most the growth of the objects.
 *
 * Place      the census; called after retained_end(), while reach and edges are of the same search.
 * Source     base/fit: as for types (growth.h).
 * Errors     -ERR_FAILED: memory is out.
 * Bounds     WAYS_GROWING_MAX rows.
 */
#ifndef PYLEAKTRACE_CENSUS_WAYS_GROWING_H
#define PYLEAKTRACE_CENSUS_WAYS_GROWING_H

#include "census/edges.h"
#include "census/retained.h"
#include "model/retention.h"

#define WAYS_GROWING_MAX   16
#define WAYS_GROWING_LOOKS 4 /* fewer show nothing */

/* out  rows: n of them, each to be freed with retention_fini(), also after a failure */
int ways_growing(struct retention rows[WAYS_GROWING_MAX], size_t *n, struct retained *retained,
		 struct edges *edges, struct err *err);

#endif
