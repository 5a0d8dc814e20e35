/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "model/cost_text.h"
#include "model/group.h"
#include "model/heap_types.h"
#include "view/frames_text.h"
#include "view/growing_text.h"
#include "view/parts_text.h"
#include "view/pen.h"
#include "view/trend_text.h"
#include "view/verdict_text.h"

#define TYPES_SHOWN  3
#define UNSURE_SHOWN 3   /* stacks, where none is sure */
#define NARROWEST    40  /* a terminal narrower than this is treated as this wide */
#define WORTH_A_RATE 0.5 /* bytes per second that are written as 1 B/s */
#define WORTH_AN_AGE 1.0 /* seconds */
/* since something was added: windows that show what stays are some seconds apart */
#define WORTH_A_REST 10.0

/* ---- stacks and groups of them -------------------------------------------------------------- */

/* "dict 81% str 19%": the largest shares of the sampled blocks' bytes */
static void put_types(const struct pen *pen, const struct stack *stack)
{
	double all = 0;

	for (size_t i = 0; i < stack->n_types; i++)
		all += (double)stack->types[i].bytes;
	if (!stack->types_sampled || !(all > 0))
		return;
	fputs("  ", pen->out);
	for (size_t i = 0; i < stack->n_types && i < TYPES_SHOWN; i++) {
		double share = 100 * (double)stack->types[i].bytes / all;

		if (i && share < 0.5)
			break;
		if (i)
			fputc(' ', pen->out);
		pen_put(pen, INK_PLAIN, stack->types[i].name ? stack->types[i].name : "?");
		fprintf(pen->out, " %.0f%%", share);
	}
}

/* "1332300 bytes in 25000 allocations", as scripts read it */
static void put_figures(const struct pen *pen, const struct stack *figures, const char *from)
{
	pen_ink(pen, INK_SIZE);
	fprintf(pen->out, "%" PRIu64 " bytes in %" PRIu64 " allocations%s",
		figures->outstanding_bytes, figures->outstanding_count, from);
	pen_ink(pen, INK_PLAIN);
}

/* How good an estimate is: by its bytes, which are what stacks are ordered by. */
static void put_error(const struct pen *pen, const struct stack *figures)
{
	double bytes = (double)figures->outstanding_bytes;

	fputs("  estimated", pen->out);
	if (figures->bytes_error > 0 && figures->bytes_error < bytes)
		fprintf(pen->out, " \u00b1%s", fmt_percent(figures->bytes_error / bytes).text);
	if (figures->seen)
		fprintf(pen->out, " from %s block%s", fmt_count(figures->seen).text,
			figures->seen == 1 ? "" : "s");
}

/* What is behind the figures on the line of a stack or a group, whose allocators are given as
 * bits. */
static void put_facts(const struct pen *pen, const struct stack *figures, unsigned domains)
{
	double growth = figures->growth_bytes_per_s;

	if (growth >= WORTH_A_RATE || growth <= -WORTH_A_RATE) {
		fputs("  ", pen->out);
		pen_put(pen, growth > 0 ? INK_GROWS : INK_SHRINKS, fmt_rate(growth).text);
	}
	put_types(pen, figures);
	for (unsigned i = 0, n = 0; i < DOMAIN_COUNT; i++)
		if ((domains & 1u << i) && domains != 1u << DOMAIN_OBJECT)
			fprintf(pen->out, "%s%s", n++ ? ", " : "  ", domain_name((enum domain)i));
	if (figures->oldest_s >= WORTH_AN_AGE)
		fprintf(pen->out, "  oldest %s", fmt_duration(figures->oldest_s).text);
	if (figures->newest_s >= WORTH_A_REST)
		fprintf(pen->out, ", newest %s", fmt_duration(figures->newest_s).text);
	if (figures->estimated)
		put_error(pen, figures);
	fputc('\n', pen->out);
}

static void put_frames(const struct pen *pen, const struct profile *profile,
		       const struct stack *stack, bool all)
{
	frames_text(pen, stack, profile_target_of(profile, stack)->python_module, all);
}

