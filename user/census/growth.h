/* SPDX-License-Identifier: BSD-2-Clause
 *
 * growth: several scans of one heap -> how fast each type grows, and how sure that is.
 *
 * Through the counts (and the bytes) of a type over time the straight line is laid that fits best;
 * its slope is the growth. What lies beside the line says how sure the slope is: steady growth
 * lies on it, a sawtooth of collections or the end of a warm-up does not. A type is sorted by the
 * least growth that the scans allow for, so that a steady small leak comes before a large jump.
 *
 * Place      the census; pure; called by cli.
 * Source     ordinary least squares; Student's t with n - 2 degrees of freedom for the slope.
 * Units      per minute; scans may lie unevenly in time (at_s).
 * Degrades   two scans: a slope, no confidence. A type that a scan does not have counts as 0 in it.
 * Bounds     GROWTH_SCANS_MAX scans.
 */
#ifndef PYLEAKTRACE_CENSUS_GROWTH_H
#define PYLEAKTRACE_CENSUS_GROWTH_H

#include "model/heap_types.h"

#define GROWTH_SCANS_MAX 128

/*
 * in     scans: settled, oldest first, n_scans (2 .. GROWTH_SCANS_MAX) of them; the names stay
 *        theirs
 * return to be freed with heap_growth_free(); sorted by heap_growth_sort(HEAP_BY_BYTES); NULL:
 * memory is out
 */
struct heap_growth *growth_measure(struct heap_scan *const *scans, size_t n_scans);

/* Student's t: the probability that a value of so many degrees of freedom is below t. For tests. */
double growth_t_below(double t, unsigned freedom);

#endif
