/* SPDX-License-Identifier: BSD-2-Clause
 *
 * live_blocks: the maps of live blocks and mappings -> sums per site, and a sample of addresses per
 * site.
 *
 * Place      layer 4; used by snapshot.c.
 * Shapes     live_site[id] belongs to site id of the session. The blocks themselves are not kept: a
 *            million of them pass through one buffer of 16,384.
 * Units      bytes, counts, ns of CLOCK_MONOTONIC.
 * Errors     -ERR_FAILED: the kernel does not let the maps be read.
 * Degrades   the target goes on allocating while the maps are read, bucket by bucket: a block that
 *            lives all the time is seen exactly once, one that comes or goes meanwhile may or may
 *            not be.
 * Bounds     LIVE_SAMPLES addresses per site, kept for at most LIVE_SAMPLED_SITES sites; memory
 *            about 40 bytes a site and 1.5 KiB a sampled site.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_LIVE_BLOCKS_H
#define PYLEAKTRACE_SNAPSHOT_LIVE_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/session.h"
#include "probe/session_maps.h"
#include "snapshot/downsample.h"

#define LIVE_SAMPLES       64
#define LIVE_SAMPLED_SITES 8192

struct live_sample {
	uint64_t address, size;
	const char *was; /* the type that was in it (survivors.h); NULL: not known, or it is in the
			    maps */
};

/* What sampled blocks stand for (weight.h); all 0 where every block was recorded. */
struct live_estimate {
	double bytes, count;
	double bytes_variance, count_variance;
	uint64_t seen;
};

struct live_site {
	uint64_t bytes, count; /* with what sampled ones stand for */
	struct live_estimate estimate;
	uint64_t seen;                 /* blocks in the maps */
	uint64_t oldest_ns, newest_ns; /* times of the oldest and of the newest block; 0: none */
	struct live_sample *samples;   /* NULL or n_samples, each block with equal probability */
	uint32_t n_samples;
};

struct live_blocks {
	struct live_site *sites;
	uint32_t n_sites; /* capacity, ids */
	uint32_t n_sampled;
	uint64_t random; /* private */
};

int live_blocks_init(struct live_blocks *live, uint32_t n_sites, struct err *err);
void live_blocks_fini(struct live_blocks *live);

/* Which blocks count. */
struct live_wanted {
	unsigned domains;                        /* bits of enum abi_domain */
	uint64_t from_ns, until_ns;              /* both included */
	const struct downsampling *downsampling; /* NULL: all do; borrowed */
};

/* Read both maps again; what was there before is forgotten. */
int live_blocks_read(struct live_blocks *live, const struct session_view *view,
		     const struct live_wanted *wanted, struct err *err);

/* One more, that is in no map any more. was: as in live_sample; borrowed until the next
 * live_blocks_read() */
void live_blocks_add(struct live_blocks *live, uint64_t address, const struct abi_block *block,
		     const char *was);

/* The site is no more: its sums are 0, its sample is freed. */
void live_blocks_drop(struct live_blocks *live, uint32_t site);

/* The live block at this address of the target. false: it is not on the account. */
bool live_blocks_find(const struct session_view *view, uint64_t address, struct abi_block *block);

#endif
