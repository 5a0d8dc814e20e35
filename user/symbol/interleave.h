/* SPDX-License-Identifier: BSD-2-Clause
 *
 * interleave: C frames and Python frames of one stack, which BPF records one behind the other ->
 * one stack.
 *
 * Each activation of the evaluation loop among the C frames stands for a run of Python frames and
 * is replaced by it; what called the loop stays below, what it called stays above:
 *
 *      recorded, leaf first                             put together, leaf first
 *      C        strdup                                  strdup
 *      C        call_function (_ctypes.so)              call_function (_ctypes.so)
 *      C        _PyEval_EvalFrameDefault       ─┐
 *      C        slot_tp_call                    │       leak (web.py:12)          run 1
 *      C        _PyEval_EvalFrameDefault   ─┐   └─▶     handle (web.py:30)
 *      C        main                        │           slot_tp_call
 *      Python   leak      web.py:12         └─────▶     <module> (web.py:55)      run 2
 *      Python   handle    web.py:30  run end            main
 *      Python   <module>  web.py:55  run end
 *
 * Activations and runs are paired from the leaf on, where both are always complete. What has no
 * partner:
 *   * the C frames end early (a gap frame says why; there is one even if the walk took it for the
 *     true end): the Python frames that are left follow the gap;
 *   * there are more activations than runs: the outer ones belong to another stack of Python
 *     frames: the one that a greenlet was started from, or another interpreter's. C frames from
 *     there on are left out, with a gap frame;
 *   * below the last run lies a frame of the greenlet module: it is what began this greenlet. All
 *     greenlets of a thread share one piece of C stack, and are copied away from it while they
 *     wait: what lies there below that frame belongs to the one that ran last. It is left out,
 *     with a gap frame;
 *   * the Python frames end early (their own gap frame says why): likewise, as the C frames' place
 *     is not known.
 *
 * Place      layer 3; used by symbolizer. Pure.
 * Source     ceval.c: one activation runs one frame up to 3.10; from 3.11 on also the frames that
 *            Python code calls. How the end of a run is known: bpf/abi/facts.h, enum abi_run_end.
 *            Greenlet's C stacks: its StackState, where stack_stop is an address in the frame that
 *            began the greenlet.
 */
#ifndef PYLEAKTRACE_SYMBOL_INTERLEAVE_H
#define PYLEAKTRACE_SYMBOL_INTERLEAVE_H

#include <stddef.h>

#include "abi/frame.h"

/* user space's own reasons for a gap frame, in addition to enum abi_gap */
#define INTERLEAVE_GAP_OTHER_STACK 1000u
#define INTERLEAVE_GAP_UNPAIRED    1001u

/* What a C frame is here. */
enum interleave_role {
	INTERLEAVE_PLAIN,
	INTERLEAVE_LOOP,   /* an activation of the evaluation loop */
	INTERLEAVE_SWITCH, /* code that switches greenlets, and begins them */
};

typedef enum interleave_role interleave_role_of(void *context, const struct abi_frame *frame);

/*
 * Put the frames of one stack together.
 *
 * in     frames: as recorded (abi/frame.h), leaf first
 * out    out: room for n_frames + 1; leaf first; entries of threads are left out
 * return number of frames in out
 */
size_t interleave(const struct abi_frame *frames, size_t n_frames, interleave_role_of *role_of,
		  void *context, struct abi_frame *out);

#endif
