/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which changes of a class's reference count are instances that came or went, and of which stack
 * the ones are that stay: a process is made up of which all is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "containers/class_births.h"

/* where the made process has its code */
enum {
	MAKE = 0x1000,    /* makes an instance */
	SUPER = 0x1100,   /* in __init__: names the class, with the new instance in a register */
	CALL = 0x1200,    /* names the class, with any instance in a register */
	LOOP = 0x2000,    /* the evaluation loop */
	DEALLOC = 0x3000, /* an instance dies */
};

/* its stacks */
enum { KEEP = 10, DROP, YOUNG, INIT, NAME };

#define NEW   3 /* the register that has the new instance, in MAKE */
#define DEAD  7 /* the same of the dead one, in DEALLOC */
#define STEPS 4096
#define BASE  0x7f0000001000ull

static struct {
	struct abi_class_hit hits[STEPS];
	size_t n;
	uint64_t alive[STEPS]; /* 0: was freed */
	size_t n_alive;
	uint64_t free; /* a place that was freed lately; 0: none */
	uint64_t top;
	bool other_register; /* MAKE has another instance in a register */
} made;

static int setup(void **state)
{
	(void)state;
	memset(&made, 0, sizeof(made));
	made.top = BASE;
	return 0;
}

static void hit(uint64_t ip, uint32_t site, int step, unsigned reg, uint64_t object)
{
	struct abi_class_hit *hit = &made.hits[made.n];

	*hit = (struct abi_class_hit){.time_ns = made.n + 1, .ip = ip, .site = site, .step = step};
	for (unsigned i = 0; i < ABI_CLASS_HIT_REGISTERS; i++)
		hit->registers[i] = 0x7ffe00000000ull + 8 * ((made.n * 31 + i) % 97);
	hit->registers[reg] = object;
	hit->registers[0] = BASE; /* an old instance, always there */
	made.n++;
}

static uint64_t make(uint32_t site)
{
	uint64_t object = made.free ? made.free : (made.top += 64);

	made.free = 0;
	made.alive[made.n_alive++] = object;
	hit(MAKE, site, 1, NEW, object);
	if (made.other_register)
		made.hits[made.n - 1].registers[NEW + 1] =
			made.n_alive > 1 ? made.alive[made.n_alive - 2] : BASE;
	return object;
}

static void die(uint64_t object)
{
	for (size_t i = 0; i < made.n_alive; i++)
		if (made.alive[i] == object)
			made.alive[i] = 0;
	made.free = object;
	hit(DEALLOC + 16, DROP, -1, DEAD, object);
}

/* Takes a reference to the class, and drops it. */
static void name(uint64_t ip, uint32_t site, uint64_t instance)
{
	hit(ip, site, 1, 5, instance);
	hit(LOOP + 8, site, -1, 5, instance);
}

static bool in_loop(void *context, uint64_t ip)
{
	(void)context;
	return ip >= LOOP && ip < LOOP + 0x100;
}

static bool holds(void *context, uint64_t object)
{
	(void)context;
	if (object == BASE)
		return true;
	for (size_t i = 0; i < made.n_alive; i++)
		if (made.alive[i] == object)
			return true;
	return false;
}

static struct class_births find(uint64_t until)
{
	const struct class_hits hits = {.hits = made.hits,
					.n = made.n,
					.dealloc_start = DEALLOC,
					.dealloc_end = DEALLOC + 0x100,
					.until_ns = until,
					.in_loop = in_loop,
					.holds = holds};
	struct class_births births;

	assert_int_equal(class_births_find(&births, &hits, NULL), 0);
	return births;
}

static void expect(const struct class_births *births, uint32_t site, uint64_t in, uint64_t out)
{
	for (size_t i = 0; i < births->n_sites; i++) {
		if (births->sites[i].site != site)
			continue;
		assert_int_equal(births->sites[i].inserted, in);
		assert_int_equal(births->sites[i].removed, out);
		return;
	}
	assert_int_equal(in, 0);
}

/* Among instances that die, code that names the class, and an __init__ that does. */
static void instances_that_stay_are_told_from_those_that_die_and_from_names(void **state)
{
	struct class_births births;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		uint64_t object = make(i % 10 ? DROP : KEEP);

		name(SUPER, INIT, object);
		name(LOOP, NAME, BASE);
		name(CALL, NAME, i % 2 ? BASE : object);
		if (i % 10)
			die(object);
	}
	births = find(UINT64_MAX);
	assert_true(births.known);
	assert_int_equal(births.made, 200);
	assert_int_equal(births.died, 180);
	assert_int_equal(births.others, 0);
	assert_int_equal(births.n_sites, 2);
	expect(&births, KEEP, 20, 0);
	expect(&births, DROP, 180, 180);
	class_births_fini(&births);
}

/* The youngest may be work in progress: they are followed, and are of no account. */
static void the_youngest_are_left_out(void **state)
{
	struct class_births births;
	uint64_t half;

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		make(KEEP);
	half = made.n;
	for (unsigned i = 0; i < 30; i++)
		make(YOUNG);
	births = find(half);
	assert_true(births.known);
	assert_int_equal(births.made, 60);
	expect(&births, KEEP, 30, 0);
	expect(&births, YOUNG, 0, 0);
	class_births_fini(&births);
}

/* Older instances die too: the sum is right, and no birth is theirs. */
static void older_instances_that_die_are_nobody_s(void **state)
{
	struct class_births births;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		hit(DEALLOC, DROP, -1, DEAD, BASE + 0x100000 + 64 * i);
		make(KEEP);
	}
	births = find(UINT64_MAX);
	assert_true(births.known);
	assert_int_equal(births.died, 40);
	expect(&births, KEEP, 40, 0);
	class_births_fini(&births);
}

/* Names alone: no instance was made. */
static void names_alone_make_no_instances(void **state)
{
	struct class_births births;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		name(LOOP, NAME, BASE);
		name(CALL, NAME, BASE);
	}
	births = find(UINT64_MAX);
	assert_false(births.known);
	assert_int_equal(births.made, 0);
	assert_int_equal(births.n_sites, 0);
	class_births_fini(&births);
}

/* Code that keeps references to the class, or makes instances that nobody sees. */
static void references_that_nothing_explains_leave_it_unknown(void **state)
{
	struct class_births births;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		make(KEEP);
		hit(LOOP, NAME, 1, 5, BASE);
	}
	births = find(UINT64_MAX);
	assert_int_equal(births.others, 40);
	assert_false(births.known);
	class_births_fini(&births);
}

/* Two registers have instances that stay, and not the same: whose stack it is is not known. */
static void registers_that_contradict_each_other_leave_it_unknown(void **state)
{
	struct class_births births;

	(void)state;
	made.other_register = true;
	for (unsigned i = 0; i < 40; i++)
		make(KEEP);
	births = find(UINT64_MAX);
	assert_false(births.known);
	class_births_fini(&births);
}

static void nothing_is_known_of_no_hits(void **state)
{
	struct class_births births = find(UINT64_MAX);

	(void)state;
	assert_false(births.known);
	class_births_fini(&births);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		TEST(instances_that_stay_are_told_from_those_that_die_and_from_names),
		TEST(the_youngest_are_left_out),
		TEST(older_instances_that_die_are_nobody_s),
		TEST(names_alone_make_no_instances),
		TEST(references_that_nothing_explains_leave_it_unknown),
		TEST(registers_that_contradict_each_other_leave_it_unknown),
		TEST(nothing_is_known_of_no_hits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
