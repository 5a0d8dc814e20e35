/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What windows leave, and what becomes of it: blocks and their types are made here, and so are the
 * functions that read them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "python/object.h"
#include "python/pool.h"
#include "probe/map_reader.h"
#include "snapshot/survivors.h"
#include "target/remote_mem.h"
#include "probe/session_maps.h"

#define BEGIN      1000
#define END        2000
#define ADDRESS    0x10000
#define OBJECTS    (1u << ABI_OBJECT)
#define MANY       SURVIVORS_PER_WINDOW
#define BLOCKS_FD  101
#define POOL_BYTES 4096u

/* ---- what is made --------------------------------------------------------------------------- */

static struct {
	struct abi_block blocks[MANY + 1];
	bool is_out[MANY + 1]; /* of the map */
	uint32_t n, deleted;
	const char *types[MANY + 1]; /* of block i, at ADDRESS + i; NULL: no object */
	uint32_t n_others;           /* blocks more in the map, of malloc's part */
	bool unreadable;
	bool is_looked_at; /* the test looks itself */
	bool pool;         /* pymalloc's pool is at ADDRESS, of blocks of 64 bytes: */
	unsigned in_use;   /* this many from its beginning on are in use, ... */
	unsigned touched;  /* ... and this many have ever been */
} made;

static struct survivors *survivors;
static struct py_types *const types = (void *)&made;

static const struct abi_block others = {
	.size = 64, .time_ns = BEGIN, .site = 9, .domain = ABI_MALLOC};

int map_blocks_each(int map_fd,
		    void (*see)(void *context, uint64_t address, const struct abi_block *block),
		    void *context, struct err *err)
{
	(void)err;
	assert_int_equal(map_fd, BLOCKS_FD);
	for (uint32_t i = 0; i < made.n; i++)
		if (!made.is_out[i])
			see(context, ADDRESS + i, &made.blocks[i]);
	for (uint32_t i = 0; i < made.n_others; i++)
		see(context, 2 * ADDRESS + i, &others);
	return 0;
}

void map_block_remove(int map_fd, uint64_t address)
{
	assert_int_equal(map_fd, BLOCKS_FD);
	if (address < 2 * ADDRESS)
		made.is_out[address - ADDRESS] = true;
	made.deleted++;
}

bool map_block_put(int map_fd, uint64_t address, const struct abi_block *block)
{
	assert_int_equal(map_fd, BLOCKS_FD);
	made.blocks[address - ADDRESS] = *block;
	made.is_out[address - ADDRESS] = false;
	return true;
}

void remote_read_many(pid_t pid, struct remote_item *items, size_t n_items)
{
	(void)pid;
	for (size_t i = 0; i < n_items; i++)
		items[i].result = made.unreadable ? -EFAULT : 0;
}

/* A pool as pymalloc makes it: the free blocks that were used are a list. */
int remote_read(pid_t pid, uint64_t address, void *buffer, size_t length)
{
	uint64_t free_block = 0;
	uint32_t words[6] = {[0] = made.in_use};

	(void)pid;
	assert_int_equal(length, POOL_BYTES);
	if (!made.pool || address != ADDRESS)
		return -EFAULT;
	memset(buffer, 0, length);
	for (unsigned i = made.touched; i-- > made.in_use;) {
		memcpy((uint8_t *)buffer + POOL_HEADER + 64 * i, &free_block, 8);
		free_block = ADDRESS + POOL_HEADER + 64 * i;
	}
	memcpy(buffer, words, 4);
	memcpy((uint8_t *)buffer + 8, &free_block, 8);
	words[0] = 64 / 16 - 1;
	words[1] = POOL_HEADER + 64 * made.touched;
	words[2] = POOL_BYTES - 64;
	memcpy((uint8_t *)buffer + 36, words, 12);
	return 0;
}

struct py_types *py_types_new(pid_t pid, const struct py_runtime *runtime)
{
	(void)pid;
	(void)runtime;
	return types;
}

void py_types_free(struct py_types *of)
{
	(void)of;
}

