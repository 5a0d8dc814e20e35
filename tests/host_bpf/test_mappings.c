/* SPDX-License-Identifier: BSD-2-Clause
 *
 * mmap, munmap, mremap: the map of mappings against a model that knows nothing but pages.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define PAGE  4096ull
#define BASE  0x40000000ull
#define ANON  0x22 /* MAP_PRIVATE | MAP_ANONYMOUS */
#define FIXED 0x10

static void do_mmap(__u64 start, __u64 pages, unsigned flags)
{
	on_enter_mmap(
		&(struct trace_event_raw_sys_enter){{start, pages * PAGE, 3, flags, ~0ul, 0}});
	exit_mapping(ABI_CALL_MMAP, (long)start);
}

static void do_munmap(__u64 start, __u64 pages, long result)
{
	on_enter_munmap(&(struct trace_event_raw_sys_enter){{start, pages * PAGE}});
	exit_mapping(ABI_CALL_MUNMAP, result);
}

static void do_mremap(__u64 start, __u64 pages, __u64 new_pages, long result)
{
	on_enter_mremap(
		&(struct trace_event_raw_sys_enter){{start, pages * PAGE, new_pages * PAGE, 1}});
	exit_mapping(ABI_CALL_MREMAP, result);
}

/* The piece [start, start + pages) is known as one mapping. */
static void check_piece(__u64 page, __u64 pages)
{
	const struct abi_block *block = mapping_at(BASE + page * PAGE);

	assert_non_null(block);
	assert_int_equal(block->size, pages * PAGE);
	assert_int_equal(block->domain, ABI_MMAP);
}

static void a_whole_mapping_comes_and_goes(void **state)
{
	do_mmap(BASE, 8, ANON);
	check_outstanding(8 * PAGE, 1);
	do_munmap(BASE, 8, 0);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_UNMAPS), 0);
	assert_int_equal(counted(ABI_COUNT_HITS_SYSCALL), 4);
	check_no_losses();
}

/* Calls of any kind, whoever makes them. */
static void system_calls_are_counted(void **state)
{
	__u32 tgid = shim.tgid;

	for (int i = 0; i < 5; i++)
		on_syscall(NULL);
	shim.tgid++;
	for (int i = 0; i < 3; i++)
		on_syscall(NULL);
	shim.tgid = tgid;
	assert_int_equal(counted(ABI_COUNT_SYSCALLS), 5);
	assert_int_equal(counted(ABI_COUNT_OTHER_SYSCALLS), 3);
	check_no_losses();
}

/*
 * munmap of [from, to) from a mapping of 8 pages at page 8: every way in which two ranges can
 * lie.
 */
static void every_overlap_of_an_unmap_leaves_the_rest(void **state)
{
	for (unsigned from = 0; from < 24; from++) {
		for (unsigned to = from + 1; to <= 24; to++) {
			unsigned left = from > 8 ? (from < 16 ? from - 8 : 8) : 0;
			unsigned right = to < 16 ? (to > 8 ? 16 - to : 8) : 0;
			bool touches = from < 16 && to > 8;

			calls_begin();
			do_mmap(BASE + 8 * PAGE, 8, ANON);
			do_munmap(BASE + from * PAGE, to - from, 0);
			if (!touches) {
				check_outstanding(8 * PAGE, 1);
				assert_int_equal(counted(ABI_COUNT_UNKNOWN_UNMAPS), 1);
				continue;
			}
			check_outstanding((left + right) * PAGE, (left > 0) + (right > 0));
			if (left)
				check_piece(8, left);
			if (right)
				check_piece(to, right);
			assert_int_equal(counted(ABI_COUNT_UNKNOWN_UNMAPS), 0);
			check_no_losses();
		}
	}
}

/* Pieces keep site and time of what they were cut from. */
static void pieces_keep_their_origin(void **state)
{
	struct abi_block whole;

	do_mmap(BASE, 9, ANON);
	whole = *mapping_at(BASE);
	set_stack(4, 900);
	do_munmap(BASE + 3 * PAGE, 3, 0);
	assert_int_equal(mapping_at(BASE)->site, whole.site);
	assert_int_equal(mapping_at(BASE)->time_ns, whole.time_ns);
	assert_int_equal(mapping_at(BASE + 6 * PAGE)->site, whole.site);
	assert_int_equal(mapping_at(BASE + 6 * PAGE)->time_ns, whole.time_ns);
}

/* One munmap over many mappings and the gaps between them. */
static void one_unmap_takes_many_mappings(void **state)
{
	for (unsigned i = 0; i < 10; i++)
		do_mmap(BASE + 4 * i * PAGE, 3, ANON);
	check_outstanding(30 * PAGE, 10);
	do_munmap(BASE + PAGE, 4 * 9, 0);
	check_outstanding(3 * PAGE, 2);
	check_piece(0, 1);
	check_piece(37, 2);
	check_no_losses();
}