static void put_stack(const struct pen *pen, const struct profile *profile,
		      const struct stack *stack, bool all_frames)
{
	fputc('\t', pen->out);
	put_figures(pen, stack, " from stack");
	put_facts(pen, stack, domain_bit(stack->domain));
	put_frames(pen, profile, stack, all_frames);
}

/* A group, and one of its stacks: the first in the order. */
static void put_group(const struct pen *pen, const struct profile *profile,
		      const struct group *group, bool all_frames)
{
	const struct stack *largest = &profile->stacks[group->largest];

	fputc('\t', pen->out);
	put_figures(pen, &group->sum, " from ");
	fprintf(pen->out, "%s ", group_by_name(profile->grouping->by));
	pen_put(pen, INK_HEAD, group->title);
	fprintf(pen->out, " (%s stack%s, %s)", fmt_count(group->n_stacks).text,
		group->n_stacks == 1 ? "" : "s", fmt_percent(group->share).text);
	put_facts(pen, &group->sum, group->domains);
	if (group->n_stacks > 1) {
		fputs("\t\t", pen->out);
		put_figures(pen, largest, " of it:");
		fputc('\n', pen->out);
	}
	put_frames(pen, profile, largest, all_frames);
}

/* How many stacks, or groups of them, have something outstanding: they are first. */
static size_t count_outstanding(const struct profile *profile)
{
	const struct grouping *grouping = profile->grouping;
	size_t n = 0;

	if (grouping)
		while (n < grouping->n_groups && stack_is_outstanding(&grouping->groups[n].sum))
			n++;
	else
		while (n < profile->n_stacks && stack_is_outstanding(&profile->stacks[n]))
			n++;
	return n;
}

/* The figures of a row, by which it is ordered: a stack's or a group's. */
static const struct stack *row_at(const struct profile *profile, size_t i)
{
	return profile->grouping ? &profile->grouping->groups[i].sum : &profile->stacks[i];
}

static void put_head(const struct pen *pen, const struct profile *profile, size_t n)
{
	const struct grouping *grouping = profile->grouping;
	char clock[16] = "??:??:??";
	struct tm local;

	if (localtime_r(&profile->time.tv_sec, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	pen_ink(pen, INK_HEAD);
	fprintf(pen->out, "[%s] Top %zu %ss with outstanding allocations:", clock, n,
		group_by_name(grouping ? grouping->by : GROUP_STACK));
	pen_ink(pen, INK_PLAIN);
	fputc('\n', pen->out);
}

/*
 * What is not sure to be anything stands for itself, in one line; where there is nothing else the
 * first of it is listed, for it is all that is known.
 */
static void put_unsure(const struct pen *pen, const struct profile *profile, size_t n,
		       size_t n_listed)
{
	uint64_t bytes = 0, seen = 0;
	size_t n_unsure = 0;

	for (size_t i = 0; i < n; i++) {
		const struct stack *row = row_at(profile, i);

		if (stack_is_sure(row))
			continue;
		n_unsure++;
		bytes += row->outstanding_bytes;
		seen += row->seen;
	}
	if (!n_unsure)
		return;
	if (n_listed)
		fprintf(pen->out,
			"Not enough data yet to be sure of any of these%s: each may be noise.\n",
			n_unsure > n_listed ? " and those that are not shown" : "");
	else
		fprintf(pen->out,
			"Not enough data yet on %zu more: %s, estimated from %s block%s; each may "
			"be noise.\n",
			n_unsure, fmt_bytes(bytes).text, fmt_count(seen).text,
			seen == 1 ? "" : "s");
}

/*
 * in     n: rows with something outstanding
 * return how many of them were put
 */
static size_t put_stacks(const struct pen *pen, const struct profile *profile,
			 const struct report_options *options, size_t n)
{
	const struct grouping *grouping = profile->grouping;
	size_t n_sure = 0, n_put = 0, most;
	bool all;

	for (size_t i = 0; i < n; i++)
		n_sure += stack_is_sure(row_at(profile, i));
	all = !options->top || !n_sure;
	most = !options->top ? n : n_sure ? n_sure : UNSURE_SHOWN;
	most = most < n ? most : n;
	most = options->top && options->top < most ? options->top : most;
	put_head(pen, profile, options->top ? options->top : n);
	for (size_t i = 0; n_put < most; i++) {
		if (!all && !stack_is_sure(row_at(profile, i)))
			continue;
		n_put++;
		if (grouping)
			put_group(pen, profile, &grouping->groups[i], options->all_frames);
		else
			put_stack(pen, profile, &profile->stacks[i], options->all_frames);
	}
	if (options->top)
		put_unsure(pen, profile, n, n_sure ? 0 : n_put);
	return n_put;
}

/* ---- what follows the stacks ---------------------------------------------------------------- */

/* How much of what is outstanding the user did not want to see. */
static void put_left_out(const struct pen *pen, const struct selection *selection)
{
	if (!selection->n_modules)
		return;
	fputs("Left out: ", pen->out);
	fprintf(pen->out, "%s in %s allocations from %s stack%s without a frame of ",
		fmt_bytes(selection->left_out_bytes).text,
		fmt_count(selection->left_out_count).text,
		fmt_count(selection->left_out_stacks).text,
		selection->left_out_stacks == 1 ? "" : "s");
	for (size_t i = 0; i < selection->n_modules; i++) {
		fputs(i ? " or " : "", pen->out);
		pen_put(pen, INK_PLAIN, selection->modules[i]);
	}
	fputs(".\n", pen->out);
}

static size_t count_stacks(const struct profile *profile)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->n_stacks; i++)
		n += stack_is_outstanding(&profile->stacks[i]);
	return n;
}

