/* SPDX-License-Identifier: BSD-2-Clause
 *
 * stepped: a signal comes at each instruction of a piece of code, and its handler allocates. By the
 * processor's trap flag this is exact: a stub of the procedure linkage table, a prologue, assembly
 * that moves the stack, the vdso and the trampoline of a callback are all interrupted at each of
 * their instructions, once.
 *
 * What is stepped through must not be in the middle of an allocator, nor of a lock.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define TRAP_FLAG 0x100
#define NOINLINE  __attribute__((noinline, noclone))

/* OpenSSL's SHA*_Update() and SHA*_Final() */
typedef int update(void *context, const void *data, size_t size);
typedef int final(unsigned char *digest, void *context);
typedef int compare(int a, int b);

int step_linkage(int size);
int step_prologues(int size);
int step_digest(int size, update *one, final *other, void *context);
int step_clock(int size);
int step_callback(int size, compare *function, int steps);

static volatile int seen, left, block_size, sink;

static void on_trap(int number, siginfo_t *info, void *context)
{
	void *volatile block = malloc((size_t)block_size);

	(void)number;
	(void)info;
	(void)block;
	seen++;
	if (--left == 0)
		((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(long long)TRAP_FLAG;
}

/* Functions of their own, with the words for the unwinder, because they move the stack. */
void step_begin(void);
void step_end(void);
__asm__(".macro FLAGS name, operation, value\n"
	"	.type \\name, @function\n"
	"\\name:\n"
	"	.cfi_startproc\n"
	"	pushfq\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	\\operation \\value, (%rsp)\n"
	"	popfq\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size \\name, . - \\name\n"
	".endm\n"
	"	.text\n"
	"	FLAGS step_begin, orq, $0x100\n"
	"	FLAGS step_end, andq, $~0x100\n");

static void prepare(int size, int steps)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &action, NULL);
	seen = 0;
	left = steps;
	block_size = size;
}

/* The first call of a lazily bound function goes through the dynamic linker, the second does
 * not. */
NOINLINE int step_linkage(int size)
{
	prepare(size, 1000000);
	step_begin();
	sink += getppid();
	sink += getppid();
	step_end();
	return seen;
}

static NOINLINE int aligned(int depth)
{
	volatile char place[64] __attribute__((aligned(64)));

	place[depth % 64] = 1;
	return depth ? aligned(depth - 1) + place[depth % 64] : sink;
}

static NOINLINE int variable(int depth)
{
	volatile char place[16 + depth * 24];

	place[0] = 1;
	return depth ? variable(depth - 1) + place[0] : aligned(3);
}

/* More than there are registers that a call leaves alone: all are saved. */
static NOINLINE int saving(int a, int b, int c, int d, int e, int f)
{
	int sum = variable(a) + variable(b);

	return sum + variable(c) * a + variable(d) * b + e * c + f * d + a * b * c * d;
}

NOINLINE int step_prologues(int size)
{
	prepare(size, 1000000);
	step_begin();
	sink += saving(3, 2, 1, 0, 5, 6);
	step_end();
	return seen;
}

NOINLINE int step_digest(int size, update *one, final *other, void *context)
{
	static unsigned char data[128], digest[64];

	prepare(size, 1000000);
	step_begin();
	sink += one(context, data, sizeof(data));
	sink += other(digest, context);
	step_end();
	return seen;
}

NOINLINE int step_clock(int size)
{
	struct timespec now;

	prepare(size, 1000000);
	step_begin();
	clock_gettime(CLOCK_MONOTONIC, &now);
	step_end();
	return seen;
}

/* The way into a callback, which ends long before Python runs. */
NOINLINE int step_callback(int size, compare *function, int steps)
{
	prepare(size, steps);
	step_begin();
	sink += function(1, 2);
	step_end();
	return seen;
}
