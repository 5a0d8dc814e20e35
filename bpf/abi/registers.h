/* SPDX-License-Identifier: BSD-2-Clause
 *
 * registers: the ones followed from frame to frame, which a callee preserves, and what the
 * architecture says of them. BPF walks by it, user space compiles unwind tables by it. Each
 * architecture has a file, with these names:
 *
 *   ABI_UNWIND_MACHINE         of ELF files that tables are made of (e_machine); ..._NAME: for
 *                              messages
 *   enum abi_unwind_reg        ABI_REG_SP, the stack pointer, is 0; ABI_REG_BP, the frame pointer,
 *                              is 1; those behind are the architecture's own; ABI_UNWIND_REGS ends
 *   ABI_DWARF_NUMBERS          their numbers in DWARF
 *   ABI_DWARF_RETURN_ADDRESS   that of the address that a function returns to
 *   ABI_UCONTEXT_PLACES        where a signal's struct ucontext has them, in bytes
 *   ABI_UCONTEXT_ADDRESS       where it has the interrupted address
 *   ABI_CFA_AT_ENTRY           how far above the stack pointer a function's frame begins, at its
 *                              first instruction, when it was called
 *
 * Today C frames are those of x86-64, whatever the tool runs on. CONTRIBUTING.md says what else an
 * architecture needs whose calls leave the return address in a register.
 */
#ifndef PYLEAKTRACE_ABI_REGISTERS_H
#define PYLEAKTRACE_ABI_REGISTERS_H

#include "abi/registers_x86.h"

#endif
