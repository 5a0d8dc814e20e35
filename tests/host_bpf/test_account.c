/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The account: sites and their totals, maps that are full, hashes that collide, updates that fail.
 * (What call owns a block: test_probes.c. Mappings: test_mappings.c. Long runs: test_long_run.c.)
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define A 0x10000ull

static __u64 address_of(unsigned i)
{
	return A + i * 0x1000ull;
}

/* The hash under which the running thread's stack is looked up first. */
static __u64 hash_of_stack(unsigned domain)
{
	return hash_mix(walk_stack(thread_get()), domain + 1);
}

static void occupy_hash(__u64 hash, __u32 id)
{
	assert_int_equal(bpf_map_update_elem(&stacks, &hash, &id, BPF_NOEXIST), 0);
}

static void each_stack_has_one_site_per_domain(void **state)
{
	__u32 first;

	do_malloc(address_of(0), 10);
	first = block_at(address_of(0))->site;
	do_malloc(address_of(1), 20);
	assert_int_equal(block_at(address_of(1))->site, first);
	do_py_malloc(address_of(2), 30);
	assert_int_not_equal(block_at(address_of(2))->site, first);
	assert_int_equal(site_at(block_at(address_of(2))->site)->domain, ABI_OBJECT);
	set_stack(3, 100);
	do_malloc(address_of(3), 40);
	assert_int_not_equal(block_at(address_of(3))->site, first);
	/* the same stack again, also in another thread */
	set_stack(2, 100);
	do_malloc(address_of(4), 50);
	assert_int_equal(block_at(address_of(4))->site, first);

	assert_int_equal(site_at(first)->allocated_bytes, 80);
	assert_int_equal(site_at(first)->allocated_count, 3);
	assert_int_equal(next_site, ABI_FIRST_SITE + 3);
	assert_int_equal(next_chunk, 3);
	check_outstanding(150, 5);
	check_no_losses();
}

/* A new site is announced once, when its frames are there. */
static void a_new_site_is_announced_once(void **state)
{
	const struct abi_site *site;

	do_malloc(address_of(0), 10);
	do_malloc(address_of(1), 10);
	assert_int_equal(shim.n_events, 1);
	assert_int_equal(event_at(0)->kind, ABI_EVENT_SITE);
	site = site_at(event_at(0)->value);
	assert_int_equal(event_at(0)->value, block_at(address_of(0))->site);
	assert_int_equal(site->n_frames, 2);
	assert_true(site->hash != 0);
	/* no room in the ring: the site is there all the same */
	shim.ring_full = true;
	set_stack(5, 1);
	do_malloc(address_of(2), 10);
	assert_int_equal(shim.n_events, 1);
	assert_int_equal(counted(ABI_COUNT_EVENTS_LOST), 1);
	assert_true(site_at(block_at(address_of(2))->site)->hash != 0);
	check_outstanding(30, 3);
}

/* The frames of a site, as they are kept in the pool. */
static void the_frames_of_a_site_are_kept(void **state)
{
	const struct abi_site *site;

	do_malloc(address_of(9), 1);
	set_stack(4, 321);
	do_malloc(address_of(0), 10);
	site = site_at(block_at(address_of(0))->site);
	assert_int_equal(site->n_frames, 4);
	for (unsigned i = 0; i < 4; i++) {
		const struct abi_frame *frame = frame_of(site, i);

		assert_int_equal(ABI_FRAME_KIND(frame->tag), ABI_FRAME_PYTHON);
		assert_int_equal(ABI_FRAME_SIGNATURE(frame->tag),
				 abi_code_signature(321, 0x5000, 0x6000));
		assert_int_equal(frame->where, thread_base(0) + 0x4000 + i * 0x100);
		assert_int_equal(frame->unit, i);
	}
	/* the rest of its last chunk says nothing */
	for (unsigned i = 4; i < ABI_CHUNK; i++)
		assert_int_equal(frame_of(site, i)->tag, ABI_FRAME_NONE);
}

/* ---- collisions ----------------------------------------------------------------------------- */

