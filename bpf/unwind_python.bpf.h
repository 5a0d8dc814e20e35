/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * unwind_python: thread state -> frames -> entries in the thread's scratch, leaf first.
 *
 * From the thread pointer to the thread state there are up to three ways (facts.python.ways), because the
 * cheap one (a C thread-local, 3.12+) is empty while the thread has let go of the GIL, and older versions
 * have only the pthread key. Where the word lies is found once per thread and remembered in thread->slots;
 * its value is read anew each time and believed only when the thread state names this very thread:
 *
 *      thread pointer ──way──▶ slot ──▶ PyThreadState { thread_id == thread pointer, frame } ──▶ frame ──▶ ...
 *
 * A frame is kept as (code object, position, signature of the code object); see abi/frame.h.
 * All reads are of fixed size and from facts.python's windows; the chain is followed ABI_MAX_STEPS steps at most.
 */
#ifndef PYLEAKTRACE_BPF_UNWIND_PYTHON_H
#define PYLEAKTRACE_BPF_UNWIND_PYTHON_H

#include "arch.bpf.h"
#include "thread.bpf.h"

#define HASH_SEED 0x9e3779b97f4a7c15ull

static __always_inline __u64 hash_mix(__u64 h, __u64 word)
{
	h = (h ^ word) * 0xff51afd7ed558ccdull;
	return h ^ (h >> 29);
}

static __always_inline bool read_u64(__u64 address, __u64 *value)
{
	return bpf_probe_read_user(value, sizeof(*value), (const void *)address) == 0;
}

/* Where the word with this thread's PyThreadState * lies, by one way; 0: not (yet) there. */
static __always_inline __u64 find_slot(const volatile struct abi_way *way, __u64 tp)
{
	__u64 word;

	switch (way->kind) {
	case ABI_WAY_TLS:
		return tp + way->a;
	case ABI_WAY_GLOBAL:
		return way->a;
	case ABI_WAY_TSS:
		if (!read_u64(tp + way->a, &word) || !word)
			return 0;
		return word + way->b;
	case ABI_WAY_DTV:
		if (!read_u64(tp + 8, &word) || !read_u64(word + way->a, &word))
			return 0;
		/* ~0: this thread has not touched the module's thread-locals yet */
		return word == ~0ull || !word ? 0 : word + way->b;
	}
	return 0;
}

union tstate_window {
	__u8 bytes[ABI_TSTATE_WINDOW];
	__u64 align;
};

/* Field of a window that was read; the offset is a constant of the facts. */
#define FIELD(window, offset, type) (*(type *)((window)->bytes + (offset)))

/*
 * The thread's newest frame.
 *
 * out    frame: its address, 0 when no Python code runs in this thread
 * return false when no way led to a thread state of this thread
 */
static __always_inline bool find_first_frame(struct abi_thread *thread, __u64 *frame)
{
	const volatile struct abi_python *py = &facts.python;
	union tstate_window window;
	__u64 tstate, first;
	int i;

	if (!thread->thread_pointer)
		thread->thread_pointer = thread_pointer();
#pragma unroll
	for (i = 0; i < ABI_MAX_WAYS; i++) {
		if (py->ways[i].kind == ABI_WAY_NONE)
			break;
		if (!thread->slots[i]) {
			thread->slots[i] = find_slot(&py->ways[i], thread->thread_pointer);
			if (!thread->slots[i])
				continue;
		}
		if (!read_u64(thread->slots[i], &tstate) || !tstate)
			continue;
		if (bpf_probe_read_user(window.bytes, py->tstate.size,
					(const void *)(tstate + py->tstate.start))) {
			count(ABI_COUNT_TSTATE_UNREADABLE);
			continue;
		}
		if (FIELD(&window, py->tstate_thread_id, __u64) != thread->thread_pointer)
			continue;
		first = FIELD(&window, py->tstate_frame, __u64);
		if (py->use_cframe && first && !read_u64(first + py->cframe_frame, &first))
			continue;
		*frame = first;
		return true;
	}
	return false;
}

union frame_window {
	__u8 bytes[ABI_FRAME_WINDOW];
	__u64 align;
};

union code_window {
	__u8 bytes[ABI_CODE_WINDOW];
	__u64 align;
};

/* Position in code units of a frame whose code object is at `code`. */
static __always_inline __u32 frame_unit(const union frame_window *window, __u64 code)
{
	const volatile struct abi_python *py = &facts.python;

	if (py->use_lasti) {
		__s32 lasti = FIELD(window, py->frame_position, __s32);

		return lasti < 0 ? ABI_UNIT_NONE : (__u32)lasti >> py->lasti_shift;
	} else {
		__s64 bytes = (__s64)(FIELD(window, py->frame_position, __u64) - (code + py->code_bytecode));

		/* one before the first: the frame has not begun; a bytecode is far below 2 GiB */
		return bytes < 0 || bytes > 0x7fffffff ? ABI_UNIT_NONE : (__u32)(bytes >> 1);
	}
}

