/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Links, and the sweeping of forked children, on a real kernel: what is probed is in the target's
 * memory and nobody else's, and after the end it is nowhere. A place is probed where a process's
 * memory differs from ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/facts.h"
#include "abi/records.h"
#include "probe/sweep.h"
#include "probe/uprobe_multi.h"
#include "pyleaktrace.skel.h"
#include "target/maps.h"
#include "target/module.h"

#define FORKS 20

/* Two pages of our own text to put probes on; nobody calls them. */
__asm__(".pushsection .text\n"
	".p2align 4\nprobed_first: nop\nnop\nret\n"
	".p2align 12\nprobed_second: nop\nnop\nret\n"
	".popsection\n");
void probed_first(void);
void probed_second(void);

static void (*const probed[])(void) = {probed_first, probed_second};
#define PLACES 2

/* ---- the target: forks on request, reports the child's PID ----------------------------
 */

struct target {
	pid_t pid;
	int to, from;
};

static _Noreturn void be_target(int in, int out)
{
	char order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(in, &order, 1) == 1) {
		pid_t child = fork();

		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		if (write(out, &child, sizeof(child)) != sizeof(child))
			break;
	}
	_exit(0);
}

static void target_start(struct target *target)
{
	int to[2], from[2];

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
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
}

static pid_t target_fork(const struct target *target)
{
	pid_t child;

	assert_int_equal(write(target->to, "f", 1), 1);
	assert_int_equal(read(target->from, &child, sizeof(child)), sizeof(child));
	return child;
}

/* Its children go with it. */
static void target_end(struct target *target)
{
	close(target->to);
	close(target->from);
	waitpid(target->pid, NULL, 0);
}

/* How many of the places are probed in this process? */
static unsigned n_probed(pid_t pid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PLACES; i++) {
		unsigned char theirs[1];
		struct iovec local = {theirs, sizeof(theirs)};
		struct iovec remote = {(void *)probed[i], sizeof(theirs)};

		assert_int_equal(process_vm_readv(pid, &local, 1, &remote, 1, 0), 1);
		n += memcmp(theirs, (const void *)probed[i], sizeof(theirs)) != 0;
	}
	return n;
}

/* The kernel takes a breakpoint out when the child hits it, and notifies nobody: look until all are
 * gone. */
static void wait_until_swept(pid_t pid)
{
	for (unsigned i = 0; n_probed(pid) > 0; i++) {
		assert_true(i < 60000);
		usleep(1000);
	}
}

/* ---- the links ------------------------------------------------------------------------------ */

struct fixture {
	struct target target;
	struct pyleaktrace_bpf *skel;
	struct module self;
	struct attach_place places[2 * PLACES]; /* entries, then returns */
	struct links links;
};

static void find_places(struct fixture *fixture)
{
	struct maps maps;

	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	assert_int_equal(
		module_load(&fixture->self, &maps, maps_find(&maps, (uintptr_t)probed[0]), NULL),
		0);
	maps_fini(&maps);
	for (unsigned i = 0; i < 2 * PLACES; i++) {
		struct attach_place *place = &fixture->places[i];

		place->program = fixture->skel->progs.on_nothing;
		place->path = fixture->self.host_path;
		place->returns = i >= PLACES;
		assert_true(module_offset(&fixture->self, (uintptr_t)probed[i % PLACES],
					  &place->offset));
	}
}

static void load(struct fixture *fixture, bool multi)
{
	struct bpf_program *program;

	fixture->links.multi = multi;
	fixture->skel = pyleaktrace_bpf__open();
	assert_non_null(fixture->skel);
	bpf_object__for_each_program(program, fixture->skel->obj)
		bpf_program__set_autoload(program, false);
	bpf_program__set_autoload(fixture->skel->progs.on_fork, true);
	bpf_program__set_autoload(fixture->skel->progs.on_nothing, true);
	if (multi)
		bpf_program__set_expected_attach_type(fixture->skel->progs.on_nothing,
						      UPROBE_MULTI_ATTACH_TYPE);
	((struct abi_facts *)&fixture->skel->rodata->facts)->tgid = (uint32_t)fixture->target.pid;
	assert_int_equal(pyleaktrace_bpf__load(fixture->skel), 0);
}

static void setup(struct fixture *fixture, bool multi)
{
	if (geteuid() != 0) {
		print_message("skip: probing needs root\n");
		skip();
	}
	if (multi && !uprobe_multi_works()) {
		print_message("skip: this kernel has no uprobe_multi (6.10)\n");
		skip();
	}
	libbpf_set_print(NULL); /* failures are expected */
	memset(fixture, 0, sizeof(*fixture));
	target_start(&fixture->target);
	load(fixture, multi);
	find_places(fixture);
}

static void teardown(struct fixture *fixture)
{
	target_end(&fixture->target);
	links_close(&fixture->links);
	pyleaktrace_bpf__destroy(fixture->skel);
	module_unload(&fixture->self);
}

static int attach(struct fixture *fixture, unsigned first, unsigned n, struct err *err)
{
	return links_attach(&fixture->links, &fixture->places[first], n, fixture->target.pid, err);
}

