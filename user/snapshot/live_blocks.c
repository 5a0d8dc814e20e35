/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/live_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "snapshot/weight.h"

#define BATCH 16384

int live_blocks_init(struct live_blocks *live, uint32_t n_sites, struct err *err)
{
	memset(live, 0, sizeof(*live));
	live->sites = calloc(n_sites, sizeof(*live->sites));
	if (!live->sites)
		return err_set(err, ERR_FAILED, "out of memory");
	live->n_sites = n_sites;
	live->random = 0x9e3779b97f4a7c15u;
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

		site->bytes = site->count = site->seen = site->oldest_ns = 0;
		site->estimate = (struct live_estimate){0};
		site->n_samples = 0;
	}
}

/* xorshift: an even spread is all that is wanted */
static uint64_t next_random(struct live_blocks *live)
{
	live->random ^= live->random << 13;
	live->random ^= live->random >> 7;
	live->random ^= live->random << 17;
	return live->random;
}

/* Reservoir: after n blocks each of them is in the sample with probability LIVE_SAMPLES / n. */
static void sample(struct live_blocks *live, struct live_site *site, uint64_t address,
		   uint64_t size)
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
		index = next_random(live) % site->seen;
	if (index < LIVE_SAMPLES)
		site->samples[index] = (struct live_sample){address, size};
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

void live_blocks_add(struct live_blocks *live, uint64_t address, const struct abi_block *block)
{
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
	sample(live, site, address, block->size);
}

struct batch {
	uint64_t keys[BATCH];
	struct abi_block values[BATCH];
};

static int read_map(struct live_blocks *live, int fd, struct batch *batch, unsigned domains,
		    uint64_t from_ns, uint64_t until_ns, struct err *err)
{
	uint32_t in = 0, out = 0;
	void *position = NULL;

	for (;;) {
		uint32_t n = BATCH;
		int result = bpf_map_lookup_batch(fd, position, &out, batch->keys, batch->values,
						  &n, NULL);

		if (result && errno != ENOENT)
			return err_set(err, ERR_FAILED, "the map of live blocks cannot be read: %s",
				       strerror(errno));
		for (uint32_t i = 0; i < n; i++)
			if (domains >> batch->values[i].domain & 1 &&
			    batch->values[i].time_ns >= from_ns &&
			    batch->values[i].time_ns <= until_ns)
				live_blocks_add(live, batch->keys[i], &batch->values[i]);
		if (result)
			return 0; /* ENOENT: that was the last batch */
		in = out;
		position = &in;
	}
}

int live_blocks_read(struct live_blocks *live, const struct session_view *view, unsigned domains,
		     uint64_t from_ns, uint64_t until_ns, struct err *err)
{
	struct batch *batch = malloc(sizeof(*batch));
	int result;

	if (!batch)
		return err_set(err, ERR_FAILED, "out of memory");
	forget(live);
	result = read_map(live, view->blocks_fd, batch, domains, from_ns, until_ns, err);
	if (!result)
		result = read_map(live, view->mappings_fd, batch, domains, from_ns, until_ns, err);
	free(batch);
	for (uint32_t i = 0; i < live->n_sites && !result; i++) {
		struct live_site *site = &live->sites[i];

		site->bytes += (uint64_t)(site->estimate.bytes + 0.5);
		site->count += (uint64_t)(site->estimate.count + 0.5);
	}
	return result;
}

bool live_blocks_find(const struct session_view *view, uint64_t address, struct abi_block *block)
{
	return !bpf_map_lookup_elem(view->blocks_fd, &address, block) &&
	       block->site < view->n_sites;
}