static void only_anonymous_memory_counts(void **state)
{
	do_mmap(BASE, 8, 0x02); /* a file, private */
	check_outstanding(0, 0);
	do_mmap(BASE, 8, ANON);
	/* a file over the middle of it: that part is not the program's own any more */
	do_mmap(BASE + 2 * PAGE, 2, 0x02 | FIXED);
	check_outstanding(6 * PAGE, 2);
	/* and anonymous memory over a piece */
	do_mmap(BASE + 5 * PAGE, 2, ANON | FIXED);
	check_outstanding(6 * PAGE, 4);
	check_piece(4, 1);
	check_piece(5, 2);
	check_piece(7, 1);
	check_no_losses();
}

static void failed_calls_change_nothing_or_are_a_named_loss(void **state)
{
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, 1ull << 60, 3, ANON}});
	exit_mapping(ABI_CALL_MMAP, -12);
	check_outstanding(0, 0);
	do_mmap(BASE, 8, ANON);
	/* what the kernel refuses at once is not taken off */
	on_enter_munmap(&(struct trace_event_raw_sys_enter){{BASE + 1, PAGE}});
	exit_mapping(ABI_CALL_MUNMAP, -22);
	on_enter_munmap(&(struct trace_event_raw_sys_enter){{BASE, 0}});
	exit_mapping(ABI_CALL_MUNMAP, -22);
	on_enter_munmap(&(struct trace_event_raw_sys_enter){{BASE, ~0ul}});
	exit_mapping(ABI_CALL_MUNMAP, -22);
	on_enter_munmap(&(struct trace_event_raw_sys_enter){{~0xffful, 0x2000}});
	exit_mapping(ABI_CALL_MUNMAP, -22);
	check_outstanding(8 * PAGE, 1);
	check_no_losses();
	/* what it refuses later (too many mappings) is: a loss with a name */
	do_munmap(BASE + PAGE, 1, -12);
	check_outstanding(7 * PAGE, 2);
	assert_int_equal(counted(ABI_COUNT_UNMAP_UNDONE), 1);
}

/* Lengths are rounded up to pages, as the kernel does. */
static void lengths_are_rounded_up_to_pages(void **state)
{
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, 5000, 3, ANON}});
	exit_mapping(ABI_CALL_MMAP, (long)BASE);
	check_outstanding(2 * PAGE, 1);
	on_enter_munmap(&(struct trace_event_raw_sys_enter){{BASE, 4097}});
	exit_mapping(ABI_CALL_MUNMAP, 0);
	check_outstanding(0, 0);
}

static void mremap_grows_shrinks_and_moves_what_is_mapped(void **state)
{
	do_mmap(BASE, 8, ANON);
	do_mremap(BASE, 8, 12, (long)BASE); /* grows in place */
	check_outstanding(12 * PAGE, 1);
	do_mremap(BASE, 12, 4, (long)BASE); /* shrinks */
	check_outstanding(4 * PAGE, 1);
	do_mremap(BASE, 4, 6, (long)(BASE + 100 * PAGE)); /* moves */
	check_outstanding(6 * PAGE, 1);
	assert_null(mapping_at(BASE));
	do_mremap(BASE + 100 * PAGE, 6, 1 << 20, -12); /* fails */
	check_outstanding(6 * PAGE, 1);
	check_piece(100, 6);
	/* the middle of it moves away */
	do_mremap(BASE + 102 * PAGE, 2, 3, (long)BASE);
	check_outstanding(7 * PAGE, 3);
	check_piece(100, 2);
	check_piece(104, 2);
	check_piece(0, 3);
	check_no_losses();
}

static void a_failed_mremap_keeps_the_origin(void **state)
{
	struct abi_block before;

	do_mmap(BASE, 8, ANON);
	before = *mapping_at(BASE);
	set_stack(3, 901);
	do_mremap(BASE, 8, 100, -12);
	assert_memory_equal(mapping_at(BASE), &before, sizeof(before));
	/* a part that could not be moved is untouched too */
	do_mremap(BASE + PAGE, 2, 100, -14);
	assert_memory_equal(mapping_at(BASE), &before, sizeof(before));
	check_outstanding(8 * PAGE, 1);
}

/* MREMAP_FIXED: what was at the new place is gone. */
static void mremap_onto_a_mapping_takes_its_place(void **state)
{
	do_mmap(BASE, 4, ANON);
	do_mmap(BASE + 100 * PAGE, 10, ANON);
	do_mremap(BASE, 4, 4, (long)(BASE + 103 * PAGE));
	check_outstanding(10 * PAGE, 3);
	check_piece(100, 3);
	check_piece(103, 4);
	check_piece(107, 3);
	check_no_losses();
}

