/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * string_op: a sample at a fixed interval on each CPU, while there are watchpoints -> is the target
 * just moving or filling bytes?
 *
 * A processor that has a watchpoint set does so byte by byte, in the program and in the kernel's
 * work for it (copies from and to user space, fresh pages). Nothing else about it is slower, and no
 * hit shows it: a service that copies large buffers would stand still for as long as it is watched.
 * So the samples at such instructions are counted, and end the watch when they are as many as the
 * ceiling allows.
 */
#ifndef PYLEAKTRACE_BPF_STRING_OP_H
#define PYLEAKTRACE_BPF_STRING_OP_H

#include "arch.bpf.h"
#include "watchpoint.bpf.h"

static __always_inline bool at_string_instruction(__u64 address)
{
	__u8 text[STRING_INSTRUCTION_BYTES];
	bool kernel = address >> 63;
	long failed = kernel ? bpf_probe_read_kernel(text, sizeof(text), (const void *)address)
			     : bpf_probe_read_user(text, sizeof(text), (const void *)address);

	return !failed && is_string_instruction(text);
}

SEC("perf_event")
int on_string_op(struct bpf_perf_event_data *ctx)
{
	if (!is_target_process())
		return 0;
	__sync_fetch_and_add(&string_op_samples.seen, 1);
	if (!at_string_instruction(interrupted_at(ctx)))
		return 0;
	__sync_fetch_and_add(&string_op_samples.at_string, 1);
	if (string_op_samples.at_string >= string_op_samples.allowed)
		end_counting(true);
	return 0;
}

#endif
