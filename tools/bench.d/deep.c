/* SPDX-License-Identifier: BSD-2-Clause
 *
 * deep: malloc() and free() below a stack of a known number of C frames; for tools/bench-unwind.
 */
#include <stdlib.h>
#include <time.h>

double pairs_at_depth(int depth, int n);

static char *volatile block;

static __attribute__((noinline)) void pairs(int n)
{
	for (int i = 0; i < n; i++) {
		block = malloc(100);
		free(block);
	}
}

static __attribute__((noinline, noclone)) int descend(int depth, int n)
{
	int result = depth > 1 ? descend(depth - 1, n) : (pairs(n), 0);

	/* no jump, no loop: each level is a frame */
	__asm__ volatile("" : "+r"(result) : : "memory");
	return result;
}

/* CPU time of a pair in ns. */
double pairs_at_depth(int depth, int n)
{
	struct timespec from, to;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	descend(depth, n);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / n;
}
