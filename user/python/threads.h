/* SPDX-License-Identifier: BSD-2-Clause
 *
 * threads: an interpreter in the target -> its threads: names, ids, and where in Python each one
 * is.
 *
 * Place      layer 2; called by cli; joined there with the kernel's view (target/tasks).
 * Source     PyInterpreterState.threads and PyThreadState of each version (layout);
 *            Lib/threading.py: _active maps ident to Thread, whose attribute _name is the name;
 *            pthreads for the ids of the kernel up to 3.10, PyThreadState.native_thread_id from
 *            3.11 on.
 * Shapes     newest thread first, as CPython has them; sub-interpreters one after the other.
 * Ownership  py_threads_read() allocates, py_threads_free() frees.
 * Errors     -ERR_TARGET: the list cannot be read: the process has ended.
 * Degrades   no name where `threading` was not imported, or a thread was started by C code; no
 *            frame where a thread runs no Python. The target runs on: a thread that ends meanwhile
 *            may be missing, with those behind it in the list (cut).
 * Bounds     PY_THREADS_MAX threads, PY_INTERPRETERS_MAX interpreters, PY_THREAD_DEPTH frames each.
 */
#ifndef PYLEAKTRACE_PYTHON_THREADS_H
#define PYLEAKTRACE_PYTHON_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/runtime.h"

#define PY_THREADS_MAX      8192
#define PY_INTERPRETERS_MAX 4096
#define PY_THREAD_DEPTH     128

struct py_place {
	char *function, *file; /* NULL: not known */
	uint32_t line;
};

struct py_thread {
	uint64_t state; /* the PyThreadState */
	uint64_t ident; /* threading.get_ident() */
	uint64_t id;    /* number of the PyThreadState, never used again; 0 in 3.6 */
	pid_t ns_tid;   /* the kernel's, as the thread sees it; 0: not known */
	unsigned interpreter;
	char *name;         /* NULL: it has none */
	struct py_place at; /* its newest frame */
	/* the outermost frame that is not of the threading module: what the thread was made for */
	struct py_place entry;
};

struct py_threads {
	struct py_thread *rows;
	size_t n_rows;
	unsigned n_interpreters;
	bool cut;
	/* how many PyThreadStates all interpreters have ever made, those of main threads too */
	bool have_made;
	uint64_t made;
};

int py_threads_read(struct py_threads *threads, pid_t pid, const struct py_runtime *runtime,
		    struct err *err);
/* Only their idents; return how many of them, up to `max`. */
size_t py_threads_idents(uint64_t *idents, size_t max, pid_t pid, const struct py_runtime *runtime);

void py_threads_free(struct py_threads *threads);

#endif
