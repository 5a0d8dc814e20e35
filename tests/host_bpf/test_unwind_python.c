/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The walk over Python frames, for every row of the layout table: thread state, frames and code objects are
 * built in a memory image where the row says they lie, and nothing is mapped behind what may be read.
 */
/* two compile units in one: names of the one may be parameters of the other */
#pragma GCC diagnostic ignored "-Wshadow"
#include "probe/facts.c"
#include "python/layout.c"
#include "base/err.c"

#undef FIELD
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* where things lie in the target */
#define TP        0x7f1000000000ull /* thread pointer of the thread that is looked at */
#define OTHER_TP  0x7f2000000000ull
#define AT_TSTATE    0x100000000ull
#define AT_OTHER     0x110000000ull /* another thread's PyThreadState */
#define AT_CFRAME    0x120000000ull
#define AT_GLOBAL    0x130000000ull
#define AT_FRAMES    0x200000000ull
#define AT_CODES     0x300000000ull
#define STEP      0x1000ull
#define AT_FILENAME  0x400000000ull
#define AT_NAME      0x500000000ull

#define TGID 77

enum owner { OWNER_THREAD = 0, OWNER_GENERATOR = 1, OWNER_FRAME_OBJECT = 2, OWNER_SHIM = 3 };

#define MAX_PLACED 64

struct target {
	struct py_runtime runtime;
	const struct py_layout *layout;
	const struct abi_python *python;
	__u64 placed[MAX_PLACED]; /* address of frame i in memory that is mapped already; 0: in a page of its own */
};

static struct target target;

static const struct abi_thread *the_thread(void)
{
	__u32 tid = shim.tid;

	return bpf_map_lookup_elem(&threads, &tid);
}

static const struct abi_frame *entry_of(const struct abi_thread *thread, unsigned i)
{
	assert_true(i < thread->n_entries);
	return &thread->entries[i / ABI_CHUNK].frames[i % ABI_CHUNK];
}

static void put_window(__u64 at, const struct abi_window *window)
{
	image_map(&shim.memory, at + window->start, window->size);
}

static void put_tstate(__u64 at, __u64 tp, __u64 frame, __u64 cframe)
{
	const struct py_layout *layout = target.layout;
	__u64 first = frame;

	put_window(at, &target.python->tstate);
	image_put_u64(&shim.memory, at + (__u64)layout->tstate.thread_id, tp);
	if (layout->tstate.cframe >= 0) {
		image_map(&shim.memory, cframe + (__u64)layout->cframe_current_frame, 8);
		image_put_u64(&shim.memory, cframe + (__u64)layout->cframe_current_frame, frame);
		first = cframe;
	}
	image_put_u64(&shim.memory,
		      at + (__u64)(layout->tstate.frame >= 0    ? layout->tstate.frame
				   : layout->tstate.cframe >= 0 ? layout->tstate.cframe
								: layout->tstate.current_frame),
		      first);
}

/* The place of frame and code object number i; 1 is the leaf. */
static __u64 frame_at(unsigned i)
{
	return i < MAX_PLACED && target.placed[i] ? target.placed[i] : AT_FRAMES + i * STEP;
}

static __u64 code_at(unsigned i)
{
	return AT_CODES + i * (STEP + 32); /* no two neighbours share a place in abi_thread.codes */
}

/* A position as the version writes it: unit -1 is "not begun". */
static void put_position(unsigned i, long unit)
{
	const struct py_layout *layout = target.layout;

	if (layout->frame.lasti >= 0)
		image_put(&shim.memory, frame_at(i) + (__u64)layout->frame.lasti,
			  unit < 0 ? (__u64)-1 : (__u64)unit * (layout->frame.lasti_unit == 1 ? 2 : 1), 4);
	else
		image_put_u64(&shim.memory, frame_at(i) + (__u64)layout->frame.instr_ptr,
			      code_at(i) + (__u64)layout->code.code + 2 * (__u64)unit);
}

static void put_previous(unsigned i, __u64 previous)
{
	image_put_u64(&shim.memory, frame_at(i) + (__u64)target.layout->frame.previous, previous);
}

static void put_owner(unsigned i, enum owner owner)
{
	if (target.layout->frame.owner >= 0)
		image_put(&shim.memory, frame_at(i) + (__u64)target.layout->frame.owner, owner, 1);
}

