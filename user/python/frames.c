/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/frames.h"

#include <string.h>

#include "target/remote_mem.h"

#define FRAME_READ_MAX 192
#define COPIES_MAX     (1u << 20) /* of a bytecode: one for each thread that ran it */

static uint64_t field(const uint8_t *bytes, int32_t offset, size_t width)
{
	uint64_t value = 0;

	if (offset >= 0 && (size_t)offset + width <= FRAME_READ_MAX)
		memcpy(&value, bytes + offset, width);
	return value;
}

/* As far as a frame is read: to the end of the last field. */
static size_t frame_length(const struct py_layout *layout)
{
	const int32_t ends[] = {layout->frame.previous + 8, layout->frame.code + 8,
				layout->frame.lasti + 4,    layout->frame.instr_ptr + 8,
				layout->frame.owner + 1,    layout->frame.tlbc_index + 4};
	int32_t end = 0;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		end = ends[i] > end ? ends[i] : end;
	return end < FRAME_READ_MAX ? (size_t)end : FRAME_READ_MAX;
}

static uint64_t newest(pid_t pid, const struct py_layout *layout, uint64_t state)
{
	uint64_t frame = 0, cframe = 0;

	if (layout->tstate.frame != LAYOUT_NONE) {
		remote_read_u64(pid, state + (uint64_t)layout->tstate.frame, &frame);
	} else if (layout->tstate.current_frame != LAYOUT_NONE) {
		remote_read_u64(pid, state + (uint64_t)layout->tstate.current_frame, &frame);
	} else if (remote_read_u64(pid, state + (uint64_t)layout->tstate.cframe, &cframe) == 0 &&
		   cframe) {
		remote_read_u64(pid, cframe + (uint64_t)layout->cframe_current_frame, &frame);
	}
	return frame;
}

/* Where the bytecode is that the frame runs: threads have copies of their own without a GIL, from
 * 3.14 on. */
static uint64_t bytecode_of(pid_t pid, const struct py_layout *layout, uint64_t code,
			    const uint8_t *bytes)
{
	uint64_t copy = field(bytes, layout->frame.tlbc_index, 4), copies = 0, bytecode = 0;

	/* copy 0 is the code's own; the array is its length, and then the copies' addresses */
	if (layout->code.tlbc != LAYOUT_NONE && copy && copy < COPIES_MAX &&
	    !remote_read_u64(pid, code + (uint64_t)layout->code.tlbc, &copies) && copies &&
	    !remote_read_u64(pid, copies + 8 + 8 * copy, &bytecode) && bytecode)
		return bytecode;
	return code + (uint64_t)layout->code.code;
}

enum kept { KEPT, LEFT_OUT, NO_FRAME };

/* in  bytes: of the frame */
static enum kept take_frame(struct py_frame *frame, pid_t pid, const struct py_runtime *runtime,
			    const uint8_t *bytes)
{
	const struct py_layout *layout = &runtime->layout;
	uint64_t owner = field(bytes, layout->frame.owner, 1), type = 0;
	int64_t units;
	uint32_t first = 0;

	if (layout->frame.owner != LAYOUT_NONE && owner >= layout->frame.owner_shim)
		return LEFT_OUT;
	frame->code = field(bytes, layout->frame.code, 8) & layout->frame.code_mask;
	if (remote_read_u64(pid, frame->code + (uint64_t)layout->object.ob_type, &type) ||
	    type != runtime->code_type)
		return NO_FRAME;
	if (layout->frame.lasti != LAYOUT_NONE) {
		int32_t lasti = (int32_t)field(bytes, layout->frame.lasti, 4);

		frame->position = lasti < 0 ? 0 : (uint32_t)lasti * layout->frame.lasti_unit / 2;
		return KEPT;
	}
	units = (int64_t)(field(bytes, layout->frame.instr_ptr, 8) -
			  bytecode_of(pid, layout, frame->code, bytes)) /
		2;
	remote_read_u32(pid, frame->code + (uint64_t)layout->code.firsttraceable, &first);
	if (owner != layout->frame.owner_generator && units < (int64_t)first)
		return LEFT_OUT;
	frame->position = units > 0 && units < INT32_MAX ? (uint32_t)units : 0;
	return KEPT;
}

size_t py_frames_read(struct py_frame *frames, size_t max, bool *complete, pid_t pid,
		      const struct py_runtime *runtime, uint64_t state)
{
	const struct py_layout *layout = &runtime->layout;
	uint64_t address = newest(pid, layout, state);
	size_t n = 0;

	for (size_t step = 0; address && n < max && step < 2 * max; step++) {
		uint8_t bytes[FRAME_READ_MAX] = {0};
		enum kept kept;

		if (remote_read(pid, address, bytes, frame_length(layout)))
			break;
		frames[n].address = address;
		kept = take_frame(&frames[n], pid, runtime, bytes);
		if (kept == NO_FRAME)
			break;
		n += kept == KEPT;
		address = field(bytes, layout->frame.previous, 8);
	}
	*complete = !address;
	return n;
}
