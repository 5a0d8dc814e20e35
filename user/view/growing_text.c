/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/growing_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/fmt.h"
#include "model/heap_types.h"
#include "model/verdict.h"
#include "view/watch_text.h"
#include "view/way_text.h"

/* of a core: from there on the target was so slow that its rates are not its own */
#define LOST_SHOWN    0.05

#define STACKS_SHOWN  3 /* of each kind, for each container */

#define MAKER_COLUMNS 80 /* besides a number and an indent */

#define BY_INDENT     8
#define BY            "filled by "

static void put_growth(const struct pen *pen, const struct growing_container *growing)
{
	fputs("        the census says ", pen->out);
	pen_ink(pen, INK_GROWS);
	fprintf(pen->out, "+%s/min", fmt_per_second(growing->items_per_s * 60).text);
	pen_ink(pen, INK_PLAIN);
	fputs(" since the trace began", pen->out);
	if (growing->watched_s > 0 && growing->ago_s >= 1)
		fprintf(pen->out, "; its changes were watched %s ago",
			fmt_duration(growing->ago_s).text);
	if (growing->cut)
		fputs(", for as long as the ceiling allowed", pen->out);
	fputs(".\n", pen->out);
	if (growing->lost >= LOST_SHOWN)
		fprintf(pen->out,
			"        While it was watched the target lost %s of a core: it moves or "
			"fills much memory, which the processor\n"
			"        then does byte by byte. At other times there are more changes a "
			"second.\n",
			fmt_percent(growing->lost).text);
}

/* Of a container that was not watched. */
static void put_name(const struct pen *pen, const struct heap_watch_row *row)
{
	pen_put(pen, INK_HEAD, row->path);
	fputc(' ', pen->out);
	pen_put(pen, INK_PLAIN, row->type);
	fprintf(pen->out, ", %s items\n", fmt_count(row->items_after).text);
}

static bool any_watched(const struct profile_growing_containers *growing)
{
	for (size_t i = 0; i < growing->n_rows; i++)
		if (growing->rows[i].watched_s > 0)
			return true;
	return false;
}

void growing_text(const struct pen *pen, const struct profile *profile, bool all_frames)
{
	const struct profile_growing_containers *growing = profile->growing_containers;
	const struct watch_text_options options = {
		.top = STACKS_SHOWN, .color = pen->color, .all_frames = all_frames};

	if (!growing)
		return;
	if (growing->n_rows) {
		pen_ink(pen, INK_HEAD);
		fputs(any_watched(growing)
			      ? "Growing containers, fastest first, and who changes them:"
			      : "Growing containers, fastest first:",
		      pen->out);
		pen_ink(pen, INK_PLAIN);
		fputc('\n', pen->out);
	}
	for (size_t i = 0; i < growing->n_rows; i++) {
		const struct growing_container *row = &growing->rows[i];

		if (row->pid)
			fprintf(pen->out, "pid %d: ", row->pid);
		if (row->watched_s > 0)
			watch_text_row(pen, &row->row, row->watched_s,
				       profile->target.python_module, &options);
		else
			put_name(pen, &row->row);
		put_growth(pen, row);
	}
	if (growing->why_not) {
		fputs("Containers grow, but their changes are not watched: ", pen->out);
		pen_put(pen, INK_WARNING, growing->why_not);
		fputc('\n', pen->out);
	}
}

/* ---- classes -------------------------------------------------------------------------------- */

static void put_class_head(const struct pen *pen, const struct growing_class *class)
{
	const struct heap_watch_instances *instances = class->row.instances;

	if (class->pid)
		fprintf(pen->out, "pid %d: ", class->pid);
	pen_put(pen, INK_HEAD, class->name);
	pen_ink(pen, INK_GROWS);
	fprintf(pen->out, " +%s/min", fmt_per_second(class->per_s * 60).text);
	pen_ink(pen, INK_PLAIN);
	if (instances->sampled)
		fprintf(pen->out, " of its size; of some pools, in %s, these stay:\n",
			fmt_duration(instances->followed_s).text);
	else
		fprintf(pen->out, "; of %s made in %s, %s are gone:\n",
			fmt_count(class->row.inserted).text,
			fmt_duration(instances->followed_s).text,
			fmt_count(class->row.removed).text);
}

/* Who makes those that stay, most first. */
static void put_makers(const struct pen *pen, const struct profile *profile,
		       const struct heap_watch_row *row)
{
	size_t shown = 0;

	for (size_t i = 0; i < row->n_stacks && shown < STACKS_SHOWN; i++) {
		const struct heap_watch_stack *maker = &row->stacks[i];
		const struct stack *stack = &maker->stack;
		const struct way way = {.stack = stack,
					.interpreter = profile->target.python_module,
					.python = true,
					.others = &stack,
					.n_others = 1};

		if (maker->inserted <= maker->removed)
			continue;
		fprintf(pen->out, "\t%s by ", fmt_count(maker->inserted - maker->removed).text);
		way_text(pen, &way, MAKER_COLUMNS);
		fputc('\n', pen->out);
		shown++;
	}
	if (!shown)
		fputs("\tnone that stay were seen\n", pen->out);
}

