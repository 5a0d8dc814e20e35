/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Steering: words in a running process are changed and put back. The target is a child whose
 * threads read the words all the while and know which values they may have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/steer.h"
#include "target/remote_mem.h"

#define WORDS   4
#define READERS 3

/* the target's table, at one address in both processes; only the child's copy is written to */
static _Atomic uint64_t table[WORDS];

static const struct {
	uint64_t plain, alias;
} values[WORDS] = {
	{0x00007f12345600f0, 0x00007f12345600f4}, /* one byte differs, the last */
	{0x00007f1234567800, 0x00007f12345677ff}, /* two */
	{0x0000000000510000, 0x00007ffff7123456}, /* six */
	{0x00007f1234567800, 0x00007f1334567800}, /* one, in the middle */
};

struct shared {
	atomic_uint ready;
	atomic_ulong reads;
	atomic_uint halves; /* values seen that are neither */
};

static struct shared *shared;

static void *read_words(void *argument)
{
	(void)argument;
	atomic_fetch_add(&shared->ready, 1);
	for (;;) {
		for (unsigned i = 0; i < WORDS; i++) {
			uint64_t now = atomic_load_explicit(&table[i], memory_order_relaxed);

			if (now != values[i].plain && now != values[i].alias && now != 7)
				atomic_fetch_add(&shared->halves, 1);
		}
		atomic_fetch_add(&shared->reads, 1);
	}
	return NULL;
}

static pid_t start(void)
{
	pthread_t thread;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	for (unsigned i = 0; i < WORDS; i++)
		table[i] = values[i].plain;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned i = 0; i < READERS; i++)
			if (pthread_create(&thread, NULL, read_words, NULL))
				_exit(1);
		for (;;)
			pause();
	}
	while (atomic_load(&shared->ready) < READERS)
		sched_yield();
	return pid;
}

