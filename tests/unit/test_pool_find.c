/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pools that serve a size, in memory of this process that looks like an arena.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "abi/pool.h"
#include "containers/pool_find.h"

#define POOLS     64
#define POOL_SIZE 16384u
#define SIZE      272u /* a size that this process has no pools of */

static uint8_t *arena;
static struct abi_pool_header entry; /* as one of usedpools */
static struct target target;

static struct abi_pool_header *pool(unsigned i)
{
	return (struct abi_pool_header *)(arena + (size_t)i * POOL_SIZE);
}

static uint64_t address(const struct abi_pool_header *header)
{
	return (uint64_t)(uintptr_t)header;
}

static int setup(void **state)
{
	(void)state;
	if (!arena) {
		uint8_t *all = mmap(NULL, (size_t)(POOLS + 1) * POOL_SIZE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		arena = all + (POOL_SIZE - (uintptr_t)all % POOL_SIZE) % POOL_SIZE;
	}
	target.process.pid = getpid();
	target.runtime.layout.arena_size = 64 * POOL_SIZE;
	memset(arena, 0, (size_t)POOLS * POOL_SIZE);
	for (unsigned i = 0; i < POOLS; i++)
		*pool(i) = (struct abi_pool_header){
			.n_used = (POOL_SIZE - ABI_POOL_HEADER) / SIZE,
			.next_pool = address(pool(i)),
			.previous_pool = address(pool(i)),
			.size = {.arena = 3,
				 .class = SIZE / 16 - 1,
				 .next = POOL_SIZE,
				 .last = POOL_SIZE - SIZE},
		};
	return 0;
}

/* These have free blocks, and serve in this order. */
static void link_ring(const unsigned *order, unsigned n)
{
	struct abi_pool_header *last = &entry;

	for (unsigned i = 0; i < n; i++) {
		struct abi_pool_header *next = pool(order[i]);

		next->n_used--;
		next->free = address(next) + ABI_POOL_HEADER;
		last->next_pool = address(next);
		next->previous_pool = address(last);
		last = next;
	}
	last->next_pool = address(&entry);
	entry.previous_pool = address(last);
}

static void the_ring_leads_to_those_that_serve(void **state)
{
	static const unsigned order[] = {40, 3, 17, 5, 62, 9};
	struct pool_place places[CONTAINER_WATCH_MAX];
	unsigned n;
	uint64_t kind;

	(void)state;
	link_ring(order, 6);
	assert_int_equal(pool_find(places, &n, &target, SIZE, NULL), 0);
	assert_int_equal(n, CONTAINER_WATCH_MAX);
	for (unsigned i = 0; i < n; i++) {
		assert_true(places[i].address == address(pool(order[i])));
		memcpy(&kind, (uint8_t *)pool(order[i]) + POOL_KIND, sizeof(kind));
		assert_true(places[i].kind == kind);
	}
}

static void fewer_are_as_many_as_there_are(void **state)
{
	static const unsigned order[] = {7, 6}, others[] = {11};
	struct pool_place places[CONTAINER_WATCH_MAX];
	unsigned n;

	link_ring(order, 2);
	assert_int_equal(pool_find(places, &n, &target, SIZE, NULL), 0);
	assert_int_equal(n, 2);
	/* one is full by now, and another one serves */
	setup(state);
	link_ring(others, 1);
	pool_find_again(places, n, &target, SIZE);
	assert_true(places[0].address == address(pool(11)));
	assert_true(places[1].address == address(pool(7)));
}

static void full_pools_serve_nothing(void **state)
{
	struct pool_place places[CONTAINER_WATCH_MAX];
	unsigned n = 9;

	(void)state;
	assert_int_equal(pool_find(places, &n, &target, SIZE, NULL), -ERR_TARGET);
	assert_int_equal(n, 0);
}

/* A ring that leads round and round, or anywhere. */
static void odd_rings_end(void **state)
{
	static const unsigned order[] = {1, 2, 3};
	struct pool_place places[CONTAINER_WATCH_MAX];
	unsigned n;

	(void)state;
	link_ring(order, 3);
	pool(3)->next_pool = address(pool(1));
	assert_int_equal(pool_find(places, &n, &target, SIZE, NULL), -ERR_TARGET);
	pool(3)->next_pool = 8;
	assert_int_equal(pool_find(places, &n, &target, SIZE, NULL), -ERR_TARGET);
	pool(3)->next_pool = address(&entry);
	pool(2)->next_pool = address(pool(1));
	assert_int_equal(pool_find(places, &n, &target, SIZE, NULL), 0);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_ring_leads_to_those_that_serve, setup),
		cmocka_unit_test_setup(fewer_are_as_many_as_there_are, setup),
		cmocka_unit_test_setup(full_pools_serve_nothing, setup),
		cmocka_unit_test_setup(odd_rings_end, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
