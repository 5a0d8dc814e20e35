/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/growing_text.h"

#include "base/fmt.h"
#include "view/watch_text.h"

/* of a core: from there on the target was so slow that its rates are not its own */
#define LOST_SHOWN   0.05

#define STACKS_SHOWN 3 /* of each kind, for each container */

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
