/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * maps: all map definitions and nothing else. bpf/README.md says who writes and who reads each.
 * Capacities given here are defaults; user/probe/session.c sets them before the load.
 */
#ifndef PYLEAKTRACE_BPF_MAPS_H
#define PYLEAKTRACE_BPF_MAPS_H

#include "abi/counters.h"
#include "abi/facts.h"
#include "abi/records.h"
#include "abi/sizes.h"

struct counters {
	__u64 value[ABI_COUNTERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, __u64);
	__type(value, struct abi_block);
} blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ABI_MAX_MAPPINGS);
	__type(key, __u64);
	__type(value, struct abi_block);
} mappings SEC(".maps");

/* hash of domain and frames -> site id */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, __u32);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 16);
	__type(key, __u32);
	__type(value, struct abi_site);
} sites SEC(".maps");

/* the frames of all sites, a run of chunks per site */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 17);
	__type(key, __u32);
	__type(value, struct abi_chunk);
} frames SEC(".maps");

/* sites that may have another stack: a ring for each class, see free_rings. (Elements of an array
 * are 8 bytes at least.) */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ABI_FREE_CLASSES *ABI_FREE_ROOM);
	__type(key, __u32);
	__type(value, __u64);
} free_sites SEC(".maps");

/* filter: has a code object ever been seen at this address? (see unwind_python.bpf.h) */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ABI_CODE_BITS / 64);
	__type(key, __u32);
	__type(value, __u64);
} code_bits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ABI_MAX_THREADS);
	__type(key, __u32);
	__type(value, struct abi_thread);
} threads SEC(".maps");

/* one zeroed struct abi_thread: new entries of `threads` are copied from it (too big for the BPF
 * stack) */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct abi_thread);
} thread_zero SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counts SEC(".maps");

/* ---- unwind tables (abi/unwind.h); user space writes them, before `active` and while the target
 * runs */

/* two sides of ABI_MAX_RANGES, see code_state */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * ABI_MAX_RANGES);
	__type(key, __u32);
	__type(value, struct abi_code_range);
} code_ranges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct abi_unwind_page);
} code_pages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct abi_row_block);
} code_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct abi_unwind_rule);
} code_rules SEC(".maps");

/* see abi_class_hit; class_hits_seen of them */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct abi_class_hit);
} class_hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

/* read by a thread of its own, which waits for nothing else (user/probe/sweep.c) */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} forks SEC(".maps");

/* facts of the target; .rodata, frozen before the load */
const volatile struct abi_facts facts;

/* .bss, mapped by user space */
__u32 active; /* nothing is recorded while 0: all probes begin and end at one moment */
/*
 * Parts (enum abi_part) that are recorded: a bit each. User space writes turns and began_ns before
 * it sets a bit; a call or a block that is older is what a hit left that was still on its way when
 * the bit was last cleared.
 */
__u32 recording;
__u32 turns[ABI_PARTS];
__u64 began_ns[ABI_PARTS];
__u32 sample_shift[ABI_DOMAINS];  /* see sample.bpf.h; 0: every block is recorded */
__u64 skipped_sizes[ABI_DOMAINS]; /* classes (abi/sizes.h) that are not recorded, a bit each */
__u32 next_site;  /* id that the next new site gets; user space sets ABI_FIRST_SITE first */
__u32 next_chunk; /* index in `frames` that the next new stack gets */
struct abi_free_ring
	free_rings[ABI_FREE_CLASSES]; /* sites that have been used, and are new again */
__u32 code_epoch;                     /* counts the frees of (what may be) code objects */
__u64 code_state;                     /* ABI_CODE_STATE: which ranges of executable memory count */
__u32 code_gone;   /* counts the times that code was unloaded, or was about to be */
__u32 code_loader; /* what the loader said last (loader.bpf.h) */
__u32 code_known;  /* its value when user space began to read the mappings of code_state */
struct abi_watch watches[ABI_MAX_WATCHES]; /* see watchpoint.bpf.h */
__u32 class_hits_seen; /* in class_hits; more than it has room for: recording has ended there */
__u64 watch_allowance; /* hits that may be counted until user space allows more */
struct abi_string_op_samples string_op_samples;
__u32 code_wanted; /* an ABI_EVENT_CODE is on its way; user space sets 0 when it has read the
		      mappings */

#endif
