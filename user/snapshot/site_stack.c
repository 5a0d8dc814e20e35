/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/site_stack.h"
#include "probe/session_maps.h"

const struct abi_frame *site_frames(const struct session_view *view, uint32_t id,
				    uint32_t *n_frames)
{
	const struct abi_site *site = &view->sites[id];
	uint32_t first = site->first_chunk, n = site->n_frames;

	*n_frames = 0;
	if (n > ABI_MAX_ENTRIES || first > view->max_chunks ||
	    ABI_CHUNKS(n) > view->max_chunks - first)
		return NULL;
	*n_frames = n;
	/* chunks lie one behind the other, so the frames do too */
	return view->frames[first].frames;
}

uint32_t site_thread(const struct abi_frame *frames, uint32_t n)
{
	return n && ABI_FRAME_KIND(frames[n - 1].tag) == ABI_FRAME_THREAD ? frames[n - 1].unit : 0;
}

uint32_t site_name_frames(struct symbolizer *symbolizer, struct profile *profile,
			  const struct session_view *view, uint32_t id, struct frame *room,
			  struct stack *stack)
{
	/* the reserved sites take what finds no room */
	static const struct abi_frame full = {.unit = ABI_GAP_STACKS_FULL, .tag = ABI_FRAME_GAP};
	const struct abi_frame *raw = &full;
	struct frame *frames;
	uint32_t n = 1;

	if (id >= ABI_FIRST_SITE)
		raw = site_frames(view, id, &n);
	if (!raw || n == 0)
		return 0;
	stack->n_frames = symbolizer_name(symbolizer, profile, raw, n, room);
	frames = profile_alloc(profile, (stack->n_frames + 1) * sizeof(*frames));
	/* BPF walks from the leaf, the model begins at the root */
	for (size_t i = 0; i < stack->n_frames; i++)
		frames[i] = room[stack->n_frames - 1 - i];
	stack->frames = frames;
	return site_thread(raw, n);
}
