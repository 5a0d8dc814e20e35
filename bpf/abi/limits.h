/* SPDX-License-Identifier: BSD-2-Clause
 *
 * limits: every bound of the BPF side, with its unit, and the relations between them.
 */
#ifndef PYLEAKTRACE_ABI_LIMITS_H
#define PYLEAKTRACE_ABI_LIMITS_H

/* Python frames kept of one stack; a longer stack loses its root end and says so with a gap
 * frame. */
#define ABI_MAX_FRAMES 128

/* C frames kept of one stack; what is left out are those nearest to the root */
#define ABI_MAX_NATIVE 128

/* entries of a recorded stack: C frames, Python frames, gap frames that say what is missing, the
 * thread */
#define ABI_MAX_ENTRIES (ABI_MAX_NATIVE + ABI_MAX_FRAMES + 4)

/* steps along the frame chain: shim frames (3.12+) are stepped over and not kept */
#define ABI_MAX_STEPS 512

/* stacks with the same hash but different frames that are distinguished before one is given up as
 * lost */
#define ABI_MAX_COLLISIONS 4

/* bytes read of one frame or thread state in one go; the offsets in the facts must fit */
#define ABI_FRAME_WINDOW  128
#define ABI_TSTATE_WINDOW 192
#define ABI_CODE_WINDOW   96

/* from CPython 3.11 on frames lie side by side in memory: bytes that are fetched at a time, for
 * several frames */
#define ABI_FETCH 1024

/* words of the target's stack that are read at a time while C frames are walked (power of two) */
#define ABI_STACK_WORDS 128

/* registers that are followed, and room for them (power of two) */
#define ABI_REGS_ROOM 8

/* ranges of executable memory known at one time (power of two) */
#define ABI_MAX_RANGES 8192

/* signatures of code objects remembered per thread (power of two) */
#define ABI_KNOWN_CODES 64
/* addresses of code of each thread whose unwind rule is remembered; a power of two */
#define ABI_KNOWN_RULES 128

/* bits of the filter that knows all code objects ever seen (power of two) */
#define ABI_CODE_BITS (1u << 22)

/* frames per entry of the pool of frames: a stack takes whole entries */
#define ABI_CHUNK 8

/* free sites of one class that wait for a stack at one time (power of two) */
#define ABI_FREE_ROOM 1024

/* live mappings known at one time */
#define ABI_MAX_MAPPINGS 65536

/* changes of reference counts of classes that are kept one by one in a round, and registers of
 * each */
#define ABI_CLASS_HITS          16384
#define ABI_CLASS_HIT_REGISTERS 15

/* threads with a call in flight or a remembered thread state */
#define ABI_MAX_THREADS 32768

/* one hit in this many is timed (power of two) */
#define ABI_TIMED_HITS 64

_Static_assert(ABI_CODE_WINDOW <= ABI_TSTATE_WINDOW, "one window serves both");
_Static_assert(ABI_MAX_STEPS > ABI_MAX_FRAMES, "shims must not use up the frames");
_Static_assert((ABI_KNOWN_CODES & (ABI_KNOWN_CODES - 1)) == 0, "a mask is made of it");
_Static_assert((ABI_KNOWN_RULES & (ABI_KNOWN_RULES - 1)) == 0, "a mask is made of it");
_Static_assert((ABI_CODE_BITS & (ABI_CODE_BITS - 1)) == 0, "a mask is made of it");
_Static_assert((ABI_FREE_ROOM & (ABI_FREE_ROOM - 1)) == 0,
	       "counters that wrap are taken modulo it");
_Static_assert((ABI_TIMED_HITS & (ABI_TIMED_HITS - 1)) == 0, "a mask is made of it");

#endif