static void check_links(bool multi)
{
	struct fixture fixture;

	setup(&fixture, multi);
	assert_int_equal(attach(&fixture, 0, 2 * PLACES, NULL), 0);
	assert_int_equal(fixture.links.n_events, multi ? 0 : 2 * PLACES);
	assert_int_equal(fixture.links.n_multi, multi ? 2 : 0);
	assert_int_equal(n_probed(fixture.target.pid), PLACES);
	links_close(&fixture.links);
	assert_int_equal(n_probed(fixture.target.pid), 0);
	links_close(&fixture.links);
	/* again, little by little */
	assert_int_equal(attach(&fixture, 0, 1, NULL), 0);
	assert_int_equal(n_probed(fixture.target.pid), 1);
	assert_int_equal(attach(&fixture, 1, 1, NULL), 0);
	assert_int_equal(n_probed(fixture.target.pid), 2);
	teardown(&fixture);
}

static void links_of_many_places_come_and_go(void **state)
{
	(void)state;
	check_links(true);
}

static void links_of_one_place_come_and_go(void **state)
{
	(void)state;
	check_links(false);
}

static void check_failure(bool multi)
{
	struct err err = ERR_INIT;
	struct fixture fixture;

	setup(&fixture, multi);
	fixture.places[1].path = "/no/such/file";
	assert_true(attach(&fixture, 0, 2, &err) < 0);
	assert_non_null(strstr(err.text, "/no/such/file"));
	links_close(&fixture.links);
	assert_int_equal(n_probed(fixture.target.pid), 0);
	teardown(&fixture);
}

static void a_place_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	check_failure(true);
	check_failure(false);
}

static void too_many_links_are_refused(void **state)
{
	struct err err = ERR_INIT;
	struct fixture fixture;

	(void)state;
	setup(&fixture, true);
	for (unsigned i = 0; i < LINKS_MAX_MULTI; i++)
		assert_int_equal(attach(&fixture, 0, 1, &err), 0);
	assert_true(attach(&fixture, 0, 1, &err) < 0);
	assert_non_null(strstr(err.text, "links"));
	links_close(&fixture.links);
	assert_int_equal(attach(&fixture, 0, 1, &err), 0);
	teardown(&fixture);
}

/* ---- sweeping ------------------------------------------------------------------------------- */

static struct sweeper *sweep(struct fixture *fixture)
{
	static struct lock lock = LOCK_INITIALIZER(LOCK_RANK_SWEEPING);
	static const struct links none;
	const struct sweep facts = {
		.pid = fixture->target.pid,
		.links = {&fixture->links, &none},
		.lock = &lock,
		.program_fd = bpf_program__fd(fixture->skel->progs.on_nothing),
		.ring_fd = bpf_map__fd(fixture->skel->maps.forks),
	};
	struct sweeper *sweeper;

	assert_int_equal(sweeper_start(&sweeper, &facts, NULL), 0);
	assert_int_equal(
		links_attach_tracepoint(&fixture->links, fixture->skel->progs.on_fork, NULL), 0);
	return sweeper;
}

static void children_are_swept(void **state)
{
	struct fixture fixture;
	struct sweeper *sweeper;
	pid_t child;

	(void)state;
	setup(&fixture, true);
	assert_int_equal(attach(&fixture, 0, 2 * PLACES, NULL), 0);
	child = target_fork(&fixture.target);
	assert_int_equal(n_probed(child), PLACES); /* nobody sweeps yet */
	sweeper = sweep(&fixture);
	wait_until_swept(target_fork(&fixture.target));
	assert_int_equal(n_probed(child), 0);
	assert_int_equal(n_probed(fixture.target.pid), PLACES);
	sweeper_stop(sweeper);
	/* the end of the links sweeps too */
	child = target_fork(&fixture.target);
	assert_int_equal(n_probed(child), PLACES);
	links_close(&fixture.links);
	assert_int_equal(n_probed(child), 0);
	teardown(&fixture);
}

static void many_forks_are_swept(void **state)
{
	struct fixture fixture;
	struct sweeper *sweeper;
	pid_t children[FORKS], child;

	(void)state;
	setup(&fixture, true);
	sweeper = sweep(&fixture);
	/* places that are added later are swept too */
	assert_int_equal(attach(&fixture, 0, 1, NULL), 0);
	wait_until_swept(target_fork(&fixture.target));
	assert_int_equal(attach(&fixture, 1, 1, NULL), 0);
	for (unsigned i = 0; i < FORKS; i++)
		children[i] = target_fork(&fixture.target);
	for (unsigned i = 0; i < FORKS; i++)
		wait_until_swept(children[i]);
	assert_int_equal(n_probed(fixture.target.pid), PLACES);
	/* the target ends while it may be sweeping */
	child = target_fork(&fixture.target);
	kill(fixture.target.pid, SIGKILL);
	/* it may not have asked yet to end with its parent */
	kill(child, SIGKILL);
	sweeper_stop(sweeper);
	teardown(&fixture);
}

static void stopping_nothing_is_fine(void **state)
{
	(void)state;
	sweeper_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_of_many_places_come_and_go),
		cmocka_unit_test(links_of_one_place_come_and_go),
		cmocka_unit_test(a_place_that_is_not_there_is_an_error),
		cmocka_unit_test(too_many_links_are_refused),
		cmocka_unit_test(children_are_swept),
		cmocka_unit_test(many_forks_are_swept),
		cmocka_unit_test(stopping_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
