/* SPDX-License-Identifier: BSD-2-Clause
 *
 * registers_x86: those of x86-64 (registers.h).
 *
 * Source     System V ABI for x86-64, figure 3.36 (DWARF's numbers); Linux
 *            arch/x86/include/uapi/asm/sigcontext.h and ucontext.h (uc_mcontext.gregs is at 40).
 */
#ifndef PYLEAKTRACE_ABI_REGISTERS_X86_H
#define PYLEAKTRACE_ABI_REGISTERS_X86_H

#define ABI_UNWIND_MACHINE      62 /* EM_X86_64 */
#define ABI_UNWIND_MACHINE_NAME "x86-64"

enum abi_unwind_reg {
	ABI_REG_SP = 0,
	ABI_REG_BP,
	ABI_REG_BX,
	ABI_REG_R12,
	ABI_REG_R13,
	ABI_REG_R14,
	ABI_REG_R15,
	ABI_UNWIND_REGS,
};

#define ABI_DWARF_NUMBERS                                                         \
	[ABI_REG_SP] = 7, [ABI_REG_BP] = 6, [ABI_REG_BX] = 3, [ABI_REG_R12] = 12, \
	[ABI_REG_R13] = 13, [ABI_REG_R14] = 14, [ABI_REG_R15] = 15
#define ABI_DWARF_RETURN_ADDRESS 16

#define ABI_UCONTEXT_PLACES                                                             \
	[ABI_REG_SP] = 160, [ABI_REG_BP] = 120, [ABI_REG_BX] = 128, [ABI_REG_R12] = 72, \
	[ABI_REG_R13] = 80, [ABI_REG_R14] = 88, [ABI_REG_R15] = 96
#define ABI_UCONTEXT_ADDRESS 168

#define ABI_CFA_AT_ENTRY     8 /* behind the return address, which the call has pushed */

#endif
