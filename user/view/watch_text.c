/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/watch_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/fmt.h"
#include "model/package.h"
#include "model/unpaired.h"
#include "view/frames_text.h"
#include "view/pen.h"

/* of a core, in the line of the cost */
#define PART_SHOWN 0.0005

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static const char *verb(const struct heap_watch_row *row, bool removed)
{
	if (row->refs)
		return removed ? "dropped" : "taken";
	return removed ? "removed" : "inserted";
}

/* ---- stacks as they are shown --------------------------------------------------------------- */

/*
 * The frames that say who it was: without the interpreter's own C frames, and what starts the
 * thread. Which instruction of the interpreter wrote differs from hit to hit of one line; a stack
 * without Python is left as it is.
 */
static void keep_plain(struct stack *stack, const char *interpreter, struct frame *room)
{
	bool begun = false;
	size_t n = 0;

	for (size_t i = 0; i < stack->n_frames; i++) {
		const struct frame *frame = &stack->frames[i];

		begun |= frame->kind == FRAME_PYTHON;
		if (frame->kind == FRAME_NATIVE &&
		    (!begun || package_of(frame, interpreter).kind == PACKAGE_INTERPRETER))
			continue;
		room[n++] = *frame;
	}
	if (!begun)
		return;
	stack->frames = room;
	stack->n_frames = n;
}

/* A copy of the row with such stacks, those put together that are equal then; NULL: memory is
 * out. */
static struct frame *make_plain(struct heap_watch_row *row, const struct heap_watch_row *from,
				const char *interpreter)
{
	struct heap_watch_stack *stacks = malloc((from->n_stacks + 1) * sizeof(*stacks));
	struct frame *frames = NULL;
	size_t n = 1;

	for (size_t i = 0; i < from->n_stacks; i++)
		n += from->stacks[i].stack.n_frames;
	*row = *from;
	row->inserted = row->removed = row->insertions = row->removals = 0;
	frames = stacks ? malloc(n * sizeof(*frames)) : NULL;
	if (!frames) {
		free(stacks);
		return NULL;
	}
	n = 0;
	for (size_t i = 0; i < from->n_stacks; i++) {
		stacks[i] = from->stacks[i];
		keep_plain(&stacks[i].stack, interpreter, frames + n);
		n += from->stacks[i].stack.n_frames;
	}
	heap_watch_merge_stacks(row, stacks, from->n_stacks);
	return frames;
}

/* ---- one container -------------------------------------------------------------------------- */

static void put_sums(const struct pen *pen, const struct heap_watch_row *row, double seconds)
{
	int64_t net = (int64_t)(row->inserted - row->removed);

	pen_put(pen, INK_HEAD, row->path);
	fputc(' ', pen->out);
	pen_put(pen, INK_PLAIN, row->type);
	fprintf(pen->out, ", %" PRIu64 " %s%s: ", row->items_after,
		row->refs ? "reference" : "item", plural(row->items_after));
	pen_ink(pen, INK_SIZE);
	fprintf(pen->out, "+%" PRIu64 " %s, -%" PRIu64 " %s", row->inserted, verb(row, false),
		row->removed, verb(row, true));
	pen_ink(pen, INK_PLAIN);
	fprintf(pen->out, " in %s", fmt_duration(seconds).text);
	if (net && seconds > 0) {
		pen_ink(pen, net > 0 ? INK_GROWS : INK_SHRINKS);
		fprintf(pen->out, " (%s%s/s)", net > 0 ? "+" : "-",
			fmt_per_second((double)llabs(net) / seconds).text);
		pen_ink(pen, INK_PLAIN);
	}
	fputc('\n', pen->out);
}

