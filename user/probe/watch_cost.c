/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/watch_cost.h"

#include <math.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/clock.h"
#include "probe/watchpoint.h"

#define HITS     500
#define SWITCHES 500
#define FILLS    20
#define SPLITS   20000
#define TRIES    5 /* of which the best counts: the others were disturbed */
#define PAGE     4096
#define LINE     64
/* less is no more than noise */
#define LEAST_SPLIT_NS 0.5

/* ---- in a child ----------------------------------------------------------------------------- */

/* What a child measures; in memory that it shares with us. */
struct measurement {
	struct watch_costs costs;
	struct err err;
	int result;
};

static _Noreturn void
be_child(struct measurement *measurement, pid_t tool,
	 int (*measure)(struct watch_costs *costs, int argument, struct err *err), int argument)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0); /* a SIGTRAP is an answer, not a crash to be reported */
	if (getppid() == tool)
		measurement->result = measure(&measurement->costs, argument, &measurement->err);
	_exit(0);
}

/*
 * Measure in a child. On x86 the kernel takes a debug exception for which the processor names no
 * reason for a breakpoint of the program's own, and ends the program by SIGTRAP. No processor does
 * that to a watchpoint; a hypervisor that loses DR6 does (watch_cost.h). A child that meets it
 * does no harm, and the target is not touched.
 */
static int measure_in_child(struct watch_costs *costs,
			    int (*measure)(struct watch_costs *costs, int argument,
					   struct err *err),
			    int argument, struct err *err)
{
	struct measurement *measurement = mmap(NULL, sizeof(*measurement), PROT_READ | PROT_WRITE,
					       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t tool = getpid(), child;
	int status = 0, result;

	if (measurement == MAP_FAILED)
		return err_set(err, ERR_FAILED, "no memory to measure watchpoints in");
	measurement->costs = *costs;
	child = fork();
	if (child == 0)
		be_child(measurement, tool, measure, argument);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP)
		result = err_set(
			err, ERR_KERNEL,
			"a watchpoint has ended a test process by SIGTRAP: this virtual "
			"machine loses the reason of debug exceptions (KVM before Linux 6.14 may), "
			"and would do so to the target");
	else if (child < 0 || status)
		result = err_set(err, ERR_FAILED,
				 "the process that measures watchpoints has failed");
	else if (measurement->result)
		result = err_set(err, measurement->err.code, "%s", measurement->err.text);
	else
		result = 0;
	if (!result)
		*costs = measurement->costs;
	munmap(measurement, sizeof(*measurement));
	return result;
}

/* ---- a hit ---------------------------------------------------------------------------------- */

static double write_often(volatile uint64_t *word)
{
	double start;

	for (unsigned i = 0; i < HITS / 10; i++)
		*word = i;
	start = clock_cpu_ns();
	for (unsigned i = 0; i < HITS; i++)
		*word = i;
	return (clock_cpu_ns() - start) / HITS;
}

static int measure_trap(struct watch_costs *costs, int program_fd, struct err *err)
{
	static volatile uint64_t word __attribute__((aligned(8)));
	double bare = write_often(&word);
	int fd = watchpoint_here((uintptr_t)&word, program_fd, err);

	if (fd < 0)
		return fd;
	costs->trap_ns = fmax(write_often(&word) - bare, 0);
	close(fd);
	return 0;
}

int watch_cost_trap(struct watch_costs *costs, int program_fd, struct err *err)
{
	return measure_in_child(costs, measure_trap, program_fd, err);
}

static int try_hits(struct watch_costs *costs, int program_fd, struct err *err)
{
	static volatile uint64_t word __attribute__((aligned(8)));

	return watchpoint_try(&word, WATCH_COST_WRITES, program_fd, &costs->hits, err);
}

int watch_cost_try(struct watch_costs *costs, int program_fd, struct err *err)
{
	return measure_in_child(costs, try_hits, program_fd, err);
}

/* ---- watchpoints that are not hit ----------------------------------------------------------- */

struct idle_points {
	int fds[WATCH_COST_POINTS_MAX];
	unsigned n;
};

static void unset(struct idle_points *points)
{
	while (points->n)
		close(points->fds[--points->n]);
}

/* On words that are never written. */
static int set(struct idle_points *points, unsigned n, struct err *err)
{
	static uint64_t words[WATCH_COST_POINTS_MAX] __attribute__((aligned(8)));

	points->n = 0;
	while (points->n < n && points->n < WATCH_COST_POINTS_MAX) {
		int fd = watchpoint_here((uintptr_t)&words[points->n], -1, err);

		if (fd < 0) {
			unset(points);
			return fd;
		}
		points->fds[points->n++] = fd;
	}
	return 0;
}

/* ---- bytes in bulk -------------------------------------------------------------------------- */

