/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The walk over Python frames, for every row of the layout table: what is kept of a frame, how deep
 * it goes, and what it does with memory that cannot be read or changes under it.
 */
#include "python_target.h"

/* ---- frames --------------------------------------------------------------------------------- */

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

static void the_chain_of_frames_is_walked_from_leaf_to_root(void **state)
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

static void positions_are_kept_and_nonsense_is_not_begun(void **state)
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

static void shims_are_left_out_and_generators_are_marked(void **state)
{
	for_each_row(owners);
}

/*
 * The hash distinguishes stacks by frames, positions and order, and is the same for the same
 * stack.
 */
static void hashes(void)
{
	__u64 first, second;

	put_chain(3);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	first = walk_stack(thread_get());
	assert_int_equal(walk_stack(thread_get()), first);
	put_position(2, 99);
	second = walk_stack(thread_get());
	assert_int_not_equal(second, first);
	put_position(2, 2);
	assert_int_equal(walk_stack(thread_get()), first);
	put_previous(1, 0);
	assert_int_not_equal(walk_stack(thread_get()), first);
	put_previous(1, frame_at(2));
	/* the code object has died, and another one is at its place */
	image_put(&shim.memory, code_at(3) + (__u64)target.layout->code.firstlineno, 5, 4);
	assert_int_not_equal(walk_stack(thread_get()), first);
}

static void a_stacks_hash_changes_with_each_of_its_parts(void **state)
{
	for_each_row(hashes);
}

/* ---- depth ---------------------------------------------------------------------------------- */

static void depths(void)
{
	static const unsigned depth[] = {1, ABI_MAX_FRAMES - 1, ABI_MAX_FRAMES, ABI_MAX_FRAMES + 1,
					 200};
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

static void a_stack_deeper_than_the_bound_is_cut_with_a_gap(void **state)
{
	for_each_row(depths);
}

/*
 * As many frames as are kept, and a shim behind the last (3.12+ always has one): nothing is
 * missing.
 */
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

static void a_shim_behind_the_last_frame_is_nothing_missing(void **state)
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

static void a_chain_in_a_circle_ends_at_the_bound(void **state)
{
	for_each_row(circle);
}

/* ---- memory that cannot be read, or changes ------------------------------------------------- */

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
	image_map(&shim.memory, frame_at(3),
		  target.python->frame.start + target.python->frame.size - 1);
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

static void what_cannot_be_read_is_a_gap(void **state)
{
	for_each_row(unmapped);
}

/*
 * The target runs on between two reads. On each read of a walk in turn, each word of the second
 * frame becomes something else: the walk ends, within its bounds, with entries that have a kind.
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

static void a_frame_that_changes_meanwhile_gives_no_wild_entry(void **state)
{
	for_each_row(torn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_chain_of_frames_is_walked_from_leaf_to_root),
		cmocka_unit_test(positions_are_kept_and_nonsense_is_not_begun),
		cmocka_unit_test(shims_are_left_out_and_generators_are_marked),
		cmocka_unit_test(a_stacks_hash_changes_with_each_of_its_parts),
		cmocka_unit_test(a_stack_deeper_than_the_bound_is_cut_with_a_gap),
		cmocka_unit_test(a_shim_behind_the_last_frame_is_nothing_missing),
		cmocka_unit_test(a_chain_in_a_circle_ends_at_the_bound),
		cmocka_unit_test(what_cannot_be_read_is_a_gap),
		cmocka_unit_test(a_frame_that_changes_meanwhile_gives_no_wild_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
