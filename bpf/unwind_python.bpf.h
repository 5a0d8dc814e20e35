/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * unwind_python: thread state -> frames -> entries in the thread's scratch, leaf first.
 *
 * From the thread pointer to the thread state there are up to three ways (facts.python.ways),
 * because the cheap one (a C thread-local, 3.12+) is empty while the thread has let go of the GIL,
 * and older versions have only the pthread key. Where the word lies is found once per thread and
 * remembered in thread->slots; its value is read again each time and believed only when the thread
 * state names this very thread:
 *
 *      thread pointer ──way──▶ slot ──▶ PyThreadState { thread_id == thread pointer, frame }
 *          ──▶ frame ──▶ ...
 *
 * A frame is kept as (code object, position, signature of the code object); see abi/frame.h. The
 * chain is followed ABI_MAX_STEPS steps at most.
 *
 * What makes it fast is to read rarely: a read of the target costs 30 to 100 ns, whatever its size.
 *
 *   * From 3.11 on the frames of a thread lie side by side in its data stack, callers below. So a
 *     read fetches what is below the frame, too, within the page, and the next frames are found in
 *     that copy (fetch()).
 *   * The signature of a code object is remembered per thread, as long as no code object has been
 *     freed: every address at which one was seen has a bit in `code_bits`, and each free of such an
 *     address raises code_epoch, which makes all that is remembered invalid. A bit may stand for
 *     several addresses; that costs a read too many, never a wrong name. Where frees are not seen
 *     (facts.code_frees), nothing is remembered.
 *
 * In a free-threaded build (3.14+) each thread but the first runs a copy of the bytecode of its
 * own, which the interpreter specialises; the instruction pointer is in there. Where the copy
 * begins takes two reads, and is remembered with the signature, under the same condition
 * (frame_bytecode()).
 */
#ifndef PYLEAKTRACE_BPF_UNWIND_PYTHON_H
#define PYLEAKTRACE_BPF_UNWIND_PYTHON_H

#include "arch.bpf.h"
#include "entries.bpf.h"

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

/* Field of the thread's window; the offset is a constant of the facts. */
#define FIELD(thread, offset, type) (*(type *)((thread)->window + (offset)))

/*
 * The thread's newest frame.
 *
 * out    thread->frame: its address, 0 when no Python code runs in this thread
 * return false when no way led to a thread state of this thread
 */
static __always_inline bool find_first_frame(struct abi_thread *thread)
{
	const volatile struct abi_python *py = &facts.python;
	bool unreadable = false;
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
		if (bpf_probe_read_user(thread->window, py->tstate.size,
					(const void *)(tstate + py->tstate.start))) {
			unreadable = true;
			continue;
		}
		if (FIELD(thread, py->tstate_thread_id, __u64) != thread->thread_pointer)
			continue;
		first = FIELD(thread, py->tstate_frame, __u64);
		if (py->use_cframe && first && !read_u64(first + py->cframe_frame, &first)) {
			unreadable = true;
			continue;
		}
		thread->frame = first;
		return true;
	}
	if (unreadable)
		count(ABI_COUNT_TSTATE_UNREADABLE);
	return false;
}

/* ---- code objects --------------------------------------------------------------------------- */

static __always_inline __u32 code_bit(__u64 address)
{
	return (__u32)(((address >> 4) * 0x9e3779b97f4a7c15ull) >> 40) & (ABI_CODE_BITS - 1);
}

static __always_inline __u64 *code_word(__u32 bit)
{
	__u32 index = bit / 64;

	return bpf_map_lookup_elem(&code_bits, &index);
}

/* Are all frees of code objects seen at this time? User space adds to `code_epoch` before they are
 * again. */
static __always_inline bool sees_code_frees(void)
{
	return facts.code_frees && (!facts.split || is_recorded(ABI_PART_OBJECT));
}

/* Something of the block at this address is remembered from now on. */
static __always_inline void code_seen(__u64 address)
{
	__u32 bit = code_bit(address);
	__u64 *word = code_word(bit);

	if (word && !(*word >> (bit % 64) & 1))
		__sync_fetch_and_or(word, 1ull << (bit % 64));
}

/* A block at this address is freed: if it may be a code object, nothing remembered of any holds
 * on. */
static __always_inline void code_freed(__u64 address)
{
	__u32 bit = code_bit(address);
	__u64 *word;

	if (!facts.code_frees)
		return;
	word = code_word(bit);
	if (word && *word >> (bit % 64) & 1)
		__sync_fetch_and_add(&code_epoch, 1);
}

