/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/block_types.h"

#include <stdlib.h>
#include <string.h>

#include "target/remote_mem.h"

#define BUFFER_NAME "[buffer]"

static struct type_share *share_of(struct type_share *shares, size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++)
		if (shares[i].name == name)
			return &shares[i];
	shares[*n] = (struct type_share){.name = name};
	return &shares[(*n)++];
}

static int by_bytes(const void *a, const void *b)
{
	const struct type_share *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->name, y->name);
}

void block_types_fill(struct profile *profile, struct stack *stack, struct py_types *types,
		      const struct live_sample *samples, uint32_t n_samples)
{
	uint8_t heads[LIVE_SAMPLES][PY_BLOCK_HEAD_MAX];
	struct remote_item items[LIVE_SAMPLES];
	struct type_share *shares;
	size_t n = 0;

	if (n_samples > LIVE_SAMPLES)
		n_samples = LIVE_SAMPLES;
	if (n_samples == 0)
		return;
	for (uint32_t i = 0; i < n_samples; i++) {
		size_t length =
			samples[i].size < PY_BLOCK_HEAD_MAX ? samples[i].size : PY_BLOCK_HEAD_MAX;

		items[i] = (struct remote_item){
			.address = samples[i].address, .buffer = heads[i], .length = length};
	}
	remote_read_many(py_types_pid(types), items, n_samples);
	shares = profile_alloc(profile, n_samples * sizeof(*shares));
	for (uint32_t i = 0; i < n_samples; i++) {
		const struct py_type *type;
		struct type_share *share;
		const char *name;

		if (items[i].result)
			continue;
		type = py_block_type(types, samples[i].address, samples[i].size, heads[i],
				     items[i].length);
		name = type ? type->name : BUFFER_NAME;
		/* the address holds something else by now, which this stack need not have made */
		if (samples[i].was && strcmp(name, samples[i].was) != 0)
			continue;
		share = share_of(shares, &n, profile_str(profile, name, -1));
		share->count++;
		share->bytes += samples[i].size;
		stack->types_sampled++;
	}
	qsort(shares, n, sizeof(*shares), by_bytes);
	stack->types = shares;
	stack->n_types = n;
}
