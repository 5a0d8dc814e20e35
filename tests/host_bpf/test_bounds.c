/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What belongs to the account and what does not: blocks from before the attach, filters, domains
 * that only bracket, other processes; and where it begins and ends: start, stop, thread exit, exec.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define A 0x10000ull
#define B 0x20000ull

static void unknown_frees_are_counted_and_change_nothing(void **state)
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

/*
 * A block from before the attach, freed by CPython's free that goes on to libc's: one unknown
 * free.
 */
static void an_unknown_free_that_is_passed_on_is_one(void **state)
{
	do_py_free(A);
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 0x10, A, 0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 1);
	do_py_free(A + 16);
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 0x10, A, 0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_FREES), 2);
	check_outstanding(0, 0);
}

static void only_sizes_within_the_filter_are_on_the_account(void **state)
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
	/* a block that grows out of the range leaves the account, one that grows into it comes
	 * on it */
	do_realloc(A, 300, A);
	check_outstanding(200, 1);
	do_realloc(A, 150, A);
	check_outstanding(350, 2);
	do_free(A);
	do_free(B);
	check_outstanding(0, 0);
	check_no_losses();
}

/*
 * Domains that are not recorded only bracket: their calls own what happens inside, and record
 * nothing.
 */
static void a_domain_that_is_not_recorded_only_brackets(void **state)
{
	enter_call(ABI_CALL_MALLOC, ABI_DOMAINS, SP, 1 << 20, 0, 0);
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, 1 << 20, 3, 0x22}});
	exit_mapping(ABI_CALL_MMAP, (long)B);
	leave_call(SP, B + 16);
	check_outstanding(0, 0);
	enter_call(ABI_CALL_REALLOC, ABI_DOMAINS, SP, B + 16, 1 << 21, 0);
	leave_call(SP, A);
	check_outstanding(0, 0);
	/* outside of it the same system call counts */
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, 1 << 20, 3, 0x22}});
	exit_mapping(ABI_CALL_MMAP, (long)B);
	check_outstanding(1 << 20, 1);
	check_no_losses();
}

/* pymalloc's arenas as the blocks of domain object, where objects are not seen one by one. */
static void an_arena_is_a_block_of_object(void **state)
{
	enter_call(ABI_CALL_ARENA, ABI_OBJECT, SP, 0, 1 << 18, 0);
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, 1 << 18, 3, 0x22}});
	exit_mapping(ABI_CALL_MMAP, (long)A);
	leave_call(SP, A);
	check_outstanding(1 << 18, 1);
	assert_int_equal(block_at(A)->domain, ABI_OBJECT);
	/* obj_arena.free(ctx, address, size) goes on to munmap */
	enter_call(ABI_CALL_PY_FREE, ABI_OBJECT, SP, 0, A, 1 << 18);
	on_enter_munmap(&(struct trace_event_raw_sys_enter){{A, 1 << 18}});
	exit_mapping(ABI_CALL_MUNMAP, 0);
	check_outstanding(0, 0);
	check_no_losses();
}

/*
 * Hits of others: another process behind the same file, a probe before the start and after the
 * stop.
 */
static void hits_of_others_do_not_count(void **state)
{
	shim.tgid = TGID + 1;
	do_malloc(A, 100);
	shim.tgid = TGID;
	active = 0;
	do_malloc(B, 100);
	active = 1;
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_HITS_EMULATED) + counted(ABI_COUNT_HITS_RETURN), 0);
	/* entered before the start, left after it; entered before the stop, left after a new
	 * start */
	leave_call(SP, A);
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 100, 0, 0);
	active = 0;
	leave_call(SP, A);
	active = 1;
	check_outstanding(0, 0);
}

/* A cookie that no plan makes is ignored, without harm. */
static void strange_cookies_are_let_pass(void **state)
{
	struct pt_regs regs = {.arguments = {1, 2, 3}, .sp = SP};

	for (unsigned cost = 2; cost < 256; cost++) {
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

static void some_hits_are_timed(void **state)
{
	for (int i = 0; i < 10 * ABI_TIMED_HITS; i++)
		do_malloc(A + 16 * (unsigned)i, 1);
	assert_int_equal(counted(ABI_COUNT_TIMED_ENTRY), 10);
	assert_int_equal(counted(ABI_COUNT_TIMED_RETURN), 10);
	assert_true(counted(ABI_COUNT_TIMED_ENTRY_NS) >= 10);
	assert_true(counted(ABI_COUNT_TIMED_RETURN_NS) >= 10);
}

static void the_end_of_a_thread_clears_its_entry(void **state)
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

static void the_end_of_the_last_thread_is_announced(void **state)
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

static void nothing_is_recorded_after_an_exec(void **state)
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

/* Only a copy of the target's memory has copies of its breakpoints. */
static void only_a_fork_with_memory_of_its_own_is_announced(void **state)
{
	__u64 context[2] = {0};
	unsigned before = shim.n_events;

	shim.tgid = TGID + 1;
	on_fork(context);
	shim.tgid = TGID;
	shim.shares_memory = true;
	on_fork(context);
	assert_int_equal(shim.n_events, before);
	shim.shares_memory = false;
	on_fork(context);
	assert_int_equal(shim.n_events, before + 1);
	assert_int_equal(event_at(before)->kind, ABI_EVENT_FORK);
	/* and not only while something is recorded */
	active = 0;
	on_fork(context);
	assert_int_equal(shim.n_events, before + 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unknown_frees_are_counted_and_change_nothing),
		TEST(an_unknown_free_that_is_passed_on_is_one),
		TEST(only_sizes_within_the_filter_are_on_the_account),
		TEST(a_domain_that_is_not_recorded_only_brackets),
		TEST(an_arena_is_a_block_of_object),
		TEST(hits_of_others_do_not_count),
		TEST(strange_cookies_are_let_pass),
		TEST(some_hits_are_timed),
		TEST(the_end_of_a_thread_clears_its_entry),
		TEST(the_end_of_the_last_thread_is_announced),
		TEST(nothing_is_recorded_after_an_exec),
		TEST(only_a_fork_with_memory_of_its_own_is_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
