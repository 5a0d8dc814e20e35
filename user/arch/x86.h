/* SPDX-License-Identifier: BSD-2-Clause
 *
 * x86: what is x86-64's own (arch.h).
 */
#ifndef PYLEAKTRACE_ARCH_X86_H
#define PYLEAKTRACE_ARCH_X86_H

#include <elf.h>
#include <stddef.h>

#define ARCH_MACHINE           EM_X86_64
#define ARCH_C_FRAMES          1
#define ARCH_TSS_FOLLOWED      1
#define ARCH_RETURN_IS_SYSCALL 1 /* from Linux 6.11 on */

#define ARCH_BREAKPOINT        "\xcc"
#define ARCH_STEPPED           "xor %eax,%eax"
/* A long nop, which the kernel from 6.18 on replaces by a call when a uprobe there is hit, and
 * children that are forked meanwhile do not survive that. */
#define ARCH_UNPROBED "\x0f\x1f\x44\x00\x00"

static inline void arch_fill(void *bytes, size_t n)
{
	__asm__ volatile("rep stosb" : "+D"(bytes), "+c"(n) : "a"(0) : "memory");
}

#endif
