/* SPDX-License-Identifier: BSD-2-Clause
 *
 * forecast: how often a program allocates, and what a pair of an allocation and its free costs ->
 * what policy will do.
 *
 * Place      layer 5; pure; `doctor -p` shows it, before anything is attached.
 * Source     policy.h and budget.h: the same ceilings and the same caution.
 * Units      ns; shares of the target's own CPU time; pairs for each second of that.
 */
#ifndef PYLEAKTRACE_GOVERN_FORECAST_H
#define PYLEAKTRACE_GOVERN_FORECAST_H

#include "govern/policy.h"

struct forecast {
	double demand;              /* share, if all were traced */
	enum part_mode mode;        /* PART_ALL, or PART_WINDOWS: */
	double window_ns, every_ns; /* of the target's own CPU time */
};

/*
 * in     pair_ns: of a pair; per_s: pairs for each second of the target's own CPU time; window_ns:
 *        how long windows are; cores: that the target uses, 0: not known
 */
struct forecast forecast_part(double pair_ns, double per_s, double max_overhead, double window_ns,
			      double cores);

#endif
