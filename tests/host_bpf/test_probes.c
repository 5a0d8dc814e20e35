/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which call owns a block: nesting, functions that jump to others, realloc in all its outcomes,
 * calls that never return, threads, frees that pass through two functions.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define A 0x10000ull
#define B 0x20000ull

static void a_block_comes_with_malloc_and_goes_with_free(void **state)
{
	do_malloc(A, 100);
	check_outstanding(100, 1);
	assert_int_equal(block_at(A)->domain, ABI_MALLOC);
	assert_true(block_at(A)->time_ns > 0);
	do_malloc(B, 50);
	check_outstanding(150, 2);
	do_free(A);
	check_outstanding(50, 1);
	do_free(B);
	check_outstanding(0, 0);
	check_no_losses();
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	assert_int_equal(counted(ABI_COUNT_HITS_EMULATED), 4);
	assert_int_equal(counted(ABI_COUNT_HITS_RETURN), 2);
}

/* Every function kind takes its arguments from the right registers. */
static void every_function_kind_takes_its_own_arguments(void **state)
{
	static const struct {
		enum abi_call_kind kind;
		__u64 a, b, c, size;
	} calls[] = {
		{ABI_CALL_MALLOC, 10, 1, 1, 10},          {ABI_CALL_CALLOC, 3, 7, 1, 21},
		{ABI_CALL_REALLOC, 0, 11, 1, 11},         {ABI_CALL_REALLOCARRAY, 0, 3, 5, 15},
		{ABI_CALL_ALIGNED, 64, 12, 1, 12},        {ABI_CALL_PY_MALLOC, 1, 13, 1, 13},
		{ABI_CALL_PY_CALLOC, 1, 4, 6, 24},        {ABI_CALL_PY_REALLOC, 1, 0, 14, 14},
		{ABI_CALL_ARENA, 1, 1 << 18, 1, 1 << 18},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		enter_call(calls[i].kind, ABI_OBJECT, SP, calls[i].a, calls[i].b, calls[i].c);
		leave_call(SP, A);
		check_outstanding(calls[i].size, 1);
		enter_call(ABI_CALL_PY_FREE, ABI_OBJECT, SP, 0, A, 0);
		check_outstanding(0, 0);
	}
	check_no_losses();
}

/* The place of a probe lies behind pushes: the stack pointer is put back to that of the entry. */
static void the_stack_pointer_is_that_of_the_entry(void **state)
{
	enter_pushed(ABI_CALL_MALLOC, ABI_MALLOC, SP, 24, 100, 0, 0);
	leave_call(SP - 24, A); /* not this call's return */
	check_outstanding(0, 0);
	leave_call(SP, A);
	check_outstanding(100, 1);
	check_no_losses();
}

/*
 * The outermost call owns the block: PyObject_Malloc(600) > malloc(600), both return the same
 * address.
 */
static void the_outermost_call_owns_the_block(void **state)
{
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 600, 0);
	enter_call(ABI_CALL_CALLOC, ABI_MALLOC, SP - 0x40, 1, 600, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x80, 600, 0, 0);
	leave_call(SP - 0x80, A);
	check_outstanding(0, 0);
	leave_call(SP - 0x40, A);
	check_outstanding(0, 0);
	leave_call(SP, A);
	check_outstanding(600, 1);
	assert_int_equal(block_at(A)->domain, ABI_OBJECT);
	assert_int_equal(block_at(A)->flags, ABI_BLOCK_LIBC);
	/* and on its way out: one event */
	enter_call(ABI_CALL_PY_FREE, ABI_OBJECT, SP, 0, A, 0);
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 0x20, A, 0, 0);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	check_no_losses();
}

/*
 * The inner call asks for more than the outer (debug allocator: 8 bytes before, 24 behind),
 * elsewhere.
 */
static void a_debug_allocators_block_is_the_outer_one(void **state)
{
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 600, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x80, 632, 0, 0);
	leave_call(SP - 0x80, A);
	leave_call(SP, A + 16);
	check_outstanding(600, 1);
	assert_non_null(block_at(A + 16));
	enter_call(ABI_CALL_PY_FREE, ABI_OBJECT, SP, 0, A + 16, 0);
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 0x20, A, 0, 0);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	/* the next free of an unknown block is one again */
	do_free(A);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	check_no_losses();
}

/*
 * tracemalloc: an allocator that allocates for itself; what it keeps is freed by its own later
 * call.
 */
