/* SPDX-License-Identifier: BSD-2-Clause
 *
 * frames: a PyThreadState in the target -> its Python frames, read from outside.
 *
 * Place      layer 2; used by threads and the census.
 * Source     Include/cpython/frameobject.h (3.6-3.10), Include/internal/pycore_frame.h and
 *            pycore_interpframe_structs.h (3.11+); rows in layout. Left out is what traceback
 *            leaves out: shims of the interpreter, and frames that have not begun yet.
 * Shapes     newest first.
 * Units      position: code units from the start of the bytecode, as py_code_line() takes them.
 * Degrades   the target runs on while its chain is read: what is not a code object ends the walk.
 *            A thread that waits has a chain that stands still.
 * Bounds     the caller's number of frames, and as many shims; three small reads for each.
 */
#ifndef PYLEAKTRACE_PYTHON_FRAMES_H
#define PYLEAKTRACE_PYTHON_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/runtime.h"

struct py_frame {
	uint64_t address; /* of the PyFrameObject, from 3.11 on of the _PyInterpreterFrame */
	uint64_t code;
	uint32_t position;
};

/*
 * out    frames: up to `max`; complete: the chain was followed to its end
 * return how many
 */
size_t py_frames_read(struct py_frame *frames, size_t max, bool *complete, pid_t pid,
		      const struct py_runtime *runtime, uint64_t state);

#endif
