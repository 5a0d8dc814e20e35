/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/trend_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"

#define BOLD           "1"
#define RED            "31"
#define YELLOW         "33"

#define GROUP_NAMES    3
#define STARTERS       3 /* stacks */
#define STARTER_FRAMES 3

static void ink(FILE *out, bool color, const char *code)
{
	if (color)
		fprintf(out, "\033[%sm", code);
}

static struct fmt amount(enum trend_kind kind, uint64_t value)
{
	return trend_kind_info(kind)->bytes ? fmt_bytes(value) : fmt_count(value);
}

/* "+2.0 MiB", "-12"; "0" */
static struct fmt change(enum trend_kind kind, double value)
{
	struct fmt text;

	value = round(value);
	snprintf(text.text, sizeof(text.text), "%s%.30s",
		 value < 0   ? "-"
		 : value > 0 ? "+"
			     : "",
		 amount(kind, (uint64_t)fabs(value)).text);
	return text;
}

/* ---- what it shows -------------------------------------------------------------------------- */

static void put_findings(FILE *out, const struct trend *trend, bool color)
{
	for (size_t i = 0; i < trend->n_findings; i++) {
		ink(out, color, RED);
		escape_terminal(out, trend->findings[i].sentence);
		ink(out, color, "0");
		fputc('\n', out);
	}
}

static void put_missing(FILE *out, const struct trend *trend, bool color)
{
	for (size_t i = 0; i < trend->n_missing; i++) {
		ink(out, color, YELLOW);
		fputs("not known: ", out);
		escape_terminal(out, trend->missing[i]);
		ink(out, color, "0");
		fputc('\n', out);
	}
}

/* ---- quantities ----------------------------------------------------------------------------- */

static void put_row(FILE *out, const struct trend_row *row, bool color)
{
	const struct trend_kind_info *info = trend_kind_info(row->kind);
	char sure[16] = "-";

	if (!row->n)
		return;
	if (row->confidence >= 0)
		snprintf(sure, sizeof(sure), "%.0f%%", floor(row->confidence * 100));
	fprintf(out, "%12s %13s ", amount(row->kind, row->last).text,
		change(row->kind, (double)row->last - (double)row->first).text);
	if (row->shape == FIT_STEADY)
		ink(out, color, RED);
	fprintf(out, "%13s %6s %-8s  ", change(row->kind, row->per_s * 60).text, sure,
		row->shape == FIT_UNKNOWN ? "-" : fit_shape_name(row->shape));
	if (row->shape == FIT_STEADY)
		ink(out, color, "0");
	fprintf(out, "%s\n", info->label);
}

static void put_quantities(FILE *out, const struct trend *trend, bool color)
{
	static const enum trend_kind shown[] = {TREND_RSS,          TREND_PSS,       TREND_PRIVATE,
						TREND_COMMON,       TREND_ANONYMOUS, TREND_SWAP,
						TREND_CGROUP,       TREND_OBJECTS,   TREND_THREADS,
						TREND_INTERPRETERS, TREND_FDS};

	ink(out, color, BOLD);
	fprintf(out, "%12s %13s %13s %6s %s", "now", "change", "per minute", "sure", "how");
	ink(out, color, "0");
	fputc('\n', out);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		put_row(out, &trend->rows[shown[i]], color);
}

static void put_cgroup(FILE *out, const struct trend_cgroup *cgroup)
{
	if (!cgroup->have)
		return;
	fputs("cgroup ", out);
	escape_terminal(out, cgroup->path);
	fprintf(out, " (version %d): %s", cgroup->version, fmt_bytes(cgroup->usage_bytes).text);
	if (cgroup->have_limit)
		fprintf(out, " of %s, %s", fmt_bytes(cgroup->limit_bytes).text,
			fmt_percent(cgroup->limit_bytes ? (double)cgroup->usage_bytes /
								  (double)cgroup->limit_bytes
							: 0)
				.text);
	else
		fputs(", no limit", out);
	fprintf(out, "; %s of it is cache\n", fmt_bytes(cgroup->cache_bytes).text);
}

/* ---- where the RSS is ----------------------------------------------------------------------- */

static void put_part(FILE *out, double bytes, double rss, const struct trend_row *row,
		     const char *label)
{
	fprintf(out, "%12s %6s ", change(TREND_RSS, bytes).text + (round(bytes) > 0),
		fmt_percent(rss > 0 ? fabs(bytes) / rss : 0).text);
	if (row && row->n > 1)
		fprintf(out, "%13s", change(row->kind, row->per_s * 60).text);
	else
		fprintf(out, "%13s", "");
	fprintf(out, "  %s\n", label);
}

