/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Watchpoints on sizes of containers and on reference counts: what is counted at which stack, and
 * what is not.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define SIZE_AT(i) (0x900000ull + 0x100 * (i) + 16)
#define TYPE_AT(i) (0x900000ull + 0x100 * (i) + 8)
#define TYPE       0x5000ull

static void put_field(unsigned i, __u64 value)
{
	image_put_u64(&shim.memory, SIZE_AT(i), value);
}

static int watch_setup(void **state)
{
	calls_begin();
	image_map(&shim.memory, 0x900000, 0x1000);
	for (unsigned i = 0; i < ABI_MAX_WATCHES; i++) {
		watches[i] = (struct abi_watch){.field = SIZE_AT(i),
						.type_field = TYPE_AT(i),
						.type = TYPE,
						.last = 10,
						.first = ABI_NOT_SEEN};
		put_field(i, 10);
		image_put_u64(&shim.memory, TYPE_AT(i), TYPE);
	}
	watch_allowance = 1 << 20;
	return 0;
}

static void hit(unsigned i)
{
	struct bpf_perf_event_data context = {.addr = SIZE_AT(i)};

	on_watchpoint(&context);
}

static void write_field(unsigned i, __u64 value)
{
	put_field(i, value);
	hit(i);
}

static struct abi_site *site_of(__u32 id)
{
	return bpf_map_lookup_elem(&sites, &id);
}

static void expect_site(__u32 id, __u32 number, __u64 in, __u64 in_hits, __u64 out, __u64 out_hits)
{
	const struct abi_site *site = site_of(id);

	assert_int_equal(site->domain, id < ABI_FIRST_SITE ? 0 : number);
	assert_int_equal(site->allocated_bytes, in);
	assert_int_equal(site->allocated_count, in_hits);
	assert_int_equal(site->freed_bytes, out);
	assert_int_equal(site->freed_count, out_hits);
}

static void expect_over_once(__u32 why)
{
	unsigned n = 0;

	for (unsigned i = 0; i < shim.n_events; i++) {
		const struct abi_event *event = shim.events[i];

		if (event->kind != ABI_EVENT_OVER)
			continue;
		assert_int_equal(event->value, why);
		n++;
	}
	assert_int_equal(n, 1);
}

static void changes_are_counted_by_stack(void **state)
{
	write_field(0, 11);
	write_field(0, 12);
	set_stack(3, 500);
	write_field(0, 112);
	write_field(0, 111);
	run_thread(1);
	write_field(0, 0);
	assert_int_equal(next_site, ABI_FIRST_SITE + 3);
	expect_site(ABI_FIRST_SITE, 0, 2, 2, 0, 0);
	expect_site(ABI_FIRST_SITE + 1, 0, 100, 1, 1, 1);
	expect_site(ABI_FIRST_SITE + 2, 0, 0, 0, 111, 1);
	assert_int_equal(watches[0].first, 10);
	assert_int_equal(watches[0].last, 0);
	assert_int_equal(watches[0].hits, 5);
	assert_int_equal(watches[0].counted, 5);
	assert_true(watches[0].ns > 0);
}

/* One stack that changes two containers has a site for each. */
static void a_stack_has_a_site_for_each_container(void **state)
{
	for (unsigned i = 0; i < ABI_MAX_WATCHES; i++)
		write_field(i, 11 + i);
	assert_int_equal(next_site, ABI_FIRST_SITE + ABI_MAX_WATCHES);
	for (unsigned i = 0; i < ABI_MAX_WATCHES; i++)
		expect_site(ABI_FIRST_SITE + i, i, 1 + i, 1, 0, 0);
}

/* A thread that has the watchpoint twice; a value that is written again. */
static void a_value_written_again_is_no_change(void **state)
{
	write_field(0, 11);
	hit(0);
	write_field(0, 11);
	expect_site(ABI_FIRST_SITE, 0, 1, 1, 0, 0);
	assert_int_equal(watches[0].same, 2);
	assert_int_equal(watches[0].hits, 3);
}

/* What comes before and after is not counted, and the first that is has its value from there. */
static void what_comes_before_and_after_is_not_counted(void **state)
{
	active = 0;
	watches[0].last = ABI_NOT_SEEN;
	write_field(0, 20);
	assert_int_equal(watches[0].last, 20);
	active = 1;
	write_field(0, 21);
	active = 0;
	write_field(0, 30);
	expect_site(ABI_FIRST_SITE, 0, 1, 1, 0, 0);
	assert_int_equal(watches[0].first, 20);
	assert_int_equal(watches[0].last, 30);
	assert_int_equal(watches[0].hits, 3);
	assert_int_equal(watches[0].counted, 1);
}

