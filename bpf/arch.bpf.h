/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * arch: what differs between x86-64 and AArch64. Each has a file, and both have the same names:
 *
 *   RETURN_SP_STEP             how far the stack pointer is above the entry's at the return
 *   keep_registers()           where the walk along the C frames begins
 *   step_over_ret()            those kept are the ones at an instruction `ret`: make them those
 *                              behind it
 *   keep_object_registers()    those that may hold the address of an object
 *   STRING_INSTRUCTION_BYTES   of an instruction, enough for is_string_instruction()
 *   is_string_instruction()    does it move or fill many bytes at one go?
 *   interrupted_at()           where the thread was interrupted; in the kernel it may be too
 *   thread_pointer()           of the current thread, as its libc has it
 *
 * The registers that are followed from frame to frame are those of abi/registers.h.
 */
#ifndef PYLEAKTRACE_BPF_ARCH_H
#define PYLEAKTRACE_BPF_ARCH_H

#if defined(__TARGET_ARCH_arm64)
#include "arch/arm64.bpf.h"
#else
#include "arch/x86.bpf.h"
#endif

#endif
