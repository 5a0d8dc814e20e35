/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/thin.h"

#include <bpf/bpf.h>

#include "base/xorshift.h"
#include "snapshot/block_map.h"
#include "snapshot/weight.h"

struct thinning {
	int fd;
	unsigned domains, shift;
	uint64_t random, kept;
};

/* Is it the one that was read? A batch is some milliseconds old, in which a busy target gives an address out again. */
static bool is_there(const struct thinning *thinning, uint64_t address,
		     const struct abi_block *block)
{
	struct abi_block now;

	return !bpf_map_lookup_elem(thinning->fd, &address, &now) &&
	       now.time_ns == block->time_ns && now.site == block->site;
}

static void thin_one(void *context, uint64_t address, const struct abi_block *block)
{
	struct thinning *thinning = context;
	struct abi_block kept = *block;
	unsigned shift = ABI_BLOCK_SHIFT(block->flags);
	double keep;

	if (!(thinning->domains >> block->domain & 1))
		return;
	if (shift >= thinning->shift) {
		thinning->kept++;
		return;
	}
	if (!is_there(thinning, address, block))
		return;
	keep = sample_chance(block->size, thinning->shift) / sample_chance(block->size, shift);
	if (xorshift_share(&thinning->random) >= keep) {
		bpf_map_delete_elem(thinning->fd, &address);
		return;
	}
	thinning->kept++;
	kept.flags = (uint16_t)((block->flags & 0xff) | ABI_BLOCK_SAMPLED(thinning->shift));
	bpf_map_update_elem(thinning->fd, &address, &kept, BPF_EXIST);
}

int thin_blocks(const struct session_view *view, unsigned domains, unsigned shift, uint64_t *kept,
		struct err *err)
{
	struct thinning thinning = {
		.fd = view->blocks_fd,
		.domains = domains,
		.shift = shift,
		.random = XORSHIFT_SEED ^ (uint64_t)shift << 32,
	};
	int result = block_map_each(view->blocks_fd, thin_one, &thinning, err);

	if (kept)
		*kept = thinning.kept;
	return result;
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

int thin_count(const struct session_view *view, unsigned domains, uint64_t *count, struct err *err)
{
	struct tally tally = {.domains = domains};
	int result = block_map_each(view->blocks_fd, tally_one, &tally, err);

	*count = tally.n;
	return result;
}
