/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Breakpoints that somebody has left in a process: they are found, the kernel takes them out, and
 * what another one needs stays. We leave them ourselves, by writing into a child's copy of our
 * text, as a debugger does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/leftovers.h"
#include "probe/uprobe_event.h"
#include "target/maps.h"
#include "target/module.h"

#ifdef __x86_64__

#define PLACES 3

/* Our own text, on pages that nothing else is on; the child calls the first function when it is
 * told to. */
__asm__(".pushsection .text\n"
	".p2align 12\nleft_first: push %rbx\npop %rbx\nmov $7,%eax\nret\n"
	".p2align 12\nleft_second: push %rbx\npop %rbx\nret\n.byte 0x0f,0x1f,0x44,0x00,0x00\n"
	".p2align 12\nleft_third: push %rbx\npop %rbx\nret\n"
	".p2align 12\nleft_end: ret\n"
	".popsection\n");
int left_first(void);
void left_second(void);
void left_third(void);

static const unsigned char trap = 0xcc;

struct target {
	pid_t pid;
	int to, from;
	int memory;
};

static void on_trap(int number)
{
	(void)number;
}

static _Noreturn void be_target(int in, int out)
{
	pid_t child = 0;
	char order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(in, &order, 1) == 1) {
		char answer = 0;

		if (order == 'c')
			answer = (char)left_first();
		if (order == 'f')
			child = fork();
		if (order == 'f' && child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		if (order == 'e') {
			kill(child, SIGKILL);
			waitpid(child, NULL, 0);
		}
		if (order == 's')
			signal(SIGTRAP, on_trap);
		if (write(out, &answer, 1) != 1)
			break;
	}
	_exit(0);
}

