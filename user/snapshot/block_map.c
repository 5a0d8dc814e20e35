/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/block_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#define BATCH 16384

struct batch {
	uint64_t keys[BATCH];
	struct abi_block values[BATCH];
};

int block_map_each(int map_fd,
		   void (*see)(void *context, uint64_t address, const struct abi_block *block),
		   void *context, struct err *err)
{
	struct batch *batch = malloc(sizeof(*batch));
	uint32_t in = 0, out = 0;
	void *position = NULL;
	int error = 0;

	if (!batch)
		return err_set(err, ERR_FAILED, "out of memory");
	while (!error) {
		uint32_t n = BATCH;

		if (bpf_map_lookup_batch(map_fd, position, &out, batch->keys, batch->values, &n,
					 NULL))
			error = errno;
		/* ENOENT: that was the last batch */
		for (uint32_t i = 0; i < n && (!error || error == ENOENT); i++)
			see(context, batch->keys[i], &batch->values[i]);
		in = out;
		position = &in;
	}
	free(batch);
	return error == ENOENT
		       ? 0
		       : err_set(err, ERR_FAILED, "the map of live blocks cannot be read: %s",
				 strerror(error));
}