static void put_code(unsigned i)
{
	const struct py_layout *layout = target.layout;

	/* what is read of a code object is part of it in every version */
	assert_true(target.python->code.start + target.python->code.size <= (__u32)layout->code.size);
	put_window(code_at(i), &target.python->code);
	image_put(&shim.memory, code_at(i) + (__u64)layout->code.firstlineno, 1000 + i, 4);
	image_put_u64(&shim.memory, code_at(i) + (__u64)layout->code.filename, AT_FILENAME + 8 * i);
	image_put_u64(&shim.memory, code_at(i) + (__u64)layout->code.name, AT_NAME + 8 * i);
}

static void put_frame(unsigned i, __u64 previous)
{
	const struct py_layout *layout = target.layout;

	/* what is below the frame in its page may be fetched with it */
	if (i >= MAX_PLACED || !target.placed[i])
		image_map(&shim.memory, frame_at(i), target.python->frame.start + target.python->frame.size);
	/* where the reference may be tagged, it is */
	image_put_u64(&shim.memory, frame_at(i) + (__u64)layout->frame.code,
		      layout->frame.code_mask == ~0ull ? code_at(i) : code_at(i) | 1);
	put_previous(i, previous);
	put_owner(i, OWNER_THREAD);
	put_code(i);
	put_position(i, (long)i);
}

/* A chain of n frames; the leaf is frame_at(1). */
static void put_chain(unsigned n)
{
	for (unsigned i = 1; i <= n; i++)
		put_frame(i, i < n ? frame_at(i + 1) : 0);
}

static struct abi_facts *facts_of_test(void)
{
	/* volatile: the compiler takes it for changeable, and puts it into writable memory */
	return (struct abi_facts *)(uintptr_t)&facts;
}

static void add_way(struct py_tstate_way way)
{
	target.runtime.ways[target.runtime.n_ways++] = way;
}

/* Facts of the target as it is now; before: add_way(). */
static void fill_facts(void)
{
	struct err err = ERR_INIT;

	memset(facts_of_test(), 0, sizeof(facts));
	facts_of_test()->tgid = TGID;
	if (facts_fill(&facts_of_test()->python, &target.runtime, &err))
		fail_msg("%s", err.text);
	target.python = &facts_of_test()->python;
	active = 1;
	code_epoch = 0;
}

static const struct py_tstate_way way_global = {.kind = PY_TSTATE_GLOBAL, .offset = AT_GLOBAL};

/* A new target of this version, with one way that leads to AT_TSTATE. */
static void begin(const struct py_layout *layout)
{
	shim_reset();
	memset(&target, 0, sizeof(target));
	target.layout = layout;
	target.runtime.layout = *layout;
	shim.tgid = TGID;
	shim.tid = TGID;
	shim.thread_pointer = TP;
	add_way(way_global);
	fill_facts();
	image_map(&shim.memory, AT_GLOBAL, 8);
	image_put_u64(&shim.memory, AT_GLOBAL, AT_TSTATE);
}

/* The walk of the running thread. */
static const struct abi_thread *walk_now(void)
{
	assert_non_null(thread_get());
	walk_python(thread_get());
	assert_true(the_thread()->n_entries <= ABI_MAX_ENTRIES);
	return the_thread();
}

static void check_frame(const struct abi_frame *entry, unsigned i, __u32 unit, bool generator)
{
	assert_int_equal(ABI_FRAME_KIND(entry->tag), ABI_FRAME_PYTHON);
	assert_int_equal(entry->where, code_at(i));
	assert_int_equal(entry->unit, unit);
	assert_int_equal(ABI_FRAME_SIGNATURE(entry->tag),
			 abi_code_signature(1000 + i, AT_FILENAME + 8 * i, AT_NAME + 8 * i));
	assert_int_equal(!!(entry->tag & ABI_FRAME_GENERATOR), generator);
}

static void check_gap(const struct abi_frame *entry, enum abi_gap why)
{
	assert_int_equal(ABI_FRAME_KIND(entry->tag), ABI_FRAME_GAP);
	assert_int_equal(entry->unit, why);
	assert_int_equal(entry->where, 0);
}

static __u64 counted(enum abi_counter counter)
{
	return ((struct counters *)shim_array_at(SHIM_MAP(&counts), 0, 0))->value[counter];
}

