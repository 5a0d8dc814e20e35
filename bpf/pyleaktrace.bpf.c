/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * The one BPF object, in the order in which the data goes; each header is one step (bpf/README.md).
 */
#ifdef __bpf__
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#endif
#include <stdbool.h>
#include <stddef.h>

#include "maps.bpf.h"
#include "counters.bpf.h"
#include "arch.bpf.h"
#include "task.bpf.h"
#include "thread.bpf.h"
#include "entries.bpf.h"
#include "unwind_native.bpf.h"
#include "unwind_python.bpf.h"
#include "stack.bpf.h"
#include "account.bpf.h"
#include "own_stack.bpf.h"
#include "mappings.bpf.h"
#include "probes.bpf.h"
#include "syscalls.bpf.h"
#include "lifecycle.bpf.h"
#include "loader.bpf.h"
#include "watchpoint.bpf.h"
#include "string_op.bpf.h"

char _license[] SEC("license") = "Dual BSD/GPL";
