/* SPDX-License-Identifier: BSD-2-Clause
 *
 * thread_state: an interpreter in the target -> the ways from a thread to its PyThreadState.
 *
 *     version     ways, in the order in which they are to be tried
 *     3.6-3.11    TSS slot, then the holder of the GIL
 *     3.12-3.14   C thread-local _Py_tss_tstate (0 while the GIL is released), then the TSS slot
 *     3.15        _Py_tss_tstate, then _Py_tss_gilstate (stays set)
 *
 * Place      layer 2; called by runtime; struct py_tstate_way says what a way means.
 * Source     Python/pystate.c, Python/thread_pthread.h; glibc nptl/descr.h and what glibc
 *            exports for debuggers (nptl_db/structs.def: the _thread_db_* symbols); ELF TLS ABI,
 *            x86-64.
 * Degrades   a way that cannot be known is left out; n_ways may be 0 (AArch64 from 3.12 on).
 * Bounds     reads only.
 */
#ifndef PYLEAKTRACE_PYTHON_THREAD_STATE_H
#define PYLEAKTRACE_PYTHON_THREAD_STATE_H

#include "python/runtime.h"

/* Fill ways and n_ways; all other facts of the runtime are there already. */
void py_tstate_ways_find(struct py_runtime *runtime, pid_t pid);

/*
 * Follow one way from here, as the BPF program does it there.
 *
 * in     thread_pointer: of the thread (fsbase; what pthread_self() returns on x86-64)
 * return the PyThreadState, or 0: none, or not readable. With PY_TSTATE_GLOBAL it may be another
 * thread's.
 */
uint64_t py_tstate_follow(const struct py_tstate_way *way, pid_t pid, uint64_t thread_pointer);

#endif