static void hits_of_others_and_elsewhere_do_not_count(void **state)
{
	struct bpf_perf_event_data elsewhere = {.addr = SIZE_AT(0) + 8};

	shim.tgid = TGID + 1000;
	write_field(0, 11);
	assert_int_equal(watches[0].hits, 0);
	shim.tgid = TGID;
	on_watchpoint(&elsewhere);
	assert_int_equal(watches[0].hits, 0);
	assert_int_equal(next_site, ABI_FIRST_SITE);
}

static void an_object_of_another_type_is_foreign(void **state)
{
	image_put_u64(&shim.memory, TYPE_AT(0), TYPE + 8);
	write_field(0, 0);
	assert_int_equal(watches[0].foreign, 1);
	assert_int_equal(next_site, ABI_FIRST_SITE);
	watches[1].field = 0x123450; /* not mapped */
	on_watchpoint(&(struct bpf_perf_event_data){.addr = 0x123450});
	assert_int_equal(watches[1].unread, 1);
	assert_int_equal(watches[1].last, 10);
}

/* A reference count that comes to 0: the object is dead, and what is written there then is
 * another's. */
static void a_reference_count_of_zero_is_the_end_of_the_object(void **state)
{
	watches[3].refs = 1;
	watches[3].last = 0x7700000001; /* the upper half is something else */
	write_field(3, 0x7700000002);
	write_field(3, 0x7700000001);
	write_field(3, 0x7700000000);
	assert_int_equal(watches[3].dead, 1);
	write_field(3, 1);
	expect_site(ABI_FIRST_SITE, 3, 1, 1, 2, 2);
	assert_int_equal(watches[3].foreign, 1);
	/* a container may be empty */
	write_field(0, 0);
	write_field(0, 1);
	assert_int_equal(watches[0].foreign, 0);
}

/* At as many hits as are allowed it ends by itself, says so once, and counts no more. */
static void it_ends_at_as_many_hits_as_are_allowed(void **state)
{
	watch_allowance = 3;
	write_field(0, 11);
	write_field(1, 11);
	write_field(0, 12);
	assert_int_equal(active, 1);
	write_field(0, 13);
	write_field(1, 12);
	assert_int_equal(active, 0);
	expect_site(ABI_FIRST_SITE, 0, 2, 2, 0, 0);
	assert_int_equal(watches[0].counted + watches[1].counted, 3);
	assert_int_equal(watches[0].last, 13);
	expect_over_once(0);
}

/* No room for a stack, or for the thread: the sums stay right. */
static void sums_stay_right_without_room_for_a_stack_or_thread(void **state)
{
	facts_of_test()->max_sites = ABI_FIRST_SITE + 1;
	write_field(2, 11);
	set_stack(3, 700);
	write_field(2, 13);
	expect_site(ABI_FIRST_SITE, 2, 1, 1, 0, 0);
	expect_site(2, 2, 2, 1, 0, 0);
	shim_set_capacity(&threads, 1);
	run_thread(1);
	write_field(2, 10);
	expect_site(2, 2, 2, 1, 3, 1);
	assert_int_equal(counted(ABI_COUNT_THREADS_FULL), 1);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 1);
}

/* Of a class each change is kept, with its stack and the registers, as long as there is room. */
static void each_change_of_a_class_is_kept(void **state)
{
	struct bpf_perf_event_data context = {.addr = SIZE_AT(1), .regs.ip = 0x4711};
	const struct abi_class_hit *hit;
	__u32 place = 1;

	(void)state;
	shim_set_capacity(&class_hits, 2);
	class_hits_seen = 0;
	watches[1].refs = watches[1].each = 1;
	write_field(0, 11); /* no class */
	put_field(1, 11);
	on_watchpoint(&context);
	on_watchpoint(&context); /* no change */
	shim.registers.ax = 0x123000;
	shim.registers.r15 = 0x456000;
	put_field(1, 10);
	on_watchpoint(&context);
	assert_int_equal(class_hits_seen, 2);
	hit = bpf_map_lookup_elem(&class_hits, &place);
	assert_int_equal(hit->ip, 0x4711);
	assert_int_equal(hit->step, -1);
	assert_int_equal(hit->site, ABI_FIRST_SITE + 1);
	assert_int_equal(hit->registers[0], 0x123000);
	assert_int_equal(hit->registers[ABI_CLASS_HIT_REGISTERS - 1], 0x456000);
	assert_true(hit->time_ns > 0);
	assert_int_equal(active, 1);
	write_field(1, 11);
	assert_int_equal(active, 0);
	expect_over_once(0);
}

