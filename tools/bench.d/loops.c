/* SPDX-License-Identifier: BSD-2-Clause
 *
 * loops: what the benchmark's target does in C. Built by tools/bench, loaded with ctypes, which
 * lets go of the GIL while it is in here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* CPU time of the calling thread, in ns. (Python 3.6 has no thread_time_ns().) */
uint64_t bench_cpu_ns(void);
uint64_t bench_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* n pairs of malloc and free, sizes 64 to 4096 in turn; -> CPU time in ns */
uint64_t bench_malloc(uint64_t n);
uint64_t bench_malloc(uint64_t n)
{
	uint64_t begin = bench_cpu_ns();

	for (uint64_t i = 0; i < n; i++) {
		/* the compiler must not see that a pair does nothing */
		void *volatile block = malloc((size_t)64 << (i % 7));

		free(block);
	}
	return bench_cpu_ns() - begin;
}

/* n system calls that do next to nothing; -> CPU time in ns */
uint64_t bench_getppid(uint64_t n);
uint64_t bench_getppid(uint64_t n)
{
	uint64_t begin = bench_cpu_ns();

	for (uint64_t i = 0; i < n; i++)
		syscall(SYS_getppid);
	return bench_cpu_ns() - begin;
}

/* Allocate n blocks of 32 bytes into keep[]. */
void bench_hold(void **keep, uint64_t n);
void bench_hold(void **keep, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		keep[i] = malloc(32);
}

/* The same number of empty calls: what a probe on one of these instructions costs alone. */
#ifdef __x86_64__
#define FIRST_NOP5     ".byte 0x0f,0x1f,0x44,0x00,0x00\n"
#define FIRST_EMULATED "push %rbx\npop %rbx\n"
#define FIRST_STEPPED  "xor %eax,%eax\n"
#else
#define FIRST_NOP5     "nop\n"
#define FIRST_EMULATED "nop\n"
#define FIRST_STEPPED  "mov x0, #0\n"
#endif

#define PROBED(name, first)                                                                  \
	void bench_##name(void);                                                             \
	__asm__(".pushsection .text\n.p2align 4\n.globl bench_" #name "\n.type bench_" #name \
		", @function\nbench_" #name ":\n" first "ret\n.size bench_" #name            \
		", . - bench_" #name "\n.popsection\n");                                     \
	uint64_t bench_calls_##name(uint64_t n);                                             \
	uint64_t bench_calls_##name(uint64_t n)                                              \
	{                                                                                    \
		uint64_t begin = bench_cpu_ns();                                             \
                                                                                             \
		for (uint64_t i = 0; i < n; i++)                                             \
			bench_##name();                                                      \
		return bench_cpu_ns() - begin;                                               \
	}

PROBED(nop5, FIRST_NOP5)
PROBED(emulated, FIRST_EMULATED)
PROBED(stepped, FIRST_STEPPED)
/* the entry probe on this one is joined by a return probe */
PROBED(returning, FIRST_EMULATED)

/* Two functions that do nothing: a tracer with probes on both says so when they are called
 * (tools/bench). */
PROBED(first_mark, FIRST_EMULATED)
PROBED(last_mark, FIRST_EMULATED)
