/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/cost.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/clock.h"
#include "base/lock.h"
#include "probe/attach.h"
#include "probe/session_impl.h"
#include "target/maps.h"
#include "target/module.h"

/* Functions to put probes on: one for each cost class, with the probed instruction first. */
__asm__(".pushsection .text\n"
	".p2align 4\ncost_probed_emulated: nop\nret\n"
	".p2align 4\ncost_probed_stepped: " ARCH_STEPPED "\nret\n"
	".popsection\n");
void cost_probed_emulated(void);
void cost_probed_stepped(void);

#define CLASSES (COST_STEPPED + 1)

static void (*const probed[CLASSES])(void) = {
	[COST_EMULATED] = cost_probed_emulated,
	[COST_STEPPED] = cost_probed_stepped,
};
static const unsigned rounds[CLASSES] = {[COST_EMULATED] = 10000, [COST_STEPPED] = 1000};

/* the child that is probed, and the pipes to it */
struct worker {
	pid_t pid;
	int to, from;
};

/* For each class asked for, call its function and answer with the ns it took. */
static _Noreturn void work(int in, int out)
{
	unsigned char class;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(in, &class, 1) == 1 && class < CLASSES) {
		uint64_t ns;

		/* warm up: caches, and what the kernel prepares at the first hits */
		for (unsigned i = 0; i < 20; i++)
			probed[class]();
		ns = clock_cpu_ns();
		for (unsigned i = 0; i < rounds[class]; i++)
			probed[class]();
		ns = clock_cpu_ns() - ns;
		if (write(out, &ns, sizeof(ns)) != sizeof(ns))
			break;
	}
	_exit(0);
}