void py_types_begin(struct py_types *of)
{
	(void)of;
}

const struct py_type *py_block_type(struct py_types *of, uint64_t address, uint64_t size,
				    const uint8_t *head, size_t length)
{
	static struct py_type type;
	const char *name = made.types[address - ADDRESS];

	(void)of;
	(void)size;
	(void)head;
	(void)length;
	if (!name)
		return NULL;
	strcpy(type.name, name);
	return &type;
}

static void make(uint64_t time_ns, const char *type)
{
	made.blocks[made.n] =
		(struct abi_block){.size = 64, .time_ns = time_ns, .site = 7, .domain = ABI_OBJECT};
	made.is_out[made.n] = false;
	made.types[made.n++] = type;
}

static struct survivors_taken take_window(uint64_t began_ns)
{
	const struct session_view view = {.blocks_fd = BLOCKS_FD};
	struct survivors_taken taken;

	if (!made.is_looked_at)
		survivors_look(survivors, &view, OBJECTS, began_ns, began_ns + END - BEGIN);
	assert_int_equal(survivors_take(survivors, &view, OBJECTS, began_ns, began_ns + END - BEGIN,
					&taken, NULL),
			 0);
	return taken;
}

static struct survivors_taken take(void)
{
	return take_window(BEGIN);
}

struct sum {
	uint32_t n, gone, age;
	double weight;
};

static void see(void *context, const struct survivor *survivor)
{
	struct sum *sum = context;

	assert_int_equal(survivor->site, 7);
	sum->n++;
	sum->gone += survivor->gone;
	sum->weight += survivor->weight;
	sum->age += survivor->age;
}

static struct sum all(void)
{
	struct sum sum = {0};

	survivors_each(survivors, see, &sum);
	return sum;
}

static int setup(void **state)
{
	static const struct process process = {.pid = 1};
	static const struct py_runtime runtime = {.layout = {.arena_size = 64 * POOL_BYTES}};

	(void)state;
	memset(&made, 0, sizeof(made));
	survivors = survivors_new(&process, &runtime, NULL);
	return survivors ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	survivors_free(survivors);
	return 0;
}

/* ---- a window ------------------------------------------------------------------------------- */

static void survivors_are_of_the_first_half(void **state)
{
	struct survivors_taken taken;

	(void)state;
	make(BEGIN - 1, "old"); /* from before, or of the window before */
	make(BEGIN, "a");
	make(BEGIN + 499, "b");
	make(BEGIN + 500, "c");
	make(END, "d");
	make(END + 1, "e"); /* a hit was still on its way */
	taken = take();
	assert_int_equal(taken.alive, 4);
	assert_int_equal(taken.kept, 2);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(taken.quarter[i], 1);
	assert_int_equal(made.deleted, 6); /* the map is empty for the next one */
	assert_int_equal(all().n, 2);
}

static void other_domains_stay(void **state)
{
	(void)state;
	make(BEGIN, "a");
	made.blocks[0].domain = ABI_MALLOC;
	assert_int_equal(take().alive, 0);
	assert_int_equal(made.deleted, 0);
}

/* ---- later ---------------------------------------------------------------------------------- */

static void a_survivor_that_holds_something_else_is_gone(void **state)
{
	(void)state;
	make(BEGIN, "stays");
	make(BEGIN, "another");
	make(BEGIN, "freed");
	make(BEGIN, NULL);
	make(BEGIN, NULL);
	take();
	survivors_check(survivors, 100);
	assert_int_equal(all().gone, 0);
	made.types[1] = "something else";
	made.types[2] = NULL;
	made.types[4] = "an object now"; /* what was a buffer, or not made yet */
	survivors_check(survivors, 100);
	assert_int_equal(all().gone, 3);
	/* for ever: what is there again is another one */
	made.types[1] = "another";
	survivors_check(survivors, 100);
	assert_int_equal(all().gone, 3);
	made.unreadable = true;
	survivors_check(survivors, 100);
	assert_int_equal(all().gone, 5);
}