/* The test for each version, on kernels with bpf_loop() and without. */
static void for_each_row(void (*check)(void))
{
	const struct py_layout *layout;
	unsigned n = 0;

	for (; (layout = layout_row(n)) != NULL; n++) {
		for (unsigned old_kernel = 0; old_kernel < 2; old_kernel++) {
			begin(layout);
			shim.no_bpf_loop = old_kernel;
			check();
		}
	}
	assert_true(n >= 10);
	shim_reset();
}

/* ---- frames ---------------------------------------------------------------------------------------------------- */

static void chain(void)
{
	const struct abi_thread *thread;

	put_chain(5);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 5);
	for (unsigned i = 0; i < 5; i++)
		check_frame(entry_of(thread, i), i + 1, i + 1, false);
	assert_int_equal(shim.memory.n_faults, 0);
}

static void test_chain(void **state)
{
	for_each_row(chain);
}

static void positions(void)
{
	static const long units[] = {-1, 0, 1, 255, 32767, 1000000, 0x3ffffff};
	const struct abi_thread *thread;

	put_chain(7);
	for (unsigned i = 0; i < 7; i++)
		put_position(i + 1, units[i]);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 7);
	for (unsigned i = 0; i < 7; i++)
		check_frame(entry_of(thread, i), i + 1, (__u32)units[i], false);
	/* nonsense is "not begun", never a wild number */
	if (target.layout->frame.lasti < 0) {
		put_position(1, 0x40000000);
		put_position(2, -1000);
		put_position(3, 0x7fffffffffffff);
		thread = walk_now();
		for (unsigned i = 0; i < 3; i++)
			check_frame(entry_of(thread, i), i + 1, ABI_UNIT_NONE, false);
	}
}

static void test_positions(void **state)
{
	for_each_row(positions);
}

static void owners(void)
{
	bool has_owner = target.layout->frame.owner >= 0;
	bool has_shims = has_owner && target.layout->frame.owner_shim != 0xff;
	const struct abi_thread *thread;
	unsigned at = 0;

	put_chain(9);
	put_owner(2, OWNER_GENERATOR);
	put_owner(3, OWNER_FRAME_OBJECT);
	put_owner(5, OWNER_SHIM);
	put_owner(9, OWNER_SHIM + 1);
	/* the code of a shim is none */
	if (has_shims) {
		put_owner(6, OWNER_SHIM);
		image_unmap(&shim.memory, code_at(5) + target.python->code.start);
		image_unmap(&shim.memory, code_at(6) + target.python->code.start);
		image_unmap(&shim.memory, code_at(9) + target.python->code.start);
	}
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	thread = walk_now();
	for (unsigned i = 1; i <= 9; i++) {
		if (has_shims && (i == 5 || i == 6 || i == 9))
			continue;
		check_frame(entry_of(thread, at++), i, i, has_owner && i == 2);
	}
	assert_int_equal(thread->n_entries, at);
	assert_int_equal(shim.memory.n_faults, 0);
}

static void test_owners(void **state)
{
	for_each_row(owners);
}

/* The hash tells stacks apart by frames, positions and order, and is the same for the same stack. */
static void hashes(void)
{
	__u64 first, second;

	put_chain(3);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	first = walk_python(thread_get());
	assert_int_equal(walk_python(thread_get()), first);
	put_position(2, 99);
	second = walk_python(thread_get());
	assert_int_not_equal(second, first);
	put_position(2, 2);
	assert_int_equal(walk_python(thread_get()), first);
	put_previous(1, 0);
	assert_int_not_equal(walk_python(thread_get()), first);
	put_previous(1, frame_at(2));
	/* the code object has died, and another one is at its place */
	image_put(&shim.memory, code_at(3) + (__u64)target.layout->code.firstlineno, 5, 4);
	assert_int_not_equal(walk_python(thread_get()), first);
}

static void test_hashes(void **state)
{
	for_each_row(hashes);
}

/* ---- depth ----------------------------------------------------------------------------------------------------- */

