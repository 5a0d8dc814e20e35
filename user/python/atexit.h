/* SPDX-License-Identifier: BSD-2-Clause
 *
 * atexit: an interpreter -> where the functions are that atexit.register() was given.
 *
 * Place      layer 2; used by the census.
 * Source     Modules/atexitmodule.c: the state of the module up to 3.9; struct atexit_state of the
 *            interpreter from 3.10 on; rows in layout.
 * Shapes     up to 3.13 an array of addresses of structs of three words: function, arguments,
 *            keyword arguments; 0 for one that was unregistered. From 3.14 on a list.
 * Errors     false: there are none, or what is there cannot be such an array.
 */
#ifndef PYLEAKTRACE_PYTHON_ATEXIT_H
#define PYLEAKTRACE_PYTHON_ATEXIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/runtime.h"

#define PY_ATEXIT_WORDS 3  /* of each callback */
#define PY_ATEXIT_BLOCK 32 /* bytes that the allocator gives for them */

struct py_atexit {
	uint64_t array;       /* 0: it is a list */
	uint32_t count, room; /* of the array */
	uint64_t count_at;    /* address of its count: four bytes, of eight that are aligned */
	uint64_t list;        /* the word that holds it */
};

/* in  interp: a PyInterpreterState */
bool py_atexit_find(struct py_atexit *found, pid_t pid, const struct py_runtime *runtime,
		    uint64_t interp);

#endif
