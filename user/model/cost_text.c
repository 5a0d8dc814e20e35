/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/cost_text.h"

#include <stdio.h>

#include "base/fmt.h"

/* of system calls that take longer: of a core; and each */
#define LEAST_SYSCALLS   0.0005
#define LEAST_SYSCALL_NS 5

static void hits(const struct cost *cost, char *text, size_t size)
{
	if (cost->ns_per_hit > 0)
		snprintf(text, size, "%s hits/s x %s = %s of a core",
			 fmt_per_second(cost->hits_per_s).text,
			 fmt_duration(cost->ns_per_hit / 1e9).text,
			 fmt_percent(cost->target_cpu_fraction).text);
	else
		snprintf(text, size, "%s hits/s", fmt_per_second(cost->hits_per_s).text);
}

/* How much longer the target's own work takes: what it used against what was left of that for
 * itself. */
static void slowdown(const struct cost *cost, char *text, size_t size)
{
	double own = cost->target_cpu_used - cost->target_cpu_fraction -
		     cost->syscall_ns * cost->syscalls_per_s / 1e9;

	if (cost->target_cpu_used <= 0 || cost->target_cpu_fraction <= 0)
		return;
	if (own > cost->target_cpu_used / 20)
		snprintf(text, size, "the target used %s: %.1f times its own work",
			 fmt_percent(cost->target_cpu_used).text, cost->target_cpu_used / own);
	else
		snprintf(text, size, "the target used %s: more than 20 times its own work",
			 fmt_percent(cost->target_cpu_used).text);
}

static void so_far(const struct cost *cost, char *text, size_t size)
{
	if (cost->ceiling > 0 && cost->own_share >= 0)
		snprintf(text, size, "%s to %s of its own work", fmt_percent(cost->own_share).text,
			 fmt_percent(cost->own_share_most).text);
}

/* A process that mostly sleeps may pay more than its share: else it could not be traced at all. */
static void ceiling(const struct cost *cost, char *text, size_t size)
{
	if (!(cost->ceiling > 0))
		return;
	if (cost->own_share >= 0 && cost->own_share_most > cost->ceiling && cost->floor > 0)
		snprintf(text, size, "ceiling %s, or %.2f %% of a core",
			 fmt_percent(cost->ceiling).text, 100 * cost->floor);
	else
		snprintf(text, size, "ceiling %s", fmt_percent(cost->ceiling).text);
}

/* What tracing mappings costs everybody. */
static void syscalls(const struct cost *cost, char *text, size_t size)
{
	double own = cost->syscall_ns * cost->syscalls_per_s / 1e9;
	double others = cost->syscall_ns * cost->other_syscalls_per_s / 1e9;
	struct fmt each = fmt_duration(cost->syscall_ns / 1e9);

	if (own >= LEAST_SYSCALLS || others >= LEAST_SYSCALLS)
		snprintf(text, size, "system calls %s slower: %s of a core, of other processes %s",
			 each.text, fmt_percent(own).text, fmt_percent(others).text);
	else if (!cost->syscalls_counted && cost->syscall_ns >= LEAST_SYSCALL_NS)
		snprintf(text, size, "system calls of every process %s slower", each.text);
}

void cost_text(const struct cost *cost, struct cost_text *text)
{
	*text = (struct cost_text){0};
	hits(cost, text->hits, sizeof(text->hits));
	slowdown(cost, text->slowdown, sizeof(text->slowdown));
	so_far(cost, text->so_far, sizeof(text->so_far));
	ceiling(cost, text->ceiling, sizeof(text->ceiling));
	syscalls(cost, text->syscalls, sizeof(text->syscalls));
	snprintf(text->tool, sizeof(text->tool), "tool %.1f s CPU, %s; maps %s", cost->tool_cpu_s,
		 fmt_bytes(cost->tool_rss_bytes).text, fmt_bytes(cost->maps_bytes).text);
}
