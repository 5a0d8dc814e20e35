/* SPDX-License-Identifier: BSD-2-Clause
 *
 * unnamed: what is known of functions that no symbol names: where they begin, what CPython calls
 * them for, and what function a part that lies elsewhere belongs to.
 *
 * Place      layer 3; used by native_names, for each file that it has open.
 * Source     the unwind information (unwind/functions.h), api_tables.h, cold_parts.h.
 * Ownership  unnamed_load() allocates, unnamed_fini() frees; the file may be closed in between.
 * Errors     none: what cannot be read is not known.
 * Bounds     see those. About 30 ms for python3.11, once a file, when its first address without a
 *            symbol is asked for; kept are 28 bytes for each function, and the names.
 */
#ifndef PYLEAKTRACE_SYMBOL_UNNAMED_H
#define PYLEAKTRACE_SYMBOL_UNNAMED_H

#include <stdbool.h>
#include <stdint.h>

#include "symbol/api_tables.h"
#include "unwind/functions.h"

struct unnamed {
	bool loaded;
	struct unwind_functions functions;
	struct api_tables tables;
	uint32_t *owners; /* by cold_parts_find(), or NULL */
};

/* Does nothing when it is loaded. fd: of the same file */
void unnamed_load(struct unnamed *unnamed, Elf *elf, int fd);
void unnamed_fini(struct unnamed *unnamed); /* accepts a zeroed struct */

/* The function, or the part of one, that holds an address; NULL: not known. Borrowed. */
const struct unwind_function *unnamed_function(const struct unnamed *unnamed, uint64_t vaddr);

/* The function that this is a part of; NULL: it is one itself, or that is not known. */
const struct unwind_function *unnamed_owner(const struct unnamed *unnamed,
					    const struct unwind_function *part);

#endif
