/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Watchpoints that come and go while their words are written harm nobody: no SIGTRAP, neither in
 * the process that is watched nor in one that watches itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/watch_cost.h"
#include "probe/watchpoint.h"

#define WORDS  4
#define ROUNDS 3000

/* in memory that the writer and we share */
struct shared {
	volatile uint64_t words[WORDS];
	volatile uint64_t turns, traps;
};

static struct shared *shared;

static void on_trap(int number)
{
	(void)number;
	shared->traps++;
}

static _Noreturn void write_for_ever(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTRAP, on_trap);
	for (uint64_t i = 0;; i++) {
		shared->words[i % WORDS] = i;
		shared->turns = i;
	}
}

static void setup(void)
{
	if (geteuid() != 0) {
		print_message("skip: watchpoints need root\n");
		skip();
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_true(shared != MAP_FAILED);
}

static void a_writer_gets_no_signal(void **state)
{
	struct watchpoint points[WORDS];
	uint64_t n_hits = 0, turns;
	pid_t writer;

	(void)state;
	setup();
	for (unsigned i = 0; i < WORDS; i++)
		points[i] = (struct watchpoint){.field = (uintptr_t)&shared->words[i]};
	writer = fork();
	if (writer == 0)
		write_for_ever();
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct watchpoints *watchpoints;
		uint64_t hits;

		assert_int_equal(watchpoints_open(&watchpoints, writer, points, WORDS, -1, NULL),
				 0);
		/* hit or not: each moment of a hit is to be met by the end of the watchpoint */
		for (volatile unsigned i = 0; i < round * 7 % 20000; i++)
			;
		for (unsigned i = 0; i < WORDS; i++)
			n_hits += watchpoints_count(watchpoints, i, &hits) ? hits : 0;
		if (round % 2)
			watchpoints_stop(watchpoints);
		watchpoints_close(watchpoints);
	}
	turns = shared->turns;
	while (shared->turns < turns + 1000)
		; /* it goes on */
	assert_int_equal(waitpid(writer, NULL, WNOHANG), 0);
	assert_int_equal(shared->traps, 0);
	assert_true(n_hits > ROUNDS);
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	munmap(shared, sizeof(*shared));
}

static void the_cost_is_measured(void **state)
{
	struct watch_costs costs = {.switch_ns = 7};

	(void)state;
	setup();
	assert_int_equal(watch_cost_trap(&costs, -1, NULL), 0);
	assert_true(costs.trap_ns > 100 && costs.trap_ns < 1e7);
	assert_true(costs.switch_ns > 6);
	assert_int_equal(watch_cost_measure(&costs, WATCH_COST_POINTS_MAX, NULL), 0);
	assert_true(costs.string_loss >= 0 && costs.string_loss <= 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_writer_gets_no_signal),
		cmocka_unit_test(the_cost_is_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
