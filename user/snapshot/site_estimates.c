/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/site_estimates.h"

#include <math.h>
#include <string.h>

#include "base/fit.h"

struct making {
	struct site_estimate *rows;
	struct live_blocks *live;
	const struct snapshot_estimates *how;
	uint64_t from_ns;
};

static void add_survivor(void *context, const struct survivor *survivor)
{
	const struct abi_block block = {.size = survivor->size,
					.time_ns = survivor->born_ns,
					.site = survivor->site,
					.domain = (uint16_t)survivor->domain};
	const struct making *making = context;
	const struct snapshot_estimates *how = making->how;
	struct site_estimate *row;
	struct snapshot_scale scale;
	double blocks;

	if (survivor->gone || how->exact_domains >> survivor->domain & 1 ||
	    survivor->site >= making->live->n_sites || survivor->born_ns < making->from_ns)
		return;
	scale = how->scale(how->context, survivor);
	blocks = scale.blocks * survivor->weight;
	if (!(blocks > 0))
		return;
	live_blocks_add(making->live, survivor->address, &block,
			survivor->type_index == SURVIVORS_TYPE_UNKNOWN ? NULL : survivor->type);
	row = &making->rows[survivor->site];
	row->sum.seen++;
	row->sum.count += blocks;
	row->sum.bytes += blocks * (double)survivor->size;
	/* each is a draw of its own, with the Poisson law's variance */
	row->sum.count_variance += blocks * blocks;
	row->sum.bytes_variance +=
		blocks * blocks * (double)survivor->size * (double)survivor->size;
	row->scale_error = scale.error;
}

void site_estimates_make(struct site_estimate *rows, struct live_blocks *live,
			 const struct snapshot_estimates *how, uint64_t from_ns)
{
	struct making making = {rows, live, how, from_ns};

	memset(rows, 0, live->n_sites * sizeof(*rows));
	survivors_each(how->survivors, add_survivor, &making);
	for (uint32_t id = 0; id < live->n_sites; id++) {
		if (!rows[id].sum.seen)
			continue;
		live->sites[id].bytes = (uint64_t)(rows[id].sum.bytes + 0.5);
		live->sites[id].count = (uint64_t)(rows[id].sum.count + 0.5);
		if (!live->sites[id].count)
			live->sites[id].count = 1;
	}
}

/*
 * Half the width of a 95 % interval, of an estimate from `seen` blocks. Of a few the normal
 * distribution says too little: it is the upper half then, the larger one.
 */
static double half_width(double value, double variance, double relative, uint64_t seen)
{
	double n = (double)seen, few = (fit_poisson_upper(n) - n) / (1.96 * sqrt(n));

	return 1.96 * sqrt(variance * few * few + value * value * relative * relative);
}

void site_estimate_fill(const struct site_estimate *windows, const struct live_estimate *sampled,
			double passed_s, struct stack *stack)
{
	const struct live_estimate *sum = windows ? &windows->sum : sampled;
	double error = windows ? windows->scale_error : 0;

	stack->estimated = true;
	stack->seen = sum->seen;
	stack->bytes_error = half_width(sum->bytes, sum->bytes_variance, error, sum->seen);
	stack->count_error = half_width(sum->count, sum->count_variance, error, sum->seen);
	stack->allocated_bytes = stack->allocated_count = stack->freed_count = 0;
	if (windows)
		stack->growth_bytes_per_s = passed_s > 0 ? sum->bytes / passed_s : 0;
}
