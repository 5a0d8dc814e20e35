/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Functions of other allocators: operator new with probes on its ends, exceptions that pass through
 * it, frees that go on to others, requests that are rounded before a jump.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define A 0x10000ull
#define B 0x20000ull

static void begin_new(__u64 sp, __u64 size)
{
	enter_call(ABI_CALL_NEW, ABI_MALLOC, sp, size, 0, 0);
}

/* An instruction `ret` runs, with this stack pointer. */
static void at_ret(__u64 sp, __u64 result)
{
	struct pt_regs regs = {.sp = sp, .result = result};

	shim.cookie = ABI_COOKIE(ABI_CALL_END, ABI_MALLOC, 0, 1);
	on_return(&regs);
}

static void throw_at(__u64 sp)
{
	enter_call(ABI_CALL_THROW, ABI_MALLOC, sp, 0x1234, 0, 0);
}

static void do_delete(__u64 sp, __u64 address)
{
	enter_call(ABI_CALL_DELETE, ABI_MALLOC, sp, address, 0, 0);
}

static void new_and_delete_are_one_block(void **state)
{
	begin_new(SP, 100);
	check_outstanding(0, 0);
	at_ret(SP, A);
	check_outstanding(100, 1);
	assert_int_equal(block_at(A)->size, 100);
	do_delete(SP, A);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	assert_int_equal(counted(ABI_COUNT_HITS_STEPPED), 1);
	assert_int_equal(counted(ABI_COUNT_HITS_RETURN), 0);
	check_no_losses();
}

/* Ends are shared with functions that work for others: only at the height of the call is it its
 * end. */
static void an_end_counts_only_at_the_height_of_its_call(void **state)
{
	at_ret(SP, B);
	check_outstanding(0, 0);
	begin_new(SP, 100);
	at_ret(SP - 0x40, B);
	at_ret(SP + 8, B);
	check_outstanding(0, 0);
	at_ret(SP, A);
	at_ret(SP, B);
	check_outstanding(100, 1);
	assert_null(block_at(B));

	/* a malloc that jumped to code with an end has its own return */
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 50, 0, 0);
	at_ret(SP, B);
	check_outstanding(100, 1);
	leave_call(SP, B);
	check_outstanding(150, 2);
	check_no_losses();
}

/* operator new > malloc, and operator new that ends with a jump to malloc: one block, once. */
static void new_by_malloc_is_one_block(void **state)
{
	begin_new(SP, 100);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x20, 100, 0, 0);
	leave_call(SP - 0x20, A);
	check_outstanding(0, 0);
	at_ret(SP, A);
	check_outstanding(100, 1);

	begin_new(SP, 60);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 60, 0, 0);
	leave_call(SP, B);
	check_outstanding(160, 2);
	check_no_losses();
}

/* bad_alloc: the call is over, and the next one, deeper down, is none of it. */
static void an_exception_ends_the_call_that_it_leaves(void **state)
{
	begin_new(SP, 1ull << 60);
	throw_at(SP - 0x100);
	assert_int_equal(counted(ABI_COUNT_FAILED_CALLS), 1);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x80, 100, 0, 0);
	leave_call(SP - 0x80, A);
	check_outstanding(100, 1);

	/* one that comes out of something else is nobody's affair */
	throw_at(SP);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 50, 0, 0);
	throw_at(SP - 0x100);
	leave_call(SP, B);
	check_outstanding(150, 2);
	assert_int_equal(counted(ABI_COUNT_FAILED_CALLS), 1);
	check_no_losses();
}

/* operator delete > sized delete > free, in calls or in jumps: one event. */
static void a_delete_that_goes_on_to_free_is_one_event(void **state)
{
	do_malloc(A, 100);
	do_delete(SP, A);
	do_delete(SP, A);
	do_free(A);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	/* a block from before the attach, through all three */
	do_delete(SP, B);
	do_delete(SP, B);
	do_free(B);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	do_free(B);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 2);
	do_delete(SP, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 2);
	check_no_losses();
}

/* A delete that has its own code does not hide another block's free. */
static void a_delete_of_its_own_hides_no_free(void **state)
{
	do_malloc(A, 100);
	do_delete(SP, A);
	do_free(B);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	do_malloc(A, 100);
	check_outstanding(100, 1);
	do_free(A);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 0);
	check_no_losses();
}

/* pvalloc asks the function to which it jumps for whole pages. */
static void pvalloc_counts_the_bytes_that_were_asked_for(void **state)
{
	enter_call(ABI_CALL_PVALLOC, ABI_MALLOC, SP, 100, 0, 0);
	enter_call(ABI_CALL_ALIGNED, ABI_MALLOC, SP, 4096, 4096, 0);
	leave_call(SP, A);
	/* its own return follows */
	leave_call(SP, A);
	check_outstanding(100, 1);
	check_no_losses();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)
	const struct CMUnitTest tests[] = {
		TEST(new_and_delete_are_one_block),
		TEST(an_end_counts_only_at_the_height_of_its_call),
		TEST(new_by_malloc_is_one_block),
		TEST(an_exception_ends_the_call_that_it_leaves),
		TEST(a_delete_that_goes_on_to_free_is_one_event),
		TEST(a_delete_of_its_own_hides_no_free),
		TEST(pvalloc_counts_the_bytes_that_were_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