static void blocks_of_the_allocator_itself_are_not_counted(void **state)
{
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 40, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x80, 64, 0, 0);
	leave_call(SP - 0x80, B);
	leave_call(SP, A);
	check_outstanding(40, 1);
	/* and frees it in the middle of another call */
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 41, 0);
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 0x80, B, 0, 0);
	leave_call(SP, A + 64);
	check_outstanding(81, 2);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	check_no_losses();
}

/* A block that was seen before goes away inside another call: by free, by realloc. */
static void a_known_block_goes_inside_another_call(void **state)
{
	do_malloc(A, 100);
	do_malloc(B, 200);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 10, 0, 0);
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 0x40, A, 0, 0);
	check_outstanding(200, 1);
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP - 0x40, B, 400, 0);
	check_outstanding(0, 0);
	leave_call(SP - 0x40, B);
	leave_call(SP, A);
	check_outstanding(10, 1);
	check_no_losses();
}

/*
 * A function that ends in a jump to another hands on its stack pointer: reallocarray > realloc, and
 * _PyObject_Realloc > PyMem_RawRealloc > realloc for every list that outgrows 512 bytes.
 */
static void a_jump_to_another_function_is_one_call(void **state)
{
	do_py_malloc(A, 600);
	enter_call(ABI_CALL_PY_REALLOC, ABI_OBJECT, SP, 0, A, 1000);
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP, A, 1000, 0);
	check_outstanding(600, 1);
	/* the kernel reports the one return for both */
	leave_call(SP, B);
	leave_call(SP, B);
	check_outstanding(1000, 1);
	assert_int_equal(block_at(B)->domain, ABI_OBJECT);

	enter_call(ABI_CALL_REALLOCARRAY, ABI_MALLOC, SP, 0, 10, 20);
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP, 0, 200, 0);
	leave_call(SP, A);
	leave_call(SP, A);
	check_outstanding(1200, 2);

	/* _PyObject_Realloc(NULL, n) jumps to _PyObject_Malloc(n); _PyMem_RawMalloc(0) to
	 * malloc(1) */
	enter_call(ABI_CALL_PY_REALLOC, ABI_OBJECT, SP, 0, 0, 0);
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 0, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 1, 0, 0);
	leave_call(SP, A + 0x1000);
	leave_call(SP, A + 0x1000);
	leave_call(SP, A + 0x1000);
	check_outstanding(1200, 3);
	assert_int_equal(block_at(A + 0x1000)->domain, ABI_OBJECT);
	check_no_losses();
}

static void realloc_makes_moves_and_resizes_a_block(void **state)
{
	/* of nothing */
	do_realloc(0, 100, A);
	check_outstanding(100, 1);
	/* in place */
	do_realloc(A, 150, A);
	check_outstanding(150, 1);
	/* away */
	do_realloc(A, 250, B);
	check_outstanding(250, 1);
	assert_null(block_at(A));
	/* failed: the old block stays as it was */
	do_realloc(B, 1ull << 60, 0);
	check_outstanding(250, 1);
	assert_int_equal(counted(ABI_COUNT_FAILED_CALLS), 1);
	/* of size 0: freed */
	do_realloc(B, 0, 0);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	check_no_losses();
}

/* The old block keeps its site and its time when realloc fails. */
static void a_failed_realloc_keeps_the_site(void **state)
{
	struct abi_block before;

	do_malloc(A, 100);
	before = *block_at(A);
	set_stack(3, 777);
	do_realloc(A, 1ull << 60, 0);
	assert_memory_equal(block_at(A), &before, sizeof(before));
	check_outstanding(100, 1);
}

/*
 * While realloc runs, the old block is on the account but not in the map: its address may be
 * given away.
 */
static void the_old_block_counts_while_realloc_runs(void **state)
{
	do_malloc(A, 100);
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP, A, 200, 0);
	assert_null(block_at(A));
	check_outstanding(100, 1);
	run_thread(1);
	do_malloc(A, 70);
	check_outstanding(170, 2);
	run_thread(0);
	leave_call(SP, B);
	check_outstanding(270, 2);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 0);
	check_no_losses();
}

static void realloc_of_an_unknown_block_is_an_unknown_free(void **state)
{
	do_realloc(A, 100, B);
	check_outstanding(100, 1);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	/* a failed one frees nothing */
	do_realloc(A, 1ull << 60, 0);
	check_outstanding(100, 1);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	check_no_losses();
}