static void depths(void)
{
	static const unsigned depth[] = {1, ABI_MAX_FRAMES - 1, ABI_MAX_FRAMES, ABI_MAX_FRAMES + 1, 200};
	__u64 cut = 0;

	put_chain(200);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	for (unsigned d = 0; d < 5; d++) {
		unsigned kept = depth[d] < ABI_MAX_FRAMES ? depth[d] : ABI_MAX_FRAMES;
		const struct abi_thread *thread;

		put_previous(depth[d], 0);
		thread = walk_now();
		cut += depth[d] > ABI_MAX_FRAMES;
		assert_int_equal(counted(ABI_COUNT_STACKS_CUT), cut);
		assert_int_equal(thread->n_entries, kept + (depth[d] > ABI_MAX_FRAMES));
		for (unsigned i = 0; i < kept; i++)
			check_frame(entry_of(thread, i), i + 1, i + 1, false);
		if (depth[d] > ABI_MAX_FRAMES)
			check_gap(entry_of(thread, kept), ABI_GAP_DEPTH);
		if (depth[d] < 200)
			put_previous(depth[d], frame_at(depth[d] + 1));
	}
}

static void test_depths(void **state)
{
	for_each_row(depths);
}

/* As many frames as are kept, and a shim behind the last (3.12+ always has one): nothing is missing. */
static void full_and_a_shim(void)
{
	if (target.layout->frame.owner_shim == 0xff)
		return;
	put_chain(ABI_MAX_FRAMES + 1);
	put_owner(ABI_MAX_FRAMES + 1, OWNER_SHIM);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	assert_int_equal(walk_now()->n_entries, ABI_MAX_FRAMES);
	assert_int_equal(counted(ABI_COUNT_STACKS_CUT), 0);
}

static void test_full_and_a_shim(void **state)
{
	for_each_row(full_and_a_shim);
}

/* A chain that runs in a circle ends at the bound, and says so. */
static void circle(void)
{
	const struct abi_thread *thread;

	put_chain(3);
	put_previous(3, frame_at(1));
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	thread = walk_now();
	assert_int_equal(thread->n_entries, ABI_MAX_FRAMES + 1);
	check_gap(entry_of(thread, ABI_MAX_FRAMES), ABI_GAP_DEPTH);
	for (unsigned i = 0; i < ABI_MAX_FRAMES; i++)
		check_frame(entry_of(thread, i), i % 3 + 1, i % 3 + 1, false);
	/* a frame that is its own caller */
	put_previous(1, frame_at(1));
	assert_int_equal(walk_now()->n_entries, ABI_MAX_FRAMES + 1);
	/* nothing but shims */
	if (target.layout->frame.owner_shim != 0xff) {
		put_owner(1, OWNER_SHIM);
		thread = walk_now();
		assert_int_equal(thread->n_entries, 1);
		check_gap(entry_of(thread, 0), ABI_GAP_DEPTH);
	}
	assert_true(shim.memory.n_reads < 4 * 2 * (ABI_MAX_STEPS + 8));
}

static void test_circle(void **state)
{
	for_each_row(circle);
}

/* ---- memory that cannot be read, or changes --------------------------------------------------------------------- */

static void unmapped(void)
{
	const struct abi_thread *thread;

	put_chain(5);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	/* the third frame is not there */
	put_previous(2, 0xdead0000);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 3);
	check_frame(entry_of(thread, 1), 2, 2, false);
	check_gap(entry_of(thread, 2), ABI_GAP_READ);
	assert_int_equal(counted(ABI_COUNT_FRAME_UNREADABLE), 1);
	/* nor are its last bytes */
	put_previous(2, frame_at(3));
	image_unmap(&shim.memory, frame_at(3));
	image_map(&shim.memory, frame_at(3), target.python->frame.start + target.python->frame.size - 1);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 3);
	check_gap(entry_of(thread, 2), ABI_GAP_READ);
	/* the leaf's code object */
	image_unmap(&shim.memory, code_at(1) + target.python->code.start);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 1);
	check_gap(entry_of(thread, 0), ABI_GAP_READ);
	/* no code object */
	put_previous(2, frame_at(3));
	image_put_u64(&shim.memory, frame_at(2) + (__u64)target.layout->frame.code, 0);
	put_code(1);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 2);
	check_gap(entry_of(thread, 1), ABI_GAP_READ);
	/* addresses that wrap around */
	put_previous(2, ~0ull - 8);
	walk_now();
	assert_int_equal(counted(ABI_COUNT_STACKS_CUT), 0);
}

static void test_unmapped(void **state)
{
	for_each_row(unmapped);
}

/*
 * The target runs on between two reads. On each read of a walk in turn, each word of the second frame becomes
 * something else: the walk ends, within its bounds, with entries that have a kind.
 */
