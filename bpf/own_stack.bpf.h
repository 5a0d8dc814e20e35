/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * own_stack: a program's locals lie on the stack of the thread that runs it, on every kernel.
 *
 * From Linux 6.13 on the JIT gives functions with 64 bytes of locals and more a stack of the CPU's
 * instead, in programs that nothing can interrupt by themselves. It counts those of uprobes among
 * them by their type (kprobe), though they are preempted as any system call is. Where the kernel is
 * preemptible two threads that are hit one after the other on one CPU then overwrite each other's
 * locals. That is read from the source, not traced; it fits what was seen on 7.1 to 7.3, where the
 * demo lost frees and calls never returned, and which one exact and one default run no longer
 * showed with this in place.
 *
 * A program that has a tail call anywhere gets no such stack. Ours is never made: the verifier
 * knows that facts.zero is 0 and takes the call out.
 *
 * Source     kernel/bpf/verifier.c of Linux 7.3: check_max_stack_depth(), bpf_enable_priv_stack()
 * Bounds     the combined stack of a program is below 512 bytes, as before 6.13 (README.md). A map
 *            a program, since one of this kind serves programs of one type only.
 */
#ifndef PYLEAKTRACE_BPF_OWN_STACK_H
#define PYLEAKTRACE_BPF_OWN_STACK_H

#include "maps.bpf.h"

struct no_programs {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

struct no_programs after_entry SEC(".maps"), after_return SEC(".maps"), after_munmap SEC(".maps"),
	after_mapping SEC(".maps"), after_watchpoint SEC(".maps");

#define KEEP_OWN_STACK(ctx, map)                     \
	do {                                         \
		if (facts.zero)                      \
			bpf_tail_call(ctx, &map, 0); \
	} while (0)

#endif
