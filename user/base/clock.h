/* SPDX-License-Identifier: BSD-2-Clause
 *
 * clock: the time that intervals are measured with, and CPU time.
 *
 * Place      layer 0.
 * Units      ns, or seconds, of CLOCK_MONOTONIC: the clock of bpf_ktime_get_ns(), so that both can
 *            be compared.
 */
#ifndef PYLEAKTRACE_BASE_CLOCK_H
#define PYLEAKTRACE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CPU time of the calling thread. */
static inline uint64_t clock_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline double clock_cpu_s(void)
{
	return (double)clock_cpu_ns() / 1e9;
}

static inline double clock_now_s(void)
{
	return (double)clock_now_ns() / 1e9;
}

#endif