static void torn(void)
{
	static const __u64 junk[] = {0, 1, 0x41414141, ~0ull, AT_FRAMES + STEP, AT_CODES};

	put_chain(4);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	for (unsigned read = 1; read <= 12; read++) {
		for (unsigned offset = 0; offset < target.python->frame.size; offset += 8) {
			__u64 at = frame_at(2) + target.python->frame.start + offset, old;
			unsigned j = (read + offset / 8) % 6;
			const struct abi_thread *thread;

			image_read(&shim.memory, &old, 8, at);
			image_tear(&shim.memory, read, at, junk[j]);
			thread = walk_now();
			shim.memory.n_tears = 0; /* a short walk did not come so far */
			assert_true(thread->n_entries >= 1);
			for (unsigned i = 0; i < thread->n_entries; i++) {
				unsigned kind = ABI_FRAME_KIND(entry_of(thread, i)->tag);

				assert_true(kind == ABI_FRAME_PYTHON || kind == ABI_FRAME_GAP);
				assert_true(kind != ABI_FRAME_GAP || i == thread->n_entries - 1);
			}
			check_frame(entry_of(thread, 0), 1, 1, false);
			image_put_u64(&shim.memory, at, old);
		}
	}
	/* undisturbed, it is what it was */
	assert_int_equal(walk_now()->n_entries, 4);
}

static void test_torn(void **state)
{
	for_each_row(torn);
}

/* ---- reading less --------------------------------------------------------------------------------------------------- */

#define STACK_PAGES 4

/* Frames of a data stack, callers below: the leaf is frame 1. Pages of the stack are mapped, nothing else is. */
static void place_frames(unsigned n, unsigned stride)
{
	__u64 top = AT_FRAMES + STACK_PAGES * STEP - 8;

	image_map(&shim.memory, AT_FRAMES, STACK_PAGES * STEP);
	for (unsigned i = 1; i <= n; i++)
		target.placed[i] = (top - (__u64)(i * stride)) & ~7ull;
	put_chain(n);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
}

/* Frames that lie side by side are read several at a time, wherever the ends of pages fall. */
static void side_by_side(void)
{
	static const unsigned strides[] = {88, 120, 200, 264};
	const struct py_layout *layout = target.layout;

	for (unsigned s = 0; s < 4; s++) {
		__u64 alone, together, hash;
		unsigned n = STACK_PAGES * STEP / strides[s] - 1;

		n = n < MAX_PLACED ? n : MAX_PLACED - 1;
		begin(layout);
		if (!target.python->adjacent)
			return;
		place_frames(n, strides[s]);
		facts_of_test()->python.adjacent = 0;
		hash = walk_python(thread_get());
		alone = shim.memory.n_reads;
		facts_of_test()->python.adjacent = 1;
		assert_int_equal(walk_python(thread_get()), hash);
		together = shim.memory.n_reads - alone;
		assert_int_equal(the_thread()->n_entries, n);
		for (unsigned i = 0; i < n; i++)
			check_frame(entry_of(the_thread(), i), i + 1, i + 1, false);
		assert_int_equal(shim.memory.n_faults, 0);
		/* code objects are read one by one here, frames are not: at least three in four come along */
		assert_true(alone >= 2 * n && together - n < n / 3 + 4);
	}
}

static void test_side_by_side(void **state)
{
	for_each_row(side_by_side);
}

/* Frames anywhere, in any order: fetched together or one by one, the stack is the same. */
static void anywhere(void)
{
	const struct py_layout *layout = target.layout;
	__u64 random = layout->minor * 977u + 1;

	for (unsigned round = 0; round < 60; round++) {
		struct abi_thread alone;

		begin(layout);
		if (!target.python->adjacent)
			return;
		image_map(&shim.memory, AT_FRAMES, STACK_PAGES * STEP);
		for (unsigned i = 1; i < 20; i++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			/* 128 apart, so that no two overlap in what is read of them */
			target.placed[i] = AT_FRAMES + ((random >> 33) % 4 * 31 + i) * 128;
		}
		put_chain(19);
		/* a hole: frames that would be read beyond it, or run into it */
		if (round % 3 == 0)
			put_previous(1 + round % 19, AT_FRAMES + STACK_PAGES * STEP - 40);
		put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
		facts_of_test()->python.adjacent = 0;
		alone = *walk_now();
		facts_of_test()->python.adjacent = 1;
		walk_now();
		assert_int_equal(the_thread()->n_entries, alone.n_entries);
		for (unsigned i = 0; i < alone.n_entries; i++)
			assert_memory_equal(entry_of(the_thread(), i), entry_of(&alone, i),
					    sizeof(struct abi_frame));
	}
}

