/* SPDX-License-Identifier: BSD-2-Clause
 *
 * native: C code with stacks of every kind, for the live tests. Built at test time with -O2 and
 * without frame pointers, loaded with ctypes. Every function ends in take(), which makes a block
 * and frees it, or keeps it.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define NOINLINE __attribute__((noinline, noclone))

int take(int size);
int recurse(int depth, int size);
int tail_call(int depth, int size);
int realigned(int depth, int size);
int big_frame(int depth, int size);
int variable_frame(int depth, int size);
int in_signal(int depth, int size);
int on_other_stack(int depth, int size);
int in_thread(int depth, int size);
void *keep(int size);
typedef int compare(int a, int b);
int sort_like(int n, compare *function);
void leak_by_design(int size);

static volatile int sink;

NOINLINE int take(int size)
{
	char *block = malloc((size_t)size);

	memset(block, 1, 1);
	free(block);
	/* what comes behind the call keeps it from being a jump */
	return ++sink;
}

NOINLINE int recurse(int depth, int size)
{
	int result = depth ? recurse(depth - 1, size + 1) : take(size);

	/* the compiler must not make a loop of it */
	__asm__ volatile("" : "+r"(result) : : "memory");
	return result;
}

static NOINLINE int tail_3(int size, int a)
{
	sink += a;
	return take(size);
}

static NOINLINE int tail_2(int a, int b, int size)
{
	sink += b;
	return tail_3(size, a);
}

/* Its own calls are jumps, and so are those behind it. */
NOINLINE int tail_call(int depth, int size)
{
	if (depth > 0) {
		int result = tail_call(depth - 1, size);

		__asm__ volatile("" : "+r"(result) : : "memory");
		return result;
	}
	return tail_2(depth, sink, size);
}

/* A frame that is aligned by hand: its CFA is loaded from the stack. */
NOINLINE int realigned(int depth, int size)
{
	volatile char place[64] __attribute__((aligned(64)));

	place[depth % 64] = 1;
	if (depth > 0)
		return realigned(depth - 1, size) + place[depth % 64];
	return take(size) + place[0];
}

NOINLINE int big_frame(int depth, int size)
{
	volatile char place[20000];

	place[depth] = 1;
	if (depth > 0)
		return big_frame(depth - 1, size) + place[depth];
	return take(size) + place[0];
}

NOINLINE int variable_frame(int depth, int size)
{
	volatile char *place = alloca((size_t)(16 + depth * 24));

	place[0] = 1;
	if (depth > 0)
		return variable_frame(depth - 1, size) + place[0];
	return take(size) + place[0];
}

static volatile int signal_depth, signal_size;

/* malloc() in a signal handler is no good manners; here nothing else is under way. */
static void handler(int number)
{
	(void)number;
	sink += recurse(signal_depth, signal_size);
}

static NOINLINE int raise_it(int depth)
{
	int result = depth ? raise_it(depth - 1) : raise(SIGUSR1);

	__asm__ volatile("" : "+r"(result) : : "memory");
	return result;
}

NOINLINE int in_signal(int depth, int size)
{
	static char stack[65536];
	/* with odd depths on a stack of its own */
	const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)},
		      none = {.ss_flags = SS_DISABLE};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK}, old;
	int result;

	signal_depth = depth;
	signal_size = size;
	sigaltstack(depth % 2 ? &other : &none, NULL);
	sigaction(SIGUSR1, &action, &old);
	result = raise_it(depth);
	sigaction(SIGUSR1, &old, NULL);
	sigaltstack(&none, NULL);
	return result;
}

static ucontext_t outer, inner;

static void other_main(int depth, int size)
{
	sink += recurse(depth, size);
}

/* A coroutine: the C stack is another one. */
NOINLINE int on_other_stack(int depth, int size)
{
	static char stack[262144];

	getcontext(&inner);
	inner.uc_stack.ss_sp = stack;
	inner.uc_stack.ss_size = sizeof(stack);
	inner.uc_link = &outer;
	makecontext(&inner, (void (*)(void))other_main, 2, depth, size);
	swapcontext(&outer, &inner);
	return sink;
}

static void *thread_main(void *arg)
{
	int wanted = (int)(intptr_t)arg;

	sink += recurse(wanted >> 16, wanted & 0xffff);
	return NULL;
}

NOINLINE int in_thread(int depth, int size)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_main, (void *)(intptr_t)(depth << 16 | size)))
		return -1;
	pthread_join(thread, NULL);
	return sink;
}

/* As qsort() does it: C code in the middle of which a function of Python decides. */
NOINLINE int sort_like(int n, compare *function)
{
	int sum = 0;

	for (int i = 1; i < n; i++)
		sum += function(i - 1, i) + take(300 + i);
	return sum;
}

NOINLINE void *keep(int size)
{
	void *block = malloc((size_t)size);

	sink++;
	return block;
}

NOINLINE void leak_by_design(int size)
{
	void *block = keep(size);

	/* the compiler must not see that nobody has it */
	__asm__ volatile("" : : "r"(block) : "memory");
}