/* The signature of the code object at this address; false when it cannot be read. */
static __always_inline bool code_signature(struct abi_thread *thread, __u64 code, __u32 *signature)
{
	const volatile struct abi_python *py = &facts.python;
	struct abi_known_code *known = &thread->codes[(code >> 5) & (ABI_KNOWN_CODES - 1)];
	__u32 epoch = code_epoch;

	/* an empty place holds the code object at 0, which is none */
	if (!code)
		return false;
	if (sees_code_frees() && known->code == code && known->epoch == epoch) {
		*signature = known->signature;
		return true;
	}
	if (bpf_probe_read_user(thread->window, py->code.size,
				(const void *)(code + py->code.start)))
		return false;
	*signature = abi_code_signature(FIELD(thread, py->code_first_line, __u32),
					FIELD(thread, py->code_filename, __u64),
					FIELD(thread, py->code_name, __u64));
	code_seen(code);
	known->code = code;
	known->signature = *signature;
	known->epoch = epoch;
	known->copy = 0;
	return true;
}

/* ---- frames --------------------------------------------------------------------------------- */

/*
 * Have the window of the frame at `frame` in thread->memory.
 *
 * return its offset there, or a value above ABI_FETCH when it cannot be read
 */
static __always_inline __u64 fetch(struct abi_thread *thread, __u64 frame)
{
	const volatile struct abi_python *py = &facts.python;
	__u64 start = frame + py->frame.start, from = start, offset;
	__u64 end = start + py->frame.size;
	__u32 size;

	offset = start - thread->fetched_from;
	if (offset <= ABI_FETCH && offset + py->frame.size <= thread->fetched)
		return offset;
	if (py->adjacent) {
		/* the page that holds the frame is there; the one below it may not be */
		from = start & ~(TARGET_PAGE - 1);
		if (start - from > ABI_FETCH)
			from = start - ABI_FETCH;
	}
	size = (__u32)(end - from);
	/* the register that is checked must be the one that is used */
	barrier_var(size);
	if (size > sizeof(thread->memory))
		return ~0ull;
	thread->fetched = 0;
	if (bpf_probe_read_user(thread->memory, size, (const void *)from))
		return ~0ull;
	thread->fetched_from = from;
	thread->fetched = size;
	return start - from;
}

/*
 * Where the bytecode begins that a frame runs; code_signature() knows its code object already.
 *
 * return false when that cannot be read
 */
static __always_inline bool frame_bytecode(struct abi_thread *thread, const __u8 *window,
					   __u64 code, __u64 *bytecode)
{
	const volatile struct abi_python *py = &facts.python;
	struct abi_known_code *known = &thread->codes[(code >> 5) & (ABI_KNOWN_CODES - 1)];
	__u32 copy = py->has_copies ? *(__u32 *)(window + py->frame_copy) : 0;
	__u64 copies;

	if (!copy) {
		*bytecode = code + py->code_bytecode;
		return true;
	}
	if (sees_code_frees() && known->code == code && known->copy == copy) {
		*bytecode = known->bytecode;
		return true;
	}
	/* the interpreter keeps the array, and this copy, as long as the thread runs it */
	if (!read_u64(code + py->code_copies, &copies) || !copies ||
	    !read_u64(copies + 8 + 8 * (__u64)copy, bytecode) || !*bytecode)
		return false;
	code_seen(*bytecode);
	known->bytecode = *bytecode;
	known->copy = copy;
	return true;
}

/* Position in code units of a frame whose code object is at `code`; false when it cannot be
 * read. */
static __always_inline bool frame_unit(struct abi_thread *thread, const __u8 *window, __u64 code,
				       __u32 *unit)
{
	const volatile struct abi_python *py = &facts.python;
	__u64 bytecode;

	if (py->use_lasti) {
		__s32 lasti = *(__s32 *)(window + py->frame_position);

		*unit = lasti < 0 ? ABI_UNIT_NONE : (__u32)lasti >> py->lasti_shift;
		return true;
	}
	if (!frame_bytecode(thread, window, code, &bytecode))
		return false;
	bytecode = *(__u64 *)(window + py->frame_position) - bytecode;
	/* one before the first: the frame has not begun; a bytecode is far below 2 GiB */
	*unit = bytecode > 0x7fffffff ? ABI_UNIT_NONE : (__u32)(bytecode >> 1);
	return true;
}

enum frame_result { FRAME_KEPT, FRAME_SHIM, FRAME_FAILED };

/* Read the frame at thread->frame into *entry and step to its caller. */
static __always_inline enum frame_result read_frame(struct abi_thread *thread,
						    struct abi_frame *entry)
{
	const volatile struct abi_python *py = &facts.python;
	__u64 code, offset = fetch(thread, thread->frame);
	__u32 tag = ABI_FRAME_PYTHON, signature;
	const __u8 *window;