/* Later windows see what is freed, and what is given out again; what stays gets older. */
static void later_windows_follow_survivors(void **state)
{
	(void)state;
	make(BEGIN, "stays");
	make(BEGIN, "is freed");
	make(BEGIN, "is freed, and its place taken");
	take();
	assert_int_equal(all().age, 0);
	made.is_out[1] = true;
	made.blocks[2].time_ns = END + 1;
	take_window(END);
	/* of the place that was taken again there are two, one of them new */
	assert_int_equal(all().n, 4);
	assert_int_equal(all().gone, 2);
	assert_int_equal(all().age, 1);
	take_window(2 * END);
	assert_int_equal(all().gone, 2);
	assert_int_equal(all().age, 2 + 1);
	/* nothing stays in the map of what is not followed any longer */
	survivors_unfollow(survivors, OBJECTS);
	assert_true(made.is_out[0] && made.is_out[1] && made.is_out[2]);
	take_window(3 * END);
	assert_int_equal(all().gone, 2);
	/* what it has proven it has */
	assert_int_equal(all().age, 2 + 1);
}

/* The least recently looked at come first, so that all have their turn. */
/* A buffer is gone when its block is free: at once, or later; a block that no pool has says
 * nothing. */
static void a_buffer_in_a_free_block_is_gone(void **state)
{
	(void)state;
	made.pool = true;
	made.in_use = 2;
	made.touched = 4;
	/* one at each of the first 400 addresses: the header's, of blocks 0 to 3, and of some that
	 * were never used */
	for (unsigned i = 0; i < 400; i++)
		make(BEGIN + 1, i % 64 ? NULL : "str");
	take();
	assert_int_equal(all().n, 400);
	/* 48 + 2 * 64 = 176 on are free, of which 192, 256, 320 and 384 are strings, which show it
	 * by themselves */
	assert_int_equal(all().gone, 400 - 176 - 4);
	survivors_check(survivors, 1000);
	assert_int_equal(all().gone, 400 - 176 - 4);
	made.in_use = 1;
	survivors_check(survivors, 1000);
	assert_int_equal(all().gone, 400 - 112 - 5);
	/* none is in use */
	made.in_use = 0;
	survivors_check(survivors, 1000);
	assert_int_equal(all().gone, 400 - 7);
	survivors_forget(survivors);
	made.n = 0;
	made.pool = false;
	make(BEGIN + 1, NULL);
	take();
	survivors_check(survivors, 1000);
	assert_int_equal(all().gone, 0);
}

/* What a block held while its window recorded is what it was made for; it is gone when it holds
 * something else at the end. */
static void what_a_block_held_in_its_window_counts(void **state)
{
	const struct session_view view = {.blocks_fd = BLOCKS_FD};
	struct sum sum;

	(void)state;
	make(BEGIN, "stays");
	make(BEGIN, "dies");
	make(BEGIN, "dies and is a buffer then");
	make(BEGIN, NULL);
	make(BEGIN, "made again");
	make(BEGIN + 540, "born too late");
	made.is_looked_at = true;
	survivors_look(survivors, &view, OBJECTS, BEGIN, END - 100);
	assert_int_equal(made.deleted, 0);
	made.types[1] = "another";
	made.types[2] = NULL;
	made.types[4] = "another";
	made.blocks[4].time_ns = BEGIN + 400; /* in the same place */
	made.blocks[5].time_ns = BEGIN + 450;
	take();
	sum = all();
	assert_int_equal(sum.n, 6);
	/* of what was not looked at, or was made again since, nobody knows what it was made for */
	assert_int_equal(sum.gone, 4);
	/* it was for that window alone */
	survivors_forget(survivors);
	made.n = 0;
	make(BEGIN, "another");
	take();
	assert_int_equal(all().gone, 1);
}