static void mremap_of_an_unknown_mapping_is_counted(void **state)
{
	do_mremap(BASE, 4, 8, (long)BASE);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_UNKNOWN_UNMAPS), 1);
	/* length 0 makes a second view of a shared mapping: nothing that is known */
	do_mmap(BASE, 4, ANON);
	do_mremap(BASE, 0, 4, (long)(BASE + 50 * PAGE));
	check_outstanding(4 * PAGE, 1);
}

/* The same place mapped again while it is outstanding: an unmap was not seen. */
static void a_missed_unmap_is_counted_and_repaired(void **state)
{
	do_mmap(BASE, 8, ANON);
	do_mmap(BASE, 4, ANON);
	check_outstanding(4 * PAGE, 1);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 1);
}

static void only_sizes_within_the_filter_are_on_the_account(void **state)
{
	facts_of_test()->min_size = 2 * PAGE;
	facts_of_test()->max_size = 4 * PAGE;
	do_mmap(BASE, 1, ANON);
	do_mmap(BASE + 10 * PAGE, 5, ANON);
	check_outstanding(0, 0);
	assert_int_equal(counted(ABI_COUNT_FILTERED), 2);
	do_mmap(BASE + 20 * PAGE, 4, ANON);
	check_outstanding(4 * PAGE, 1);
}

static void mappings_without_room_are_counted(void **state)
{
	shim_set_capacity(&mappings, 2);
	do_mmap(BASE, 8, ANON);
	do_mmap(BASE + 10 * PAGE, 8, ANON);
	do_mmap(BASE + 20 * PAGE, 8, ANON);
	check_outstanding(16 * PAGE, 2);
	assert_int_equal(counted(ABI_COUNT_MAPPINGS_FULL), 1);
	/* a cut in the middle needs a place more than it frees */
	do_munmap(BASE + 2 * PAGE, 2, 0);
	check_outstanding(10 * PAGE, 2);
	assert_int_equal(counted(ABI_COUNT_MAPPINGS_FULL), 2);
	/* while mremap runs, another thread takes the place: the mapping cannot be put back */
	on_enter_mremap(
		&(struct trace_event_raw_sys_enter){{BASE + 10 * PAGE, 8 * PAGE, 16 * PAGE, 1}});
	run_thread(1);
	do_mmap(BASE + 40 * PAGE, 1, ANON);
	run_thread(0);
	exit_mapping(ABI_CALL_MREMAP, -12);
	check_outstanding(3 * PAGE, 2);
	assert_int_equal(counted(ABI_COUNT_MAPPINGS_FULL), 3);
}

/*
 * Every update fails once, wherever it stands: counted, and what is on the account is in the
 * map.
 */
static void an_update_that_fails_leaves_account_and_map_equal(void **state)
{
	for (unsigned ordinal = 0; ordinal < 12; ordinal++) {
		unsigned step = 0;

		calls_begin();
		do_mmap(BASE + 900 * PAGE, 1, ANON); /* thread and stack are known */
#define FAILING(call)                                  \
	do {                                           \
		shim.fail_updates = step++ == ordinal; \
		call;                                  \
		shim.fail_updates = 0;                 \
		check_account();                       \
	} while (0)
		FAILING(do_mmap(BASE, 8, ANON));
		FAILING(do_mmap(BASE, 9, ANON));
		FAILING(do_mmap(BASE + PAGE, 2, ANON | FIXED));
		FAILING(do_munmap(BASE + 4 * PAGE, 1, 0));
		FAILING(do_mremap(BASE + PAGE, 2, 3, (long)(BASE + 50 * PAGE)));
		FAILING(do_mremap(BASE + 50 * PAGE, 3, 9, -12));
		FAILING(do_mremap(BASE + 5 * PAGE, 1, 1, (long)(BASE + 60 * PAGE)));
#undef FAILING
		do_munmap(BASE, 100, 0);
		check_outstanding(PAGE, 1);
	}
}

/* A call of one kind must not be finished by the return of another. */
static void a_return_of_another_kind_finishes_no_call(void **state)
{
	exit_mapping(ABI_CALL_MMAP, (long)BASE);
	exit_mapping(ABI_CALL_MUNMAP, 0);
	exit_mapping(ABI_CALL_MREMAP, (long)BASE);
	check_outstanding(0, 0);
	on_enter_mmap(&(struct trace_event_raw_sys_enter){{0, PAGE, 3, ANON}});
	exit_mapping(ABI_CALL_MREMAP, (long)BASE);
	exit_mapping(ABI_CALL_MUNMAP, 0);
	check_outstanding(0, 0);
	exit_mapping(ABI_CALL_MMAP, (long)BASE);
	check_outstanding(PAGE, 1);
}

