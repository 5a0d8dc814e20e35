/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/account_text.h"

#include <stdarg.h>
#include <string.h>

#include "base/fmt.h"
#include "model/cost_text.h"
#include "model/group.h"
#include "model/nameless.h"
#include "view/part.h"
#include "view/parts_text.h"

#define SENTENCE_LINES 2

/* ---- what is outstanding -------------------------------------------------------------------- */

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

static void put_totals(const struct pen *pen, const struct profile *profile)
{
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

/* ---- what was traced, what was lost, what it cost ------------------------------------------- */

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

void account_nameless(const struct pen *pen, const struct profile *profile)
{
	char text[512];

	if (!nameless_sentence(profile, text, sizeof(text)))
		return;
	pen_put(pen, INK_PLAIN, text);
	fputc('\n', pen->out);
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

/* ---- a line each ---------------------------------------------------------------------------- */

/* A line that is put together of whole parts: one that does not fit is left out. */
struct line {
	char text[512];
	size_t used, room;
};

static void append(struct line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void append(struct line *line, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->used, sizeof(line->text) - line->used, format, args);
	va_end(args);
	if (n < 0 || line->used + (size_t)n > line->room ||
	    line->used + (size_t)n >= sizeof(line->text))
		line->text[line->used] = '\0';
	else
		line->used += (size_t)n;
}

static void put_cost_brief(const struct pen *pen, const struct profile *profile)
{
	struct line line = {.room = pen->width ? pen->width : sizeof(line.text)};
	struct cost_text text;

	if (!profile->have_cost)
		return;
	cost_text(&profile->cost, &text);
	append(&line, "cost: %s", text.hits);
	if (*text.so_far)
		append(&line, "; so far %s (%s)", text.so_far, text.ceiling);
	else if (*text.ceiling)
		append(&line, "; %s", text.ceiling);
	else if (*text.slowdown)
		append(&line, "; %s", text.slowdown);
	if (*text.syscalls)
		append(&line, "; %s", text.syscalls);
	append(&line, "; %s", text.tool);
	fprintf(pen->out, "%s\n", line.text);
}

/* Of several the names; of one what it means. */
static void put_losses_brief(const struct pen *pen, const struct profile *profile)
{
	uint64_t missed = profile->totals.missed_frees;
	bool unnamed = missed && !profile_has_loss(profile, "missed_frees");
	size_t n = profile->n_losses + unnamed;

	if (!n)
		return;
	fputs("Lost:", pen->out);
	if (unnamed)
		fprintf(pen->out, " %s x missed_frees", fmt_count(missed).text);
	for (size_t i = 0; i < profile->n_losses; i++) {
		const struct loss *loss = &profile->losses[i];

		fprintf(pen->out, "%s %s x ", i || unnamed ? "," : "", fmt_count(loss->count).text);
		pen_put(pen, INK_PLAIN, loss->name ? loss->name : "?");
	}
	if (n == 1 && !unnamed && profile->losses[0].sentence) {
		fputs(": ", pen->out);
		pen_put(pen, INK_WARNING, profile->losses[0].sentence);
	} else {
		fputs(" (-v explains)", pen->out);
	}
	fputc('\n', pen->out);
}

/* What is not sure to be anything stands for itself. */
static void put_unsure(const struct pen *pen, const struct account *account)
{
	if (!account->n_unsure)
		return;
	if (account->unsure_listed)
		fprintf(pen->out,
			"Not enough data yet to be sure of %s of these (estimated without \u00b1): "
			"each "
			"may be noise.\n",
			fmt_count(account->n_unsure).text);
	else
		fprintf(pen->out,
			"Not enough data yet on %s%s: %s, estimated from %s block%s; each may be "
			"noise (-v lists them).\n",
			fmt_count(account->n_unsure).text, account->n_listed ? " more" : "",
			fmt_bytes(account->unsure_bytes).text, fmt_count(account->unsure_seen).text,
			account->unsure_seen == 1 ? "" : "s");
}

/* Sentences of any length, in some lines. */
static void put_part(struct part *part, size_t lines)
{
	part_put(part, &(struct part_fit){.lines = lines, .wrap = true, .indent = 2});
}

/* ---- all ------------------------------------------------------------------------------------ */

void account_text(const struct pen *pen, const struct profile *profile,
		  const struct account *account, bool quiet)
{
	put_unsure(pen, account);
	if (!quiet)
		put_outstanding(pen, profile, account->n, account->n_listed);
	put_left_out(pen, &profile->selection);
	if (!quiet)
		put_totals(pen, profile);
	put_coverage(pen, profile, quiet);
	put_native_gaps(pen, profile);
	if (!quiet)
		account_nameless(pen, profile);
	put_losses(pen, profile, quiet);
	if (!quiet)
		put_cost(pen, profile);
}

void account_text_brief(const struct pen *pen, const struct profile *profile,
			const struct account *account, bool quiet)
{
	struct part part;

	part_open(&part, pen);
	put_unsure(&part.pen, account);
	put_part(&part, SENTENCE_LINES);
	if (!quiet) {
		part_open(&part, pen);
		put_outstanding(&part.pen, profile, account->n, account->n_listed);
		put_part(&part, SENTENCE_LINES);
	}
	part_open(&part, pen);
	put_left_out(&part.pen, &profile->selection);
	put_part(&part, SENTENCE_LINES);
	part_open(&part, pen);
	if (!quiet)
		parts_text_brief(&part.pen, profile);
	if (profile->mode.object_coverage) {
		pen_put(&part.pen, INK_WARNING, profile->mode.object_coverage);
		fputc('\n', part.pen.out);
	}
	put_part(&part, SENTENCE_LINES + 1);
	part_open(&part, pen);
	put_losses_brief(&part.pen, profile);
	put_part(&part, SENTENCE_LINES);
	if (!quiet)
		put_cost_brief(pen, profile);
}

void account_untraced(const struct pen *pen, const struct profile *profile)
{
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

void account_ends(const struct pen *pen, const struct profile *profile)
{
	if (!profile->n_targets)
		put_end(pen, &profile->target, false);
	for (size_t i = 0; i < profile->n_targets; i++)
		put_end(pen, &profile->targets[i], true);
}
