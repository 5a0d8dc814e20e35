/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/difference_text.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "base/fmt.h"
#include "view/frames_text.h"
#include "view/part.h"
#include "view/pen.h"
#include "view/way_text.h"

#define WIDTH      100
#define LINES_MOST 6
#define FRAMES     6 /* of a stack */

struct manner {
	struct pen pen;
	const struct difference *difference;
	const struct difference_text_options *options;
};

/* "+12.3 MiB" */
static struct fmt more_bytes(uint64_t before, uint64_t after)
{
	struct fmt text;

	snprintf(text.text, sizeof(text.text), "%c%.30s", after < before ? '-' : '+',
		 fmt_bytes(after < before ? before - after : after - before).text);
	return text;
}

static struct fmt more_count(uint64_t before, uint64_t after)
{
	struct fmt text;

	snprintf(text.text, sizeof(text.text), "%c%.30s", after < before ? '-' : '+',
		 fmt_count(after < before ? before - after : after - before).text);
	return text;
}

/* With its day, where the two are not of one. */
static struct fmt clock_of(const struct profile *profile, bool with_day)
{
	struct fmt text = {"?"};
	struct tm local;

	if (localtime_r(&profile->time.tv_sec, &local))
		strftime(text.text, sizeof(text.text), with_day ? "%F %T" : "%T", &local);
	return text;
}

static bool is_one_day(const struct difference *difference)
{
	struct tm a, b;

	return localtime_r(&difference->before->time.tv_sec, &a) &&
	       localtime_r(&difference->after->time.tv_sec, &b) && a.tm_yday == b.tm_yday &&
	       a.tm_year == b.tm_year;
}

/* How many rows of a part are shown. */
static size_t shown(const struct manner *manner, size_t n)
{
	return manner->options->top && manner->options->top < n ? manner->options->top : n;
}

static void put_rest(const struct manner *manner, size_t n)
{
	if (!manner->options->quiet && shown(manner, n) < n)
		fprintf(manner->pen.out, "  ... %zu more (-T 0)\n", n - shown(manner, n));
}

static void put_title(const struct manner *manner, const char *title)
{
	fputc('\n', manner->pen.out);
	pen_put(&manner->pen, INK_HEAD, title);
	fputc('\n', manner->pen.out);
}

/* Wrapped, where it is wider than a screen. */
static void put_wrapped(struct part *part, unsigned indent)
{
	part->to.width = WIDTH;
	part_put(part, &(struct part_fit){.lines = LINES_MOST, .wrap = true, .indent = indent});
}

