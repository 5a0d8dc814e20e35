/* SPDX-License-Identifier: BSD-2-Clause
 *
 * facts: what the BPF program must know of its one target. Written into .rodata before the load, so
 * that the verifier sees constants: branches for other CPython versions cost nothing at run time.
 *
 * The offsets come from user/python/layout (which names their source); user/probe/facts.c fills
 * this in and checks that each window holds its fields.
 */
#ifndef PYLEAKTRACE_ABI_FACTS_H
#define PYLEAKTRACE_ABI_FACTS_H

#include "abi/ints.h"
#include "abi/limits.h"

enum abi_way_kind {
	ABI_WAY_NONE = 0,
	ABI_WAY_TSS = 1,    /* slot = *(tp + a) + b */
	ABI_WAY_TLS = 2,    /* slot = tp + a */
	ABI_WAY_DTV = 3,    /* slot = *(*(tp + 8) + a) + b */
	ABI_WAY_GLOBAL = 4, /* slot = a */
};

#define ABI_MAX_WAYS 3

/* From the thread pointer to the word that holds the PyThreadState *; tried in order. */
struct abi_way {
	__u32 kind;
	__u32 pad;
	__s64 a, b;
};

/* A run of bytes read in one go; `start` is a multiple of 8, so that fields stay aligned in the
 * copy. Field offsets below are relative to `start`. */
struct abi_window {
	__u32 start;
	__u32 size;
};

/* How the outermost Python frame of an activation of the evaluation loop is recognised. */
enum abi_run_end {
	ABI_RUN_EACH = 0,     /* up to 3.10: each frame has its own activation */
	ABI_RUN_IS_ENTRY = 1, /* 3.11: the frame says so */
	ABI_RUN_SHIM = 2,     /* from 3.12 on: the one before a shim */
};

struct abi_python {
	struct abi_way ways[ABI_MAX_WAYS];

	struct abi_window tstate;
	__u32 tstate_thread_id;
	__u32 tstate_frame; /* frame, cframe or current_frame */
	__u32 use_cframe;   /* tstate_frame is a _PyCFrame * ... */
	__u32 cframe_frame; /* ... and the frame is at this offset in it */

	struct abi_window frame;
	__u32 adjacent; /* frames lie side by side: fetch several at a time */
	__u32 pad;
	__u32 frame_previous;
	__u32 frame_code;
	__u64 code_mask;
	__u32 use_lasti;      /* 1: position is a number (up to 3.10); 0: an instruction pointer */
	__u32 frame_position; /* lasti (s32) or prev_instr/instr_ptr (u64) */
	__u32 lasti_shift;    /* code units = lasti >> lasti_shift */
	__u32 has_owner;
	__u32 frame_owner;
	__u32 owner_generator;
	__u32 owner_shim; /* owner >= this: no Python frame */
	__u32 run_end;    /* enum abi_run_end */
	__u32 frame_is_entry;
	__u32 has_copies; /* a thread may run its own copy of a bytecode (free-threaded 3.14+) */
	__u32 frame_copy; /* tlbc_index: which one; 0: the bytecode itself */

	__u32 code_bytecode; /* co_code_adaptive from the start of the code object */
	__u32 code_copies; /* co_tlbc, a _PyCodeArray *: i64 size, then the address of each copy */
	struct abi_window code;
	__u32 code_first_line;
	__u32 code_filename;
	__u32 code_name;
};

struct abi_facts {
	__u32 tgid;     /* the target, as the kernel's initial namespace knows it */
	__u32 domains;  /* bit per enum abi_domain: recorded; others only bracket what is nested in
			   them */
	__u64 min_size; /* -z, -Z: blocks of other sizes are not recorded */
	__u64 max_size;
	__u32 max_sites;  /* entries of map `sites` */
	__u32 max_chunks; /* entries of map `frames` */
	__u32 code_frees; /* the frees of code objects are seen: their signatures may be remembered
			     until then */
	__u32 native;     /* C frames are walked */
	__u32 by_thread;  /* stacks of different threads are different stacks */
	__u32 split;      /* malloc and objects are recorded each for itself, see enum abi_part */
	__u64 small_max; /* split: larger requests CPython's functions pass on to libc's, whose they
			    are then */
	__u32 pool_size; /* split: bytes of a pool of pymalloc's, a power of two; 0: not known */
	__u32 zero;      /* is 0, which only the verifier knows (own_stack.bpf.h) */
	__u64 loader_state; /* address of what the dynamic loader is doing (loader.bpf.h); 0: not
			       known */
	/* address of an int that is 1 as long as the loader has one namespace; 0: it does not
	 * say */
	__u64 loader_version;
	struct abi_python python;
};

#endif