/* Has no part been traced, not even for a window? Then what is outstanding is not known. */
static bool is_untouched(const struct profile *profile)
{
	for (size_t i = 0; i < profile->mode.n_parts; i++) {
		const struct trace_part *part = &profile->mode.parts[i];

		if (part->how != TRACE_NONE && (part->how != TRACE_WINDOWS || part->windows))
			return false;
	}
	return profile->mode.n_parts > 0;
}

/* n: rows with something outstanding, n_put of them listed */
static void put_outstanding(const struct pen *pen, const struct profile *profile, size_t n,
			    size_t n_put)
{
	size_t n_stacks = count_stacks(profile) + profile->selection.left_out_stacks;

	if (!n_stacks && is_untouched(profile)) {
		fputs("Nothing has been traced yet: what is outstanding is not known.\n", pen->out);
		return;
	}
	if (!n_stacks) {
		fprintf(pen->out, "Nothing is outstanding that was allocated in the last %s",
			fmt_duration(profile->duration_s).text);
		if (profile->mode.older_s > 0)
			fprintf(pen->out, " and is older than %s",
				fmt_duration(profile->mode.older_s).text);
		fputs(".\n", pen->out);
		return;
	}
	fprintf(pen->out, "Outstanding: %s in %s allocations%s from %s stack%s",
		fmt_bytes(profile->totals.outstanding_bytes).text,
		fmt_count(profile->totals.outstanding_count).text,
		profile->totals.estimated ? ", estimated in part," : "", fmt_count(n_stacks).text,
		n_stacks == 1 ? "" : "s");
	if (profile->grouping)
		fprintf(pen->out, ", %s %s%s", fmt_count(n).text,
			group_by_name(profile->grouping->by), n == 1 ? "" : "s");
	if (n > n_put)
		fprintf(pen->out, " (%s not shown)", fmt_count(n - n_put).text);
	fprintf(pen->out, " after %s.\n", fmt_duration(profile->duration_s).text);
}

static void put_totals(const struct pen *pen, const struct profile *profile, size_t n, size_t n_put)
{
	put_outstanding(pen, profile, n, n_put);
	put_left_out(pen, &profile->selection);
	if (!profile_counts_calls(profile))
		return;
	fprintf(pen->out,
		"Seen: %s in %s allocations, %s of them freed; %s frees of memory not on the "
		"account "
		"(older than the trace%s).\n",
		fmt_bytes(profile->totals.allocated_bytes).text,
		fmt_count(profile->totals.allocated_count).text,
		fmt_count(profile->totals.freed_count).text,
		fmt_count(profile->totals.unknown_frees).text,
		profile->mode.min_size || profile->mode.max_size != UINT64_MAX
			? ", of sizes left out, or an allocator's own"
			: ", or an allocator's own");
}