static void target_start(struct target *target)
{
	int to[2], from[2];
	char path[32];

	if (geteuid() != 0) {
		print_message("skip: probing needs root\n");
		skip();
	}
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	target->pid = fork();
	if (target->pid == 0) {
		close(to[1]);
		close(from[0]);
		be_target(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	target->to = to[1];
	target->from = from[0];
	snprintf(path, sizeof(path), "/proc/%d/mem", target->pid);
	target->memory = open(path, O_RDWR | O_CLOEXEC);
	assert_true(target->memory >= 0);
}

static int target_do(const struct target *target, char order)
{
	char answer;

	assert_int_equal(write(target->to, &order, 1), 1);
	assert_int_equal(read(target->from, &answer, 1), 1);
	return answer;
}

static void target_end(struct target *target)
{
	close(target->to);
	assert_int_equal(waitpid(target->pid, NULL, 0), target->pid);
	close(target->from);
	close(target->memory);
}

static void put(const struct target *target, const void *at, unsigned char byte)
{
	assert_int_equal(pwrite(target->memory, &byte, 1, (off_t)(uintptr_t)at), 1);
}

static unsigned char get(const struct target *target, const void *at)
{
	unsigned char byte;

	assert_int_equal(pread(target->memory, &byte, 1, (off_t)(uintptr_t)at), 1);
	return byte;
}

/* The n places, in the order of their addresses, and no other. */
static void expect_found(const struct target *target, const void *const *places, unsigned n)
{
	struct leftovers leftovers;

	assert_int_equal(leftovers_find(&leftovers, target->pid, NULL), 0);
	assert_int_equal(leftovers.n, n);
	for (unsigned i = 0; i < n; i++) {
		unsigned char original;
		int file = open(leftovers.places[i].file, O_RDONLY | O_CLOEXEC);

		assert_int_equal(leftovers.places[i].address, (uintptr_t)places[i]);
		assert_int_equal(pread(file, &original, 1, (off_t)leftovers.places[i].offset), 1);
		assert_int_equal(original, *(const unsigned char *)places[i]);
		close(file);
	}
	leftovers_free(&leftovers);
}

static int remove_all(const struct target *target, struct err *err)
{
	struct leftovers leftovers;
	int result = leftovers_find(&leftovers, target->pid, err);

	if (!result)
		result = leftovers_remove(&leftovers, target->pid, err);
	leftovers_free(&leftovers);
	return result;
}

static void found_and_removed(void **state)
{
	const void *const places[PLACES] = {left_first, (const char *)left_first + 1, left_third};
	struct target target;

	(void)state;
	target_start(&target);
	expect_found(&target, NULL, 0);
	for (unsigned i = 0; i < PLACES; i++)
		put(&target, places[i], trap);
	expect_found(&target, places, PLACES);
	assert_int_equal(remove_all(&target, NULL), 0);
	expect_found(&target, NULL, 0);
	for (unsigned i = 0; i < PLACES; i++)
		assert_int_equal(get(&target, places[i]), *(const unsigned char *)places[i]);
	assert_int_equal(target_do(&target, 'c'), 7);
	target_end(&target);
}

/* Of pages that differ in something else nobody knows what they are; nor may the kernel optimize a
 * long nop. */
static void other_changes_are_left_alone(void **state)
{
	const void *const third = left_third;
	const char *second = (const char *)left_second;
	struct target target;

	(void)state;
	target_start(&target);
	put(&target, left_first, trap);
	put(&target, (const char *)left_first + 2, 0x90);
	put(&target, second + 3, trap);
	put(&target, third, trap);
	assert_int_equal(((const unsigned char *)second)[3], 0x0f);
	expect_found(&target, &third, 1);
	assert_int_equal(remove_all(&target, NULL), 0);
	assert_int_equal(get(&target, left_first), trap);
	assert_int_equal(get(&target, (const char *)left_first + 2), 0x90);
	assert_int_equal(get(&target, second + 3), trap);
	target_end(&target);
}

static void a_live_uprobe_stays(void **state)
{
	const void *const places[] = {left_first, left_third};
	struct target target;
	struct module self;
	struct maps maps;
	uint64_t offset;
	int event;

	(void)state;
	target_start(&target);
	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	assert_int_equal(module_load(&self, &maps, maps_find(&maps, (uintptr_t)left_first), NULL),
			 0);
	maps_fini(&maps);
	assert_true(module_offset(&self, (uintptr_t)left_first, &offset));
	event = uprobe_event_open(self.host_path, offset, false, target.pid);
	assert_true(event >= 0);
	put(&target, left_third, trap);
	expect_found(&target, places, 2);
	assert_int_equal(remove_all(&target, NULL), 0);
	expect_found(&target, places, 1);
	assert_int_equal(target_do(&target, 'c'), 7);
	close(event);
	expect_found(&target, NULL, 0);
	module_unload(&self);
	target_end(&target);
}

static void a_debugger_is_not_disturbed(void **state)
{
	struct target target;
	struct err err = ERR_INIT;
	char tracer[32];

	(void)state;
	target_start(&target);
	put(&target, left_third, trap);
	assert_int_equal(ptrace(PTRACE_SEIZE, target.pid, 0, 0), 0);
	assert_int_equal(remove_all(&target, &err), -ERR_FAILED);
	snprintf(tracer, sizeof(tracer), "traced by pid %d", getpid());
	assert_non_null(strstr(err.text, tracer));
	assert_int_equal(get(&target, left_third), trap);
	/* it stops for that, and then we are gone */
	assert_int_equal(ptrace(PTRACE_INTERRUPT, target.pid, 0, 0), 0);
	assert_int_equal(waitpid(target.pid, NULL, 0), target.pid);
	assert_int_equal(ptrace(PTRACE_DETACH, target.pid, 0, 0), 0);
	assert_int_equal(remove_all(&target, NULL), 0);
	assert_int_not_equal(get(&target, left_third), trap);
	target_end(&target);
}

/* A forked child has the same text, and breakpoints are taken out of it too. */
static void nor_is_a_debugger_of_a_child(void **state)
{
	struct target target;
	struct err err = ERR_INIT;
	char path[64], tracer[64];
	FILE *children;
	pid_t child = 0;

	(void)state;
	target_start(&target);
	put(&target, left_third, trap);
	target_do(&target, 'f');
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", target.pid, target.pid);
	children = fopen(path, "re");
	assert_non_null(children);
	assert_int_equal(fscanf(children, "%d", &child), 1);
	fclose(children);
	assert_int_equal(ptrace(PTRACE_SEIZE, child, 0, 0), 0);
	assert_int_equal(remove_all(&target, &err), -ERR_FAILED);
	snprintf(tracer, sizeof(tracer), "pid %d is traced by pid %d", child, getpid());
	assert_non_null(strstr(err.text, tracer));
	assert_int_equal(get(&target, left_third), trap);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, child, 0, 0), 0);
	assert_int_equal(waitpid(child, NULL, __WALL), child);
	assert_int_equal(ptrace(PTRACE_DETACH, child, 0, 0), 0);
	assert_int_equal(remove_all(&target, NULL), 0);
	assert_int_not_equal(get(&target, left_third), trap);
	target_do(&target, 'e');
	target_end(&target);
}

static void nor_is_who_handles_traps(void **state)
{
	struct target target;
	struct err err = ERR_INIT;

	(void)state;
	target_start(&target);
	target_do(&target, 's');
	put(&target, left_third, trap);
	assert_int_equal(remove_all(&target, &err), -ERR_FAILED);
	assert_non_null(strstr(err.text, "SIGTRAP"));
	assert_int_equal(get(&target, left_third), trap);
	target_end(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_and_removed),
		cmocka_unit_test(other_changes_are_left_alone),
		cmocka_unit_test(a_live_uprobe_stays),
		cmocka_unit_test(a_debugger_is_not_disturbed),
		cmocka_unit_test(nor_is_a_debugger_of_a_child),
		cmocka_unit_test(nor_is_who_handles_traps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	printf("skip: writes breakpoints of x86-64\n");
	return 0;
}

#endif