#define TEXT   0xa00000ull
#define KERNEL 0xffffffff81000000ull

/* The target is interrupted at this instruction. */
static void interrupt(__u64 address, __u32 instruction)
{
	struct bpf_perf_event_data context = {.regs.ip = address};

	image_put(&shim.memory, address, instruction, sizeof(instruction));
	on_string_op(&context);
}

/* Samples taken while bytes are moved or filled in bulk are distinguished from all others, the
 * kernel's work for the target too. */
static void samples_of_moving_bytes_in_bulk_are_distinguished(void **state)
{
	static const __u32 in_bulk[] = {
		0xa4f3,   /* rep movsb */
		0xa548f3, /* rep movsq */
		0xaaf3,   /* rep stosb */
		0xab48f3, /* rep stosq */
		0xa5f3,   /* rep movsd */
		0xaaf2,   /* repne stosb */
	};
	static const __u32 others[] = {
		0xa6f3,     /* repe cmpsb: was never in bulk */
		0xae48f3,   /* repe scasq */
		0x100ff3,   /* movss */
		0xfa1e0ff3, /* endbr64 */
		0x90f3,     /* pause */
		0xa548,     /* movsq, one */
		0xa4a4,     /* movsb, twice */
		0xc3,       /* ret */
	};
	struct bpf_perf_event_data nowhere = {.regs.ip = 0x10};
	unsigned n = 0;

	(void)state;
	string_op_samples = (struct abi_string_op_samples){.allowed = 1000};
	image_map(&shim.memory, TEXT, 0x1000);
	image_map(&shim.memory, KERNEL, 0x1000);
	for (unsigned i = 0; i < sizeof(in_bulk) / sizeof(in_bulk[0]); i++) {
		interrupt(TEXT + 7, in_bulk[i]);
		assert_int_equal(string_op_samples.at_string, ++n);
		interrupt(KERNEL + 7, in_bulk[i]);
		assert_int_equal(string_op_samples.at_string, ++n);
	}
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		interrupt(TEXT, others[i]);
	on_string_op(&nowhere);
	assert_int_equal(string_op_samples.at_string, n);
	assert_int_equal(string_op_samples.seen, n + sizeof(others) / sizeof(others[0]) + 1);
	shim.tgid = TGID + 1000;
	interrupt(TEXT, in_bulk[0]);
	assert_int_equal(string_op_samples.seen, n + sizeof(others) / sizeof(others[0]) + 1);
	shim.tgid = TGID;
}

/* As many as were allowed: nothing is counted from there on. */
static void no_sample_is_counted_beyond_the_allowed(void **state)
{
	(void)state;
	string_op_samples = (struct abi_string_op_samples){.allowed = 2};
	image_map(&shim.memory, TEXT, 0x1000);
	interrupt(TEXT, 0xa4f3);
	write_field(0, 11);
	assert_int_equal(active, 1);
	interrupt(TEXT, 0xa4f3);
	assert_int_equal(active, 0);
	write_field(0, 12);
	interrupt(TEXT, 0xa4f3);
	assert_int_equal(watches[0].counted, 1);
	assert_int_equal(string_op_samples.at_string, 3);
	expect_over_once(1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, watch_setup, calls_teardown)
	const struct CMUnitTest tests[] = {
		TEST(changes_are_counted_by_stack),
		TEST(a_stack_has_a_site_for_each_container),
		TEST(a_value_written_again_is_no_change),
		TEST(what_comes_before_and_after_is_not_counted),
		TEST(hits_of_others_and_elsewhere_do_not_count),
		TEST(an_object_of_another_type_is_foreign),
		TEST(a_reference_count_of_zero_is_the_end_of_the_object),
		TEST(each_change_of_a_class_is_kept),
		TEST(it_ends_at_as_many_hits_as_are_allowed),
		TEST(samples_of_moving_bytes_in_bulk_are_distinguished),
		TEST(no_sample_is_counted_beyond_the_allowed),
		TEST(sums_stay_right_without_room_for_a_stack_or_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
