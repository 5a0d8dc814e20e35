/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cfi: .eh_frame or .debug_frame -> functions, and for each of their instructions how to find the
 * caller's registers.
 *
 * Place      layer 3; used by table. libdw takes the entries apart; cfi_state executes them.
 * Source     DWARF 5 section 6.4.1; .eh_frame and augmentations: LSB 5.0 Core, section 10.6.1.
 * Shapes     a CIE holds what functions share, among it the state at their first instruction; an
 *            FDE is one function.
 * Ownership  cfi_init() allocates, cfi_fini() frees; the section is borrowed until then.
 * Errors     a damaged entry fails alone (-EINVAL): the walk goes on behind it. Entries end at a
 *            length of 0, or where a length says more than there is.
 * Bounds     each entry is read twice; its CIE is found by binary search. CFI_MAX_CIES CIEs of 160
 *            bytes each.
 */
#ifndef PYLEAKTRACE_UNWIND_CFI_H
#define PYLEAKTRACE_UNWIND_CFI_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "unwind/cfi_state.h"
#include "unwind/section.h"

#define CFI_MAX_CIES 65536

struct cfi {
	const struct unwind_section *section;
	uint64_t next; /* offset of the entry that cfi_next() reads next */
	struct cfi_cie *cies;
	uint32_t n_cies, capacity;
};

struct cfi_function {
	uint64_t start, end; /* link-time addresses; start < end */
	struct cfi_program program;
	const struct cfi_state *initial; /* cfi's */
};

/* Begin a walk. */
int cfi_init(struct cfi *cfi, const struct unwind_section *section, struct err *err);
void cfi_fini(struct cfi *cfi); /* accepts a zeroed struct */

/*
 * The next function, to be given to cfi_run().
 *
 * return 1: there it is; 0: there are no more; -EINVAL: a damaged entry (the next call goes on
 * behind it)
 */
int cfi_next(struct cfi *cfi, struct cfi_function *function);

#endif