/* Of a target that has ended the last that was seen. */
static uint64_t rss_of(const struct profile *profile)
{
	if (profile->target.rss_bytes || !profile->trend)
		return profile->target.rss_bytes;
	return profile->trend->rows[TREND_RSS].last;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void put_states(const struct manner *manner, const struct verdict *before,
		       const struct verdict *after)
{
	struct part part;

	if (!after)
		return;
	part_open(&part, &manner->pen);
	if (before && before->state != after->state)
		fprintf(part.pen.out, "%s became ", verdict_state_name(before->state));
	pen_put(&part.pen, INK_HEAD, verdict_state_name(after->state));
	fputs("  ", part.pen.out);
	pen_put(&part.pen, INK_PLAIN, after->sentence);
	fputc('\n', part.pen.out);
	put_wrapped(&part, 6);
}

static void put_answer(const struct manner *manner)
{
	const struct profile *before = manner->difference->before,
			     *after = manner->difference->after;
	FILE *out = manner->pen.out;
	bool with_day = !is_one_day(manner->difference);
	uint64_t from = rss_of(before), to = rss_of(after);
	const char *what = "memory (RSS)";

	if (!from || !to) {
		from = before->totals.outstanding_bytes;
		to = after->totals.outstanding_bytes;
		what = "outstanding memory";
	}
	pen_ink(&manner->pen, to > from ? INK_GROWS : INK_HEAD);
	fputs(more_bytes(from, to).text, out);
	pen_ink(&manner->pen, INK_PLAIN);
	fprintf(out, " of %s between %s", what, clock_of(before, with_day).text);
	fprintf(out, " and %s", clock_of(after, with_day).text);
	fprintf(out, " (%s): ", fmt_duration(fabs(manner->difference->span_s)).text);
	fprintf(out, "%s became ", fmt_bytes(from).text);
	fprintf(out, "%s.\n", fmt_bytes(to).text);
	if (before->target.pid != after->target.pid)
		fprintf(out, "Two processes are compared: pid %d, then pid %d.\n",
			before->target.pid, after->target.pid);
	put_states(manner, before->verdict, after->verdict);
}

/* ---- what grew ------------------------------------------------------------------------------ */

static uint64_t per_minute(const struct finding *finding)
{
	return (uint64_t)(fmin(fmax(finding->bytes_per_s, 0), 1e15) * 60);
}

static void put_finding(const struct manner *manner, const struct difference_finding *row)
{
	const struct finding *finding = row->after;
	const struct way way = {.stack = finding->stack,
				.interpreter = manner->difference->after->target.python_module,
				.said = finding->c_function,
				.python = finding->cause <= CAUSE_CYCLE ||
					  finding->cause >= CAUSE_THREAD};
	struct part part;
	FILE *out;

	part_open(&part, &manner->pen);
	out = part.pen.out;
	fputs("  ", out);
	pen_ink(&part.pen, INK_GROWS);
	fprintf(out, "%s/min", more_bytes(0, per_minute(finding)).text);
	pen_ink(&part.pen, INK_PLAIN);
	if (row->before)
		fprintf(out, " (%s/min before)", more_bytes(0, per_minute(row->before)).text);
	else
		fputs(" (new)", out);
	fprintf(out, "  %s  ", finding_cause_name(finding->cause));
	pen_put(&part.pen, INK_PLAIN, finding->sentence);
	fputc('\n', out);
	put_wrapped(&part, 6);
	if (!finding->stack || !finding->by)
		return;
	fprintf(manner->pen.out, "      %s ", finding->by);
	way_text(&manner->pen, &way, WIDTH - 20);
	fputc('\n', manner->pen.out);
}

static void put_findings(const struct manner *manner)
{
	size_t n = manner->difference->n_findings;

	if (n)
		put_title(manner, "Causes:");
	for (size_t i = 0; i < shown(manner, n); i++)
		put_finding(manner, &manner->difference->findings[i]);
	put_rest(manner, n);
}

static void put_memory(const struct manner *manner)
{
	const struct difference *difference = manner->difference;

	if (difference->n_memory)
		put_title(manner, "Parts of the memory that grew:");
	for (size_t i = 0; i < shown(manner, difference->n_memory); i++) {
		const struct difference_memory *row = &difference->memory[i];

		fprintf(manner->pen.out, "  %s to %s  %s\n",
			more_bytes(row->before, row->after).text, fmt_bytes(row->after).text,
			trend_label(difference->after->trend, row->kind));
	}
	put_rest(manner, difference->n_memory);
}

static void put_things(const struct manner *manner, const struct difference_things *rows, size_t n,
		       const char *title)
{
	FILE *out = manner->pen.out;

	if (n)
		put_title(manner, title);
	for (size_t i = 0; i < shown(manner, n); i++) {
		const struct difference_things *row = &rows[i];

		fprintf(out, "  %s", more_count(row->count_before, row->count_after).text);
		fprintf(out, " to %s  ", fmt_count(row->count_after).text);
		pen_put(&manner->pen, INK_HEAD, row->name);
		if (row->type) {
			fputs(" (", out);
			pen_put(&manner->pen, INK_PLAIN, row->type);
			fputc(')', out);
		}
		fprintf(out, "  %s\n", more_bytes(row->bytes_before, row->bytes_after).text);
	}
	put_rest(manner, n);
}

static void put_stack(const struct manner *manner, const struct difference_stack *row)
{
	const char *interpreter = manner->difference->after->target.python_module;
	FILE *out = manner->pen.out;

	fprintf(out, "\t+%" PRIu64 " bytes in %+" PRId64 " allocations from stack",
		row->bytes_after - row->bytes_before,
		(int64_t)(row->count_after - row->count_before));
	fprintf(out, "  to %s", fmt_bytes(row->bytes_after).text);
	if (row->stack->domain != DOMAIN_OBJECT)
		fprintf(out, "  %s", domain_name(row->stack->domain));
	if (row->estimated)
		fprintf(out, "  estimated ±%s", fmt_bytes((uint64_t)fmin(row->error, 9e18)).text);
	fputc('\n', out);
	if (manner->options->all_frames)
		frames_text(&manner->pen, row->stack, interpreter, true);
	else
		frames_text_short(&manner->pen, row->stack, interpreter, FRAMES);
}

static void put_stacks(const struct manner *manner)
{
	size_t n = manner->difference->n_stacks;

	if (n)
		put_title(manner, "Stacks whose outstanding memory grew:");
	for (size_t i = 0; i < shown(manner, n); i++)
		put_stack(manner, &manner->difference->stacks[i]);
	put_rest(manner, n);
	if (!n && !manner->options->quiet)
		fputs("\nNo stack has more outstanding memory than before.\n", manner->pen.out);
}

void difference_text(FILE *out, const struct difference *difference,
		     const struct difference_text_options *options)
{
	const struct manner manner = {
		.pen = {.out = out, .color = options->color, .width = WIDTH},
		.difference = difference,
		.options = options,
	};

	put_answer(&manner);
	put_findings(&manner);
	put_memory(&manner);
	put_things(&manner, difference->types, difference->n_types, "Types that grew:");
	put_things(&manner, difference->containers, difference->n_containers,
		   "Containers that grew:");
	put_stacks(&manner);
}
