/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"

#define TYPES_SHOWN  3
#define FRAME_INDENT 16  /* columns of two tabs */
#define NARROWEST    40  /* a terminal narrower than this is treated as this wide */
#define WORTH_A_RATE 0.5 /* bytes per second that are written as 1 B/s */
#define WORTH_AN_AGE 1.0 /* seconds */

/* What a piece of the report is, for its colour. */
enum ink {
	INK_PLAIN,
	INK_HEAD,
	INK_SIZE,
	INK_GROWS,
	INK_SHRINKS,
	INK_NATIVE,
	INK_GAP,
	INK_WARNING
};

struct pen {
	FILE *out;
	bool color;
	unsigned width;
};

static void ink(const struct pen *pen, enum ink ink)
{
	static const char *const codes[] = {
		[INK_PLAIN] = "0",    [INK_HEAD] = "1",    [INK_SIZE] = "1", [INK_GROWS] = "31",
		[INK_SHRINKS] = "32", [INK_NATIVE] = "36", [INK_GAP] = "33", [INK_WARNING] = "33",
	};

	if (pen->color)
		fprintf(pen->out, "\033[%sm", codes[ink]);
}

static void put(const struct pen *pen, enum ink how, const char *text)
{
	if (how != INK_PLAIN)
		ink(pen, how);
	escape_terminal(pen->out, text);
	if (how != INK_PLAIN)
		ink(pen, INK_PLAIN);
}

/* ---- stacks ---------------------------------------------------------------------------------- */

static const char *skip(const char *text, size_t characters)
{
	while (*text && characters--)
		escape_next(&text);
	return text;
}

/*
 * One frame. Where it is wider than the terminal its middle goes: the name is at its beginning,
 * file and line are at its end. Escapes may make it a little wider than asked for; such names are
 * rare and still cannot do harm.
 */
static void put_frame(const struct pen *pen, const struct frame *frame)
{
	char text[FRAME_TEXT_MAX];
	size_t room = pen->width > FRAME_INDENT ? pen->width - FRAME_INDENT : 0, all = 0;
	enum ink how = frame->kind == FRAME_GAP      ? INK_GAP
		       : frame->kind == FRAME_NATIVE ? INK_NATIVE
						     : INK_PLAIN;

	frame_text(frame, text, sizeof(text));
	for (const char *at = text; *at; all++)
		escape_next(&at);
	fputs("\t\t", pen->out);
	if (pen->width && all > room) {
		size_t head = (room - 3) / 3, tail = room - 3 - head;
		const char *rest = skip(text, all - tail);

		text[skip(text, head) - text] = '\0';
		put(pen, how, text);
		fputs("...", pen->out);
		put(pen, how, rest);
	} else {
		put(pen, how, text);
	}
	fputc('\n', pen->out);
}

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
		put(pen, INK_PLAIN, stack->types[i].name ? stack->types[i].name : "?");
		fprintf(pen->out, " %.0f%%", share);
	}
}

static void put_stack(const struct pen *pen, const struct stack *stack)
{
	double growth = stack->growth_bytes_per_s;

	fputc('\t', pen->out);
	ink(pen, INK_SIZE);
	fprintf(pen->out, "%" PRIu64 " bytes in %" PRIu64 " allocations from stack",
		stack->outstanding_bytes, stack->outstanding_count);
	ink(pen, INK_PLAIN);
	if (growth >= WORTH_A_RATE || growth <= -WORTH_A_RATE) {
		fputs("  ", pen->out);
		put(pen, growth > 0 ? INK_GROWS : INK_SHRINKS, fmt_rate(growth).text);
	}
	put_types(pen, stack);
	if (stack->domain != DOMAIN_OBJECT)
		fprintf(pen->out, "  %s", domain_name(stack->domain));
	if (stack->oldest_s >= WORTH_AN_AGE)
		fprintf(pen->out, "  oldest %s", fmt_duration(stack->oldest_s).text);
	if (stack->estimated)
		fputs("  estimated", pen->out);
	fputc('\n', pen->out);
	for (size_t i = stack->n_frames; i-- > 0;)
		put_frame(pen, &stack->frames[i]);
}

static bool is_outstanding(const struct stack *stack)
{
	return stack->outstanding_bytes || stack->outstanding_count;
}

