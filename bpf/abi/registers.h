/* SPDX-License-Identifier: BSD-2-Clause
 *
 * registers: the ones followed from frame to frame, which a callee preserves, and what the
 * architecture says of them. BPF walks by it, user space compiles unwind tables by it.
 *
 * C frames are those of x86-64, whatever the tool runs on. Another architecture has a list of its
 * own here; where a call leaves its return address in a register, the rules must say that too.
 *
 * Source     System V ABI for x86-64, figure 3.36 (DWARF's numbers); Linux
 *            arch/x86/include/uapi/asm/sigcontext.h and ucontext.h (uc_mcontext.gregs is at 40).
 */
#ifndef PYLEAKTRACE_ABI_REGISTERS_H
#define PYLEAKTRACE_ABI_REGISTERS_H

#define ABI_UNWIND_MACHINE      62 /* EM_X86_64 */
#define ABI_UNWIND_MACHINE_NAME "x86-64"

enum abi_unwind_reg {
	ABI_REG_SP = 0, /* the stack pointer */
	ABI_REG_BP,     /* the frame pointer */
	ABI_REG_BX,
	ABI_REG_R12,
	ABI_REG_R13,
	ABI_REG_R14,
	ABI_REG_R15,
	ABI_UNWIND_REGS,
};

/* Their numbers in DWARF, and that of the address that a function returns to. */
#define ABI_DWARF_NUMBERS                                                         \
	[ABI_REG_SP] = 7, [ABI_REG_BP] = 6, [ABI_REG_BX] = 3, [ABI_REG_R12] = 12, \
	[ABI_REG_R13] = 13, [ABI_REG_R14] = 14, [ABI_REG_R15] = 15
#define ABI_DWARF_RETURN_ADDRESS 16

/* Where a signal's struct ucontext has them, in bytes, and where it has the interrupted address. */
#define ABI_UCONTEXT_PLACES                                                             \
	[ABI_REG_SP] = 160, [ABI_REG_BP] = 120, [ABI_REG_BX] = 128, [ABI_REG_R12] = 72, \
	[ABI_REG_R13] = 80, [ABI_REG_R14] = 88, [ABI_REG_R15] = 96
#define ABI_UCONTEXT_ADDRESS 168

/* At the first instruction of a function that was called its frame begins so far above the stack
 * pointer: behind the return address, which the call has pushed. */
#define ABI_CFA_AT_ENTRY 8

#endif
