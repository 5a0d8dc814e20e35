/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cfi: call frame information of an ELF file -> functions, and for each the rows of its table.
 *
 * Place      layer 3; used by table and by symbol (bounds of functions that have no symbol).
 * Source     DWARF 5 sections 6.4.1 and 6.4.2 (entries and instructions), LSB 5.0 "Exception Frames" (.eh_frame, its
 *            augmentations and pointer encodings). libdw takes the entries apart; their instructions are
 *            executed here, once per function: dwarf_cfi_addrframe() would begin anew for each row.
 * Shapes     functions (FDEs) in the order of their start addresses, not overlapping: where two claim an address the
 *            one that begins first has it. Rows of a function in address order; they cover it without a gap.
 * Units      link-time addresses (vaddr).
 * Ownership  cfi_open()/cfi_close(). Expressions point into the file's data, valid until cfi_close().
 * Errors     -ERR_FAILED with a sentence: no such information, not x86-64, damaged. A damaged function is left
 *            out and counted.
 * Bounds     the file is hostile: CFI_MAX_FUNCTIONS, CFI_MAX_REMEMBERED states remembered at one time, rows only as
 *            many as instructions; time linear in the section's size, but for the sorting.
 */
#ifndef PYLEAKTRACE_UNWIND_CFI_H
#define PYLEAKTRACE_UNWIND_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CFI_MAX_FUNCTIONS  (8u << 20)
#define CFI_MAX_REMEMBERED 32

/* DWARF's numbers of x86-64 registers (System V ABI, figure 3.36) */
#define CFI_RBX       3
#define CFI_RBP       6
#define CFI_RSP       7
#define CFI_RA        16
#define CFI_REGISTERS 17

enum cfi_how {
	CFI_UNSPECIFIED, /* as the ABI has it: callee-saved registers keep their value */
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_OFFSET,       /* at cfa + offset */
	CFI_VALUE_OFFSET, /* is cfa + offset */
	CFI_REGISTER,     /* in register `offset` */
	CFI_EXPRESSION,   /* at the address that the expression gives */
	CFI_VALUE_EXPRESSION,
};

struct cfi_rule {
	enum cfi_how how;
	int64_t offset;
	const uint8_t *expression;
	size_t expression_size;
};

/* A row: how to find the caller's registers. */
struct cfi_state {
	/* the CFA: CFI_UNSPECIFIED (none yet), CFI_OFFSET of register cfa_register, or CFI_VALUE_EXPRESSION */
	struct cfi_rule cfa;
	unsigned cfa_register;
	struct cfi_rule registers[CFI_REGISTERS];
};

struct cfi_function {
	uint64_t start, end; /* [start, end) */
	uint64_t entry;      /* private: offset of its FDE */
};

struct cfi; /* opaque */

int cfi_open(struct cfi **cfi, int fd, struct err *err);
int cfi_open_image(struct cfi **cfi, void *image, size_t size, struct err *err);
void cfi_close(struct cfi *cfi); /* accepts NULL */

/* All functions; borrowed. */
const struct cfi_function *cfi_functions(const struct cfi *cfi, size_t *n_functions);

/* The function that holds this address, or NULL. */
const struct cfi_function *cfi_find(const struct cfi *cfi, uint64_t vaddr);

/* Entries that could not be understood. */
uint32_t cfi_damaged(const struct cfi *cfi);

/* The executable segments, from the lowest to the highest address; false when there is none. */
bool cfi_text(const struct cfi *cfi, uint64_t *start, uint64_t *end);

/*
 * Go through the rows of one function: [start, end) each, empty ones left out.
 *
 * in     signal (of the callback): the function is a signal trampoline
 * return 0, or -1: it is damaged (rows before the damage were given), or what the callback returned
 */
typedef int cfi_row(void *context, uint64_t start, uint64_t end, bool signal,
		    const struct cfi_state *state);
int cfi_rows(const struct cfi *cfi, const struct cfi_function *function, cfi_row *row,
	     void *context);

#endif
