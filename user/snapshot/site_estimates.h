/* SPDX-License-Identifier: BSD-2-Clause
 *
 * site_estimates: what windows have left of each site, and what sampled blocks are -> estimates of
 * what is outstanding.
 *
 * Place      layer 4; used by snapshot.
 * Shapes     rows[id] belongs to site id of the session, as in live_blocks.
 * Units      bytes, counts; errors are half the width of a 95 % interval.
 * Bounds     as many rows as live_blocks has sites.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_SITE_ESTIMATES_H
#define PYLEAKTRACE_SNAPSHOT_SITE_ESTIMATES_H

#include "model/profile.h"
#include "snapshot/live_blocks.h"
#include "snapshot/survivors.h"
#include "snapshot/downsample.h"

/*
 * Where not all domains are traced all the time: the traced ones count by their blocks in the maps,
 * the others by what windows have left.
 */
struct snapshot_estimates {
	unsigned exact_domains;   /* bits of enum abi_domain: their blocks are in the maps; of these
				     ... */
	unsigned sampled_domains; /* ... those whose blocks are, or were, sampled */
	const struct downsampling *downsampling; /* of those; NULL: none; borrowed */
	struct survivors *survivors;
	/* outstanding blocks that one block of the target's stands for, and the relative standard
	 * error of that; 0: none */
	struct snapshot_scale {
		double blocks, error;
	} (*scale)(void *context, const struct survivor *survivor);
	void *context;
};

/* What the survivors of one site stand for. */
struct site_estimate {
	struct live_estimate sum;
	double scale_error; /* relative, the same for all of a site */
};

/*
 * Of the survivors that were born at from_ns or later, one row a site; in the place of what windows
 * have seen of a site, `live` has what that stands for.
 */
void site_estimates_make(struct site_estimate *rows, struct live_blocks *live,
			 const struct snapshot_estimates *how, uint64_t from_ns);

/*
 * What is known of a stack whose blocks were sampled, or seen in windows only.
 *
 * in     windows: its row; NULL: windows have seen nothing of it, and `sampled` counts
 *        passed_s: since from_ns
 */
void site_estimate_fill(const struct site_estimate *windows, const struct live_estimate *sampled,
			double passed_s, struct stack *stack);

#endif
