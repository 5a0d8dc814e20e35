/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Free-threaded 3.14 and later: threads run copies of a bytecode, and positions count from the
 * start of the copy that the frame names.
 */
#include "python_target.h"

#define AT_ARRAYS 0x640000000ull /* of code object i: AT_ARRAYS + i * STEP */
#define AT_COPIES 0x680000000ull
#define N_COPIES  8u

static __u64 copy_at(unsigned i, unsigned copy)
{
	return AT_COPIES + (i * N_COPIES + copy) * STEP;
}

/* Code object i has its bytecode and copies 1 to N_COPIES - 1 of it. */
static void put_copies(unsigned i)
{
	__u64 array = AT_ARRAYS + i * STEP;

	image_map(&shim.memory, code_at(i) + (__u64)target.layout->code.tlbc, 8);
	image_put_u64(&shim.memory, code_at(i) + (__u64)target.layout->code.tlbc, array);
	image_map(&shim.memory, array, 8 + 8 * N_COPIES);
	image_put_u64(&shim.memory, array, N_COPIES);
	image_put_u64(&shim.memory, array + 8, code_at(i) + (__u64)target.layout->code.code);
	for (unsigned copy = 1; copy < N_COPIES; copy++)
		image_put_u64(&shim.memory, array + 8 + 8 * copy, copy_at(i, copy));
}

/* Frame i is at code unit `unit` of a copy. */
static void run_copy(unsigned i, unsigned copy, unsigned unit)
{
	image_put(&shim.memory, frame_at(i) + (__u64)target.layout->frame.tlbc_index, copy, 4);
	image_put_u64(&shim.memory, frame_at(i) + (__u64)target.layout->frame.instr_ptr,
		      copy_at(i, copy) + 2 * unit);
}

/* Three frames: of the bytecode itself, of copy 1, of copy 5. False where the version has no
 * copies. */
static bool three_frames(bool code_frees)
{
	begin(target.layout);
	if (!target.python->has_copies)
		return false;
	facts_of_test()->max_size = ~0ull;
	facts_of_test()->code_frees = code_frees;
	put_chain(3);
	put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
	for (unsigned i = 1; i <= 3; i++)
		put_copies(i);
	run_copy(2, 1, 40);
	run_copy(3, 5, 50);
	return true;
}

static void check_three(__u32 second, __u32 third)
{
	const struct abi_thread *thread = walk_now();

	assert_int_equal(thread->n_entries, 3);
	check_frame(entry_of(thread, 0), 1, 1, false);
	check_frame(entry_of(thread, 1), 2, second, false);
	check_frame(entry_of(thread, 2), 3, third, false);
}

static void positions(void)
{
	for (unsigned code_frees = 0; code_frees < 2; code_frees++) {
		if (!three_frames(code_frees))
			return;
		for (unsigned round = 0; round < 3; round++)
			check_three(40, 50);
		run_copy(3, 5, 0);
		check_three(40, 0);
		/* another thread's copy: a generator that wanders, before it notices */
		run_copy(3, 2, 7);
		check_three(40, 7);
		run_copy(3, 5, 51);
		check_three(40, 51);
	}
}

static void a_position_in_a_copy_is_that_of_its_code(void **state)
{
	unsigned with_copies = 0;

	(void)state;
	for_each_row(positions);
	for (unsigned i = 0; layout_row(i); i++) {
		begin(layout_row(i));
		with_copies += target.python->has_copies;
		assert_int_equal(target.python->has_copies,
				 layout_row(i)->free_threaded && layout_row(i)->minor >= 14);
	}
	assert_true(with_copies >= 2);
	shim_reset();
}

static void free_hit(__u64 address)
{
	struct pt_regs regs = {.arguments = {0, address}, .sp = 0x7ffe0000};

	shim.cookie = ABI_COOKIE(ABI_CALL_PY_FREE, ABI_OBJECT, 0, 0);
	on_entry(&regs);
}

/* Where a copy begins is read once, until the code object or the copy is freed. */
static void remembered(void)
{
	__u64 before, array = AT_ARRAYS + 3 * STEP;

	if (!three_frames(true))
		return;
	check_three(40, 50);
	before = shim.memory.n_reads;
	check_three(40, 50);
	/* frames and what leads to them */
	assert_true(shim.memory.n_reads - before <= 3 + 3);
	/* the array grows into another place: the copies stay where they are */
	image_put_u64(&shim.memory, code_at(3) + (__u64)target.layout->code.tlbc, 0);
	check_three(40, 50);
	image_put_u64(&shim.memory, code_at(3) + (__u64)target.layout->code.tlbc, array);
	/* the copy is freed, and made again elsewhere */
	free_hit(copy_at(3, 5));
	assert_int_equal(code_epoch, 1);
	image_put_u64(&shim.memory, array + 8 + 8 * 5, copy_at(3, 6));
	image_put_u64(&shim.memory, frame_at(3) + (__u64)target.layout->frame.instr_ptr,
		      copy_at(3, 6) + 2 * 9);
	check_three(40, 9);
}

static void where_a_copy_begins_is_read_once(void **state)
{
	for_each_row(remembered);
}

/* Without frees nothing is remembered. */
static void without_frees(void)
{
	if (!three_frames(false))
		return;
	check_three(40, 50);
	image_put_u64(&shim.memory, AT_ARRAYS + 3 * STEP + 8 + 8 * 5, copy_at(3, 6));
	image_put_u64(&shim.memory, frame_at(3) + (__u64)target.layout->frame.instr_ptr,
		      copy_at(3, 6) + 2 * 9);
	check_three(40, 9);
}

static void nothing_is_remembered_of_copies_without_frees(void **state)
{
	for_each_row(without_frees);
}

/* A copy that is not there, or cannot be found: a gap that says so, never a wrong line. */
static void unreadable(void)
{
	for (unsigned which = 0; which < 4; which++) {
		if (!three_frames(true))
			return;
		switch (which) {
		case 0: /* the array knows no such copy */
			image_put_u64(&shim.memory, AT_ARRAYS + 2 * STEP + 8 + 8, 0);
			break;
		case 1: /* there is no array */
			image_put_u64(&shim.memory, code_at(2) + (__u64)target.layout->code.tlbc,
				      0);
			break;
		case 2: /* it cannot be read */
			image_put_u64(&shim.memory, code_at(2) + (__u64)target.layout->code.tlbc,
				      0xdead0000);
			break;
		case 3: /* a number that no thread has */
			image_put(&shim.memory,
				  frame_at(2) + (__u64)target.layout->frame.tlbc_index, 0xffffffff,
				  4);
		}
		assert_int_equal(walk_now()->n_entries, 2);
		check_frame(entry_of(the_thread(), 0), 1, 1, false);
		check_gap(entry_of(the_thread(), 1), ABI_GAP_READ);
	}
}

static void a_copy_that_cannot_be_found_is_a_gap(void **state)
{
	for_each_row(unreadable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_position_in_a_copy_is_that_of_its_code),
		cmocka_unit_test(where_a_copy_begins_is_read_once),
		cmocka_unit_test(nothing_is_remembered_of_copies_without_frees),
		cmocka_unit_test(a_copy_that_cannot_be_found_is_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
