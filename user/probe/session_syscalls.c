/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/session_syscalls.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "abi/facts.h"
#include "base/clock.h"
#include "probe/session_impl.h"
#include "pyleaktrace.skel.h"

/* system calls that are timed, this many at a time; the median counts */
#define TIMED_SYSCALLS 300
#define TIMES          7

/* their figures get better by that many measurements, and older ones count less and less then */
#define MEASUREMENTS 16

static int by_size(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return (difference > 0) - (difference < 0);
}

/* What a system call that does nothing takes now; this one is not traced. */
static double time_syscall(void)
{
	double ns[TIMES];

	for (unsigned i = 0; i < TIMES; i++) {
		double begin = clock_cpu_ns();

		for (unsigned j = 0; j < TIMED_SYSCALLS; j++)
			syscall(SYS_getppid);
		ns[i] = (clock_cpu_ns() - begin) / TIMED_SYSCALLS;
	}
	qsort(ns, TIMES, sizeof(ns[0]), by_size);
	return ns[TIMES / 2];
}

static void learn(struct measured *measured, double ns)
{
	if (measured->n < MEASUREMENTS)
		measured->n++;
	measured->ns += (ns - measured->ns) / measured->n;
}

static double known(const struct measured *measured)
{
	return measured->ns > 0 ? measured->ns : 0;
}

static int attach(struct session *session, struct links *links, struct err *err)
{
	struct pyleaktrace_bpf *skel = session->skel;
	struct bpf_program *const entries[] = {skel->progs.on_enter_mmap,
					       skel->progs.on_enter_munmap,
					       skel->progs.on_enter_mremap};
	static const struct {
		const char *event;
		enum abi_call_kind kind;
	} exits[] = {
		{"sys_exit_mmap", ABI_CALL_MMAP},
		{"sys_exit_munmap", ABI_CALL_MUNMAP},
		{"sys_exit_mremap", ABI_CALL_MREMAP},
	};
	int result = 0;

	for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]) && !result; i++)
		result = links_attach_syscall(links, skel->progs.on_exit_mapping, exits[i].event,
					      exits[i].kind, err);
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]) && !result; i++)
		result = links_attach_tracepoint(links, entries[i], err);
	return result;
}

int session_syscalls_attach(struct session *session, struct links *links, struct err *err)
{
	double before;
	int result;

	if (!(session->plan->domains & 1u << ABI_MMAP))
		return 0;
	before = time_syscall();
	result = attach(session, links, err);
	if (!result)
		learn(&session->syscall, time_syscall() - before);
	return result;
}

double session_syscall_ns(const struct session *session)
{
	return known(&session->syscall);
}

double session_measure_syscall(struct session *session)
{
	struct links links = {.multi = session->multi};

	session_syscalls_attach(session, &links, NULL);
	links_close(&links);
	return session_syscall_ns(session);
}

double session_count_ns(const struct session *session)
{
	return known(&session->count);
}

bool session_count_syscalls(struct session *session, bool on)
{
	double before = 0;
	bool timed = session->count.n < MEASUREMENTS;

	if (session->counting && !on) {
		bpf_link__destroy(session->counting);
		session->counting = NULL;
	}
	if (on && !session->counting && session->plan->domains & 1u << ABI_MMAP) {
		/* probes are hit by now: no longer than need be */
		if (timed)
			before = time_syscall();
		session->counting = bpf_program__attach(session->skel->progs.on_syscall);
		if (session->counting && timed)
			learn(&session->count, time_syscall() - before);
	}
	return session->counting != NULL;
}
