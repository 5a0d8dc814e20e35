/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/brief.h"

#include <stdint.h>

#include "model/verdict.h"
#include "view/account_text.h"
#include "view/growing_text.h"
#include "view/part.h"
#include "view/rows_text.h"
#include "view/source_text.h"
#include "view/trend_text.h"
#include "view/verdict_text.h"

/* lines of the parts, at most */
#define VERDICT_LINES 16
#define VERDICT_TWICE 12 /* each of the two */
#define VERDICT_LEAST 6  /* fewer are not worth it at the end */
#define NOTES_LINES   4
#define SHOWN_LINES   4 /* what the trend shows */
#define HINT_LINES    2
#define END_LINES     2 /* for each target */
#define ROWS_LEAST    10

#define MORE_ROWS     3 /* of containers, of types */
#define MORE_SHARE    3 /* of the lines that are left, one in so many */
#define LONG_REPORT   15
#define NO_LIMIT      (SIZE_MAX / 2)

static const struct part_fit as_it_is = {0};

static size_t limit_of(const struct profile *profile, const struct report_options *options)
{
	size_t n = profile->n_targets ? profile->n_targets : 1;

	return options->lines ? options->lines * n : NO_LIMIT;
}

/* ---- the beginning, and the end ------------------------------------------------------------- */

static bool has_verdict(const struct profile *profile)
{
	return profile->verdict || profile->n_verdicts;
}

/* lines: for each */
static void put_verdicts(const struct pen *pen, const struct profile *profile, size_t lines)
{
	if (profile->verdict)
		verdict_text(pen, profile->verdict, profile->target.python_module, lines);
	for (size_t i = 0; i < profile->n_verdicts; i++)
		verdict_text(pen, profile->verdicts[i], profile->target.python_module, lines);
}

/* Is the answer known, so that only what it does not say is news? */
static bool is_answered(const struct profile *profile)
{
	return profile->verdict && profile->verdict->state != VERDICT_TOO_EARLY;
}

static void put_head(const struct pen *pen, const struct profile *profile,
		     const struct report_options *options)
{
	struct part part;

	put_verdicts(pen, profile, options->last ? VERDICT_TWICE : VERDICT_LINES);
	if (has_verdict(profile))
		fputc('\n', pen->out);
	part_open(&part, pen);
	for (size_t i = 0; i < profile->n_notes; i++) {
		if (profile->notes[i].pid)
			fprintf(part.pen.out, "pid %d: ", profile->notes[i].pid);
		pen_put(&part.pen, INK_WARNING, profile->notes[i].sentence);
		fputc('\n', part.pen.out);
	}
	part_put(&part, &(struct part_fit){NOTES_LINES, true, 2});
	if (!profile->trend || options->quiet)
		return;
	part_open(&part, pen);
	if (is_answered(profile))
		trend_text_unsaid(part.pen.out, profile->trend, options->color);
	else
		trend_text_brief(part.pen.out, profile->trend, options->color);
	part_put(&part, &(struct part_fit){SHOWN_LINES, true, 2});
}

static void put_account(const struct pen *pen, const struct profile *profile,
			const struct report_options *options, const struct account *account)
{
	struct part part;

	if (!profile->mode.untraced)
		account_text_brief(pen, profile, account, options->quiet);
	else if (!options->quiet)
		account_untraced(pen, profile);
	part_open(&part, pen);
	if (options->last && !options->quiet)
		account_nameless(&part.pen, profile);
	part_put(&part, &(struct part_fit){HINT_LINES, true, 2});
	part_open(&part, pen);
	account_ends(&part.pen, profile);
	part_put(&part,
		 &(struct part_fit){END_LINES * (profile->n_targets ? profile->n_targets : 1), true,
				    2});
}

/* ---- the evidence --------------------------------------------------------------------------- */

/* What grows, and is in no verdict; where that explains all there is nothing to add. */
static void put_more(const struct pen *pen, const struct profile *profile)
{
	if (is_answered(profile) && !(profile->verdict->unexplained_per_s > 0))
		return;
	growing_text_brief(pen, profile, MORE_ROWS);
	growing_text_types_brief(pen, profile, MORE_ROWS);
}

/* Rows that are listed: those that are sure, or all. */
static bool is_listed(const struct profile *profile, const struct report_options *options, size_t i)
{
	return !options->top || stack_is_sure(rows_at(profile, i));
}

