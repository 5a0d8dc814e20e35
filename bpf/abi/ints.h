/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ints: integer names for both sides. BPF takes them from vmlinux.h, user space and the host tests
 * from the kernel's user API.
 */
#ifndef PYLEAKTRACE_ABI_INTS_H
#define PYLEAKTRACE_ABI_INTS_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif

_Static_assert(sizeof(__u64) == 8 && sizeof(__u32) == 4, "integer names");

#endif
