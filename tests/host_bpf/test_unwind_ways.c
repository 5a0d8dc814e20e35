/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How the walk gets to its frames: the ways from a thread to its thread state, and how frames and
 * code objects are read with few reads.
 */
#include "python_target.h"

/* ---- reading less --------------------------------------------------------------------------- */

#define STACK_PAGES 4

/*
 * Frames of a data stack, callers below: the leaf is frame 1. Pages of the stack are mapped,
 * nothing else is.
 */
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
		hash = walk_stack(thread_get());
		alone = shim.memory.n_reads;
		facts_of_test()->python.adjacent = 1;
		assert_int_equal(walk_stack(thread_get()), hash);
		together = shim.memory.n_reads - alone;
		assert_int_equal(the_thread()->n_entries, n);
		for (unsigned i = 0; i < n; i++)
			check_frame(entry_of(the_thread(), i), i + 1, i + 1, false);
		assert_int_equal(shim.memory.n_faults, 0);
		/* code objects are read one by one here, frames are not: at least three in four
		 * come along */
		assert_true(alone >= 2 * n && together - n < n / 3 + 4);
	}
}

static void frames_side_by_side_are_read_together(void **state)
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

static void frames_fetched_together_are_those_fetched_one_by_one(void **state)
{
	for_each_row(anywhere);
}

static void free_hit(__u64 address)
{
	struct pt_regs regs = {.arguments = {0, address}, .sp = 0x7ffe0000};

	shim.cookie = ABI_COOKIE(ABI_CALL_PY_FREE, ABI_OBJECT, 0, 0);
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
	/* a frame without a code object is not one with the code object of an empty place */
	image_put_u64(&shim.memory, frame_at(1) + (__u64)target.layout->frame.code, 0);
	check_gap(entry_of(walk_now(), 0), ABI_GAP_READ);
	image_put_u64(&shim.memory, frame_at(1) + (__u64)target.layout->frame.code, code_at(1));
	walk_now();
	before = shim.memory.n_reads;
	walk_now();
	/* the second walk read the frames and what leads to them (word, thread state, frame), no
	 * code object */
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

static void codes_are_remembered_until_they_are_freed(void **state)
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

static void nothing_is_remembered_of_codes_without_frees(void **state)
{
	for_each_row(codes_without_frees);
}

/*
 * More code objects than are remembered, and such that share a place: each has its own
 * signature.
 */
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

static void more_codes_than_are_remembered_keep_their_signatures(void **state)
{
	for_each_row(many_codes);
}

/* ---- the way to the thread state ------------------------------------------------------------ */

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

static void no_thread_state_is_a_gap(void **state)
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

static void the_state_of_another_thread_is_not_ours(void **state)
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

static void a_pthread_key_leads_to_the_thread_state(void **state)
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

static void a_thread_local_leads_to_the_thread_state(void **state)
{
	static const int64_t offsets[] = {-8, -4096, 16, 1 << 20};

	for (unsigned i = 0; i < 4; i++) {
		begin_way((struct py_tstate_way){PY_TSTATE_TLS, offsets[i], 0, 0});
		/* not mapped: no thread state, nothing remembered that could not become right */
		check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
		image_map(&shim.memory, TP + (__u64)offsets[i], 8);
		image_put_u64(&shim.memory, TP + (__u64)offsets[i], AT_TSTATE);
		assert_int_equal(walk_now()->n_entries, 2);
		/* the word is read again each time */
		image_put_u64(&shim.memory, TP + (__u64)offsets[i], 0);
		check_gap(entry_of(walk_now(), 0), ABI_GAP_NO_THREAD);
	}
	shim_reset();
}

static void a_modules_thread_local_leads_to_the_thread_state(void **state)
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
static void ways_are_tried_in_order(void **state)
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
static void nothing_is_remembered_of_a_thread_whose_id_is_reused(void **state)
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
static void a_thread_without_a_pointer_yet_is_asked_again(void **state)
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
		cmocka_unit_test(frames_side_by_side_are_read_together),
		cmocka_unit_test(frames_fetched_together_are_those_fetched_one_by_one),
		cmocka_unit_test(codes_are_remembered_until_they_are_freed),
		cmocka_unit_test(nothing_is_remembered_of_codes_without_frees),
		cmocka_unit_test(more_codes_than_are_remembered_keep_their_signatures),
		cmocka_unit_test(no_thread_state_is_a_gap),
		cmocka_unit_test(the_state_of_another_thread_is_not_ours),
		cmocka_unit_test(a_pthread_key_leads_to_the_thread_state),
		cmocka_unit_test(a_thread_local_leads_to_the_thread_state),
		cmocka_unit_test(a_modules_thread_local_leads_to_the_thread_state),
		cmocka_unit_test(ways_are_tried_in_order),
		cmocka_unit_test(nothing_is_remembered_of_a_thread_whose_id_is_reused),
		cmocka_unit_test(a_thread_without_a_pointer_yet_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