static void put_account(FILE *out, const struct trend *trend, bool color)
{
	double rss = (double)trend->rows[TREND_RSS].last;

	if (!trend->have_account)
		return;
	ink(out, color, BOLD);
	fputs("Where the RSS is:        per minute", out);
	ink(out, color, "0");
	fputc('\n', out);
	for (int kind = TREND_PART_FIRST; kind <= TREND_PART_LAST; kind++) {
		const struct trend_row *row = &trend->rows[kind];

		if (row->last || row->first)
			put_part(out, (double)row->last, rss, row, trend_label(trend, row->kind));
	}
	put_part(out, (double)trend->unexplained_bytes, rss, NULL, "unexplained");
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void put_allocators(FILE *out, const struct heap_usage *room)
{
	uint64_t heaps = room->main_bytes + room->side_bytes;
	uint64_t heaps_free = room->main_free_bytes + room->side_free_bytes;

	if (room->arenas)
		fprintf(out,
			room->mimalloc ? "mimalloc: %s in %s segment%s, %s full; their resident "
					 "part %s full\n"
				       : "pymalloc: %s in %s arena%s, %s full; pools %s full\n",
			fmt_bytes(room->arenas_bytes).text, fmt_count(room->arenas).text,
			room->arenas == 1 ? "" : "s",
			fmt_percent(share(room->pools_used_bytes, room->arenas_bytes)).text,
			fmt_percent(share(room->pools_used_bytes, room->pools_bytes)).text);
	if (heaps || room->mapped)
		fprintf(out,
			"malloc: main heap %s, %s heap%s of other arenas %s, together %s full; %s "
			"mapped block%s %s\n",
			fmt_bytes(room->main_bytes).text, fmt_count(room->side_heaps).text,
			room->side_heaps == 1 ? "" : "s", fmt_bytes(room->side_bytes).text,
			fmt_percent(1 - share(heaps_free, heaps)).text,
			fmt_count(room->mapped).text, room->mapped == 1 ? "" : "s",
			fmt_bytes(room->mapped_bytes).text);
}

/* ---- threads -------------------------------------------------------------------------------- */

static void put_place(FILE *out, const char *function, const char *file, uint32_t line)
{
	escape_terminal(out, function);
	fputs(" (", out);
	escape_terminal(out, file ? file : "?");
	fprintf(out, ":%" PRIu32 ")", line);
}

static const char *state_name(const struct trend_thread *thread)
{
	return thread->state == 'R' ? "runs   " : thread->state ? "waits  " : "?      ";
}

static void put_name(FILE *out, const struct trend_thread *thread)
{
	escape_terminal(out, thread->name ? thread->name : "(no name)");
}

/* " in wait (threading.py:327), from worker (app.py:3)" */
static void put_where(FILE *out, const struct trend_thread *thread)
{
	if (thread->function) {
		fputs(" in ", out);
		put_place(out, thread->function, thread->file, thread->line);
	} else {
		fputs(", not in Python", out);
	}
	if (thread->entry && (!thread->function || strcmp(thread->entry, thread->function) != 0)) {
		fputs(", from ", out);
		put_place(out, thread->entry, thread->entry_file, thread->entry_line);
	}
}

static void put_thread(FILE *out, const struct trend_thread *thread)
{
	if (thread->tid)
		fprintf(out, "%12d ", (int)thread->tid);
	else
		fprintf(out, "%12s ", "?");
	fputs(state_name(thread), out);
	put_name(out, thread);
	put_where(out, thread);
	fputc('\n', out);
}

/* Threads that do the same at the same place. */
struct group {
	const struct trend_thread *const *rows; /* newest first */
	size_t n;
};

static void put_group(FILE *out, const struct group *group)
{
	const struct trend_thread *first = group->rows[0];

	if (group->n == 1) {
		put_thread(out, first);
		return;
	}
	fprintf(out, "%12zu threads%s", group->n,
		first->state == 'R' ? " run"
		: first->state      ? " wait"
				    : "");
	put_where(out, first);
	fputs(": ", out);
	for (size_t i = 0; i < group->n && i < GROUP_NAMES; i++) {
		fputs(i ? ", " : "", out);
		put_name(out, group->rows[i]);
	}
	fputs(group->n > GROUP_NAMES ? ", ...\n" : "\n", out);
}

static int compare_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare_place(const struct trend_thread *a, const struct trend_thread *b)
{
	int order = (a->state == 'R') - (b->state == 'R');

	order = order ? order : (a->state == 0) - (b->state == 0);
	order = order ? order : !a->function - !b->function;
	order = order ? order : compare_text(a->function, b->function);
	order = order ? order : compare_text(a->file, b->file);
	order = order ? order : (a->line > b->line) - (a->line < b->line);
	order = order ? order : compare_text(a->entry, b->entry);
	order = order ? order : compare_text(a->entry_file, b->entry_file);
	return order ? order : (a->entry_line > b->entry_line) - (a->entry_line < b->entry_line);
}

/* Rows are in one array, newest first. */
static int compare_threads(const void *a, const void *b)
{
	const struct trend_thread *const *x = a, *const *y = b;
	int order = compare_place(*x, *y);

	return order ? order : (*x > *y) - (*x < *y);
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return (x->rows[0] > y->rows[0]) - (x->rows[0] < y->rows[0]);
}

/* in  order: room for all rows; groups: too. return how many there are, the largest first */
static size_t make_groups(const struct trend_threads *threads, const struct trend_thread **order,
			  struct group *groups)
{
	size_t n = 0;

	for (size_t i = 0; i < threads->n_rows; i++)
		order[i] = &threads->rows[i];
	qsort(order, threads->n_rows, sizeof(*order), compare_threads);
	for (size_t i = 0; i < threads->n_rows; i++) {
		if (!n || compare_place(groups[n - 1].rows[0], order[i]))
			groups[n++].rows = &order[i];
		groups[n - 1].n++;
	}
	qsort(groups, n, sizeof(*groups), compare_groups);
	return n;
}

static void put_groups(FILE *out, const struct trend_threads *threads, unsigned top)
{
	const struct trend_thread **order = calloc(threads->n_rows + 1, sizeof(*order));
	struct group *groups = calloc(threads->n_rows + 1, sizeof(*groups));
	size_t n = order && groups ? make_groups(threads, order, groups) : 0, shown = 0;

	for (size_t i = 0; i < n && (!top || i < top); i++) {
		put_group(out, &groups[i]);
		shown += groups[i].n;
	}
	if (shown < threads->n_rows)
		fprintf(out, "        and %zu more (-T 0 shows all)\n", threads->n_rows - shown);
	free(order);
	free(groups);
}

static void put_threads(FILE *out, const struct trend *trend,
			const struct trend_text_options *options)
{
	const struct trend_threads *threads = &trend->threads;

	if (!trend->have_threads)
		return;
	ink(out, options->color, BOLD);
	fprintf(out, "Threads: %zu of Python, %zu in all", threads->n_rows, threads->n_tasks);
	ink(out, options->color, "0");
	if (threads->have_flow)
		fprintf(out, "; since the first look %" PRIu64 " started, %" PRIu64 " ended",
			threads->came, threads->ended);
	fputs(threads->cut ? "; there are more\n" : "\n", out);
	put_groups(out, threads, options->top);
}

/* The frames of Python from the innermost one on that is not of threading. */
static bool is_starter(const struct frame *frame)
{
	const char *slash = frame->file ? strrchr(frame->file, '/') : NULL;

	return frame->kind == FRAME_PYTHON && frame->function &&
	       (!slash || strcmp(slash, "/threading.py") != 0);
}

static void put_starter(FILE *out, const struct stack *stack)
{
	unsigned n = 0;

	for (size_t i = stack->n_frames; i > 0 && n < STARTER_FRAMES; i--) {
		const struct frame *frame = &stack->frames[i - 1];

		if (!is_starter(frame))
			continue;
		fputs(n++ ? ", from " : " by ", out);
		put_place(out, frame->function, frame->file, frame->line);
	}
	if (!n)
		fputs(" by C code", out);
}

static bool is_same_starter(const struct stack *a, const struct stack *b)
{
	if (a->n_frames != b->n_frames)
		return false;
	for (size_t i = 0; i < a->n_frames; i++)
		if (frame_compare(&a->frames[i], &b->frames[i]))
			return false;
	return true;
}

/* Where the threads were started that the run saw start: each stack once, newest first. */
static void put_starters(FILE *out, const struct trend_threads *threads)
{
	unsigned shown = 0;

	for (size_t i = 0; i < threads->n_rows && shown < STARTERS; i++) {
		const struct stack *starter = threads->rows[i].starter;
		size_t n = 0, first = threads->n_rows;

		for (size_t j = 0; starter && j < threads->n_rows; j++) {
			if (!threads->rows[j].starter ||
			    !is_same_starter(starter, threads->rows[j].starter))
				continue;
			first = first < j ? first : j;
			n++;
		}
		if (!starter || first != i)
			continue;
		fprintf(out, "\t%zu thread%s started", n, n == 1 ? "" : "s");
		put_starter(out, starter);
		fputc('\n', out);
		shown++;
	}
}

/* ---- the whole ------------------------------------------------------------------------------ */

void trend_text(FILE *out, const struct profile *about, const struct trend *trend,
		const struct trend_text_options *options)
{
	char clock[16] = "?";
	struct tm local;

	if (localtime_r(&about->time.tv_sec, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	ink(out, options->color, BOLD);
	fprintf(out, "[%s] pid %d (CPython ", clock, about->target.pid);
	escape_terminal(out, about->target.python ? about->target.python : "?");
	fprintf(out, "): %" PRIu64 " look%s in %s", trend->n_made, trend->n_made == 1 ? "" : "s",
		fmt_duration(trend_span_s(trend)).text);
	ink(out, options->color, "0");
	fputc('\n', out);
	if (about->target.end != TARGET_RUNS)
		fputs("Ended early: the target has ended.\n", out);
	put_findings(out, trend, options->color);
	put_quantities(out, trend, options->color);
	put_cgroup(out, &trend->cgroup);
	put_account(out, trend, options->color);
	if (trend->have_room)
		put_allocators(out, &trend->room);
	if (!options->quiet)
		put_threads(out, trend, options);
	put_missing(out, trend, options->color);
}

/* ---- lines ---------------------------------------------------------------------------------- */

void trend_text_look(FILE *out, const struct trend *trend, time_t time)
{
	static const struct {
		enum trend_kind kind;
		const char *label;
	} shown[] = {{TREND_RSS, "RSS"},         {TREND_PART_OBJECTS, "objects"},
		     {TREND_PART_MALLOC, "C"},   {TREND_PART_POOLS_FREE, "free"},
		     {TREND_SWAP, "swap"},       {TREND_CGROUP, "cgroup"},
		     {TREND_THREADS, "threads"}, {TREND_FDS, "files"}};
	const struct trend_look *look = &trend->looks[trend->n_looks - 1];
	char clock[16] = "?";
	struct tm local;

	if (localtime_r(&time, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	fprintf(out, "[%s]", clock);
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		uint64_t value = look->value[shown[i].kind];

		if (shown[i].kind == TREND_PART_POOLS_FREE)
			value += look->value[TREND_PART_MALLOC_FREE];
		if (trend_has(look, shown[i].kind) && (value || shown[i].kind != TREND_SWAP))
			fprintf(out, "  %s %s", shown[i].label, amount(shown[i].kind, value).text);
	}
	fputc('\n', out);
}

void trend_text_memory(FILE *out, const struct trend *trend)
{
	static const enum trend_kind shown[] = {TREND_RSS,       TREND_PSS,  TREND_PRIVATE,
						TREND_ANONYMOUS, TREND_SWAP, TREND_THREADS,
						TREND_FDS};
	const char *separator = "Memory: ";

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		const struct trend_row *row = &trend->rows[shown[i]];
		const struct trend_kind_info *info = trend_kind_info(shown[i]);

		if (!row->n || (shown[i] == TREND_SWAP && !row->last) ||
		    (shown[i] == TREND_PRIVATE && !trend_finding(trend, "copy_on_write")))
			continue;
		fputs(separator, out);
		if (info->bytes)
			fprintf(out, "%s %s", info->label, fmt_bytes(row->last).text);
		else
			fprintf(out, "%s %.*s", fmt_count(row->last).text,
				(int)strlen(info->label) - (row->last == 1), info->label);
		if (row->n > 1 && row->last != row->first)
			fprintf(out, " (%s)",
				change(row->kind, (double)row->last - (double)row->first).text);
		separator = ", ";
	}
	if (trend->cgroup.have && trend->cgroup.have_limit)
		fprintf(out, "; cgroup %s of %s", fmt_bytes(trend->cgroup.usage_bytes).text,
			fmt_bytes(trend->cgroup.limit_bytes).text);
	fputc('\n', out);
}

void trend_text_brief(FILE *out, const struct trend *trend, bool color)
{
	trend_text_memory(out, trend);
	put_findings(out, trend, color);
	put_starters(out, &trend->threads);
}

void trend_text_unsaid(FILE *out, const struct trend *trend, bool color)
{
	static const char *const unsaid[] = {"collector", "files", "copy_on_write"};

	for (size_t i = 0; i < sizeof(unsaid) / sizeof(unsaid[0]); i++) {
		const char *sentence = trend_finding(trend, unsaid[i]);

		if (!sentence)
			continue;
		ink(out, color, RED);
		escape_terminal(out, sentence);
		ink(out, color, "0");
		fputc('\n', out);
	}
}