	barrier_var(offset);
	if (offset > ABI_FETCH)
		return FRAME_FAILED;
	window = thread->memory + offset;
	thread->frame = *(__u64 *)(window + py->frame_previous);
	if (py->has_owner) {
		__u8 owner = *(window + py->frame_owner);

		if (owner >= py->owner_shim)
			return FRAME_SHIM;
		if (owner == py->owner_generator)
			tag |= ABI_FRAME_GENERATOR;
	}
	/* not needed without C frames */
	if (facts.native && (py->run_end == ABI_RUN_EACH ||
			     (py->run_end == ABI_RUN_IS_ENTRY && *(window + py->frame_is_entry))))
		tag |= ABI_FRAME_RUN_END;
	code = *(__u64 *)(window + py->frame_code) & py->code_mask;
	if (!code_signature(thread, code, &signature) ||
	    !frame_unit(thread, window, code, &entry->unit))
		return FRAME_FAILED;
	entry->where = code;
	entry->tag = tag | signature << 8;
	return FRAME_KEPT;
}

/* Between two activations of the evaluation loop lies a shim: the frame before it was the outermost
 * of its own. */
static __always_inline void end_run(struct abi_thread *thread, __u32 n)
{
	__u32 last = n - 1;

	if (n <= thread->first_python)
		return;
	/* verifiers before 6.8 know the bounds of the register that is compared, and of no other */
	barrier_var(last);
	if (last >= ABI_MAX_ENTRIES)
		return;
	entry_at(thread, last)->tag |= ABI_FRAME_RUN_END;
	thread->hash = hash_mix(thread->hash, ABI_FRAME_RUN_END);
}

/*
 * One step along the frame chain, from thread->frame on.
 *
 * Not static: the verifier checks a global function once, by itself, and each call of it is one
 * step. Checked again at each turn of the loop it is too much for kernels before 5.17, and slow to
 * load on all of them. That is why the walk keeps all of its state in the thread: nothing else is
 * known of a global function's arguments.
 *
 * return 1 to stop, 0 to go on
 */
int python_step(struct abi_thread *thread);

__noinline int python_step(struct abi_thread *thread)
{
	struct abi_frame *entry;
	__u32 n;

	if (!thread)
		return 1;
	n = thread->n_entries;
	if (!thread->frame || n - thread->first_python > ABI_MAX_FRAMES || n >= ABI_MAX_ENTRIES)
		return 1;
	entry = entry_at(thread, n);
	switch (read_frame(thread, entry)) {
	case FRAME_FAILED:
		count(ABI_COUNT_FRAME_UNREADABLE);
		put_gap(thread, ABI_GAP_READ);
		thread->hash = hash_mix(thread->hash, ABI_GAP_READ);
		thread->frame = 0;
		return 1;
	case FRAME_SHIM:
		if (facts.native)
			end_run(thread, n);
		return 0;
	case FRAME_KEPT:
		break;
	}
	/* only now it is known: behind the last frame that is kept there may have been nothing but
	 * shims */
	if (n - thread->first_python == ABI_MAX_FRAMES) {
		thread->is_cut = 1;
		return 1;
	}
	thread->hash = hash_mix(thread->hash, entry->where);
	thread->hash = hash_mix(thread->hash, entry->unit | (__u64)entry->tag << 32);
	thread->n_entries = n + 1;
	return 0;
}

/* Write the Python frames of the current thread behind the entries that are there; return the hash
 * of all. */
static __noinline __u64 walk_python(struct abi_thread *thread, __u64 hash)
{
	__u32 step;

	if (!thread)
		return 0;
	thread->hash = hash;
	thread->first_python = thread->n_entries;
	thread->is_cut = 0;
	thread->fetched = 0;
	if (!find_first_frame(thread) || !thread->frame) {
		/* a thread without Python frames has C frames */
		if (thread->first_python)
			return hash;
		put_gap(thread, ABI_GAP_NO_THREAD);
		return hash_mix(hash, ABI_GAP_NO_THREAD);
	}
	for (step = 0; step < ABI_MAX_STEPS; step++)
		if (python_step(thread))
			break;
	if (thread->frame || thread->is_cut) {
		count(ABI_COUNT_STACKS_CUT);
		put_gap(thread, ABI_GAP_DEPTH);
		thread->hash = hash_mix(thread->hash, ABI_GAP_DEPTH);
	}
	return thread->hash;
}

#endif