static void put_coverage(const struct pen *pen, const struct profile *profile, bool quiet)
{
	const char *partial = profile->mode.object_coverage;
	bool first = true;

	if (profile->mode.n_parts)
		parts_text(pen, profile);
	if (!partial && (quiet || profile->mode.n_parts))
		return;
	fputs("Coverage:", pen->out);
	for (unsigned i = 0; i < DOMAIN_COUNT; i++)
		if (profile->mode.domains[i]) {
			fprintf(pen->out, "%s %s", first ? "" : ",", domain_name((enum domain)i));
			first = false;
		}
	if (first)
		fputs(" no allocator was traced", pen->out);
	if (partial) {
		fputs(". ", pen->out);
		pen_put(pen, INK_WARNING, partial);
	} else if (first) {
		fputc('.', pen->out);
	} else {
		fputs(profile->mode.exact ? "; every call was traced."
					  : "; not every call: estimates are marked.",
		      pen->out);
	}
	fputc('\n', pen->out);
}

static void put_native_gaps(const struct pen *pen, const struct profile *profile)
{
	for (size_t i = 0; i < profile->n_native_gaps; i++) {
		fprintf(pen->out, "Cut short: %s x ",
			fmt_count(profile->native_gaps[i].count).text);
		pen_put(pen, INK_PLAIN, profile->native_gaps[i].reason);
		fputc('\n', pen->out);
	}
}

static void put_losses(const struct pen *pen, const struct profile *profile, bool quiet)
{
	uint64_t missed = profile->totals.missed_frees;

	if (missed && !profile_has_loss(profile, "missed_frees")) {
		fprintf(pen->out, "Lost: %s x missed_frees: ", fmt_count(missed).text);
		pen_put(pen, INK_WARNING,
			"blocks were freed unseen (their address was given out again); the figures "
			"were corrected");
		fputc('\n', pen->out);
	}
	for (size_t i = 0; i < profile->n_losses; i++) {
		const struct loss *loss = &profile->losses[i];

		fprintf(pen->out, "Lost: %s x ", fmt_count(loss->count).text);
		pen_put(pen, INK_PLAIN, loss->name ? loss->name : "?");
		fputs(": ", pen->out);
		pen_put(pen, INK_WARNING, loss->sentence ? loss->sentence : "?");
		fputc('\n', pen->out);
	}
	if (!missed && !profile->n_losses && !quiet)
		fputs("Nothing was lost.\n", pen->out);
}

static void put_cost(const struct pen *pen, const struct profile *profile)
{
	struct cost_text text;

	if (!profile->have_cost)
		return;
	cost_text(&profile->cost, &text);
	fprintf(pen->out, "cost: %s", text.hits);
	if (*text.slowdown)
		fprintf(pen->out, " (%s)", text.slowdown);
	if (*text.so_far)
		fprintf(pen->out, "; so far %s (%s)", text.so_far, text.ceiling);
	else if (*text.ceiling)
		fprintf(pen->out, "; %s", text.ceiling);
	if (*text.syscalls)
		fprintf(pen->out, "; %s", text.syscalls);
	fprintf(pen->out, "; %s\n", text.tool);
}

/* ---- the heap and the trend ----------------------------------------------------------------- */

