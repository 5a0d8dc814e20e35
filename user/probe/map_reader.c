/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/map_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#define BATCH 16384

struct batch {
	uint64_t keys[BATCH];
	struct abi_block values[BATCH];
};

int map_blocks_each(int map_fd,
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

bool map_block_find(int map_fd, uint64_t address, struct abi_block *block)
{
	return bpf_map_lookup_elem(map_fd, &address, block) == 0;
}

void map_block_remove(int map_fd, uint64_t address)
{
	bpf_map_delete_elem(map_fd, &address);
}

bool map_block_put(int map_fd, uint64_t address, const struct abi_block *block)
{
	return bpf_map_update_elem(map_fd, &address, block, BPF_NOEXIST) == 0;
}

int map_threads_each(int map_fd, void (*see)(void *context, const struct abi_thread *thread),
		     void *context, struct err *err)
{
	struct abi_thread *thread = malloc(sizeof(*thread));
	uint32_t before, tid, *at = NULL;

	if (!thread)
		return err_set(err, ERR_FAILED, "out of memory");
	for (uint32_t n = 0; n < MAP_READER_THREADS && !bpf_map_get_next_key(map_fd, at, &tid);
	     n++) {
		before = tid;
		at = &before;
		/* else it has ended */
		if (!bpf_map_lookup_elem(map_fd, &tid, thread))
			see(context, thread);
	}
	free(thread);
	return 0;
}
