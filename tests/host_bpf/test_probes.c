/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which call owns a block: nesting, functions that jump to others, failures, calls that never return, frees.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define A 0x10000ull
#define B 0x20000ull

static void test_malloc_and_free(void **state)
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
static void test_arguments(void **state)
{
	static const struct {
		enum abi_call_kind kind;
		__u64 a, b, c, size;
	} calls[] = {
		{ABI_CALL_MALLOC, 10, 1, 1, 10},      {ABI_CALL_CALLOC, 3, 7, 1, 21},
		{ABI_CALL_REALLOC, 0, 11, 1, 11},     {ABI_CALL_REALLOCARRAY, 0, 3, 5, 15},
		{ABI_CALL_ALIGNED, 64, 12, 1, 12},    {ABI_CALL_PY_MALLOC, 1, 13, 1, 13},
		{ABI_CALL_PY_CALLOC, 1, 4, 6, 24},    {ABI_CALL_PY_REALLOC, 1, 0, 14, 14},
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
static void test_pushed(void **state)
{
	enter_pushed(ABI_CALL_MALLOC, ABI_MALLOC, SP, 24, 100, 0, 0);
	leave_call(SP - 24, A); /* not this call's return */
	check_outstanding(0, 0);
	leave_call(SP, A);
	check_outstanding(100, 1);
	check_no_losses();
}

/* The outermost call owns the block: PyObject_Malloc(600) > malloc(600), both return the same address. */
static void test_nested(void **state)
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

/* The inner call asks for more than the outer (debug allocator: 8 bytes before, 24 behind), elsewhere. */
static void test_nested_debug_allocator(void **state)
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

/* tracemalloc: an allocator that allocates for itself; what it keeps is freed by its own later call. */
static void test_nested_blocks_of_the_allocator(void **state)
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
static void test_nested_release_of_a_known_block(void **state)
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
static void test_jump_to_another_function(void **state)
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

	/* _PyObject_Realloc(NULL, n) jumps to _PyObject_Malloc(n); _PyMem_RawMalloc(0) to malloc(1) */
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

static void test_plain_realloc(void **state)
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
static void test_realloc_failure_keeps_the_site(void **state)
{
	struct abi_block before;

	do_malloc(A, 100);
	before = *block_at(A);
	set_stack(3, 777);
	do_realloc(A, 1ull << 60, 0);
	assert_memory_equal(block_at(A), &before, sizeof(before));
	check_outstanding(100, 1);
}

/* While realloc runs, the old block is on the account but not in the map: its address may be given away. */
static void test_realloc_in_flight(void **state)
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

static void test_realloc_of_an_unknown_block(void **state)
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
static void test_py_realloc_to_nothing(void **state)
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
static void test_empty_blocks(void **state)
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

static void test_products_that_overflow(void **state)
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

static void test_posix_memalign(void **state)
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
static void test_longjmp(void **state)
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

/* A signal handler on the thread's own stack allocates in the middle of malloc: inside, let pass. */
static void test_signal_handler(void **state)
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

/* On a signal stack above it looks like a call that was left: counted, and the account stays right. */
static void test_signal_handler_on_its_own_stack(void **state)
{
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 100, 0, 0);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP + 0x100000, 7, 0, 0);
	leave_call(SP + 0x100000, B);
	leave_call(SP, A);
	check_outstanding(7, 1);
	assert_int_equal(counted(ABI_COUNT_CALLS_ABANDONED), 1);
}

static void test_threads_interleaved(void **state)
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
	/* each has its own stack, so its own site; blocks are freed by whom they like */
	assert_int_equal(next_site, ABI_FIRST_SITE + CALLS_THREADS);
	for (unsigned t = 0; t < CALLS_THREADS; t++)
		do_free(A + t * 0x100);
	check_outstanding(0, 0);
	check_no_losses();
}

/* A block of pymalloc's own pools does not reach libc's free: nothing is remembered of its free. */
static void test_free_of_a_small_object(void **state)
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
static void test_frees_of_two_threads(void **state)
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

/* The address comes again while its block is outstanding: the missed free is counted and repaired. */
static void test_missed_free(void **state)
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

