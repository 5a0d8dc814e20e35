/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Parts: malloc and objects each recorded for itself, switched on and off one by one.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define A 0x10000ull
#define B 0x20000ull

static int split_setup(void **state)
{
	calls_begin_split();
	return 0;
}

/* As session_record() does it. */
static void record(enum abi_part part, bool on)
{
	if (on) {
		began_ns[part] = bpf_ktime_get_ns();
		turns[part]++;
		code_epoch++;
		recording |= 1u << part;
	} else {
		recording &= ~(1u << part);
	}
}

/* What is larger than the pools' blocks is libc's, with either part on. */
static void blocks_larger_than_the_pools_are_libcs(void **state)
{
	object(A, 512);
	assert_int_equal(block_at(A)->domain, ABI_OBJECT);
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 600, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x40, 600, 0, 0);
	leave_call(SP - 0x40, B);
	leave_object(SP, B);
	check_outstanding(1112, 2);
	assert_int_equal(block_at(B)->domain, ABI_MALLOC);
	/* and goes as libc's: CPython's function lets it pass */
	do_py_free(B);
	check_outstanding(1112, 2);
	do_free(B);
	do_py_free(A);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	check_no_losses();
}

/* A block of no bytes is libc's too. */
static void a_block_of_no_bytes_is_libcs(void **state)
{
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 0, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x40, 1, 0, 0);
	leave_call(SP - 0x40, A);
	leave_object(SP, A);
	check_outstanding(1, 1);
	assert_int_equal(block_at(A)->domain, ABI_MALLOC);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 0);
	check_no_losses();
}

/* A pool's block that needs libc's malloc on its way (a new arena) hides nothing of it. */
static void a_pools_block_hides_nothing_of_libc(void **state)
{
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 40, 0);
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP - 0x40, 0, 1024, 0);
	leave_call(SP - 0x40, B);
	leave_object(SP, A);
	check_outstanding(1064, 2);
	assert_int_equal(block_at(A)->domain, ABI_OBJECT);
	assert_int_equal(block_at(B)->domain, ABI_MALLOC);
	check_no_losses();
}

static void realloc_moves_between_the_pools_and_libc(void **state)
{
	/* in the pools */
	object(A, 40);
	object_realloc(A, 80, B);
	check_outstanding(80, 1);
	assert_non_null(block_at(B));
	/* out of the pools: libc's block is made and seen inside */
	enter_call(ABI_CALL_PY_REALLOC, ABI_OBJECT, SP, 0, B, 2000);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x40, 2000, 0, 0);
	leave_call(SP - 0x40, A);
	leave_object(SP, A);
	check_outstanding(2000, 1);
	assert_int_equal(block_at(A)->domain, ABI_MALLOC);
	/* and smaller again, where it is: libc's, although it would fit into a pool */
	enter_call(ABI_CALL_PY_REALLOC, ABI_OBJECT, SP, 0, A, 300);
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP - 0x40, A, 300, 0);
	leave_call(SP - 0x40, A);
	leave_object(SP, A);
	check_outstanding(300, 1);
	assert_int_equal(block_at(A)->domain, ABI_MALLOC);
	/* one whose birth was not seen: whose it is cannot be known */
	object_realloc(0x50000, 100, 0x50000);
	check_outstanding(300, 1);
	/* one that fails leaves the block where it is */
	object(B, 40);
	object_realloc(B, 90, 0);
	check_outstanding(340, 2);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	check_no_losses();
}

/* Only what is switched on is recorded, and a hit is counted all the same: it costs. */
static void only_what_is_on_is_recorded_and_every_hit_is_counted(void **state)
{
	__u64 hits;

	record(ABI_PART_OBJECT, false);
	object(A, 40);
	do_malloc(B, 100);
	check_outstanding(100, 1);
	record(ABI_PART_NATIVE, false);
	hits = counted(ABI_COUNT_HITS_EMULATED);
	do_malloc(A, 100);
	do_free(B);
	assert_int_equal(counted(ABI_COUNT_HITS_EMULATED), hits + 2);
	check_outstanding(100, 1);
	check_no_losses();
}

/* What was known when a part was switched off is void when it is on again: no free of it was to be
 * seen. */
static void what_was_known_before_a_part_was_off_is_void(void **state)
{
	object(A, 40);
	object(B, 50);
	record(ABI_PART_OBJECT, false);
	record(ABI_PART_OBJECT, true);
	/* freed and given out again meanwhile */
	object(A, 60);
	check_outstanding(110, 2);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 0);
	/* a late free of the other one */
	do_py_free(B);
	check_outstanding(60, 1);
	/* one that was not freed is missed, as ever */
	object(A, 70);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 1);
	check_outstanding(70, 1);
	check_no_losses();
}

/* A call that was under way when its part was switched off does not hide what comes after. */
static void a_call_from_before_the_switch_hides_nothing(void **state)
{
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 40, 0);
	record(ABI_PART_OBJECT, false);
	leave_object(SP, A);
	record(ABI_PART_OBJECT, true);
	leave_object(SP, A); /* as a return probe may, that was still in place */
	check_outstanding(0, 0);
	/* nor does a thread that ends leave it as a call that never returned */
	run_thread(1);
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 40, 0);
	record(ABI_PART_OBJECT, false);
	on_thread_exit(NULL);
	record(ABI_PART_OBJECT, true);
	assert_int_equal(counted(ABI_COUNT_CALLS_ABANDONED), 0);
	run_thread(0);
	/* deeper in the stack than the stale one: would be taken for nested */
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP - 0x100, 0, 40, 0);
	leave_object(SP - 0x100, A);
	check_outstanding(40, 1);
	/* a system call, too */
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, 8192, 3, FLAG_MAP_ANONYMOUS}});
	record(ABI_PART_NATIVE, false);
	record(ABI_PART_NATIVE, true);
	exit_mapping(ABI_CALL_MMAP, 0x7f5000000000);
	check_outstanding(40, 1);
	check_no_losses();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(blocks_larger_than_the_pools_are_libcs, split_setup,
						calls_teardown),
		cmocka_unit_test_setup_teardown(a_block_of_no_bytes_is_libcs, split_setup,
						calls_teardown),
		cmocka_unit_test_setup_teardown(a_pools_block_hides_nothing_of_libc, split_setup,
						calls_teardown),
		cmocka_unit_test_setup_teardown(realloc_moves_between_the_pools_and_libc,
						split_setup, calls_teardown),
		cmocka_unit_test_setup_teardown(
			only_what_is_on_is_recorded_and_every_hit_is_counted, split_setup,
			calls_teardown),
		cmocka_unit_test_setup_teardown(what_was_known_before_a_part_was_off_is_void,
						split_setup, calls_teardown),
		cmocka_unit_test_setup_teardown(a_call_from_before_the_switch_hides_nothing,
						split_setup, calls_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
