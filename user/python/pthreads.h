/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pthreads: what pthread_self() returns in the target -> the kernel's id of that thread, and its
 * stack.
 *
 * Place      layer 2; used by threads, and by cli for the account of memory.
 * Source     glibc: struct pthread of nptl/descr.h. glibc exports for debuggers where its fields
 *            `tid` and `list` are and how large it is (nptl_db: the _thread_db_* symbols in its
 *            .dynsym), but not where the stack's block is: two words that fit what they must
 *            (page-aligned, the descriptor at the block's end) are it; they lie in the same place
 *            for every thread.
 * Degrades   musl, or a glibc without these symbols: nothing is known (pthreads_known()). The main
 *            thread's stack is [stack] and not in a block.
 * Bounds     small reads; PTHREADS_MAX stacks.
 */
#ifndef PYLEAKTRACE_PYTHON_PTHREADS_H
#define PYLEAKTRACE_PYTHON_PTHREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/runtime.h"

#define PTHREADS_MAX 32768

struct pthreads {
	pid_t pid;
	bool known;
	uint32_t size, tid, list; /* of struct pthread; offsets in it */
	int32_t block; /* offset of the block's address, its size behind it; -1: not known yet */
};

/* The part of a mapping that is a thread's stack, its descriptor and its thread-local variables. */
struct pthread_stack {
	uint64_t start, end;
};

void pthreads_init(struct pthreads *pthreads, pid_t pid, const struct py_runtime *runtime);

/* The thread's id as it sees it itself (in its PID namespace); 0: not known. */
pid_t pthread_tid(const struct pthreads *pthreads, uint64_t self);

/*
 * All stacks that glibc has in use and has mapped itself, also those of threads that never ran
 * Python.
 *
 * in     self: n descriptors that are known, any order
 * out    stacks: in the order of addresses, to be freed; NULL with *n_stacks 0 when there are none
 */
struct pthread_stack *pthread_stacks(struct pthreads *pthreads, const uint64_t *self, size_t n,
				     size_t *n_stacks);

#endif