static void test_unknown_frees(void **state)
{
	/* a thread of which nothing is known yet is not made one for it */
	do_free(A);
	assert_int_equal(shim_count(&threads), 0);
	do_malloc(B, 10);
	for (int i = 0; i < 5; i++)
		do_free(A);
	enter_call(ABI_CALL_PY_FREE, ABI_OBJECT, SP, 0, A + 8, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 6);
	/* free(NULL) is nothing */
	do_free(0);
	do_py_free(0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 6);
	/* twice the same: never below zero */
	do_free(B);
	do_free(B);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 7);
	check_no_losses();
}

/* A block from before the attach, freed by CPython's free that goes on to libc's: one unknown free. */
static void test_unknown_free_passed_on(void **state)
{
	do_py_free(A);
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 0x10, A, 0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	do_py_free(A + 16);
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 0x10, A, 0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 2);
	check_outstanding(0, 0);
}

static void test_size_filters(void **state)
{
	facts_of_test()->min_size = 100;
	facts_of_test()->max_size = 200;
	do_malloc(A, 99);
	do_malloc(B, 201);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_FILTERED), 2);
	do_malloc(A, 100);
	do_malloc(B, 200);
	check_outstanding(300, 2);
	/* a block that grows out of the range leaves the account, one that grows into it comes on it */
	do_realloc(A, 300, A);
	check_outstanding(200, 1);
	do_realloc(A, 150, A);
	check_outstanding(350, 2);
	do_free(A);
	do_free(B);
	check_outstanding(0, 0);
	check_no_losses();
}

/* Domains that are not recorded only bracket: their calls own what happens inside, and record nothing. */
static void test_bracket_domain(void **state)
{
	enter_call(ABI_CALL_MALLOC, ABI_DOMAINS, SP, 1 << 20, 0, 0);
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, 1 << 20, 3, 0x22}});
	on_exit_mmap(&(struct trace_event_raw_sys_exit){(long)B});
	leave_call(SP, B + 16);
	check_outstanding(0, 0);
	enter_call(ABI_CALL_REALLOC, ABI_DOMAINS, SP, B + 16, 1 << 21, 0);
	leave_call(SP, A);
	check_outstanding(0, 0);
	/* outside of it the same system call counts */
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, 1 << 20, 3, 0x22}});
	on_exit_mmap(&(struct trace_event_raw_sys_exit){(long)B});
	check_outstanding(1 << 20, 1);
	check_no_losses();
}

/* pymalloc's arenas as the blocks of domain object, where objects are not seen one by one. */
static void test_arena(void **state)
{
	enter_call(ABI_CALL_ARENA, ABI_OBJECT, SP, 0, 1 << 18, 0);
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, 1 << 18, 3, 0x22}});
	on_exit_mmap(&(struct trace_event_raw_sys_exit){(long)A});
	leave_call(SP, A);
	check_outstanding(1 << 18, 1);
	assert_int_equal(block_at(A)->domain, ABI_OBJECT);
	/* obj_arena.free(ctx, address, size) goes on to munmap */
	enter_call(ABI_CALL_PY_FREE, ABI_OBJECT, SP, 0, A, 1 << 18);
	on_enter_munmap(&(struct trace_event_raw_sys_enter){{A, 1 << 18}});
	on_exit_munmap(&(struct trace_event_raw_sys_exit){0});
	check_outstanding(0, 0);
	check_no_losses();
}

/* Hits of others: another process behind the same file, a probe before the start and after the stop. */
static void test_not_the_target(void **state)
{
	shim.tgid = TGID + 1;
	do_malloc(A, 100);
	shim.tgid = TGID;
	active = 0;
	do_malloc(B, 100);
	active = 1;
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_HITS_EMULATED) + counted(ABI_COUNT_HITS_RETURN), 0);
	/* entered before the start, left after it; entered before the stop, left after a new start */
	leave_call(SP, A);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 100, 0, 0);
	active = 0;
	leave_call(SP, A);
	active = 1;
	check_outstanding(0, 0);
}

