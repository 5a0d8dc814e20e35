/* SPDX-License-Identifier: BSD-2-Clause
 *
 * function_ends: a function -> the instructions `ret` with which it goes back to its caller.
 *
 * A return probe changes the return address on the stack. The unwinder of an exception cannot get
 * past that and ends the program, though a handler further up would have caught it. So
 * a function that may throw (operator new) has probes on its ends instead:
 *
 *      _Znwm:  cmp  $0x400,%rdi
 *              ja   slow
 *              ...
 *              ret              <- an end
 *      slow:   jmp  other       other's ends are its ends: it goes back to the same caller
 *
 * Every way from the entry is followed: both sides of branches, jumps out of the function, jumps
 * through the PLT to a function of the same file. A call comes back, or not where the function's
 * part ends behind it (as the file's unwind information has it).
 *
 * Place      layer 3; used by plan.c.
 * Units      addresses in the target.
 * Errors     0 ends: the code has a way that is not understood (a jump to a computed address, into
 *            another file), or too many; then not all ends would be known.
 * Bounds     FUNCTION_ENDS_MAX ends, FUNCTION_ENDS_BLOCKS pieces of straight code, 4096
 *            instructions.
 */
#ifndef PYLEAKTRACE_PROBE_FUNCTION_ENDS_H
#define PYLEAKTRACE_PROBE_FUNCTION_ENDS_H

#include "target/module.h"

#define FUNCTION_ENDS_MAX    32
#define FUNCTION_ENDS_BLOCKS 512

/* return the number of ends, which are put into `ends`; 0: not known */
unsigned function_ends(uint64_t ends[FUNCTION_ENDS_MAX], const struct module *module,
		       uint64_t entry);

/* Where a function leads that is nothing but a jump, maybe through the PLT to another one of its
 * file; 0: it is more. */
uint64_t function_jumps_to(const struct module *module, uint64_t entry);

#endif
