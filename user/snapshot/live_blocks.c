/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/live_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/xorshift.h"
#include "probe/map_reader.h"
#include "snapshot/weight.h"
#include "probe/session_maps.h"

int live_blocks_init(struct live_blocks *live, uint32_t n_sites, struct err *err)
{
	memset(live, 0, sizeof(*live));
	live->sites = calloc(n_sites, sizeof(*live->sites));
	if (!live->sites)
		return err_set(err, ERR_FAILED, "out of memory");
	live->n_sites = n_sites;
	live->random = XORSHIFT_SEED;
	return 0;
}

void live_blocks_fini(struct live_blocks *live)
{
	for (uint32_t i = 0; i < live->n_sites; i++)
		free(live->sites[i].samples);
	free(live->sites);
	memset(live, 0, sizeof(*live));
}

static void forget(struct live_blocks *live)
{
	for (uint32_t i = 0; i < live->n_sites; i++) {
		struct live_site *site = &live->sites[i];

		site->bytes = site->count = site->seen = 0;
		site->oldest_ns = site->newest_ns = 0;
		site->estimate = (struct live_estimate){0};
		site->n_samples = 0;
	}
}

/* Reservoir: after n blocks each of them is in the sample with probability LIVE_SAMPLES / n. */
static void sample(struct live_blocks *live, struct live_site *site,
		   const struct live_sample *block)
{
	uint64_t index = site->n_samples;

	if (!site->samples) {
		if (live->n_sampled == LIVE_SAMPLED_SITES)
			return;
		site->samples = malloc(LIVE_SAMPLES * sizeof(*site->samples));
		if (!site->samples)
			return;
		live->n_sampled++;
	}
	if (site->n_samples < LIVE_SAMPLES)
		site->n_samples++;
	else
		index = xorshift_next(&live->random) % site->seen;
	if (index < LIVE_SAMPLES)
		site->samples[index] = *block;
}

static void add_estimate(struct live_estimate *estimate, const struct abi_block *block)
{
	struct block_weight weight = block_weight(block);
	double size = (double)block->size;

	estimate->seen++;
	estimate->count += weight.blocks;
	estimate->bytes += weight.blocks * size;
	estimate->count_variance += weight.variance;
	estimate->bytes_variance += weight.variance * size * size;
}

void live_blocks_add(struct live_blocks *live, uint64_t address, const struct abi_block *block,
		     const char *was)
{
	const struct live_sample one = {address, block->size, was};
	struct live_site *site;

	if (block->site >= live->n_sites)
		return;
	site = &live->sites[block->site];
	site->seen++;
	if (ABI_BLOCK_SHIFT(block->flags)) {
		add_estimate(&site->estimate, block);
	} else {
		site->bytes += block->size;
		site->count++;
	}
	if (!site->oldest_ns || block->time_ns < site->oldest_ns)
		site->oldest_ns = block->time_ns;
	if (block->time_ns > site->newest_ns)
		site->newest_ns = block->time_ns;
	sample(live, site, &one);
}

void live_blocks_drop(struct live_blocks *live, uint32_t site)
{
	if (site >= live->n_sites)
		return;
	if (live->sites[site].samples)
		live->n_sampled--;
	free(live->sites[site].samples);
	live->sites[site] = (struct live_site){0};
}

struct reading {
	struct live_blocks *live;
	const struct live_wanted *wanted;
};

static void add_wanted(void *context, uint64_t address, const struct abi_block *block)
{
	const struct reading *reading = context;
	const struct live_wanted *wanted = reading->wanted;
	struct abi_block counted = *block;

	if (wanted->domains >> block->domain & 1 && block->time_ns >= wanted->from_ns &&
	    block->time_ns <= wanted->until_ns &&
	    downsample_apply(wanted->downsampling, address, &counted))
		live_blocks_add(reading->live, address, &counted, NULL);
}

int live_blocks_read(struct live_blocks *live, const struct session_view *view,
		     const struct live_wanted *wanted, struct err *err)
{
	struct reading reading = {live, wanted};
	int result;

	forget(live);
	result = map_blocks_each(view->blocks_fd, add_wanted, &reading, err);
	if (!result)
		result = map_blocks_each(view->mappings_fd, add_wanted, &reading, err);
	for (uint32_t i = 0; i < live->n_sites && !result; i++) {
		struct live_site *site = &live->sites[i];

		site->bytes += (uint64_t)(site->estimate.bytes + 0.5);
		site->count += (uint64_t)(site->estimate.count + 0.5);
	}
	return result;
}

bool live_blocks_find(const struct session_view *view, uint64_t address, struct abi_block *block)
{
	return map_block_find(view->blocks_fd, address, block) && block->site < view->n_sites;
}