static int worker_start(struct worker *worker, struct err *err)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC))
		return err_set(err, ERR_FAILED, "pipe: %s", strerror(errno));
	if (pipe2(from, O_CLOEXEC)) {
		close(to[0]);
		close(to[1]);
		return err_set(err, ERR_FAILED, "pipe: %s", strerror(errno));
	}
	worker->pid = fork();
	if (worker->pid == 0) {
		close(to[1]);
		close(from[0]);
		work(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	worker->to = to[1];
	worker->from = from[0];
	if (worker->pid < 0) {
		close(worker->to);
		close(worker->from);
		return err_set(err, ERR_FAILED, "fork: %s", strerror(errno));
	}
	return 0;
}

static void worker_end(struct worker *worker)
{
	close(worker->to);
	close(worker->from);
	waitpid(worker->pid, NULL, 0);
}

/* ns per call of this class's function now; negative: the child is gone */
static double measure(const struct worker *worker, enum insn_cost class)
{
	unsigned char request = (unsigned char)class;
	uint64_t ns;

	if (write(worker->to, &request, 1) != 1 ||
	    read(worker->from, &ns, sizeof(ns)) != sizeof(ns))
		return -1;
	return (double)ns / rounds[class];
}

/* Where the probed functions are in our own file. */
static int find_offsets(struct module *self, uint64_t *offsets, struct err *err)
{
	const struct map_range *range;
	struct maps maps;
	int result = maps_read(&maps, getpid(), err);

	if (result)
		return result;
	range = maps_find(&maps, (uintptr_t)probed[0]);
	result = range ? module_load(self, &maps, range, err)
		       : err_set(err, ERR_FAILED, "own text is not mapped");
	maps_fini(&maps);
	for (unsigned i = 0; i < CLASSES && !result; i++)
		if (!module_offset(self, (uintptr_t)probed[i], &offsets[i]))
			result = err_set(err, ERR_FAILED, "own text is not in the file");
	return result;
}

static int run(struct probe_costs *costs, const struct worker *worker,
	       const struct attach_place *places, struct links *links, struct err *err)
{
	double bare[CLASSES], with_return;
	int result;

	for (unsigned i = 0; i < CLASSES; i++)
		bare[i] = measure(worker, i);
	result = links_attach(links, places, CLASSES, worker->pid, err);
	if (result)
		return result;
	for (unsigned i = 0; i < CLASSES; i++) {
		double ns = measure(worker, i);

		if (ns < 0 || bare[i] < 0)
			return err_set(err, ERR_FAILED, "the calibrating child has ended");
		costs->entry_ns[i] = ns > bare[i] ? ns - bare[i] : 0;
	}
	result = links_attach(links, &places[CLASSES], 1, worker->pid, err);
	if (result)
		return result;
	with_return = measure(worker, COST_EMULATED);
	if (with_return < 0)
		return err_set(err, ERR_FAILED, "the calibrating child has ended");
	costs->return_ns = with_return - bare[COST_EMULATED] - costs->entry_ns[COST_EMULATED];
	if (costs->return_ns < 0)
		costs->return_ns = 0;
	return 0;
}

static int calibrate(struct probe_costs *costs, const struct session *session, struct err *err)
{
	uint64_t offsets[CLASSES];
	struct module self = {0};
	/* entries of all classes, then the return of one */
	struct attach_place places[CLASSES + 1];
	struct links links = {.multi = session_multi(session)};
	struct worker worker;
	int result;

	memset(costs, 0, sizeof(*costs));
	result = find_offsets(&self, offsets, err);
	if (!result)
		result = worker_start(&worker, err);
	for (unsigned i = 0; i <= CLASSES; i++)
		places[i] = (struct attach_place){
			.program = session_program(session, i == CLASSES),
			.path = self.host_path,
			.offset = offsets[i == CLASSES ? COST_EMULATED : i],
			/* a free of address 0: does nothing, should it ever be taken for the
			 * target */
			.cookie = ABI_COOKIE(ABI_CALL_FREE, ABI_MALLOC, 0, 0),
			.returns = i == CLASSES,
		};
	if (!result) {
		result = run(costs, &worker, places, &links, err);
		worker_end(&worker);
		links_close(&links);
	}
	module_unload(&self);
	return result;
}

static bool is_cancelled(int cancel_fd)
{
	struct pollfd cancel = {.fd = cancel_fd, .events = POLLIN};

	return cancel_fd >= 0 && poll(&cancel, 1, 0) == 1;
}

int cost_calibrate(struct probe_costs *costs, const struct session *session, int cancel_fd,
		   struct err *err)
{
	/*
	 * One after the other: at the same time they would take the CPU from each other, and each
	 * child would have the other's pipes open, of which it then never sees the end.
	 */
	static struct lock one = LOCK_INITIALIZER(LOCK_RANK_CALIBRATION);
	int result;

	lock_take(&one);
	result = is_cancelled(cancel_fd)
			 ? err_set(err, ERR_FAILED, "the trace ended before it was measured")
			 : calibrate(costs, session, err);
	lock_release(&one);
	return result;
}

static double per_hit(uint64_t ns, uint64_t n)
{
	return n ? (double)ns / (double)n : 0;
}

struct cost_sum cost_between(const struct probe_costs *costs, const uint64_t *before,
			     const uint64_t *now)
{
	/* the programs' own time: an average since the start, for the timed hits are few */
	double entry = per_hit(now[ABI_COUNT_TIMED_ENTRY_NS], now[ABI_COUNT_TIMED_ENTRY]);
	double ret = per_hit(now[ABI_COUNT_TIMED_RETURN_NS], now[ABI_COUNT_TIMED_RETURN]);
	struct cost_sum sum = {0};

	for (unsigned i = 0; i < CLASSES; i++) {
		unsigned counter = ABI_COUNT_HITS_EMULATED + i;
		double hits = (double)(now[counter] - (before ? before[counter] : 0));

		sum.hits += hits;
		sum.ns += hits * (costs->entry_ns[i] + entry);
	}
	{
		double hits = (double)(now[ABI_COUNT_HITS_RETURN] -
				       (before ? before[ABI_COUNT_HITS_RETURN] : 0));

		sum.hits += hits;
		sum.ns += hits * (costs->return_ns + ret);
	}
	return sum;
}