/* ---- a long run against a model of pages ---------------------------------------------------- */

#define MODEL_PAGES 96
#define MODEL_STEPS 60000

/*
 * of each page: 0 not mapped, else the number of the call that mapped it (its piece is known by
 * its neighbours)
 */
static unsigned model[MODEL_PAGES];

static __u64 random_state;

static unsigned pick(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)((random_state >> 11) % n);
}

static void model_set(unsigned page, unsigned pages, unsigned mark)
{
	for (unsigned i = page; i < page + pages && i < MODEL_PAGES; i++)
		model[i] = mark;
}

static bool model_any(unsigned page, unsigned pages)
{
	for (unsigned i = page; i < page + pages; i++)
		if (model[i])
			return true;
	return false;
}

/* The runs of equal marks are the mappings; nothing else is. */
static void check_model(void)
{
	__u64 pages = 0;
	unsigned runs = 0;

	for (unsigned i = 0; i < MODEL_PAGES; i++) {
		unsigned end = i + 1;

		if (!model[i])
			continue;
		while (end < MODEL_PAGES && model[end] == model[i])
			end++;
		check_piece(i, end - i);
		pages += end - i;
		runs++;
		i = end - 1;
	}
	check_outstanding(pages * PAGE, runs);
	assert_int_equal(shim_count(&mappings), runs);
}

static void step_mremap(unsigned mark)
{
	unsigned from = pick(MODEL_PAGES), pages = 1 + pick(8), new_pages = 1 + pick(10);
	unsigned to = pick(3) ? pick(MODEL_PAGES - 10) : from;
	bool failed = pick(4) == 0 || to + new_pages > MODEL_PAGES || from + pages > MODEL_PAGES;

	/* the kernel refuses overlapping places, and growth in place onto something else */
	if (to != from && from < to + new_pages && to < from + pages)
		failed = true;
	if (to == from && new_pages > pages && !failed &&
	    model_any(from + pages, new_pages - pages))
		failed = true;
	if (failed) {
		do_mremap(BASE + from * PAGE, pages, new_pages, -12);
		return;
	}
	if (!model_any(from, pages))
		mark = 0; /* not known: it stays so, also where it goes */
	do_mremap(BASE + from * PAGE, pages, new_pages, (long)(BASE + to * PAGE));
	model_set(from, pages, 0);
	model_set(to, new_pages, mark);
}

static void a_long_run_is_what_the_model_says(void **state)
{
	memset(model, 0, sizeof(model));
	random_state = 0x1234567;
	for (unsigned step = 1; step <= MODEL_STEPS; step++) {
		unsigned page = pick(MODEL_PAGES - 12), pages = 1 + pick(12);

		run_thread(pick(CALLS_THREADS));
		shim.cpu = pick(SHIM_CPUS);
		switch (pick(4)) {
		case 0: /* where nothing is, as the kernel chooses; else over what is there */
			do_mmap(BASE + page * PAGE, pages,
				model_any(page, pages) ? ANON | FIXED : ANON);
			model_set(page, pages, step);
			break;
		case 1:
			do_mmap(BASE + page * PAGE, pages, 0x02 | FIXED);
			model_set(page, pages, 0);
			break;
		case 2:
			do_munmap(BASE + page * PAGE, pages, 0);
			model_set(page, pages, 0);
			break;
		case 3:
			step_mremap(step);
			break;
		}
		check_model();
	}
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), 0);
	check_no_losses();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_whole_mapping_comes_and_goes),
		TEST(system_calls_are_counted),
		TEST(every_overlap_of_an_unmap_leaves_the_rest),
		TEST(pieces_keep_their_origin),
		TEST(one_unmap_takes_many_mappings),
		TEST(only_anonymous_memory_counts),
		TEST(failed_calls_change_nothing_or_are_a_named_loss),
		TEST(lengths_are_rounded_up_to_pages),
		TEST(mremap_grows_shrinks_and_moves_what_is_mapped),
		TEST(a_failed_mremap_keeps_the_origin),
		TEST(mremap_onto_a_mapping_takes_its_place),
		TEST(mremap_of_an_unknown_mapping_is_counted),
		TEST(a_missed_unmap_is_counted_and_repaired),
		TEST(only_sizes_within_the_filter_are_on_the_account),
		TEST(mappings_without_room_are_counted),
		TEST(an_update_that_fails_leaves_account_and_map_equal),
		TEST(a_return_of_another_kind_finishes_no_call),
		TEST(a_long_run_is_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
