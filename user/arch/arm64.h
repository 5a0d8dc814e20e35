/* SPDX-License-Identifier: BSD-2-Clause
 *
 * arm64: what is AArch64's own (arch.h).
 */
#ifndef PYLEAKTRACE_ARCH_ARM64_H
#define PYLEAKTRACE_ARCH_ARM64_H

#include <elf.h>
#include <stddef.h>
#include <string.h>

#define ARCH_MACHINE           EM_AARCH64
#define ARCH_C_FRAMES          0
#define ARCH_TSS_FOLLOWED      0 /* another distance from the thread pointer */
#define ARCH_RETURN_IS_SYSCALL 0 /* functions return through a breakpoint */

#define ARCH_BREAKPOINT        "\xa0\x00\x20\xd4" /* brk #5 */
#define ARCH_STEPPED           "mov x0, #0"
#define ARCH_UNPROBED          ""

static inline void arch_fill(void *bytes, size_t n)
{
	memset(bytes, 0, n);
}

#endif