void growing_text_classes(const struct pen *pen, const struct profile *profile)
{
	const struct profile_growing_classes *growing = profile->growing_classes;

	if (!growing || !growing->n_rows)
		return;
	pen_put(pen, INK_HEAD, "Growing classes and sizes, and who makes what stays:");
	fputc('\n', pen->out);
	for (size_t i = 0; i < growing->n_rows; i++) {
		put_class_head(pen, &growing->rows[i]);
		put_makers(pen, profile, &growing->rows[i].row);
	}
}

/* ---- types ---------------------------------------------------------------------------------- */

static void put_types_head(const struct pen *pen, const struct profile_growing_types *grows)
{
	pen_ink(pen, INK_HEAD);
	fputs(grows->n_rows ? "Grows since the start" : "No type of object grows since the start",
	      pen->out);
	pen_ink(pen, INK_PLAIN);
	fprintf(pen->out, " (%zu scans in %s, %s of a core)%s\n", grows->n_scans,
		fmt_duration(grows->span_s).text, fmt_percent(grows->cpu_fraction).text,
		grows->n_rows ? ":" : ".");
}

static void put_type(const struct pen *pen, const struct heap_growth_row *row)
{
	fprintf(pen->out, "\t%+" PRId64 " to %" PRIu64 "  ", row->count_delta, row->count);
	pen_put(pen, INK_GROWS, fmt_rate(row->bytes_per_min / 60).text);
	if (row->confidence >= 0)
		fprintf(pen->out, "  %.0f%% sure", floor(row->confidence * 100));
	fputs("  ", pen->out);
	pen_put(pen, INK_PLAIN, row->name);
	fputc('\n', pen->out);
}

void growing_text_types(const struct pen *pen, const struct profile *profile)
{
	const struct profile_growing_types *grows = profile->growing_types;

	if (!grows)
		return;
	put_types_head(pen, grows);
	for (size_t i = 0; i < grows->n_rows; i++)
		put_type(pen, &grows->rows[i]);
	if (grows->n_rows && grows->no_full_collection)
		fputs("\tNo full collection ran meanwhile: garbage in cycles may be part of it.\n",
		      pen->out);
}

/* ---- what a verdict does not say ------------------------------------------------------------ */

/* Is a container, or what it gets, in a verdict already? */
static bool is_in(const struct verdict *verdict, const char *path, const char *type)
{
	for (size_t i = 0; verdict && i < verdict->n_findings; i++) {
		const struct finding *finding = &verdict->findings[i];

		if ((path && finding->path && !strcmp(finding->path, path)) ||
		    (type && finding->type && !strcmp(finding->type, type)))
			return true;
	}
	return false;
}

static bool is_said(const struct profile *profile, const char *path, const char *type)
{
	bool said = is_in(profile->verdict, path, type);

	for (size_t i = 0; i < profile->n_verdicts; i++)
		said |= is_in(profile->verdicts[i], path, type);
	return said;
}

static void put_filler(const struct pen *pen, const struct profile *profile,
		       const struct growing_container *row)
{
	const struct heap_watch_stack *stacks = row->row.stacks;
	struct way way = {.interpreter = profile->target.python_module, .python = true};
	const struct stack *stack;
	size_t taken = BY_INDENT + strlen(BY);

	if (!(row->watched_s > 0) || !row->row.n_stacks || !stacks[0].inserted)
		return;
	stack = &stacks[0].stack;
	way.stack = stack;
	way.others = &stack;
	way.n_others = 1;
	fprintf(pen->out, "%*s%s", BY_INDENT, "", BY);
	way_text(pen, &way, pen->width > taken ? pen->width - taken : 0);
	fputc('\n', pen->out);
}

void growing_text_brief(const struct pen *pen, const struct profile *profile, size_t most)
{
	const struct profile_growing_containers *growing = profile->growing_containers;
	size_t n = 0;

	for (size_t i = 0; growing && i < growing->n_rows && n < most; i++) {
		const struct growing_container *row = &growing->rows[i];

		if (is_said(profile, row->row.path, NULL))
			continue;
		if (!n++) {
			pen_put(pen, INK_HEAD, "Growing containers, fastest first:");
			fputc('\n', pen->out);
		}
		if (row->pid)
			fprintf(pen->out, "pid %d: ", row->pid);
		pen_put(pen, INK_HEAD, row->row.path);
		fputc(' ', pen->out);
		pen_put(pen, INK_PLAIN, row->row.type);
		fprintf(pen->out, ", %s items, ", fmt_count(row->row.items_after).text);
		pen_ink(pen, INK_GROWS);
		fprintf(pen->out, "+%s/min", fmt_per_second(row->items_per_s * 60).text);
		pen_ink(pen, INK_PLAIN);
		fputc('\n', pen->out);
		put_filler(pen, profile, row);
	}
}

void growing_text_types_brief(const struct pen *pen, const struct profile *profile, size_t most)
{
	const struct profile_growing_types *grows = profile->growing_types;
	size_t n = 0;

	for (size_t i = 0; grows && i < grows->n_rows && n < most; i++) {
		if (is_said(profile, NULL, grows->rows[i].name))
			continue;
		if (!n++)
			put_types_head(pen, grows);
		put_type(pen, &grows->rows[i]);
	}
}