/* CPython's realloc never frees: NULL is a failure for every size. */
static void cpythons_realloc_never_frees(void **state)
{
	do_py_malloc(A, 100);
	enter_call(ABI_CALL_PY_REALLOC, ABI_OBJECT, SP, 0, A, 0);
	leave_call(SP, 0);
	check_outstanding(100, 1);
	enter_call(ABI_CALL_PY_REALLOC, ABI_OBJECT, SP, 0, A, 0);
	leave_call(SP, B);
	check_outstanding(0, 1);
	check_no_losses();
}

/* Blocks of no bytes are blocks: malloc(0), then realloc or free. */
static void blocks_of_no_bytes_are_blocks(void **state)
{
	do_malloc(A, 0);
	check_outstanding(0, 1);
	do_realloc(A, 100, B);
	check_outstanding(100, 1);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	do_malloc(A, 0);
	do_realloc(A, 1ull << 60, 0);
	check_outstanding(100, 2);
	do_free(A);
	do_free(B);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	check_no_losses();
}

static void products_that_overflow_are_the_largest_number(void **state)
{
	do_malloc(A, 100);
	enter_call(ABI_CALL_REALLOCARRAY, ABI_MALLOC, SP, A, 1ull << 33, 1ull << 33);
	leave_call(SP, 0);
	check_outstanding(100, 1);
	enter_call(ABI_CALL_CALLOC, ABI_MALLOC, SP, 1ull << 33, 1ull << 33, 0);
	leave_call(SP, 0);
	check_outstanding(100, 1);
	/* 2^31 * 2^32 fits, 0 * anything is 0 */
	assert_true(product(1ull << 31, 1ull << 32) == 1ull << 63);
	assert_true(product(1ull << 32, 1ull << 32) == ~0ull);
	assert_true(product(3, ~0ull) == ~0ull);
	assert_true(product(~0ull, 1) == ~0ull);
	assert_true(product(~0ull, 0) == 0 && product(0, ~0ull) == 0);
	assert_true(product(0xffffffff, 0xffffffff) == 0xfffffffe00000001ull);
	assert_int_equal(counted(ABI_COUNT_FAILED_CALLS), 2);
	check_no_losses();
}

static void posix_memalign_has_its_block_behind_a_pointer(void **state)
{
	const __u64 result_at = thread_base(0) + 0x3800;

	image_put_u64(&shim.memory, result_at, A);
	enter_call(ABI_CALL_POSIX_MEMALIGN, ABI_MALLOC, SP, result_at, 64, 300);
	leave_call(SP, 0);
	check_outstanding(300, 1);
	assert_non_null(block_at(A));
	/* ENOMEM: the place of the result is left as it was */
	enter_call(ABI_CALL_POSIX_MEMALIGN, ABI_MALLOC, SP, result_at, 64, 300);
	leave_call(SP, 12);
	check_outstanding(300, 1);
	assert_int_equal(counted(ABI_COUNT_FAILED_CALLS), 1);
	check_no_losses();
	/* an int is returned: what stands above it in the register says nothing */
	image_put_u64(&shim.memory, result_at, B);
	enter_call(ABI_CALL_POSIX_MEMALIGN, ABI_MALLOC, SP, result_at, 64, 30);
	leave_call(SP, 0xdeadbeef00000000ull);
	check_outstanding(330, 2);
	/* the place cannot be read: a loss with a name */
	enter_call(ABI_CALL_POSIX_MEMALIGN, ABI_MALLOC, SP, 0x123, 64, 300);
	leave_call(SP, 0);
	check_outstanding(330, 2);
	assert_int_equal(counted(ABI_COUNT_RESULT_UNREADABLE), 1);
}

/* A call that is left by longjmp: the next one at the same height or above notices. */
static void a_call_left_by_longjmp_is_given_up_at_the_next(void **state)
{
	do_malloc(A, 100);
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP, A, 200, 0);
	do_malloc(B, 50);
	check_outstanding(150, 2);
	assert_int_equal(block_at(A)->size, 100);
	assert_int_equal(counted(ABI_COUNT_CALLS_ABANDONED), 1);

	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x100, 1000, 0, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 60, 0, 0);
	leave_call(SP, A + 0x100);
	check_outstanding(210, 3);
	assert_int_equal(counted(ABI_COUNT_CALLS_ABANDONED), 2);
}

/*
 * A signal handler on the thread's own stack allocates in the middle of malloc: inside, let
 * pass.
 */