static void put_growing_types(const struct pen *pen, const struct profile_growing_types *grows)
{
	pen_ink(pen, INK_HEAD);
	fputs(grows->n_rows ? "Grows since the start" : "No type of object grows since the start",
	      pen->out);
	pen_ink(pen, INK_PLAIN);
	fprintf(pen->out, " (%zu scans in %s, %s of a core)%s\n", grows->n_scans,
		fmt_duration(grows->span_s).text, fmt_percent(grows->cpu_fraction).text,
		grows->n_rows ? ":" : ".");
	for (size_t i = 0; i < grows->n_rows; i++) {
		const struct heap_growth_row *row = &grows->rows[i];

		fprintf(pen->out, "\t%+" PRId64 " to %" PRIu64 "  ", row->count_delta, row->count);
		pen_put(pen, INK_GROWS, fmt_rate(row->bytes_per_min / 60).text);
		if (row->confidence >= 0)
			fprintf(pen->out, "  %.0f%% sure", floor(row->confidence * 100));
		fputs("  ", pen->out);
		pen_put(pen, INK_PLAIN, row->name);
		fputc('\n', pen->out);
	}
	if (grows->n_rows && grows->no_full_collection)
		fputs("\tNo full collection ran meanwhile: garbage in cycles may be part of it.\n",
		      pen->out);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* What the reader has to know first. */
static void put_notes(const struct pen *pen, const struct profile *profile)
{
	for (size_t i = 0; i < profile->n_notes; i++) {
		if (profile->notes[i].pid)
			fprintf(pen->out, "pid %d: ", profile->notes[i].pid);
		pen_put(pen, INK_WARNING, profile->notes[i].sentence);
		fputc('\n', pen->out);
	}
}

/* All that comes of traced allocations. */
static void put_traced(const struct pen *pen, const struct profile *profile,
		       const struct report_options *options)
{
	size_t n = count_outstanding(profile);
	size_t n_put = put_stacks(pen, profile, options, n);

	if (profile->growing_types)
		put_growing_types(pen, profile->growing_types);
	if (!options->quiet)
		put_totals(pen, profile, n, n_put);
	else
		put_left_out(pen, &profile->selection);
	put_coverage(pen, profile, options->quiet);
	put_native_gaps(pen, profile);
	put_losses(pen, profile, options->quiet);
	if (!options->quiet)
		put_cost(pen, profile);
}

/* What is read from outside costs the target nothing but bandwidth. */
static void put_untraced(const struct pen *pen, const struct profile *profile,
			 const struct report_options *options)
{
	if (profile->growing_types)
		put_growing_types(pen, profile->growing_types);
	if (!options->quiet)
		fprintf(pen->out, "cost: nothing is attached to the target; tool %.1f s CPU, %s\n",
			profile->cost.tool_cpu_s, fmt_bytes(profile->cost.tool_rss_bytes).text);
}

/* What became of a target; which one is said where there are several. */
static void put_end(const struct pen *pen, const struct profile_target *target, bool several)
{
	int detail = target->end_detail;

	if (target->end == TARGET_RUNS && !target->stopped)
		return;
	if (several)
		fprintf(pen->out, "pid %d: ", target->pid);
	if (target->end == TARGET_EXITED && detail >= 0)
		fprintf(pen->out,
			"target exited with code %d during the trace (a Python that exits frees "
			"most of "
			"what it holds: see the earlier reports)\n",
			detail);
	else if (target->end == TARGET_EXITED)
		fputs("target ended during the trace; how is not known (a Python that exits frees "
		      "most of what it holds: see the earlier reports)\n",
		      pen->out);
	else if (target->end == TARGET_KILLED)
		fprintf(pen->out, "target was killed by signal %d during the trace\n", detail);
	else if (target->end == TARGET_EXECED)
		fputs("target replaced itself by exec during the trace; the report ends there\n",
		      pen->out);
	else
		fputs("target is stopped (state T), so nothing changes until it is continued\n",
		      pen->out);
}

void report_text(FILE *out, const struct profile *profile, const struct report_options *options)
{
	struct pen pen = {
		.out = out,
		.color = options->color,
		.width = options->width && options->width < NARROWEST ? NARROWEST : options->width,
	};

	if (profile->verdict)
		verdict_text(&pen, profile->verdict);
	for (size_t i = 0; i < profile->n_verdicts; i++)
		verdict_text(&pen, profile->verdicts[i]);
	put_notes(&pen, profile);
	if (profile->trend && !options->quiet)
		trend_text_brief(out, profile->trend, options->color);
	growing_text(&pen, profile, options->all_frames);
	(profile->mode.untraced ? put_untraced : put_traced)(&pen, profile, options);
	if (!profile->n_targets)
		put_end(&pen, &profile->target, false);
	for (size_t i = 0; i < profile->n_targets; i++)
		put_end(&pen, &profile->targets[i], true);
}