/* A look that took too long is not made again at once, and for less time later. */
static void a_look_that_took_long_is_not_made_again_soon(void **state)
{
	const struct session_view view = {.blocks_fd = BLOCKS_FD};
	uint64_t ns;

	(void)state;
	made.is_looked_at = true;
	/* not before it is known how many blocks there are */
	assert_true(survivors_look_ns(survivors, UINT64_MAX - 1) == UINT64_MAX);
	take();
	assert_int_equal(survivors_look_ns(survivors, 0), 0);
	survivors_look(survivors, &view, OBJECTS, BEGIN, END);
	ns = survivors_look_ns(survivors, UINT64_MAX - 1);
	assert_true(ns > 0);
	assert_true(survivors_look_ns(survivors, ns - 1) == UINT64_MAX);
	assert_int_equal(survivors_look_ns(survivors, ns), ns / 2);
	/* nor where there are many, of whichever part */
	made.n_others = SURVIVORS_LOOK_MAX + 1;
	take();
	assert_true(survivors_look_ns(survivors, UINT64_MAX - 1) == UINT64_MAX);
	made.n_others--;
	take();
	assert_true(survivors_look_ns(survivors, UINT64_MAX - 1) != UINT64_MAX);
}

static void survivors_are_checked_in_turns(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		make(BEGIN, "a");
	take();
	for (unsigned i = 0; i < 300; i++)
		made.types[i] = "b";
	survivors_check(survivors, 100);
	assert_int_equal(all().gone, 100);
	survivors_check(survivors, 100);
	survivors_check(survivors, 100);
	assert_int_equal(all().gone, 300);
}

static void halving_doubles_the_weight_of_the_rest(void **state)
{
	struct sum sum;

	(void)state;
	for (unsigned i = 0; i < 4000; i++)
		make(BEGIN, "a");
	take();
	assert_int_equal(survivors_halve(survivors, 4001), 4000);
	assert_true(all().weight == 4000);
	assert_true(survivors_halve(survivors, 4000) == all().n);
	/* 2,000 and five standard deviations (of 32) */
	sum = all();
	assert_true(sum.n > 1840 && sum.n < 2160);
	assert_true(sum.weight == 2.0 * sum.n);
}

/* Windows that leave more than there is room for: the kept ones stand for all. */
static void survivors_without_room_are_stood_for(void **state)
{
	const unsigned windows = 3 * SURVIVORS_MAX / MANY;
	struct sum sum;

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		make(BEGIN, "a");
	for (unsigned i = 0; i < windows; i++)
		take();
	sum = all();
	assert_true(sum.n <= SURVIVORS_MAX && sum.n > SURVIVORS_MAX / 4);
	assert_true(sum.weight > 0.97 * windows * MANY && sum.weight < 1.03 * windows * MANY);
}

/* A window that leaves more than are kept of one: some of them, by chance, for all. */
static void of_one_window_some_stand_for_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= MANY; i++)
		make(BEGIN, "a");
	assert_int_equal(take().kept, MANY + 1);
	assert_int_equal(all().n, MANY);
	assert_true(all().weight > MANY + 0.9 && all().weight < MANY + 1.1);
}

static void nothing_stays_of_what_is_forgotten(void **state)
{
	(void)state;
	make(BEGIN, "a");
	take();
	survivors_forget(survivors);
	assert_int_equal(all().n, 0);
	assert_true(made.is_out[0]);
	take();
	assert_int_equal(all().n, 0);
	made.n = 0;
	make(BEGIN, "a");
	take();
	assert_int_equal(all().n, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(survivors_are_of_the_first_half),
		TEST(other_domains_stay),
		TEST(a_survivor_that_holds_something_else_is_gone),
		TEST(later_windows_follow_survivors),
		TEST(a_buffer_in_a_free_block_is_gone),
		TEST(what_a_block_held_in_its_window_counts),
		TEST(a_look_that_took_long_is_not_made_again_soon),
		TEST(survivors_are_checked_in_turns),
		TEST(halving_doubles_the_weight_of_the_rest),
		TEST(survivors_without_room_are_stood_for),
		TEST(of_one_window_some_stand_for_all),
		TEST(nothing_stays_of_what_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
