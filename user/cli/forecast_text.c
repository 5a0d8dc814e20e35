/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/forecast_text.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fmt.h"
#include "cli/options.h"
#include "containers/container_cost.h"
#include "govern/budget.h"
#include "govern/forecast.h"
#include "probe/cost.h"
#include "probe/session.h"
#include "probe/session_syscalls.h"
#include "probe/watch_cost.h"

#define LOOK_NS 1000000000 /* the target's use of the CPU is looked at for so long */
#define BLOCKS  1024
#define STACKS  64
#define SLOWER  0.5 /* share lost of what bytes in bulk take, from which on that is said */

static const double rates[] = {1e3, 1e4, 1e5, 1e6, 1e7};

/* What one hit on a probe of the plan takes, the trap alone. */
static double trap_ns(const struct probe_costs *costs, const struct plan_probe *probe)
{
	return costs->entry_ns[probe->place.cost <= COST_STEPPED ? probe->place.cost
								 : COST_STEPPED] +
	       (probe->returns ? costs->return_ns : 0);
}

/* The probe of this kind; where several files have one, that of the file whose malloc the
 * interpreter calls. */
static const struct plan_probe *probe_of(const struct plan *plan, unsigned domain,
					 enum abi_call_kind kind)
{
	const struct plan_probe *first = NULL;

	for (unsigned i = 0; i < plan->n_probes; i++) {
		const struct plan_probe *probe = &plan->probes[i];

		if (probe->domain != domain || probe->kind != kind)
			continue;
		if (strcmp(probe->module->path, plan->malloc_path) == 0)
			return probe;
		if (!first)
			first = probe;
	}
	return first;
}

/* The traps of an allocation and its free; 0: not in the plan. */
static double pair_ns(const struct plan *plan, const struct probe_costs *costs, unsigned domain,
		      enum abi_call_kind allocates, enum abi_call_kind frees)
{
	const struct plan_probe *allocate = probe_of(plan, domain, allocates);
	const struct plan_probe *release = probe_of(plan, domain, frees);

	return allocate && release ? trap_ns(costs, allocate) + trap_ns(costs, release) : 0;
}

/* How many cores the target uses, over LOOK_NS; negative: not known. */
static double cores(const struct process *process)
{
	const struct timespec look = {LOOK_NS / 1000000000, LOOK_NS % 1000000000};
	struct process_stats before, after;
	uint64_t began = clock_now_ns();

	if (process_stats(process, &before))
		return -1;
	nanosleep(&look, NULL);
	if (process_stats(process, &after))
		return -1;
	return (after.cpu_s - before.cpu_s) / ((double)(clock_now_ns() - began) / 1e9);
}

static void put_rate(FILE *out, double ns, double rate, double used, bool last)
{
	const struct forecast forecast =
		forecast_part(ns, rate, BUDGET_CEILING, OPTIONS_WINDOW_NS, used);
	char text[128];

	if (!ns)
		snprintf(text, sizeof(text), "not traced");
	else if (forecast.mode == PART_ALL)
		snprintf(text, sizeof(text), "every call, %s", fmt_percent(forecast.demand).text);
	else if (forecast.every_ns < 1.1 * forecast.window_ns)
		snprintf(text, sizeof(text), "windows of %s, one after the other",
			 fmt_duration(forecast.window_ns / 1e9).text);
	else
		snprintf(text, sizeof(text), "windows of %s, one every %s",
			 fmt_duration(forecast.window_ns / 1e9).text,
			 fmt_duration(forecast.every_ns / 1e9).text);
	fprintf(out, last ? "  %s\n" : "  %-38s", text);
}

