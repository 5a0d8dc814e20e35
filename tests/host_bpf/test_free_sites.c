/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sites that are used again: who gets one, what is in it then, and what happens when there is none.
 */
#include "shim.h"

#include "pyleaktrace.bpf.c"

#include "calls.h"

#define A 0x100000ull

/* A block of a stack of this many frames; its site. */
static __u32 allocate(__u64 address, unsigned depth, unsigned line)
{
	set_stack(depth, line);
	do_malloc(address, 10);
	return block_at(address)->site;
}

static void a_free_site_is_used_again(void **state)
{
	__u32 id = allocate(A, 3, 100), n_sites = next_site, n_chunks = next_chunk;

	do_free(A);
	free_site(id, 1);
	assert_int_equal(allocate(A, 2, 200), id);
	assert_int_equal(next_site, n_sites);
	assert_int_equal(next_chunk, n_chunks);
	/* nothing is left of the stack before */
	assert_int_equal(site_at(id)->allocated_count, 1);
	assert_int_equal(site_at(id)->freed_count, 0);
	assert_int_equal(site_at(id)->n_frames, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ABI_FRAME_SIGNATURE(frame_of(site_at(id), i)->tag),
				 abi_code_signature(200, 0x5000, 0x6000));
	assert_int_equal(frame_of(site_at(id), 2)->where, 0);
	/* the next one is new, and the stack before too */
	assert_int_equal(allocate(A + 16, 3, 100), n_sites);
	check_outstanding(20, 2);
	/* it is announced each time */
	assert_int_equal(shim.n_events, 3);
	assert_int_equal(event_at(1)->value, id);
}

static void a_free_site_is_taken_by_length(void **state)
{
	__u32 one = allocate(A, 3, 100), two = allocate(A + 16, ABI_CHUNK + 1, 100), n = next_site;

	do_free(A);
	do_free(A + 16);
	free_site(one, 1);
	free_site(two, 2);
	assert_int_equal(allocate(A, ABI_CHUNK + 2, 200), two);
	assert_int_equal(allocate(A + 16, ABI_CHUNK + 2, 300), n);
	assert_int_equal(allocate(A + 32, ABI_CHUNK, 200), one);
	check_outstanding(30, 3);
}

/* User space may give a longer run to a shorter stack, which never takes more than it has. */
static void a_longer_run_is_used_no_further_than_it_is(void **state)
{
	__u32 id = allocate(A, ABI_CHUNK + 1, 100);

	do_free(A);
	free_site(id, 1);
	assert_int_equal(allocate(A, 1, 200), id);
	assert_int_equal(site_at(id)->n_chunks, 2);
	assert_int_equal(site_at(id)->n_frames, 1);
	check_outstanding(10, 1);
}

static void free_sites_are_taken_when_all_are_used(void **state)
{
	__u32 id;

	facts_of_test()->max_sites = ABI_FIRST_SITE + 1;
	id = allocate(A, 3, 100);
	assert_int_equal(allocate(A + 16, 3, 200), ABI_MALLOC);
	assert_int_equal(allocate(A + 32, ABI_CHUNK + 1, 200), ABI_MALLOC);
	/* user space sees what there was no room for */
	assert_int_equal(free_rings[1].missed, 1);
	assert_int_equal(free_rings[2].missed, 1);
	do_free(A);
	free_site(id, 1);
	assert_int_equal(allocate(A, 3, 200), id);
	assert_int_equal(free_rings[1].missed, 1);
	check_outstanding(30, 3);
}

/* The counters wrap, and the ring's places come round. */
static void the_ring_of_free_sites_wraps(void **state)
{
	__u32 id = allocate(A, 3, 1);

	free_rings[1].put = free_rings[1].taken = -5u;
	for (unsigned i = 0; i < 2 * ABI_FREE_ROOM; i++) {
		do_free(A);
		free_site(id, 1);
		assert_int_equal(allocate(A, 3, 2 + i), id);
	}
	assert_int_equal(free_rings[1].taken, 2 * ABI_FREE_ROOM - 5);
	assert_int_equal(next_site, ABI_FIRST_SITE + 1);
	check_outstanding(10, 1);
}

/* A stack that cannot be entered leaves its site unused; user space finds it so. */
static void an_entry_that_fails_leaves_its_site_unused(void **state)
{
	__u32 id = allocate(A, 3, 100);

	do_free(A);
	free_site(id, 1);
	shim_set_capacity(&stacks, 0);
	assert_int_equal(allocate(A, 3, 200), ABI_MALLOC);
	assert_int_equal(free_rings[1].taken, 1);
	assert_int_equal(site_at(id)->hash, 0);
	assert_int_equal(site_at(id)->allocated_count, 0);
	check_outstanding(10, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_free_site_is_used_again),
		TEST(a_free_site_is_taken_by_length),
		TEST(a_longer_run_is_used_no_further_than_it_is),
		TEST(free_sites_are_taken_when_all_are_used),
		TEST(the_ring_of_free_sites_wraps),
		TEST(an_entry_that_fails_leaves_its_site_unused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