static void fill_often(char *page)
{
	for (unsigned i = 0; i < FILLS; i++)
		arch_fill(page, PAGE);
}

/* ---- split stores --------------------------------------------------------------------------- */

/* Each from the last bytes of one cache line into the first of the next. */
static void split_often(char *page)
{
	for (unsigned i = 0; i < SPLITS; i++) {
		uint64_t value = i;

		memcpy(page + (i * LINE) % (PAGE - LINE) + LINE - 4, &value, sizeof(value));
		__asm__ volatile("" ::: "memory");
	}
}

/* ---- both ----------------------------------------------------------------------------------- */

/* ns, at best */
static double time_of(void (*work)(char *page))
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	double best = INFINITY;

	for (unsigned try = 0; try < TRIES; try++) {
		double start = clock_cpu_ns();

		work(page);
		best = fmin(best, clock_cpu_ns() - start);
	}
	return best;
}

static int measure_memory(struct watch_costs *costs, unsigned n_points, struct err *err)
{
	double fills = time_of(fill_often), splits = time_of(split_often);
	struct idle_points points;
	int result = set(&points, n_points, err);

	if (result)
		return result;
	costs->string_loss = fmax(1 - fills / time_of(fill_often), 0);
	costs->split_ns = (time_of(split_often) - splits) / SPLITS;
	if (costs->split_ns < LEAST_SPLIT_NS)
		costs->split_ns = 0;
	unset(&points);
	return 0;
}

/* ---- a switch ------------------------------------------------------------------------------- */

/* Two threads on one CPU, of which always one waits for the other. */
struct turns {
	int to[2], back[2];
	cpu_set_t cpu;
	unsigned n_points;
	double peer_ns;
	int result; /* of the peer */
};

static void stay_here(const cpu_set_t *cpu)
{
	/* where that is not allowed the threads are on two: they still sleep and wake */
	pthread_setaffinity_np(pthread_self(), sizeof(*cpu), cpu);
}

static void *peer(void *context)
{
	struct turns *turns = context;
	struct idle_points points;
	double start;
	char byte;

	stay_here(&turns->cpu);
	turns->result = set(&points, turns->n_points, NULL);
	start = clock_cpu_ns();
	while (read(turns->to[0], &byte, 1) == 1)
		if (write(turns->back[1], &byte, 1) != 1)
			break;
	turns->peer_ns = clock_cpu_ns() - start;
	unset(&points);
	return NULL;
}

static bool take_turns(const struct turns *turns)
{
	char byte = 0;

	return write(turns->to[1], &byte, 1) == 1 && read(turns->back[0], &byte, 1) == 1;
}

/* ns of CPU time of both threads for each switch; negative: it cannot be measured */
static double switch_often(struct turns *turns, unsigned n_points)
{
	struct idle_points points = {.n = 0};
	pthread_t thread;
	double start, ns = 0;
	bool started, done;

	if (pipe(turns->to))
		return -1;
	if (pipe(turns->back)) {
		close(turns->to[0]);
		close(turns->to[1]);
		return -1;
	}
	turns->n_points = n_points;
	started = pthread_create(&thread, NULL, peer, turns) == 0;
	done = started;
	if (started) {
		done = !set(&points, n_points, NULL) && take_turns(turns);
		start = clock_cpu_ns();
		for (unsigned i = 0; i < SWITCHES && done; i++)
			done = take_turns(turns);
		ns = clock_cpu_ns() - start;
		unset(&points);
	}
	close(turns->to[1]);
	if (started)
		pthread_join(thread, NULL);
	close(turns->to[0]);
	close(turns->back[0]);
	close(turns->back[1]);
	return done && !turns->result ? (ns + turns->peer_ns) / SWITCHES / 2 : -1;
}

static void measure_switches(struct watch_costs *costs, unsigned n_points)
{
	struct turns turns;
	cpu_set_t before;
	int cpu = sched_getcpu();
	double bare, watched;

	CPU_ZERO(&turns.cpu);
	CPU_SET(cpu < 0 ? 0 : (unsigned)cpu % CPU_SETSIZE, &turns.cpu);
	if (pthread_getaffinity_np(pthread_self(), sizeof(before), &before))
		return;
	stay_here(&turns.cpu);
	bare = switch_often(&turns, 0);
	watched = switch_often(&turns, n_points);
	pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	if (bare >= 0 && watched >= 0)
		costs->switch_ns = fmax(watched - bare, 0);
}

static int measure_idle(struct watch_costs *costs, int n_points, struct err *err)
{
	int result = measure_memory(costs, (unsigned)n_points, err);

	if (!result)
		measure_switches(costs, (unsigned)n_points);
	return result;
}

int watch_cost_measure(struct watch_costs *costs, unsigned n_points, struct err *err)
{
	memset(costs, 0, sizeof(*costs));
	return measure_in_child(costs, measure_idle, (int)n_points, err);
}
