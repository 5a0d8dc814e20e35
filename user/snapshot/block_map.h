/* SPDX-License-Identifier: BSD-2-Clause
 *
 * block_map: every element of a map of live blocks (`blocks`, `mappings`), once.
 *
 * Place      layer 4; used by live_blocks, survivors and thin.
 * Errors     -ERR_FAILED: memory is out, or the kernel does not let the map be read; what was seen until then was seen.
 * Degrades   the target goes on while the map is read, bucket by bucket: an element that is there all the time is seen exactly once,
 *            one that comes or goes meanwhile may or may not be. What is seen is a copy, some milliseconds old; whoever sees it
 *            may take the element out of the map.
 * Bounds     one buffer of 16,384 elements.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_BLOCK_MAP_H
#define PYLEAKTRACE_SNAPSHOT_BLOCK_MAP_H

#include <stdint.h>

#include "abi/records.h"
#include "base/err.h"

int block_map_each(int map_fd,
		   void (*see)(void *context, uint64_t address, const struct abi_block *block),
		   void *context, struct err *err);

#endif