static void stop(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static uint64_t address_of(unsigned i)
{
	return (uint64_t)(uintptr_t)&table[i];
}

static void plan_words(struct plan_word *words)
{
	memset(words, 0, WORDS * sizeof(*words));
	for (unsigned i = 0; i < WORDS; i++) {
		snprintf(words[i].name, sizeof(words[i].name), "word %u", i);
		words[i].address = address_of(i);
		words[i].plain = values[i].plain;
		words[i].alias = values[i].alias;
	}
}

static uint64_t held(pid_t pid, unsigned i)
{
	uint64_t now;

	assert_int_equal(remote_read_u64(pid, address_of(i), &now), 0);
	return now;
}

static void check_all(pid_t pid, bool steered)
{
	for (unsigned i = 0; i < WORDS; i++)
		assert_true(held(pid, i) == (steered ? values[i].alias : values[i].plain));
}

/* From here, in the target; on the other side nothing else has changed. */
static void poke(pid_t pid, unsigned i, uint64_t value)
{
	struct plan_word word = {.address = address_of(i), .plain = held(pid, i), .alias = value};

	assert_int_equal(steer_apply(pid, &word, 1, NULL), 0);
}

static void wait_for_reads(void)
{
	unsigned long before = atomic_load(&shared->reads);

	while (atomic_load(&shared->reads) < before + 10)
		sched_yield();
}

static void words_are_steered_and_restored_while_they_are_used(void **state)
{
	struct plan_word words[WORDS];
	struct err err = ERR_INIT;
	pid_t pid = start();

	(void)state;
	plan_words(words);
	for (unsigned round = 0; round < 200; round++) {
		if (steer_apply(pid, words, WORDS, &err))
			fail_msg("%s", err.text);
		check_all(pid, true);
		if (steer_restore(pid, words, WORDS, &err))
			fail_msg("%s", err.text);
		check_all(pid, false);
	}
	/* they ran on, and never saw half a word */
	wait_for_reads();
	assert_int_equal(atomic_load(&shared->halves), 0);
	/* our own copy of the table is not the target */
	for (unsigned i = 0; i < WORDS; i++)
		assert_true(table[i] == values[i].plain);
	stop(pid);
}

static void nothing_to_do_is_no_error(void **state)
{
	struct plan_word words[WORDS];
	pid_t pid = start();

	(void)state;
	plan_words(words);
	assert_int_equal(steer_apply(pid, words, 0, NULL), 0);
	assert_int_equal(steer_restore(pid, words, 0, NULL), 0);
	assert_int_equal(steer_restore(pid, words, WORDS, NULL), 0);
	check_all(pid, false);
	words[0].alias = words[0].plain;
	assert_int_equal(steer_apply(pid, words, 1, NULL), 0);
	check_all(pid, false);
	stop(pid);
}

/* One word is not what was planned for: all stay plain. */
static void an_unexpected_value_leaves_all_plain(void **state)
{
	struct plan_word words[WORDS];
	pid_t pid = start();

	(void)state;
	plan_words(words);
	for (unsigned bad = 0; bad < WORDS; bad++) {
		struct err err = ERR_INIT;

		poke(pid, bad, 7);
		assert_int_equal(steer_apply(pid, words, WORDS, &err), -ERR_FAILED);
		assert_non_null(strstr(err.text, "has changed"));
		for (unsigned i = 0; i < WORDS; i++)
			assert_true(held(pid, i) == (i == bad ? 7 : values[i].plain));
		poke(pid, bad, values[bad].plain);
	}
	stop(pid);
}

/*
 * The program changed a word meanwhile: it keeps what the program wrote, the others are put
 * back.
 */
static void restoring_leaves_what_the_program_wrote(void **state)
{
	struct plan_word words[WORDS];
	pid_t pid = start();

	(void)state;
	plan_words(words);
	assert_int_equal(steer_apply(pid, words, WORDS, NULL), 0);
	poke(pid, 2, 7);
	assert_int_equal(steer_restore(pid, words, WORDS, NULL), 0);
	for (unsigned i = 0; i < WORDS; i++)
		assert_true(held(pid, i) == (i == 2 ? 7 : values[i].plain));
	stop(pid);
}

/* A tool was killed and left its aliases: the next one takes them over. */
static void aliases_left_by_another_tool_are_taken_over(void **state)
{
	struct plan_word words[WORDS];
	pid_t pid = start();

	(void)state;
	plan_words(words);
	assert_int_equal(steer_apply(pid, words, 2, NULL), 0);
	assert_int_equal(steer_apply(pid, words, WORDS, NULL), 0);
	check_all(pid, true);
	assert_int_equal(steer_restore(pid, words, WORDS, NULL), 0);
	check_all(pid, false);
	stop(pid);
}

static void words_that_are_not_there_are_an_error(void **state)
{
	struct plan_word words[WORDS];
	struct err err = ERR_INIT;
	pid_t pid = start();

	(void)state;
	plan_words(words);
	words[2].address = 8;
	assert_int_equal(steer_apply(pid, words, WORDS, &err), -ERR_FAILED);
	assert_true(strlen(err.text) > 0);
	words[2].address = address_of(2);
	check_all(pid, false);
	stop(pid);
	/* nor is the process */
	assert_true(steer_apply(pid, words, WORDS, &err) < 0);
	assert_true(steer_restore(pid, words, WORDS, &err) < 0);
}

/* ---- aliases that somebody left ------------------------------------------------------------- */

#ifdef __x86_64__
/* clang-format off */
__asm__(".pushsection .text\n"
	"int3\n"
	".balign 16, 0xcc\n"
	".type steer_first, @function\n"
	"steer_first: endbr64\n"
	"push %rbx\npop %rbx\nret\n"
	".size steer_first, . - steer_first\n"
	".balign 16, 0xcc\n"
	".type steer_second, @function\n"
	"steer_second: push %rbx\npop %rbx\nret\n"
	".size steer_second, . - steer_second\n"
	".popsection\n");
/* clang-format on */

static void only_words_whose_function_has_an_alias_are_steered(void **state)
{
	struct py_runtime *runtime = calloc(1, sizeof(*runtime));
	struct plan_word words[PLAN_MAX_WORDS];
	struct maps maps;
	uint64_t first, second;

	(void)state;
	assert_non_null(runtime);
	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	assert_int_equal(
		module_load(&runtime->python, &maps, maps_find(&maps, address_of(0)), NULL), 0);
	maps_fini(&maps);
	first = module_symbol(&runtime->python, "steer_first");
	second = module_symbol(&runtime->python, "steer_second");
	assert_true(first && second);
	runtime->mem = (struct py_allocator){0x1000, 0, first, second, second, first};
	runtime->obj = (struct py_allocator){0x2000, 0, first, second, 0x1234, second};
	assert_int_equal(steer_find(runtime, words), 0);
	runtime->mem.malloc = first + 4;
	runtime->obj.free = first + 4;
	assert_int_equal(steer_find(runtime, words), 2);
	assert_string_equal(words[0].name, "mem.malloc");
	assert_int_equal(words[0].address, 0x1008);
	assert_int_equal(words[0].plain, first);
	assert_int_equal(words[0].alias, first + 4);
	assert_string_equal(words[1].name, "obj.free");
	assert_int_equal(words[1].address, 0x2020);
	assert_int_equal(words[1].plain, first);
	module_unload(&runtime->python);
	free(runtime);
}
#else
static void only_words_whose_function_has_an_alias_are_steered(void **state)
{
	(void)state;
	print_message("skip: no aliases are known on this machine\n");
	skip();
}
#endif

static int setup(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	return shared == MAP_FAILED;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_steered_and_restored_while_they_are_used),
		cmocka_unit_test(nothing_to_do_is_no_error),
		cmocka_unit_test(an_unexpected_value_leaves_all_plain),
		cmocka_unit_test(restoring_leaves_what_the_program_wrote),
		cmocka_unit_test(aliases_left_by_another_tool_are_taken_over),
		cmocka_unit_test(words_that_are_not_there_are_an_error),
		cmocka_unit_test(only_words_whose_function_has_an_alias_are_steered),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