static void test_anywhere(void **state)
{
	for_each_row(anywhere);
}

static void free_hit(__u64 address)
{
	struct pt_regs regs = {.arguments = {0, address}, .sp = 0x7ffe0000};

	shim.cookie = ABI_COOKIE(ABI_CALL_PY_FREE, ABI_OBJECT, 0, 1);
	on_entry(&regs);
}

static void retype_code(unsigned i, unsigned line)
{
	image_put(&shim.memory, code_at(i) + (__u64)target.layout->code.firstlineno, line, 4);
}

/* What is remembered of a code object holds until its memory is freed, by whichever thread. */
static void remembered_codes(void)
{
	const struct abi_frame *second;
	__u64 before;

	facts_of_test()->max_size = ~0ull;
	facts_of_test()->code_frees = 1;
	put_chain(3);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	put_tstate(AT_OTHER, OTHER_TP, frame_at(2), AT_CFRAME + STEP);
	walk_now();
	before = shim.memory.n_reads;
	walk_now();
	/* the second walk read the frames and what leads to them (word, thread state, frame), no code object */
	assert_true(shim.memory.n_reads - before <= 3 + 3);
	/* as long as nothing is freed, no other code object can be at its address */
	free_hit(0x7777770);
	assert_int_equal(code_epoch, 0);
	/* another thread frees it, and a new one is made there */
	shim.tid = TGID + 1;
	free_hit(code_at(2));
	shim.tid = TGID;
	assert_int_equal(code_epoch, 1);
	retype_code(2, 9000);
	walk_now();
	second = entry_of(the_thread(), 1);
	assert_int_equal(ABI_FRAME_SIGNATURE(second->tag),
			 abi_code_signature(9000, AT_FILENAME + 16, AT_NAME + 16));
	check_frame(entry_of(the_thread(), 0), 1, 1, false);
	/* freed and gone: what was remembered is not used for it */
	free_hit(code_at(2));
	image_unmap(&shim.memory, code_at(2) + target.python->code.start);
	check_gap(entry_of(walk_now(), 1), ABI_GAP_READ);
}

static void test_remembered_codes(void **state)
{
	for_each_row(remembered_codes);
}

/* Where frees are not seen, nothing is remembered. */
static void codes_without_frees(void)
{
	put_chain(3);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	walk_now();
	retype_code(2, 9000);
	walk_now();
	assert_int_equal(ABI_FRAME_SIGNATURE(entry_of(the_thread(), 1)->tag),
			 abi_code_signature(9000, AT_FILENAME + 16, AT_NAME + 16));
	free_hit(code_at(2));
	assert_int_equal(code_epoch, 0);
}

static void test_codes_without_frees(void **state)
{
	for_each_row(codes_without_frees);
}

/* More code objects than are remembered, and such that share a place: each has its own signature. */
static void many_codes(void)
{
	facts_of_test()->code_frees = 1;
	put_chain(ABI_MAX_FRAMES);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	for (unsigned round = 0; round < 3; round++) {
		walk_now();
		for (unsigned i = 0; i < ABI_MAX_FRAMES; i++)
			check_frame(entry_of(the_thread(), i), i + 1, i + 1, false);
	}
}

static void test_many_codes(void **state)
{
	for_each_row(many_codes);
}

/* ---- the way to the thread state -------------------------------------------------------------------------------- */

static void no_thread_state(void)
{
	const struct abi_thread *thread;

	/* nothing behind the word */
	image_put_u64(&shim.memory, AT_GLOBAL, 0);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 1);
	check_gap(entry_of(thread, 0), ABI_GAP_NO_THREAD);
	assert_int_equal(counted(ABI_COUNT_TSTATE_UNREADABLE), 0);
	/* behind it, nothing that can be read */
	image_put_u64(&shim.memory, AT_GLOBAL, 0xdead0000);
	check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	assert_int_equal(counted(ABI_COUNT_TSTATE_UNREADABLE), 1);
	/* a thread state without a frame: C code only */
	image_put_u64(&shim.memory, AT_GLOBAL, AT_TSTATE);
	put_tstate(AT_TSTATE, TP, 0, AT_CFRAME);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 1);
	check_gap(entry_of(thread, 0), ABI_GAP_NO_THREAD);
	/* 3.11 and 3.12: the word between them is gone */
	if (target.layout->tstate.cframe >= 0) {
		image_unmap(&shim.memory, AT_CFRAME + (__u64)target.layout->cframe_current_frame);
		check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
		assert_int_equal(counted(ABI_COUNT_TSTATE_UNREADABLE), 2);
	}
}