/* Other stacks sit under this stack's hash: it steps on, and finds its own place again. */
static void a_stack_finds_its_place_behind_others_of_its_hash(void **state)
{
	__u32 other, site;
	__u64 hash;

	do_malloc(address_of(0), 1);
	other = block_at(address_of(0))->site;
	set_stack(3, 200);
	hash = hash_of_stack(ABI_MALLOC);
	occupy_hash(hash, other);
	occupy_hash(hash + 1, facts.max_sites + 7); /* no such site */
	occupy_hash(hash + 2, 0);                   /* a reserved one */
	do_malloc(address_of(1), 10);
	site = block_at(address_of(1))->site;
	assert_int_not_equal(site, other);
	assert_true(site >= ABI_FIRST_SITE);
	assert_int_equal(site_at(site)->hash, hash + 3);
	assert_int_equal(counted(ABI_COUNT_COLLISIONS), 3);
	do_malloc(address_of(2), 20);
	assert_int_equal(block_at(address_of(2))->site, site);
	check_outstanding(31, 3);
	check_no_losses();
}

/* One too many: the reserved site of the domain, counted. */
static void one_collision_too_many_is_the_reserved_site(void **state)
{
	__u64 hash;

	do_malloc(address_of(0), 1);
	set_stack(3, 200);
	hash = hash_of_stack(ABI_OBJECT);
	for (unsigned i = 0; i < ABI_MAX_COLLISIONS; i++)
		occupy_hash(hash + i, block_at(address_of(0))->site);
	do_py_malloc(address_of(1), 10);
	assert_int_equal(block_at(address_of(1))->site, ABI_OBJECT);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 1);
	do_py_free(address_of(1));
	check_outstanding(1, 1);
}

/* Same hash, same length, one frame differs in one field: distinguished. */
static void stacks_that_differ_in_one_field_are_told_apart(void **state)
{
	const __u64 frame = thread_base(0) + 0x2000, code = thread_base(0) + 0x4000;
	static const struct {
		__u64 offset;
		bool in_code;
	} fields[] = {{16, false}, {16, true}, {24, true}, {32, true}};
	__u32 first;

	set_stack(3, 200);
	do_malloc(address_of(0), 1);
	first = block_at(address_of(0))->site;
	for (unsigned i = 0; i < 4; i++) {
		__u32 before = next_site;

		set_stack(3, 200);
		image_put(&shim.memory, (fields[i].in_code ? code : frame) + fields[i].offset,
			  fields[i].in_code ? 0x7000 : code + 64 + 20,
			  fields[i].in_code && i == 1 ? 4 : 8);
		/* whatever its hash is, the first stack sits there */
		occupy_hash(hash_of_stack(ABI_MALLOC), first);
		do_malloc(address_of(1 + i), 1);
		assert_int_not_equal(block_at(address_of(1 + i))->site, first);
		assert_int_equal(next_site, before + 1);
	}
	assert_int_equal(counted(ABI_COUNT_COLLISIONS), 4);
	check_outstanding(5, 5);
}

/* ---- full maps ------------------------------------------------------------------------------ */

static void blocks_without_room_are_counted(void **state)
{
	shim_set_capacity(&blocks, 10);
	for (unsigned i = 0; i < 25; i++)
		do_malloc(address_of(i), 100);
	check_outstanding(1000, 10);
	assert_int_equal(counted(ABI_COUNT_BLOCKS_FULL), 15);
	/* a known address that is given out again needs no new place */
	do_malloc(address_of(3), 50);
	check_outstanding(950, 10);
	assert_int_equal(counted(ABI_COUNT_BLOCKS_FULL), 15);
	for (unsigned i = 0; i < 25; i++)
		do_free(address_of(i));
	check_outstanding(0, 0);
	/* there is room again */
	do_malloc(address_of(0), 100);
	check_outstanding(100, 1);
}

/* While realloc runs, its block's place is taken; it fails, and the block cannot be put back. */
static void a_failed_realloc_without_room_is_counted(void **state)
{
	shim_set_capacity(&blocks, 2);
	do_malloc(address_of(0), 100);
	do_malloc(address_of(1), 100);
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP, address_of(0), 1ull << 60, 0);
	run_thread(1);
	do_malloc(address_of(2), 7);
	run_thread(0);
	leave_call(SP, 0);
	check_outstanding(107, 2);
	assert_int_equal(counted(ABI_COUNT_BLOCKS_FULL), 1);
	/* its free is one of an unknown block */
	do_free(address_of(0));
	check_outstanding(107, 2);
}

static void stacks_without_a_site_share_the_reserved_one(void **state)
{
	facts_of_test()->max_sites = ABI_FIRST_SITE + 2;
	for (unsigned i = 0; i < 5; i++) {
		set_stack(2, 1000 + i);
		do_malloc(address_of(i), 10);
		do_py_malloc(address_of(100 + i), 20);
	}
	/* the first stack in both domains has a site; all others share two */
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 8);
	assert_int_equal(next_site, ABI_FIRST_SITE + 2);
	assert_int_equal(site_at(ABI_MALLOC)->allocated_bytes, 40);
	assert_int_equal(site_at(ABI_OBJECT)->allocated_bytes, 80);
	check_outstanding(150, 10);
	for (unsigned i = 0; i < 5; i++) {
		do_free(address_of(i));
		do_py_free(address_of(100 + i));
	}
	check_outstanding(0, 0);
}

