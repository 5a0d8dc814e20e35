/* SPDX-License-Identifier: BSD-2-Clause
 *
 * growth: several scans of one heap -> how fast each type grows, how sure that is, and what kind of
 * growth it is.
 *
 * Through the counts (and the bytes) of a type over time the straight line is laid that fits best;
 * its slope is the growth. What deviates from the line says how sure the slope is. The shape
 * distinguishes a leak from a warm-up, a jump and the sawtooth of collections (base/fit.h): what
 * goes up steadily comes first, and in that the least growth that the scans allow for decides, so
 * that a small leak comes before a large jump. What a type has of garbage that waits for the
 * collector goes up and down with what was made since that last ran (gc.since_full), and is taken
 * out before.
 *
 * Place      the census; pure; called by cli.
 * Source     base/fit.
 * Units      per minute; scans may lie unevenly in time (at_s).
 * Degrades   two scans: a slope, no confidence; fewer than five: no shape. A type that a scan does
 *            not have counts as 0 in it.
 * Bounds     GROWTH_SCANS_MAX scans.
 */
#ifndef PYLEAKTRACE_CENSUS_GROWTH_H
#define PYLEAKTRACE_CENSUS_GROWTH_H

#include "model/heap_types.h"

#define GROWTH_SCANS_MAX 128

/*
 * in     scans: finalized, oldest first, n_scans (2 .. GROWTH_SCANS_MAX) of them; the names stay
 *        theirs
 * return to be freed with heap_growth_free(); sorted by heap_growth_sort(HEAP_BY_BYTES); NULL:
 * memory is out
 */
struct heap_growth *growth_measure(struct heap_scan *const *scans, size_t n_scans);

#endif
