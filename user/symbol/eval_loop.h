/* SPDX-License-Identifier: BSD-2-Clause
 *
 * eval_loop: where the code of CPython's evaluation loop lies.
 *
 * Place      layer 3; used by symbolizer to recognise activations of the loop among the C frames.
 * Source     the symbol _PyEval_EvalFrameDefault, which every build exports. Compilers put rarely
 *            used parts of a function elsewhere (`.cold`); a stripped file does not name them. They
 *            are found by the jumps that lead there from the function's own code, into a stretch
 *            that .eh_frame describes as one whose frame is already set up: no function begins so.
 * Shapes     ranges of addresses in the target; the first one is the function itself. None: the
 *            loop was not found, and C and Python frames cannot be put together.
 * Bounds     EVAL_LOOP_RANGES ranges; EVAL_LOOP_MAX_BYTES of code are looked at.
 */
#ifndef PYLEAKTRACE_SYMBOL_EVAL_LOOP_H
#define PYLEAKTRACE_SYMBOL_EVAL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "python/runtime.h"

#define EVAL_LOOP_RANGES    8
#define EVAL_LOOP_MAX_BYTES (1u << 20)

struct eval_loop {
	struct {
		uint64_t start, end; /* [start, end) */
	} ranges[EVAL_LOOP_RANGES];
	unsigned n_ranges;
};

void eval_loop_find(struct eval_loop *loop, const struct py_runtime *runtime);

bool eval_loop_holds(const struct eval_loop *loop, uint64_t address);

#endif
