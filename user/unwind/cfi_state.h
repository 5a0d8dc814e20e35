/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cfi_state: call frame instructions -> the states that they describe, one row after the other.
 *
 * Place      layer 3; cfi gives it the instructions, rules reads the states.
 * Source     DWARF 5 section 6.4.2 (instructions), 6.4.3 (how they are executed); the DW_CFA_GNU_*
 *            that gcc and binutils write. Where DWARF leaves a case open (half of a CFA changed
 *            while the CFA is an expression: libgcrypt has it) it is done as gcc's and gdb's
 *            unwinders do.
 * Shapes     a state says, in DWARF's terms, where the CFA and the registers are that are followed.
 *            A row is a state and the address that it holds from; it ends where the next begins,
 *            the last one at the function's end. Rows come in order of their addresses, and none is
 *            empty.
 * Errors     -EINVAL: an instruction that is cut off or unknown, an address that goes backwards,
 *            more than CFI_MAX_DEPTH states put aside.
 * Bounds     no memory; one pass, constant time for each instruction. libdw's
 *            dwarf_cfi_addrframe(), which answers for one address, starts again for each row: 2 to
 *            4 times slower than whole tables on Debian's libraries, and quadratic in the length of
 *            a function that somebody made for the purpose.
 */
#ifndef PYLEAKTRACE_UNWIND_CFI_STATE_H
#define PYLEAKTRACE_UNWIND_CFI_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/unwind.h"
#include "unwind/reader.h"

#define CFI_MAX_DEPTH 16 /* states that DW_CFA_remember_state puts aside; compilers nest 1 or 2 */

/* Registers that are followed: enum abi_unwind_reg, and the return address. */
#define CFI_RA   ABI_UNWIND_REGS
#define CFI_REGS (ABI_UNWIND_REGS + 1)

enum cfi_how {
	CFI_UNSAID = 0,     /* no instruction says anything about it */
	CFI_UNDEFINED,      /* its value is lost */
	CFI_SAME,           /* not changed by the function */
	CFI_OFFSET,         /* at cfa + offset */
	CFI_VAL_OFFSET,     /* is cfa + offset */
	CFI_REGISTER,       /* in another register; of the CFA: is cfa_reg + cfa_offset */
	CFI_EXPRESSION,     /* at the address that an expression gives */
	CFI_VAL_EXPRESSION, /* what an expression gives; of the CFA too */
};

struct cfi_expression {
	uint32_t at, length; /* bytes of the section */
};

struct cfi_state {
	uint8_t cfa_how; /* CFI_UNSAID, CFI_REGISTER or CFI_VAL_EXPRESSION */
	bool signal; /* a frame that the kernel made: its caller was interrupted, it made no call */
	uint8_t how[CFI_REGS];
	uint32_t cfa_reg; /* DWARF's number of the register */
	int64_t cfa_offset;
	struct cfi_expression cfa_expression;
	union cfi_value {
		int64_t offset;
		struct cfi_expression expression;
	} value[CFI_REGS];
};

struct cfi_program {
	const uint8_t *start, *end;       /* the instructions */
	const struct reader_bases *bases; /* of the section that they are in */
	uint64_t code_align;
	int64_t data_align;
	uint8_t pointer_encoding; /* of addresses among them */
};

/* One row. In: state is borrowed for the call. Return 0, or anything else to stop. */
typedef int cfi_row_fn(void *arg, uint64_t start, const struct cfi_state *state);

/* DWARF's number of a register -> enum abi_unwind_reg or CFI_RA; -1: it is not followed. */
int cfi_reg(uint64_t number);

/*
 * Execute a CIE's instructions, which say how its functions begin.
 *
 * out    state: as it was before, changed by what they say
 */
int cfi_run_initial(const struct cfi_program *program, struct cfi_state *state);

/*
 * Execute a function's instructions.
 *
 * in     initial: the state at its start. start, end: its addresses, start < end
 * return 0, -EINVAL (rows before the damage have been given), or what `row` returned
 */
int cfi_run(const struct cfi_program *program, const struct cfi_state *initial, uint64_t start,
	    uint64_t end, cfi_row_fn *row, void *arg);

#endif