/* Returns the number of stacks that have something outstanding, shown or not. */
static size_t put_stacks(const struct pen *pen, const struct profile *profile, unsigned top)
{
	size_t n = 0, limit = top ? top : SIZE_MAX;
	char clock[16] = "??:??:??";
	struct tm local;

	while (n < profile->n_stacks && is_outstanding(&profile->stacks[n]))
		n++;
	if (localtime_r(&profile->time.tv_sec, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	ink(pen, INK_HEAD);
	fprintf(pen->out, "[%s] Top %zu stacks with outstanding allocations:", clock,
		top ? limit : n);
	ink(pen, INK_PLAIN);
	fputc('\n', pen->out);
	for (size_t i = 0; i < n && i < limit; i++)
		put_stack(pen, &profile->stacks[i]);
	return n;
}

/* ---- what follows the stacks ----------------------------------------------------------------- */

static void put_totals(const struct pen *pen, const struct profile *profile, size_t n_stacks,
		       unsigned top)
{
	if (!n_stacks) {
		fprintf(pen->out, "Nothing is outstanding that was allocated in the last %s",
			fmt_duration(profile->duration_s).text);
		if (profile->mode.older_s > 0)
			fprintf(pen->out, " and is older than %s",
				fmt_duration(profile->mode.older_s).text);
		fputs(".\n", pen->out);
	} else {
		fprintf(pen->out, "Outstanding: %s in %s allocations from %s stack%s",
			fmt_bytes(profile->totals.outstanding_bytes).text,
			fmt_count(profile->totals.outstanding_count).text, fmt_count(n_stacks).text,
			n_stacks == 1 ? "" : "s");
		if (top && n_stacks > top)
			fprintf(pen->out, " (%s not shown)", fmt_count(n_stacks - top).text);
		fprintf(pen->out, " after %s.\n", fmt_duration(profile->duration_s).text);
	}
	fprintf(pen->out,
		"Seen: %s in %s allocations, %s of them freed; %s frees of memory not on the "
		"account "
		"(older than the watch%s).\n",
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

	if (!partial && quiet)
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
		put(pen, INK_WARNING, partial);
	} else if (first) {
		fputc('.', pen->out);
	} else {
		fputs(profile->mode.exact ? "; every call was traced."
					  : "; the calls were sampled.",
		      pen->out);
	}
	fputc('\n', pen->out);
}

static void put_losses(const struct pen *pen, const struct profile *profile, bool quiet)
{
	uint64_t missed = profile->totals.missed_frees;

	if (missed && !profile_has_loss(profile, "missed_frees")) {
		fprintf(pen->out, "Lost: %s x missed_frees: ", fmt_count(missed).text);
		put(pen, INK_WARNING,
		    "blocks were freed unseen (their address was given out again); the figures "
		    "were corrected");
		fputc('\n', pen->out);
	}
	for (size_t i = 0; i < profile->n_losses; i++) {
		const struct loss *loss = &profile->losses[i];

		fprintf(pen->out, "Lost: %s x ", fmt_count(loss->count).text);
		put(pen, INK_PLAIN, loss->name ? loss->name : "?");
		fputs(": ", pen->out);
		put(pen, INK_WARNING, loss->sentence ? loss->sentence : "?");
		fputc('\n', pen->out);
	}
	if (!missed && !profile->n_losses && !quiet)
		fputs("Nothing was lost.\n", pen->out);
}

/* How much longer the target's own work takes: what it used against what was left of that for itself. */
static void put_slowdown(const struct pen *pen, const struct cost *cost)
{
	double own = cost->target_cpu_used - cost->target_cpu_fraction;

	if (cost->target_cpu_used <= 0 || cost->target_cpu_fraction <= 0)
		return;
	fprintf(pen->out, " (the target used %s", fmt_percent(cost->target_cpu_used).text);
	if (own > cost->target_cpu_used / 20)
		fprintf(pen->out, ": %.1f times its own work)", cost->target_cpu_used / own);
	else
		fputs(": more than 20 times its own work)", pen->out);
}

static void put_cost(const struct pen *pen, const struct profile *profile)
{
	const struct cost *cost = &profile->cost;

	if (!profile->have_cost)
		return;
	fprintf(pen->out, "cost: %s hits/s x %s = %s of a core",
		fmt_per_second(cost->hits_per_s).text, fmt_duration(cost->ns_per_hit / 1e9).text,
		fmt_percent(cost->target_cpu_fraction).text);
	put_slowdown(pen, cost);
	fputs("; ", pen->out);
	fprintf(pen->out, "tool %.1f s CPU, %s; maps %s\n", cost->tool_cpu_s,
		fmt_bytes(cost->tool_rss_bytes).text, fmt_bytes(cost->maps_bytes).text);
}

static void put_end(const struct pen *pen, const struct profile *profile)
{
	int detail = profile->target.end_detail;

	if (profile->target.end == TARGET_EXITED && detail >= 0)
		fprintf(pen->out,
			"target exited with code %d during the watch (a Python that exits frees "
			"most of "
			"what it holds: see the reports before)\n",
			detail);
	else if (profile->target.end == TARGET_EXITED)
		fputs("target exited during the watch (a Python that exits frees most of what it "
		      "holds: see the reports before)\n",
		      pen->out);
	else if (profile->target.end == TARGET_KILLED)
		fprintf(pen->out, "target was killed by signal %d during the watch\n", detail);
	else if (profile->target.end == TARGET_EXECED)
		fputs("target replaced itself by exec during the watch; the report ends there\n",
		      pen->out);
	else if (profile->target.stopped)
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
	size_t n = put_stacks(&pen, profile, options->top);

	if (!options->quiet)
		put_totals(&pen, profile, n, options->top);
	put_coverage(&pen, profile, options->quiet);
	put_losses(&pen, profile, options->quiet);
	if (!options->quiet)
		put_cost(&pen, profile);
	put_end(&pen, profile);
}
