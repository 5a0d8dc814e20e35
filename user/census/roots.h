/* SPDX-License-Identifier: BSD-2-Clause
 *
 * roots: a live CPython -> where references begin: modules, frames, threads, interpreters, data.
 *
 * Place      the census, private to reach.
 * Source     python/threads and python/frames; PyInterpreterState and PyThreadState are taken as
 *            arrays of words (layout.interp.size, layout.tstate.size), and so is the data of files
 *            that are mapped writable, with the .bss behind it.
 * Errors     -ERR_FAILED: memory is out; -ERR_TARGET: the process has ended.
 * Bounds     REACH_ROOTS_MAX roots, REACH_FRAMES frames a thread.
 */
#ifndef PYLEAKTRACE_CENSUS_ROOTS_H
#define PYLEAKTRACE_CENSUS_ROOTS_H

#include "census/reach.h"

/* Fill threads and roots. */
int roots_find(struct reach *reach, struct err *err);

#endif
