/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/interleave.h"

#include <stdbool.h>

static bool is_native(const struct abi_frame *frame)
{
	unsigned kind = ABI_FRAME_KIND(frame->tag);

	return kind == ABI_FRAME_NATIVE ||
	       (kind == ABI_FRAME_GAP && frame->unit >= ABI_GAP_NATIVE_FIRST);
}

/* Copy one run of Python frames; returns the index behind it. */
static size_t copy_run(const struct abi_frame *frames, size_t at, size_t end, struct abi_frame *out,
		       size_t *n_out)
{
	while (at < end) {
		bool last = ABI_FRAME_KIND(frames[at].tag) == ABI_FRAME_PYTHON &&
			    frames[at].tag & ABI_FRAME_RUN_END;

		out[(*n_out)++] = frames[at++];
		if (last)
			break;
	}
	return at;
}

/* What follows belongs to another stack. A gap frame of the Python frames may have said already
 * that they end early. */
static size_t end_here(const struct abi_frame *frames, size_t end, struct abi_frame *out, size_t n)
{
	bool said = end && ABI_FRAME_KIND(frames[end - 1].tag) == ABI_FRAME_GAP &&
		    frames[end - 1].unit < ABI_GAP_NATIVE_FIRST;

	if (!said)
		out[n++] = (struct abi_frame){.unit = INTERLEAVE_GAP_OTHER_STACK,
					      .tag = ABI_FRAME_GAP};
	return n;
}

size_t interleave(const struct abi_frame *frames, size_t n_frames, interleave_role_of *role_of,
		  void *context, struct abi_frame *out)
{
	size_t n_native = 0, end = n_frames, n = 0, python;

	while (n_native < n_frames && is_native(&frames[n_native]))
		n_native++;
	while (end > n_native && ABI_FRAME_KIND(frames[end - 1].tag) == ABI_FRAME_THREAD)
		end--;
	python = n_native;
	for (size_t i = 0; i < n_native; i++) {
		enum interleave_role role = INTERLEAVE_PLAIN;

		if (ABI_FRAME_KIND(frames[i].tag) == ABI_FRAME_NATIVE)
			role = role_of(context, &frames[i]);
		if (role == INTERLEAVE_LOOP && end > n_native) {
			if (python == end)
				return end_here(frames, end, out, n);
			python = copy_run(frames, python, end, out, &n);
			continue;
		}
		out[n++] = frames[i];
		if (role == INTERLEAVE_SWITCH && python == end)
			return end_here(frames, end, out, n);
	}
	/* there is an activation for each Python frame: without it, the walk has missed the way */
	if (n_native && ABI_FRAME_KIND(frames[n_native - 1].tag) == ABI_FRAME_NATIVE &&
	    python < end && ABI_FRAME_KIND(frames[python].tag) == ABI_FRAME_PYTHON)
		out[n++] =
			(struct abi_frame){.unit = INTERLEAVE_GAP_UNPAIRED, .tag = ABI_FRAME_GAP};
	while (python < end)
		out[n++] = frames[python++];
	return n;
}