static void take_stock(const struct profile *profile, const struct report_options *options,
		       struct account *account)
{
	*account = (struct account){.n = rows_outstanding(profile), .unsure_listed = !options->top};
	for (size_t i = 0; i < account->n; i++) {
		const struct stack *row = rows_at(profile, i);

		account->n_listed += is_listed(profile, options, i);
		if (stack_is_sure(row))
			continue;
		account->n_unsure++;
		sum_add(&account->unsure_bytes, row->outstanding_bytes);
		sum_add(&account->unsure_seen, row->seen);
	}
	if (options->top && options->top < account->n_listed)
		account->n_listed = options->top;
}

static void put_some(const struct pen *pen, const struct profile *profile,
		     const struct report_options *options, const struct account *account, size_t n,
		     unsigned n_frames)
{
	const struct rows_manner manner = {.brief = true, .n_frames = n_frames};
	size_t n_put = 0;

	rows_head(pen, profile, options->top ? options->top : account->n);
	for (size_t i = 0; i < account->n && n_put < n; i++)
		if (is_listed(profile, options, i)) {
			rows_put(pen, profile, i, &manner);
			n_put++;
		}
	if (n < account->n_listed)
		fprintf(pen->out, "\t... %zu more (-v)\n", account->n_listed - n);
}

/* As many as fit: fewer frames of each first, then fewer rows. account: of those that are put then
 */
static void put_rows(struct part *part, const struct pen *pen, const struct profile *profile,
		     const struct report_options *options, struct account *account, size_t room)
{
	unsigned n_frames = options->frames;
	size_t n = account->n_listed;

	for (;;) {
		part_open(part, pen);
		put_some(&part->pen, profile, options, account, n, n_frames);
		if (part_lines(part, &as_it_is) <= room || n <= 1)
			break;
		part_drop(part);
		if (n_frames > REPORT_FRAMES_LEAST)
			n_frames--;
		else
			n--;
	}
	account->n_listed = n;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static bool is_early(const struct profile *profile)
{
	return profile->verdict && profile->verdict->state == VERDICT_TOO_EARLY;
}

/* The last report's answer again, with an empty line before it, if it is worth its lines. */
static size_t prepare_last(struct part *part, const struct pen *pen, const struct profile *profile,
			   const struct report_options *options, size_t left)
{
	size_t n = profile->n_targets ? profile->n_targets : 1, lines;

	part_open(part, pen);
	if (!options->last || !has_verdict(profile) || is_early(profile) || left < ROWS_LEAST)
		return 0;
	lines = (left - ROWS_LEAST) / n;
	if (lines <= VERDICT_LEAST)
		return 0;
	fputc('\n', part->pen.out);
	put_verdicts(&part->pen, profile, lines <= VERDICT_TWICE ? lines - 1 : VERDICT_TWICE);
	return part_lines(part, &as_it_is);
}

static size_t at_most(size_t n, size_t most)
{
	return n < most ? n : most;
}

void brief_text(const struct pen *pen, const struct profile *profile,
		const struct report_options *options)
{
	struct part head, rows, more, account_part, last;
	size_t left = limit_of(profile, options), used, used_more, used_last;
	struct account account;

	take_stock(profile, options, &account);
	part_open(&head, pen);
	put_head(&head.pen, profile, options);
	part_open(&account_part, pen);
	put_account(&account_part.pen, profile, options, &account);
	used = part_lines(&head, &as_it_is) + part_lines(&account_part, &as_it_is);
	part_drop(&account_part);
	left = left > used ? left - used : 0;
	used_last = prepare_last(&last, pen, profile, options, left);
	left -= used_last;
	part_open(&more, pen);
	put_more(&more.pen, profile);
	used_more = at_most(part_lines(&more, &as_it_is),
			    profile->mode.untraced ? left : left / MORE_SHARE);
	left -= used_more;
	part_open(&rows, pen);
	if (!profile->mode.untraced) {
		part_drop(&rows);
		put_rows(&rows, pen, profile, options, &account, left);
	}
	used += used_more + at_most(part_lines(&rows, &as_it_is), left);

	part_put(&head, &as_it_is);
	left ? (void)part_put(&rows, &(struct part_fit){.lines = left}) : part_drop(&rows);
	used_more ? (void)part_put(&more, &(struct part_fit){.lines = used_more})
		  : part_drop(&more);
	part_open(&account_part, pen);
	put_account(&account_part.pen, profile, options, &account);
	part_put(&account_part, &as_it_is);
	source_text(pen, profile);
	used > LONG_REPORT ? (void)part_put(&last, &as_it_is) : part_drop(&last);
}