static void test_no_thread_state(void **state)
{
	for_each_row(no_thread_state);
}

/* The holder of the GIL is another thread: its frames are not ours. */
static void state_of_another_thread(void)
{
	const struct abi_thread *thread;

	put_chain(3);
	put_tstate(AT_OTHER, OTHER_TP, frame_at(1), AT_CFRAME + STEP);
	image_put_u64(&shim.memory, AT_GLOBAL, AT_OTHER);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 1);
	check_gap(entry_of(thread, 0), ABI_GAP_NO_THREAD);
	assert_int_equal(counted(ABI_COUNT_TSTATE_UNREADABLE), 0);
	/* it hands the GIL over to us */
	put_tstate(AT_TSTATE, TP, frame_at(2), AT_CFRAME);
	image_put_u64(&shim.memory, AT_GLOBAL, AT_TSTATE);
	thread = walk_now();
	assert_int_equal(thread->n_entries, 2);
	check_frame(entry_of(thread, 0), 2, 2, false);
	/* and it sees its own frames in its own entry */
	image_put_u64(&shim.memory, AT_GLOBAL, AT_OTHER);
	shim.tid = TGID + 1;
	shim.thread_pointer = OTHER_TP;
	assert_int_equal(walk_now()->n_entries, 3);
}

static void test_state_of_another_thread(void **state)
{
	for_each_row(state_of_another_thread);
}

/* One way alone; the thread state is behind it. */
static void begin_way(struct py_tstate_way way)
{
	begin(layout_find(12, false));
	target.runtime.n_ways = 0;
	add_way(way);
	fill_facts();
	put_chain(2);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
}

static void test_way_tss(void **state)
{
	static const uint32_t keys[] = {0, 1, 31, 32, 100, 1023};
	const __u64 specific = 0x310, block = 0x600000000ull;

	for (unsigned i = 0; i < 6; i++) {
		__u64 pointer = TP + specific + 8 * (keys[i] / 32);

		begin_way((struct py_tstate_way){PY_TSTATE_TSS, (int64_t)specific, keys[i], 0});
		/* no second-level block yet: the thread has set no key */
		image_map(&shim.memory, pointer, 8);
		check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
		assert_int_equal(the_thread()->slots[0], 0);
		image_map(&shim.memory, block, 32 * 16);
		image_put_u64(&shim.memory, pointer, block);
		check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
		image_put_u64(&shim.memory, block + 16 * (keys[i] % 32) + 8, AT_TSTATE);
		assert_int_equal(walk_now()->n_entries, 2);
		check_frame(entry_of(the_thread(), 0), 1, 1, false);
		assert_int_equal(the_thread()->slots[0], block + 16 * (keys[i] % 32) + 8);
	}
	shim_reset();
}

static void test_way_tls(void **state)
{
	static const int64_t offsets[] = {-8, -4096, 16, 1 << 20};

	for (unsigned i = 0; i < 4; i++) {
		begin_way((struct py_tstate_way){PY_TSTATE_TLS, offsets[i], 0, 0});
		/* not mapped: no thread state, nothing remembered that could not become right */
		check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
		image_map(&shim.memory, TP + (__u64)offsets[i], 8);
		image_put_u64(&shim.memory, TP + (__u64)offsets[i], AT_TSTATE);
		assert_int_equal(walk_now()->n_entries, 2);
		/* the word is read anew each time */
		image_put_u64(&shim.memory, TP + (__u64)offsets[i], 0);
		check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	}
	shim_reset();
}

