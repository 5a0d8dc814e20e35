/* SPDX-License-Identifier: BSD-2-Clause
 *
 * symbolizer: frames as BPF recorded them -> named frames.
 *
 * Place      layer 3; called by snapshot, first as soon as a stack is seen (so that names are read
 *            while they are true and while the target lives), then for every report (from the
 *            cache).
 * Shapes     leaf first, in and out. C and Python frames are put together (interleave.h). A frame
 *            that cannot be named keeps its place and says why. Python frames that traceback would
 *            not show (set up but not started) are left out; a C frame in which functions were
 *            inlined becomes several.
 * Ownership  strings are interned in the profile handed in; the cache is the symbolizer's own.
 * Degrades   a code object that is gone or replaced: function "[code object was replaced]" or "[not
 *            read: the process had ended]", kind FRAME_GAP; counted in symbolizer_losses().
 * Bounds     SYMBOLIZER_MAX_CODES cached code objects (then the oldest unused half is dropped).
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_SYMBOL_SYMBOLIZER_H
#define PYLEAKTRACE_SYMBOL_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/frame.h"
#include "model/profile.h"
#include "python/runtime.h"
#include "symbol/native_names.h"
#include "target/code_map.h"

#define SYMBOLIZER_MAX_CODES 262144

/* room for the named frames of n recorded ones */
#define SYMBOLIZER_ROOM(n) (((n) + 1) * NATIVE_MAX_INLINED)

struct symbolizer;

/* code: the target's code map, borrowed; NULL: C frames get no names. */
struct symbolizer *symbolizer_new(pid_t pid, const struct py_runtime *runtime,
				  const struct code_map *code);
void symbolizer_free(struct symbolizer *symbolizer);

/* Read and remember the code objects of these frames now; cheap for those already known. */
void symbolizer_learn(struct symbolizer *symbolizer, const struct abi_frame *frames,
		      size_t n_frames);

/* Forget the code objects that are not learned between these two. */
void symbolizer_keep_begin(struct symbolizer *symbolizer);
void symbolizer_keep_end(struct symbolizer *symbolizer);

/*
 * Name the frames of one stack.
 *
 * in     frames: as BPF recorded them (abi/frame.h), at most ABI_MAX_ENTRIES
 * out    out: room for SYMBOLIZER_ROOM(n_frames)
 * return the number of frames written to out
 */
size_t symbolizer_name(struct symbolizer *symbolizer, struct profile *profile,
		       const struct abi_frame *frames, size_t n_frames, struct frame *out);

/* What a gap frame of this reason (enum abi_gap) says. */
const char *symbolizer_gap_text(uint32_t gap);

struct symbolizer_losses {
	uint64_t unreadable; /* frames whose code object could not be read any more */
	uint64_t replaced; /* frames whose code object had been replaced before its name was read */
};
struct symbolizer_losses symbolizer_losses(const struct symbolizer *symbolizer);

#endif
