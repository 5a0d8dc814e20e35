/* SPDX-License-Identifier: BSD-2-Clause
 *
 * frame: one entry of a stack as BPF records it. User space gives it a name (user/symbol).
 *
 * A Python frame is (code object, position). The code object's address alone is not its identity:
 * code objects die and their memory is used again. So the frame carries a 24-bit signature of three
 * fields of the code object as they were when the frame was seen; user space computes the same from
 * what it reads there later and says so when it differs.
 *
 * An entry of a stack: leaf first, the C frames (with a gap frame at their end, where they do not
 * reach the thread's beginning), then the Python frames, then the thread where stacks are kept by
 * thread. User space puts C and Python frames together: each activation of the evaluation loop
 * among the C frames stands for one run of Python frames, up to one with ABI_FRAME_RUN_END.
 */
#ifndef PYLEAKTRACE_ABI_FRAME_H
#define PYLEAKTRACE_ABI_FRAME_H

#include "abi/ints.h"
#include "abi/limits.h"

enum abi_frame_kind {
	ABI_FRAME_NONE = 0,
	ABI_FRAME_PYTHON = 1, /* where: code object; unit: position in code units, ABI_UNIT_NONE:
				 not started */
	ABI_FRAME_NATIVE =
		2, /* where: instruction or return address; unit: module (user/target/code_map.h) */
	ABI_FRAME_GAP = 3,    /* unit: enum abi_gap */
	ABI_FRAME_THREAD = 4, /* unit: thread id, as the kernel's initial namespace knows it */
};

#define ABI_UNIT_NONE 0xffffffffu

enum abi_gap {
	ABI_GAP_DEPTH = 1,       /* more frames than ABI_MAX_FRAMES */
	ABI_GAP_NO_THREAD = 2,   /* the thread has no Python thread state: C code only */
	ABI_GAP_READ = 3,        /* the next frame could not be read */
	ABI_GAP_STACKS_FULL = 4, /* no room for a new stack: many stacks share this entry */

	/* why the C frames end; a stack's C frames come before its Python frames */
	ABI_GAP_NATIVE_FIRST = 32,
	ABI_GAP_NATIVE_DEPTH = 32, /* more frames than ABI_MAX_NATIVE */
	ABI_GAP_UNKNOWN_CODE,      /* an address in no executable memory that is known (yet) */
	ABI_GAP_NO_TABLE,    /* the module has no unwind table: generated code, a damaged file */
	ABI_GAP_NO_RULE,     /* the module's table does not cover the address */
	ABI_GAP_UNSUPPORTED, /* a rule in a form that is not supported */
	ABI_GAP_STACK,       /* the stack's memory could not be read */
	ABI_GAP_NOT_ABOVE, /* the caller's frame would not lie above: a damaged or switched stack */
	ABI_GAP_CODE_CHANGED, /* code was unmapped, and the mappings have not been read again yet */
	ABI_GAP_NATIVE_END
};

struct abi_frame {
	__u64 where;
	__u32 unit;
	__u32 tag; /* kind in bits 0-7 | signature in bits 8-31 | ABI_FRAME_GENERATOR */
};

_Static_assert(sizeof(struct abi_frame) == 16, "frames are compared and hashed as two words");

/* Frames are kept in runs of whole chunks; the rest of the last one is zero. */
struct abi_chunk {
	struct abi_frame frames[ABI_CHUNK];
};

#define ABI_CHUNKS(n_frames) (((n_frames) + ABI_CHUNK - 1) / ABI_CHUNK)

/* a class of free sites for each number of chunks that a stack may have; the first has none */
#define ABI_FREE_CLASSES    (ABI_CHUNKS(ABI_MAX_ENTRIES) + 1)

#define ABI_FRAME_KIND(tag) ((tag)&0x3f)
#define ABI_FRAME_RUN_END \
	0x40u /* Python: the last (outermost) frame of its activation of the evaluation loop */
#define ABI_FRAME_GENERATOR      0x80u /* Python: the frame belongs to a generator or coroutine */
#define ABI_FRAME_EXACT          0x80u /* native: `where` is the instruction, not a return address */
#define ABI_FRAME_SIGNATURE(tag) ((tag) >> 8)

/* Signature of a code object: first line, address of co_filename, address of co_name. 24 bits. */
static inline __u32 abi_code_signature(__u32 first_line, __u64 filename, __u64 name)
{
	__u64 h = (filename >> 3) * 0x9e3779b97f4a7c15ull;

	h ^= (name >> 3) * 0xc2b2ae3d27d4eb4full;
	h ^= (__u64)first_line * 0x165667b19e3779f9ull;
	return (__u32)(h >> 40);
}

#endif
