/* SPDX-License-Identifier: BSD-2-Clause
 *
 * map_reader: the elements of a session's hash maps: live blocks (`blocks`, `mappings`) and
 * threads.
 *
 * Place      layer 3; with session_maps the one way to a map for the rooms above.
 * Errors     -ERR_FAILED: out of memory, or the kernel does not let the map be read; what was seen
 *            until then is valid.
 * Degrades   the target goes on while a map is read, bucket by bucket: an element that is there all
 *            the time is seen exactly once, one that comes or goes meanwhile may or may not be.
 *            What is seen is a copy, some milliseconds old; the callback may remove the
 *            element from the map.
 * Bounds     one buffer of 16,384 blocks; MAP_READER_THREADS threads.
 */
#ifndef PYLEAKTRACE_PROBE_MAP_READER_H
#define PYLEAKTRACE_PROBE_MAP_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/records.h"
#include "base/err.h"

#define MAP_READER_THREADS (1u << 20)

int map_blocks_each(int map_fd,
		    void (*see)(void *context, uint64_t address, const struct abi_block *block),
		    void *context, struct err *err);

/* The block at this address; false: there is none. */
bool map_block_find(int map_fd, uint64_t address, struct abi_block *block);

void map_block_remove(int map_fd, uint64_t address);

/* false: there is no room */
bool map_block_put(int map_fd, uint64_t address, const struct abi_block *block);

int map_threads_each(int map_fd, void (*see)(void *context, const struct abi_thread *thread),
		     void *context, struct err *err);

#endif
