/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/thin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "snapshot/weight.h"

#define BATCH 4096

struct thinning {
	int fd;
	unsigned domains, shift;
	uint64_t random, kept, seen;
	bool count_only;
	uint64_t keys[BATCH];
	struct abi_block values[BATCH];
};

/* xorshift: in [0, 1) */
static double next_random(struct thinning *thinning)
{
	thinning->random ^= thinning->random << 13;
	thinning->random ^= thinning->random >> 7;
	thinning->random ^= thinning->random << 17;
	return (double)(thinning->random >> 11) / 9007199254740992.0;
}

/* Is it the one that was read? A batch is some milliseconds old, in which a busy target gives an address out again. */
static bool is_there(const struct thinning *thinning, uint64_t address,
		     const struct abi_block *block)
{
	struct abi_block now;

	return !bpf_map_lookup_elem(thinning->fd, &address, &now) &&
	       now.time_ns == block->time_ns && now.site == block->site;
}

static void thin_one(struct thinning *thinning, uint64_t address, struct abi_block *block)
{
	unsigned shift = ABI_BLOCK_SHIFT(block->flags);
	double keep;

	if (!(thinning->domains >> block->domain & 1))
		return;
	thinning->seen++;
	if (thinning->count_only)
		return;
	if (shift >= thinning->shift) {
		thinning->kept++;
		return;
	}
	if (!is_there(thinning, address, block))
		return;
	keep = sample_chance(block->size, thinning->shift) / sample_chance(block->size, shift);
	if (next_random(thinning) >= keep) {
		bpf_map_delete_elem(thinning->fd, &address);
		return;
	}
	thinning->kept++;
	block->flags = (uint16_t)((block->flags & 0xff) | ABI_BLOCK_SAMPLED(thinning->shift));
	bpf_map_update_elem(thinning->fd, &address, block, BPF_EXIST);
}

static int walk(struct thinning *thinning, struct err *err)
{
	uint32_t in = 0, out = 0;
	void *position = NULL;

	for (;;) {
		uint32_t n = BATCH;
		int result = bpf_map_lookup_batch(thinning->fd, position, &out, thinning->keys,
						  thinning->values, &n, NULL);
		int error = errno;

		if (result && error != ENOENT)
			return err_set(err, ERR_FAILED, "the map of live blocks cannot be read: %s",
				       strerror(error));
		for (uint32_t i = 0; i < n; i++)
			thin_one(thinning, thinning->keys[i], &thinning->values[i]);
		if (result)
			return 0; /* ENOENT: that was the last batch */
		in = out;
		position = &in;
	}
}

int thin_blocks(const struct session_view *view, unsigned domains, unsigned shift, uint64_t *kept,
		struct err *err)
{
	struct thinning *thinning = calloc(1, sizeof(*thinning));
	int result;

	if (!thinning)
		return err_set(err, ERR_FAILED, "out of memory");
	thinning->fd = view->blocks_fd;
	thinning->domains = domains;
	thinning->shift = shift;
	thinning->random = 0x9e3779b97f4a7c15u ^ (uint64_t)shift << 32;
	result = walk(thinning, err);
	if (kept)
		*kept = thinning->kept;
	free(thinning);
	return result;
}

int thin_count(const struct session_view *view, unsigned domains, uint64_t *count, struct err *err)
{
	struct thinning *thinning = calloc(1, sizeof(*thinning));
	int result;

	if (!thinning)
		return err_set(err, ERR_FAILED, "out of memory");
	thinning->fd = view->blocks_fd;
	thinning->domains = domains;
	thinning->count_only = true;
	result = walk(thinning, err);
	*count = thinning->seen;
	free(thinning);
	return result;
}