static void a_signal_handler_within_a_call_is_let_pass(void **state)
{
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 100, 0, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x800, 7, 0, 0);
	leave_call(SP - 0x800, B);
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 0x800, B, 0, 0);
	leave_call(SP, A);
	check_outstanding(100, 1);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 0);
	check_no_losses();
}

/*
 * On a signal stack above it looks like a call that was left: counted, and the account stays
 * right.
 */
static void a_handler_on_its_own_stack_keeps_the_account_right(void **state)
{
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 100, 0, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP + 0x100000, 7, 0, 0);
	leave_call(SP + 0x100000, B);
	leave_call(SP, A);
	check_outstanding(7, 1);
	assert_int_equal(counted(ABI_COUNT_CALLS_ABANDONED), 1);
}

static void threads_do_not_disturb_each_other(void **state)
{
	for (unsigned t = 0; t < CALLS_THREADS; t++) {
		run_thread(t);
		enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 100 + t, 0, 0);
	}
	for (unsigned t = CALLS_THREADS; t-- > 0;) {
		run_thread(t);
		leave_call(SP, A + t * 0x100);
	}
	check_outstanding(100 * 8 + 28, 8);
	for (unsigned t = 0; t < CALLS_THREADS; t++)
		assert_int_equal(block_at(A + t * 0x100)->size, 100 + t);
	/* each has its own stack, so its own site; blocks are freed by any of them */
	assert_int_equal(next_site, ABI_FIRST_SITE + CALLS_THREADS);
	for (unsigned t = 0; t < CALLS_THREADS; t++)
		do_free(A + t * 0x100);
	check_outstanding(0, 0);
	check_no_losses();
}

/* A block of pymalloc's own pools does not reach libc's free: nothing is remembered of its free. */
static void a_small_objects_free_is_not_remembered(void **state)
{
	do_py_malloc(A, 100);
	assert_int_equal(block_at(A)->flags, 0);
	do_py_free(A);
	do_free(A);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	/* a call from before says nothing about the next */
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 600, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x80, 600, 0, 0);
	leave_call(SP, A);
	do_py_malloc(B, 100);
	assert_int_equal(block_at(B)->flags, 0);
	check_no_losses();
}

/* last_freed is of one thread: another one's free of an unknown block is counted. */
static void the_last_free_is_of_one_thread(void **state)
{
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, 600, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP - 0x80, 600, 0, 0);
	leave_call(SP, A);
	do_py_free(A);
	run_thread(1);
	do_malloc(B, 1);
	do_free(A);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	run_thread(0);
	do_free(A);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	check_outstanding(1, 1);
}

/*
 * The address comes again while its block is outstanding: the missed free is counted and
 * repaired.
 */
static void a_missed_free_is_counted_and_repaired(void **state)
{
	__u32 first;

	do_malloc(A, 100);
	first = block_at(A)->site;
	set_stack(2, 500);
	do_malloc(A, 40);
	check_outstanding(40, 1);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 1);
	assert_int_not_equal(block_at(A)->site, first);
	assert_int_equal(site_at(first)->freed_bytes, 100);
	check_no_losses();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_block_comes_with_malloc_and_goes_with_free),
		TEST(every_function_kind_takes_its_own_arguments),
		TEST(the_stack_pointer_is_that_of_the_entry),
		TEST(the_outermost_call_owns_the_block),
		TEST(a_debug_allocators_block_is_the_outer_one),
		TEST(blocks_of_the_allocator_itself_are_not_counted),
		TEST(a_known_block_goes_inside_another_call),
		TEST(a_jump_to_another_function_is_one_call),
		TEST(realloc_makes_moves_and_resizes_a_block),
		TEST(a_failed_realloc_keeps_the_site),
		TEST(the_old_block_counts_while_realloc_runs),
		TEST(realloc_of_an_unknown_block_is_an_unknown_free),
		TEST(cpythons_realloc_never_frees),
		TEST(blocks_of_no_bytes_are_blocks),
		TEST(products_that_overflow_are_the_largest_number),
		TEST(posix_memalign_has_its_block_behind_a_pointer),
		TEST(a_call_left_by_longjmp_is_given_up_at_the_next),
		TEST(a_signal_handler_within_a_call_is_let_pass),
		TEST(a_handler_on_its_own_stack_keeps_the_account_right),
		TEST(threads_do_not_disturb_each_other),
		TEST(a_small_objects_free_is_not_remembered),
		TEST(the_last_free_is_of_one_thread),
		TEST(a_missed_free_is_counted_and_repaired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
