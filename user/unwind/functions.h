/* SPDX-License-Identifier: BSD-2-Clause
 *
 * functions: an ELF file -> where its functions begin and end, also when nothing names them.
 *
 * Place      layer 3; used by symbol (the parts of the evaluation loop).
 * Source     .eh_frame or .debug_frame, as cfi reads them.
 * Shapes     one for each FDE that can be read, in the order of their start addresses.
 * Units      link-time addresses.
 * Ownership  unwind_functions_load() allocates, unwind_functions_fini() frees.
 * Errors     -ERR_FAILED with a sentence, as unwind_table_build().
 * Bounds     24 bytes for each function, of which the file has one for each 12 bytes of unwind
 *            information at most.
 */
#ifndef PYLEAKTRACE_UNWIND_FUNCTIONS_H
#define PYLEAKTRACE_UNWIND_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct unwind_function {
	uint64_t start, end; /* [start, end) */
	/* its first instruction finds nothing on the stack but the return address, as after a call;
	 * else it is a part of a function that was put elsewhere, or a signal's trampoline */
	bool called;
};

struct unwind_functions {
	struct unwind_function *all;
	size_t n;
};

/* From a file that is open for reading. */
int unwind_functions_load(struct unwind_functions *functions, int fd, struct err *err);

void unwind_functions_fini(struct unwind_functions *functions); /* accepts a zeroed struct */

/* The last one that does not begin above the address, if it holds it; else NULL. Borrowed. */
const struct unwind_function *unwind_functions_find(const struct unwind_functions *functions,
						    uint64_t vaddr);

#endif