static void stacks_without_room_for_frames_are_counted(void **state)
{
	facts_of_test()->max_chunks = 7;
	for (unsigned i = 0; i < 5; i++) {
		set_stack(ABI_CHUNK + 1, 1000 + i); /* two chunks each */
		do_malloc(address_of(i), 10);
	}
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 2);
	assert_int_equal(site_at(ABI_MALLOC)->allocated_count, 2);
	assert_int_equal(next_chunk, 6);
	/* a shorter stack still fits, and then none; the counter never runs on */
	set_stack(1, 5000);
	do_malloc(address_of(8), 10);
	assert_true(block_at(address_of(8))->site >= ABI_FIRST_SITE);
	for (unsigned i = 0; i < 100; i++) {
		set_stack(1, 6000 + i);
		do_malloc(address_of(20 + i), 10);
	}
	assert_int_equal(next_chunk, 7);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 102);
	check_outstanding(1060, 106);
}

/*
 * The map of stacks has no room, or cannot take the new one: the site stays unused, the block is
 * counted.
 */
static void a_stack_that_cannot_be_entered_leaves_its_site_unused(void **state)
{
	__u32 first_unused;

	do_malloc(address_of(0), 10);
	shim_set_capacity(&stacks, 1);
	first_unused = next_site;
	set_stack(4, 444);
	do_malloc(address_of(1), 10);
	assert_int_equal(block_at(address_of(1))->site, ABI_MALLOC);
	assert_int_equal(site_at(first_unused)->hash, 0);
	assert_int_equal(site_at(first_unused)->allocated_count, 0);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 1);
	check_outstanding(20, 2);
}

static void a_thread_without_an_entry_still_frees(void **state)
{
	shim_set_capacity(&threads, 2);
	for (unsigned t = 0; t < 4; t++) {
		run_thread(t);
		do_malloc(address_of(t), 10);
	}
	check_outstanding(20, 2);
	assert_int_equal(counted(ABI_COUNT_THREADS_FULL), 2);
	/* frees need no entry: a thread without one frees what others allocated */
	do_free(address_of(0));
	check_outstanding(10, 1);
	run_thread(1);
	on_thread_exit(NULL);
	run_thread(3);
	do_malloc(address_of(3), 10);
	check_outstanding(20, 2);
}

/* Every update of a map fails once, wherever it stands: what is on the account is in the maps. */
static void an_update_that_fails_leaves_account_and_maps_equal(void **state)
{
	for (unsigned ordinal = 0; ordinal < 8; ordinal++) {
		unsigned step = 0;

		calls_begin();
#define FAILING(call)                                  \
	do {                                           \
		shim.fail_updates = step++ == ordinal; \
		call;                                  \
		shim.fail_updates = 0;                 \
		check_account();                       \
	} while (0)
		FAILING(enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 10, 0, 0));
		FAILING(leave_call(SP, address_of(0)));
		do_malloc(address_of(1), 1);
		/* of a known stack: the update that fails is the block's */
		FAILING(do_malloc(address_of(2), 20));
		/* an address that is given out again */
		FAILING(do_malloc(address_of(1), 30));
		FAILING(do_realloc(address_of(1), 1ull << 60, 0));
		FAILING(do_realloc(address_of(2), 50, address_of(3)));
#undef FAILING
		for (unsigned i = 0; i < 4; i++)
			do_free(address_of(i));
		check_outstanding(0, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_stack_has_one_site_per_domain),
		TEST(a_new_site_is_announced_once),
		TEST(the_frames_of_a_site_are_kept),
		TEST(a_stack_finds_its_place_behind_others_of_its_hash),
		TEST(one_collision_too_many_is_the_reserved_site),
		TEST(stacks_that_differ_in_one_field_are_told_apart),
		TEST(blocks_without_room_are_counted),
		TEST(a_failed_realloc_without_room_is_counted),
		TEST(stacks_without_a_site_share_the_reserved_one),
		TEST(stacks_without_room_for_frames_are_counted),
		TEST(a_stack_that_cannot_be_entered_leaves_its_site_unused),
		TEST(a_thread_without_an_entry_still_frees),
		TEST(an_update_that_fails_leaves_account_and_maps_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