enum frame_result { FRAME_KEPT, FRAME_SHIM, FRAME_FAILED };

/* Read one frame into *entry and step to its caller. */
static __always_inline enum frame_result read_frame(__u64 *frame, struct abi_frame *entry)
{
	const volatile struct abi_python *py = &facts.python;
	union frame_window window;
	union code_window code_fields;
	__u64 code;
	__u32 tag = ABI_FRAME_PYTHON;

	if (bpf_probe_read_user(window.bytes, py->frame.size, (const void *)(*frame + py->frame.start)))
		return FRAME_FAILED;
	*frame = FIELD(&window, py->frame_previous, __u64);
	if (py->has_owner) {
		__u8 owner = FIELD(&window, py->frame_owner, __u8);

		if (owner >= py->owner_shim)
			return FRAME_SHIM;
		if (owner == py->owner_generator)
			tag |= ABI_FRAME_GENERATOR;
	}
	code = FIELD(&window, py->frame_code, __u64) & py->code_mask;
	if (bpf_probe_read_user(code_fields.bytes, py->code.size, (const void *)(code + py->code.start)))
		return FRAME_FAILED;
	tag |= abi_code_signature(FIELD(&code_fields, py->code_first_line, __u32),
				  FIELD(&code_fields, py->code_filename, __u64),
				  FIELD(&code_fields, py->code_name, __u64)) << 8;
	entry->where = code;
	entry->unit = frame_unit(&window, code);
	entry->tag = tag;
	return FRAME_KEPT;
}

/* Say behind the entries so far what is missing. */
static __always_inline void put_gap(struct abi_thread *thread, enum abi_gap why)
{
	__u32 n = thread->n_entries;

	if (n >= ABI_MAX_ENTRIES)
		return;
	thread->entries[n].where = 0;
	thread->entries[n].unit = why;
	thread->entries[n].tag = ABI_FRAME_GAP;
	thread->n_entries = n + 1;
}

/* The walk along the frame chain: where it is. */
struct walk {
	struct abi_thread *thread;
	__u64 frame; /* to be read next; 0: the chain has ended */
	__u64 hash;
};

/*
 * One step of the walk. The number of frames kept is counted in memory: the verifier then takes it for any
 * number, and one step looks to it like the other, whether shims were stepped over or not.
 *
 * return 1 to stop, 0 to go on (what bpf_loop() wants)
 */
static long walk_step(__u32 step, struct walk *walk)
{
	struct abi_thread *thread = walk->thread;
	struct abi_frame *entry;
	__u32 n = thread->n_entries;

	if (!walk->frame || n >= ABI_MAX_FRAMES)
		return 1;
	entry = &thread->entries[n];
	switch (read_frame(&walk->frame, entry)) {
	case FRAME_FAILED:
		count(ABI_COUNT_FRAME_UNREADABLE);
		put_gap(thread, ABI_GAP_READ);
		walk->hash = hash_mix(walk->hash, ABI_GAP_READ);
		walk->frame = 0;
		return 1;
	case FRAME_SHIM:
		return 0;
	case FRAME_KEPT:
		break;
	}
	walk->hash = hash_mix(walk->hash, entry->where);
	walk->hash = hash_mix(walk->hash, entry->unit | (__u64)entry->tag << 32);
	thread->n_entries = n + 1;
	return 0;
}

/*
 * Write the stack of the current thread into thread->entries; return its hash.
 *
 * Kernels before 5.17 have no bpf_loop(); there the verifier goes through every step of a plain loop, which
 * is why that one has fewer.
 */
static __noinline __u64 walk_python(struct abi_thread *thread)
{
	struct walk walk = {.thread = thread, .hash = HASH_SEED};

	if (!thread)
		return 0;
	thread->n_entries = 0;
	if (!find_first_frame(thread, &walk.frame) || !walk.frame) {
		put_gap(thread, ABI_GAP_NO_THREAD);
		return hash_mix(walk.hash, ABI_GAP_NO_THREAD);
	}
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(ABI_MAX_STEPS, walk_step, &walk, 0);
	} else {
		__u32 step;

		for (step = 0; step < ABI_MAX_STEPS_UNROLLED; step++)
			if (walk_step(step, &walk))
				break;
	}
	if (walk.frame) {
		count(ABI_COUNT_STACKS_CUT);
		put_gap(thread, ABI_GAP_DEPTH);
		walk.hash = hash_mix(walk.hash, ABI_GAP_DEPTH);
	}
	return walk.hash;
}

#endif
