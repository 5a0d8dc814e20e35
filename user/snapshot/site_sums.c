/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/site_sums.h"

#include "snapshot/site_stack.h"
#include "probe/session_maps.h"

/* Why the C frames of a site end early; 0: they do not. */
static uint32_t native_gap(const struct session_view *view, uint32_t id)
{
	uint32_t n, i = 0;
	const struct abi_frame *frames = site_frames(view, id, &n);

	while (i < n && ABI_FRAME_KIND(frames[i].tag) == ABI_FRAME_NATIVE)
		i++;
	if (i == n || ABI_FRAME_KIND(frames[i].tag) != ABI_FRAME_GAP)
		return 0;
	return frames[i].unit >= ABI_GAP_NATIVE_FIRST && frames[i].unit < ABI_GAP_NATIVE_END
		       ? frames[i].unit
		       : 0;
}

void site_sums_add(struct site_sums *sums, const struct session_view *view, uint32_t id,
		   const struct abi_site *base)
{
	const struct abi_site *site = &view->sites[id];

	sums->allocated_bytes += site->allocated_bytes - base->allocated_bytes;
	sums->allocated_count += site->allocated_count - base->allocated_count;
	sums->freed_count += site->freed_count - base->freed_count;
	sums->gaps[id < ABI_FIRST_SITE ? 0 : native_gap(view, id)] +=
		site->allocated_count - base->allocated_count;
}

void site_sums_join(struct site_sums *sums, const struct site_sums *more)
{
	sums->allocated_bytes += more->allocated_bytes;
	sums->allocated_count += more->allocated_count;
	sums->freed_count += more->freed_count;
	for (unsigned gap = 0; gap < ABI_GAP_NATIVE_END; gap++)
		sums->gaps[gap] += more->gaps[gap];
}
