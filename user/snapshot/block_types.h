/* SPDX-License-Identifier: BSD-2-Clause
 *
 * block_types: addresses of live blocks -> which object types are in them now.
 *
 * Place      layer 4; used by snapshot.c.
 * Shapes     one share per type, largest bytes first; "[buffer]": memory that is not an object.
 * Degrades   blocks that cannot be read (freed and unmapped meanwhile) are left out of the shares,
 *            and survivors of windows in whose place there is another type by now.
 * Bounds     at most LIVE_SAMPLES blocks a call, 80 bytes read of each; the target is not stopped.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_BLOCK_TYPES_H
#define PYLEAKTRACE_SNAPSHOT_BLOCK_TYPES_H

#include "model/profile.h"
#include "python/object.h"
#include "snapshot/live_blocks.h"

/* Fill stack->types from a sample of the stack's blocks. */
void block_types_fill(struct profile *profile, struct stack *stack, struct py_types *types,
		      const struct live_sample *samples, uint32_t n_samples);

#endif