/* A cookie that no plan makes is let pass, without harm. */
static void test_strange_cookies(void **state)
{
	struct pt_regs regs = {.arguments = {1, 2, 3}, .sp = SP};

	for (unsigned cost = 3; cost < 256; cost++) {
		shim.cookie = ABI_COOKIE(ABI_CALL_MALLOC, ABI_MALLOC, 0, cost);
		on_entry(&regs);
	}
	assert_int_equal(shim_count(&threads), 0);
	for (unsigned kind = 0; kind < 256; kind++) {
		for (unsigned domain = 0; domain < 256; domain += 51) {
			shim.cookie = ABI_COOKIE(kind, domain, 0, 0);
			on_entry(&regs);
			leave_call(SP, A);
			check_account();
		}
	}
}

static void test_timed_hits(void **state)
{
	for (int i = 0; i < 10 * ABI_TIMED_HITS; i++)
		do_malloc(A + 16 * (unsigned)i, 1);
	assert_int_equal(counted(ABI_COUNT_TIMED_ENTRY), 10);
	assert_int_equal(counted(ABI_COUNT_TIMED_RETURN), 10);
	assert_true(counted(ABI_COUNT_TIMED_ENTRY_NS) >= 10);
	assert_true(counted(ABI_COUNT_TIMED_RETURN_NS) >= 10);
}

static void test_thread_exit(void **state)
{
	run_thread(1);
	do_malloc(A, 100);
	assert_int_equal(shim_count(&threads), 1);
	/* its id is given to a new thread while a call was in flight */
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP, A, 200, 0);
	on_thread_exit(NULL);
	assert_int_equal(shim_count(&threads), 0);
	check_outstanding(100, 1);
	leave_call(SP, B);
	do_malloc(B, 10);
	check_outstanding(110, 2);
	/* threads of others end too */
	shim.tgid = TGID + 1;
	on_thread_exit(NULL);
	assert_int_equal(shim_count(&threads), 1);
}

static void test_last_thread_exit(void **state)
{
	unsigned before;

	do_malloc(A, 100);
	shim.last_thread = true;
	shim.exit_status = 0x0b00;
	before = shim.n_events;
	on_thread_exit(NULL);
	assert_int_equal(active, 0);
	assert_int_equal(shim.n_events, before + 1);
	assert_int_equal(event_at(before)->kind, ABI_EVENT_EXIT);
	assert_int_equal(event_at(before)->value, 0x0b00);
	check_outstanding(100, 1);
}

static void test_exec(void **state)
{
	unsigned before;

	do_malloc(A, 100);
	shim.tgid = TGID + 1;
	on_exec(NULL);
	assert_int_equal(active, 1);
	shim.tgid = TGID;
	before = shim.n_events;
	on_exec(NULL);
	assert_int_equal(active, 0);
	assert_int_equal(shim.n_events, before + 1);
	assert_int_equal(event_at(before)->kind, ABI_EVENT_EXEC);
	/* the new program allocates where the old one did */
	do_malloc(A, 7);
	do_free(A);
	check_outstanding(100, 1);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 0);
	/* no room for the event: nothing is recorded all the same */
	active = 1;
	shim.ring_full = true;
	on_exec(NULL);
	assert_int_equal(active, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_malloc_and_free),
		TEST(test_arguments),
		TEST(test_pushed),
		TEST(test_nested),
		TEST(test_nested_debug_allocator),
		TEST(test_nested_blocks_of_the_allocator),
		TEST(test_nested_release_of_a_known_block),
		TEST(test_jump_to_another_function),
		TEST(test_plain_realloc),
		TEST(test_realloc_failure_keeps_the_site),
		TEST(test_realloc_in_flight),
		TEST(test_realloc_of_an_unknown_block),
		TEST(test_py_realloc_to_nothing),
		TEST(test_empty_blocks),
		TEST(test_products_that_overflow),
		TEST(test_posix_memalign),
		TEST(test_longjmp),
		TEST(test_signal_handler),
		TEST(test_signal_handler_on_its_own_stack),
		TEST(test_threads_interleaved),
		TEST(test_free_of_a_small_object),
		TEST(test_frees_of_two_threads),
		TEST(test_missed_free),
		TEST(test_unknown_frees),
		TEST(test_unknown_free_passed_on),
		TEST(test_size_filters),
		TEST(test_bracket_domain),
		TEST(test_arena),
		TEST(test_not_the_target),
		TEST(test_strange_cookies),
		TEST(test_timed_hits),
		TEST(test_thread_exit),
		TEST(test_last_thread_exit),
		TEST(test_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
