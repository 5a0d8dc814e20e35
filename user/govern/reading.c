/* SPDX-License-Identifier: BSD-2-Clause */
#include "govern/reading.h"

#include <string.h>

#include "base/clock.h"
#include "probe/session_maps.h"

void reading_take(struct reading *reading, const struct session *session,
		  const struct process *process)
{
	if (session)
		session_counters(session, reading->counts);
	else
		memset(reading->counts, 0, sizeof(reading->counts));
	reading->ns = clock_now_ns();
	reading->cpu_ns = process_cpu_ns(process);
	reading->others_ns = 0;
}

double reading_cpu(const struct reading *before, const struct reading *now)
{
	return now->cpu_ns > before->cpu_ns ? now->cpu_ns - before->cpu_ns : 0;
}

double reading_cost(const struct probe_costs *costs, const struct reading *before,
		    const struct reading *now)
{
	return cost_between(costs, before->counts, now->counts).ns;
}

static double between(const struct reading *before, const struct reading *now, unsigned counter)
{
	return (double)(now->counts[counter] - before->counts[counter]);
}

double reading_traps(const struct probe_costs *costs, const struct reading *before,
		     const struct reading *now)
{
	double ns = costs->return_ns * between(before, now, ABI_COUNT_HITS_RETURN);

	for (unsigned i = 0; i <= COST_STEPPED; i++)
		ns += costs->entry_ns[i] * between(before, now, ABI_COUNT_HITS_EMULATED + i);
	return ns;
}

double reading_entries(const struct reading *before, const struct reading *now)
{
	double sum = 0;

	for (unsigned i = 0; i <= COST_STEPPED; i++)
		sum += between(before, now, ABI_COUNT_HITS_EMULATED + i);
	return sum;
}

double reading_syscalls(const struct reading *before, const struct reading *now)
{
	return between(before, now, ABI_COUNT_SYSCALLS);
}

double reading_other_syscalls(const struct reading *before, const struct reading *now)
{
	return between(before, now, ABI_COUNT_OTHER_SYSCALLS);
}
