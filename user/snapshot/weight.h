/* SPDX-License-Identifier: BSD-2-Clause
 *
 * weight: a block that was sampled -> how many blocks it stands for, and how sure that is.
 *
 * Place      layer 4; used by live_blocks, survivors and thin. Pure.
 * Source     bpf/sample.bpf.h: a block of s bytes is recorded with p = 1 - exp(-s / 2^shift). The
 *            Horvitz-Thompson estimate of a sum is the sum of x / p over the recorded blocks;
 *            its variance is estimated by the sum of x^2 (1 - p) / p^2.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_WEIGHT_H
#define PYLEAKTRACE_SNAPSHOT_WEIGHT_H

#include <math.h>
#include <stdint.h>

#include <stdint.h>

#include "abi/records.h"

/* The probability that a block of this many bytes is recorded; 1 for shift 0. */
static inline double sample_chance(uint64_t size, unsigned shift)
{
	return shift ? -expm1(-(double)(size + !size) / (double)(1ull << shift)) : 1;
}

struct block_weight {
	double blocks;   /* that it stands for: 1 when it was not sampled */
	double variance; /* of that */
};

static inline struct block_weight block_weight(const struct abi_block *block)
{
	double chance = sample_chance(block->size, ABI_BLOCK_SHIFT(block->flags));

	return (struct block_weight){1 / chance, (1 - chance) / (chance * chance)};
}

#endif
