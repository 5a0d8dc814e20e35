/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/downsample.h"

#include "base/xorshift.h"
#include "probe/map_reader.h"
#include "snapshot/weight.h"
#include "probe/session_maps.h"

/* ---- which count ---------------------------------------------------------------------------- */

void downsample_add(struct downsampling *downsampling, unsigned domains, unsigned shift,
		    uint64_t now_ns)
{
	shift &= ABI_SAMPLE_SHIFT_MAX;
	if (shift > downsampling->largest)
		downsampling->largest = shift;
	for (unsigned domain = 0; domain < ABI_DOMAINS; domain++)
		if (domains >> domain & 1)
			downsampling->until_ns[domain][shift] = now_ns;
}

/*
 * In [0, 1), the same at each look.
 *
 * Source     the end of MurmurHash3 (Appleby, fmix64), which spreads each bit over all
 */
static double share_of(uint64_t address, uint64_t time_ns)
{
	uint64_t hash = address * XORSHIFT_SEED + time_ns;

	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
	hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
	return xorshift_as_share(hash ^ hash >> 33);
}

bool downsample_apply(const struct downsampling *downsampling, uint64_t address,
		      struct abi_block *block)
{
	unsigned recorded = ABI_BLOCK_SHIFT(block->flags), shift;
	double keep;

	if (!downsampling || block->domain >= ABI_DOMAINS)
		return true;
	shift = downsampling->largest;
	while (shift > recorded && downsampling->until_ns[block->domain][shift] <= block->time_ns)
		shift--;
	if (shift <= recorded)
		return true;
	keep = sample_chance(block->size, shift) / sample_chance(block->size, recorded);
	block->flags = (uint16_t)((block->flags & 0xff) | ABI_BLOCK_SAMPLED(shift));
	return share_of(address, block->time_ns) < keep;
}

/* ---- the map -------------------------------------------------------------------------------- */

struct emptying {
	int fd;
	const struct downsampling *downsampling;
};

/* Is it the one that was read? A batch is some milliseconds old, in which a busy target gives an
 * address out again. */
static bool is_there(int fd, uint64_t address, const struct abi_block *block)
{
	struct abi_block now;

	return map_block_find(fd, address, &now) && now.time_ns == block->time_ns &&
	       now.site == block->site;
}

static void empty_one(void *context, uint64_t address, const struct abi_block *block)
{
	const struct emptying *emptying = context;
	struct abi_block left = *block;

	if (!downsample_apply(emptying->downsampling, address, &left) &&
	    is_there(emptying->fd, address, block))
		map_block_remove(emptying->fd, address);
}

int downsample_blocks(const struct session_view *view, const struct downsampling *downsampling,
		      struct err *err)
{
	struct emptying emptying = {view->blocks_fd, downsampling};

	return map_blocks_each(view->blocks_fd, empty_one, &emptying, err);
}

struct tally {
	unsigned domains;
	uint64_t n;
};

static void tally_one(void *context, uint64_t address, const struct abi_block *block)
{
	struct tally *tally = context;

	(void)address;
	tally->n += tally->domains >> block->domain & 1;
}

int downsample_count(const struct session_view *view, unsigned domains, uint64_t *count,
		     struct err *err)
{
	struct tally tally = {.domains = domains};
	int result = map_blocks_each(view->blocks_fd, tally_one, &tally, err);

	*count = tally.n;
	return result;
}
