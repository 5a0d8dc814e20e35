/* SPDX-License-Identifier: BSD-2-Clause
 *
 * site_stack: a site of the kernel's maps -> its frames, and their names.
 *
 * Place      layer 4; used by snapshot.c and watch_hits.c.
 * Ownership  frames are of the mapped pool; names live in the profile.
 * Degrades   what is damaged in the maps has no frames.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_SITE_STACK_H
#define PYLEAKTRACE_SNAPSHOT_SITE_STACK_H

#include "model/profile.h"
#include "probe/session.h"
#include "probe/session_maps.h"
#include "symbol/symbolizer.h"

/* The frames of a site, leaf first; the run is checked against the pool. */
const struct abi_frame *site_frames(const struct session_view *view, uint32_t id,
				    uint32_t *n_frames);

/*
 * Name the frames of a site.
 *
 * in     room: SYMBOLIZER_ROOM(ABI_MAX_ENTRIES) frames, scratch
 * out    stack: frames, root first; the rest stays
 * return the thread whose stack it is; 0: stacks are not kept by thread
 */
uint32_t site_name_frames(struct symbolizer *symbolizer, struct profile *profile,
			  const struct session_view *view, uint32_t id, struct frame *room,
			  struct stack *stack);

/* The thread whose stack this is; 0: stacks are not kept by thread. */
uint32_t site_thread(const struct abi_frame *frames, uint32_t n);

#endif