static void put_table(FILE *out, double malloc_ns, double object_ns, double used)
{
	fprintf(out,
		"  nothing is traced while no growth needs a stack (-X trace=growth); then, below "
		"a ceiling of\n  %s of its own work, or %s of a core where that is more, by "
		"allocation/free pairs per second\n  of its CPU time (as all times below):\n"
		"  %14s  %-38s  %s\n",
		fmt_percent(BUDGET_CEILING).text, fmt_percent(budget_floor(BUDGET_CEILING)).text,
		"pairs/s", "malloc", "objects");
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		fprintf(out, "  %14s", fmt_count((uint64_t)rates[i]).text);
		put_rate(out, malloc_ns, rates[i], used, false);
		put_rate(out, object_ns, rates[i], used, true);
	}
	fputs("  heap scans and watchpoints also show what grows in the heap, and who puts it "
	      "there\n",
	      out);
}

/* What the target pays while there are watchpoints, in addition to their hits. */
static void put_watchpoints(FILE *out)
{
	struct watch_costs costs;
	struct err err = ERR_INIT;

	if (watch_cost_measure(&costs, WATCH_COST_POINTS_MAX, &err)) {
		fprintf(out, "  watchpoints: none: %s\n", err.text);
		return;
	}
	fprintf(out,
		"  watchpoints, for 3 s at a time at most, measured here: a thread switch takes "
		"%s more",
		fmt_duration(costs.switch_ns / 1e9).text);
	if (costs.string_loss > SLOWER)
		fprintf(out, "; memory is moved and filled in bulk %.0f times as slowly",
			1 / fmax(1 - costs.string_loss, 0.001));
	if (costs.split_ns > 0)
		fprintf(out,
			"; a store across two cache lines takes %s more, of a Python service up to "
			"%s",
			fmt_duration(costs.split_ns / 1e9).text,
			fmt_percent(costs.split_ns * CONTAINER_COST_SPLITS).text);
	fputc('\n', out);
}

void forecast_text(FILE *out, const struct process *process, const struct py_runtime *runtime,
		   const struct plan *plan, const struct features *features)
{
	const struct session_options options = {.max_blocks = BLOCKS,
						.max_stacks = STACKS,
						.max_size = UINT64_MAX,
						.multi = features->uprobe_multi,
						.by_parts = true};
	double malloc_ns, object_ns, syscall_ns, used;
	struct probe_costs costs;
	struct session *session;
	struct err err = ERR_INIT;

	if (session_open(&session, process, runtime, plan, &options, &err)) {
		fprintf(out, "  cost: not predicted: %s\n", err.text);
		return;
	}
	if (cost_calibrate(&costs, session, -1, &err)) {
		fprintf(out, "  cost: not predicted: %s\n", err.text);
		session_close(session);
		return;
	}
	syscall_ns = session_measure_syscall(session);
	session_close(session);
	used = cores(process);
	malloc_ns = pair_ns(plan, &costs, ABI_MALLOC, ABI_CALL_MALLOC, ABI_CALL_FREE);
	object_ns = pair_ns(plan, &costs, ABI_OBJECT, ABI_CALL_PY_MALLOC, ABI_CALL_PY_FREE);
	fprintf(out,
		"  cost, measured here: a trap takes %s on an emulated instruction, %s on another; "
		"a "
		"return probe %s more\n",
		fmt_duration(costs.entry_ns[COST_EMULATED] / 1e9).text,
		fmt_duration(costs.entry_ns[COST_STEPPED] / 1e9).text,
		fmt_duration(costs.return_ns / 1e9).text);
	if (used >= 0)
		fprintf(out, "  it uses %s of a core now; ", fmt_percent(used).text);
	else
		fputs("  ", out);
	fprintf(out,
		"a pair of malloc and free is at least %s, one of an object %s, with the stack "
		"more\n",
		fmt_duration(malloc_ns / 1e9).text,
		object_ns ? fmt_duration(object_ns / 1e9).text : "not traced");
	put_table(out, malloc_ns, object_ns, used > 0 ? used : 0);
	if (syscall_ns > 0)
		fprintf(out,
			"  while mappings are traced (in windows, or all the time where that is "
			"cheap) each system "
			"call of every process takes %s more\n",
			fmt_duration(syscall_ns / 1e9).text);
	put_watchpoints(out);
}