static void test_way_dtv(void **state)
{
	const __u64 dtv = 0x610000000ull, block = 0x620000000ull;

	begin_way((struct py_tstate_way){PY_TSTATE_DTV, 0x48, 0, 5});
	check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	image_map(&shim.memory, TP, 16);
	image_put_u64(&shim.memory, TP + 8, dtv);
	check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	image_map(&shim.memory, dtv, 16 * 8);
	/* this thread has not touched the module's variables yet */
	image_put_u64(&shim.memory, dtv + 16 * 5, ~0ull);
	check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	image_put_u64(&shim.memory, dtv + 16 * 5, 0);
	check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	assert_int_equal(the_thread()->slots[0], 0);
	image_map(&shim.memory, block + 0x48, 8);
	image_put_u64(&shim.memory, dtv + 16 * 5, block);
	image_put_u64(&shim.memory, block + 0x48, AT_TSTATE);
	assert_int_equal(walk_now()->n_entries, 2);
	/* the array may move when modules are loaded; the block does not */
	image_unmap(&shim.memory, dtv);
	assert_int_equal(walk_now()->n_entries, 2);
	shim_reset();
}

/* 3.12-3.14: the thread-local is empty while the GIL is released; the pthread key is not. */
static void test_ways_in_order(void **state)
{
	const __u64 block = 0x600000000ull;

	begin(layout_find(13, false));
	target.runtime.n_ways = 0;
	add_way((struct py_tstate_way){PY_TSTATE_TLS, -8, 0, 0});
	add_way((struct py_tstate_way){PY_TSTATE_TSS, 0x310, 3, 0});
	add_way(way_global);
	fill_facts();
	put_chain(3);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	put_tstate(AT_OTHER, OTHER_TP, frame_at(2), AT_CFRAME + STEP);
	image_map(&shim.memory, TP - 8, 8);
	image_map(&shim.memory, TP + 0x310, 8);
	image_map(&shim.memory, block, 512);
	image_put_u64(&shim.memory, TP + 0x310, block);
	image_put_u64(&shim.memory, block + 16 * 3 + 8, AT_TSTATE);
	image_put_u64(&shim.memory, AT_GLOBAL, AT_OTHER);
	assert_int_equal(walk_now()->n_entries, 3);
	/* with the GIL the first way answers, and the second is not asked */
	image_put_u64(&shim.memory, TP - 8, AT_TSTATE);
	image_unmap(&shim.memory, block);
	assert_int_equal(walk_now()->n_entries, 3);
	/* a way that leads astray does no harm, and is no loss while another one leads there */
	image_put_u64(&shim.memory, TP - 8, 0xdead0000);
	image_put_u64(&shim.memory, AT_GLOBAL, AT_TSTATE);
	assert_int_equal(walk_now()->n_entries, 3);
	assert_int_equal(counted(ABI_COUNT_TSTATE_UNREADABLE), 0);
	/* no way at all */
	image_put_u64(&shim.memory, AT_GLOBAL, AT_OTHER);
	check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	assert_int_equal(counted(ABI_COUNT_TSTATE_UNREADABLE), 1);
	shim_reset();
}

/* A thread id that is used again belongs to another thread: nothing of the first is remembered. */
static void test_reused_thread_id(void **state)
{
	begin_way((struct py_tstate_way){PY_TSTATE_TLS, -8, 0, 0});
	image_map(&shim.memory, TP - 8, 8);
	image_put_u64(&shim.memory, TP - 8, AT_TSTATE);
	assert_int_equal(walk_now()->n_entries, 2);
	on_thread_exit(NULL);
	shim.thread_pointer = OTHER_TP;
	check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	assert_int_equal(the_thread()->thread_pointer, OTHER_TP);
	shim_reset();
}

/* The thread pointer is not set yet in a thread's first instructions: it is asked again. */
static void test_early_thread(void **state)
{
	begin(layout_find(12, false));
	put_chain(1);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	shim.thread_pointer = 0;
	check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	shim.thread_pointer = TP;
	assert_int_equal(walk_now()->n_entries, 1);
	check_frame(entry_of(the_thread(), 0), 1, 1, false);
	shim_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_depths),
		cmocka_unit_test(test_full_and_a_shim),
		cmocka_unit_test(test_circle),
		cmocka_unit_test(test_unmapped),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_anywhere),
		cmocka_unit_test(test_remembered_codes),
		cmocka_unit_test(test_codes_without_frees),
		cmocka_unit_test(test_many_codes),
		cmocka_unit_test(test_no_thread_state),
		cmocka_unit_test(test_state_of_another_thread),
		cmocka_unit_test(test_way_tss),
		cmocka_unit_test(test_way_tls),
		cmocka_unit_test(test_way_dtv),
		cmocka_unit_test(test_ways_in_order),
		cmocka_unit_test(test_reused_thread_id),
		cmocka_unit_test(test_early_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