static int compare_removed(const void *a, const void *b)
{
	const struct heap_watch_stack *const *x = a, *const *y = b;

	if ((*x)->removed != (*y)->removed)
		return (*x)->removed > (*y)->removed ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

static void put_stack(const struct pen *pen, const char *interpreter,
		      const struct heap_watch_row *row, const struct heap_watch_stack *stack,
		      bool removed, bool all)
{
	uint64_t items = removed ? stack->removed : stack->inserted,
		 times = removed ? stack->removals : stack->insertions;
	char sum[24];

	snprintf(sum, sizeof(sum), "%c%" PRIu64, removed ? '-' : '+', items);
	fprintf(pen->out, "%12s %s", sum, verb(row, removed));
	if (times != items)
		fprintf(pen->out, ", in %" PRIu64 " change%s,", times, plural(times));
	fputs(" by:\n", pen->out);
	frames_text(pen, &stack->stack, interpreter, all);
}

static void put_stacks(const struct pen *pen, const char *interpreter,
		       const struct heap_watch_row *row, const struct watch_text_options *options)
{
	const struct heap_watch_stack **removers = calloc(row->n_stacks + 1, sizeof(*removers));
	size_t n[2] = {0, 0}, top = options->top ? options->top : row->n_stacks;

	for (size_t i = 0; i < row->n_stacks; i++) {
		if (row->stacks[i].inserted && n[0]++ < top)
			put_stack(pen, interpreter, row, &row->stacks[i], false,
				  options->all_frames);
		if (row->stacks[i].removed && removers)
			removers[n[1]++] = &row->stacks[i];
	}
	if (n[0] > top)
		fprintf(pen->out, "        and %s more stack%s (-T 0 shows all)\n",
			fmt_count(n[0] - top).text,
			n[0] - top == 1 ? " that inserts" : "s that insert");
	if (removers)
		qsort(removers, n[1], sizeof(*removers), compare_removed);
	for (size_t i = 0; i < n[1] && i < top; i++)
		put_stack(pen, interpreter, row, removers[i], true, options->all_frames);
	if (n[1] > top)
		fprintf(pen->out, "        and %s more stack%s (-T 0 shows all)\n",
			fmt_count(n[1] - top).text,
			n[1] - top == 1 ? " that removes" : "s that remove");
	if (!n[0] && !n[1])
		fprintf(pen->out, "        nothing was %s or %s\n", verb(row, false),
			verb(row, true));
	free(removers);
}

/* Of references, the unpaired ones matter. */
static void put_unpaired(const struct pen *pen, const char *interpreter,
			 const struct heap_watch_row *row, const struct watch_text_options *options)
{
	struct unpaired *rows = calloc(row->n_stacks + 1, sizeof(*rows));
	size_t n = rows ? unpaired_find(rows, (struct heap_watch_stack *)row->stacks, row->n_stacks)
			: 0,
	       top = options->top ? options->top : n;

	for (size_t i = 0; i < n && i < top; i++) {
		char sum[24];

		snprintf(sum, sizeof(sum), "%+" PRId64, rows[i].net);
		fprintf(pen->out, "%12s %s by:\n", sum,
			rows[i].net > 0 ? "taken and not dropped" : "dropped and not taken");
		frames_text(pen, &rows[i].stack, interpreter, false);
	}
	if (n > top)
		fprintf(pen->out, "        and %s more function%s (-T 0 shows all)\n",
			fmt_count(n - top).text, plural(n - top));
	if (!n && row->inserted)
		fputs("        all that was taken was dropped again\n", pen->out);
	if (!n && !row->inserted && !row->removed)
		fputs("        nothing was taken or dropped\n", pen->out);
	free(rows);
}

static void put_fate(const struct pen *pen, const struct heap_watch_row *row)
{
	if (row->fate == WATCH_SAME)
		return;
	fputs("        ", pen->out);
	pen_ink(pen, INK_WARNING);
	switch (row->fate) {
	case WATCH_REPLACED:
		fprintf(pen->out, "It was replaced: the path now leads to ");
		pen_put(pen, INK_WARNING, row->now_type);
		fprintf(pen->out,
			" at 0x%" PRIx64 ", and led to 0x%" PRIx64
			" at the start; these figures are for the old one",
			row->now_address, row->address);
		break;
	case WATCH_GONE:
		fprintf(pen->out,
			"It is gone: nothing has that name any more, or no such object is at "
			"0x%" PRIx64 "; the last changes may be those of its successor there",
			row->address);
		break;
	default:
		fputs("Whether it was there until the end is not known", pen->out);
	}
	pen_ink(pen, INK_PLAIN);
	fputs(".\n", pen->out);
}

void watch_text_row(const struct pen *pen, const struct heap_watch_row *row, double seconds,
		    const char *interpreter, const struct watch_text_options *options)
{
	struct heap_watch_row plain;
	struct frame *frames = options->all_frames ? NULL : make_plain(&plain, row, interpreter);

	put_sums(pen, row, seconds);
	if (frames && row->refs)
		put_unpaired(pen, interpreter, &plain, options);
	else
		put_stacks(pen, interpreter, frames ? &plain : row, options);
	if (frames)
		free((void *)plain.stacks);
	free(frames);
	put_fate(pen, row);
}

/* ---- around them ---------------------------------------------------------------------------- */

static void put_head(const struct pen *pen, const struct heap_watch *watch)
{
	const struct profile *about = watch->about;
	char clock[16] = "?";
	struct tm local;

	if (localtime_r(&about->time.tv_sec, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	pen_ink(pen, INK_HEAD);
	fprintf(pen->out, "[%s] pid %d (CPython ", clock, about->target.pid);
	pen_put(pen, INK_HEAD, about->target.python ? about->target.python : "?");
	pen_ink(pen, INK_HEAD);
	fprintf(pen->out, "): %zu %s%s watched for %s", watch->n_rows,
		watch->n_rows && watch->rows[0].refs ? "object" : "container",
		plural(watch->n_rows), fmt_duration(about->duration_s).text);
	pen_ink(pen, INK_PLAIN);
	fputc('\n', pen->out);
	if (about->target.stopped)
		fputs("The target is stopped (by a signal or a debugger): nothing changes until it "
		      "is continued.\n",
		      pen->out);
	if (watch->traced_by)
		fprintf(pen->out, "Also traced by pyleaktrace (pid %d).\n", watch->traced_by);
}

static void put_end(const struct pen *pen, const struct heap_watch *watch)
{
	const char *why = NULL;

	switch (watch->end) {
	case WATCH_OVERHEAD:
		if (watch->slow) {
			fprintf(pen->out,
				"Ended early: while a watchpoint is set the processor moves and "
				"fills memory byte by byte, "
				"and the target does much of that: it lost %s of a core, and may "
				"lose %s (--max-overhead).\n",
				fmt_percent(watch->target_cpu_fraction).text,
				fmt_percent(watch->max_overhead).text);
			return;
		}
		fprintf(pen->out,
			"Ended early: the changes came faster than %s of a core can follow "
			"(--max-overhead); the first %s of them were counted.\n",
			fmt_percent(watch->max_overhead).text, fmt_count(watch->hits).text);
		return;
	case WATCH_LOST:
		why = "a container is not there any more";
		break;
	case WATCH_TARGET:
		why = "the target has ended, or replaced itself";
		break;
	default:
		return;
	}
	fprintf(pen->out, "Ended early: %s.\n", why);
}

static void put_losses(const struct pen *pen, const struct profile *about)
{
	for (size_t i = 0; i < about->n_losses; i++) {
		fprintf(pen->out, "Lost: %s x %s: ", fmt_count(about->losses[i].count).text,
			about->losses[i].name);
		pen_put(pen, INK_WARNING, about->losses[i].sentence);
		fputc('\n', pen->out);
	}
	if (!about->n_losses)
		fputs("Nothing was lost.\n", pen->out);
}

/* What is nothing, rounded, is left out. */
static void put_cost(FILE *out, const struct heap_watch *watch)
{
	double seconds = watch->about->duration_s;

	fprintf(out, "cost: %s hit%s x %s (%s of it the trap)", fmt_count(watch->hits).text,
		plural(watch->hits), fmt_duration(watch->ns_per_hit / 1e9).text,
		fmt_duration(watch->trap_ns / 1e9).text);
	if (watch->switches_fraction >= PART_SHOWN)
		fprintf(out, " + %s thread switches x %s", fmt_count(watch->switches).text,
			fmt_duration(watch->ns_per_switch / 1e9).text);
	if (watch->strings_fraction >= PART_SHOWN)
		fprintf(out, " + %s in which memory was moved or filled byte by byte",
			fmt_duration(watch->strings_fraction * seconds).text);
	fprintf(out, " = %s of a core\n", fmt_percent(watch->target_cpu_fraction).text);
	if (watch->splits_most >= PART_SHOWN)
		fprintf(out,
			"      and up to %s more: stores across two cache lines take %s longer "
			"while there are watchpoints, and cannot be counted\n",
			fmt_percent(watch->splits_most).text,
			fmt_duration(watch->split_ns / 1e9).text);
}

void watch_text(FILE *out, const struct heap_watch *watch, const struct watch_text_options *options)
{
	const struct pen pen = {.out = out, .color = options->color};

	put_head(&pen, watch);
	for (size_t i = 0; i < watch->n_rows; i++)
		watch_text_row(&pen, &watch->rows[i], watch->about->duration_s,
			       watch->about->target.python_module, options);
	put_end(&pen, watch);
	if (options->quiet)
		return;
	put_losses(&pen, watch->about);
	put_cost(out, watch);
}
