/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/report.h"

#include "model/verdict.h"
#include "view/account_text.h"
#include "view/brief.h"
#include "view/growing_text.h"
#include "view/pen.h"
#include "view/rows_text.h"
#include "view/source_text.h"
#include "view/trend_text.h"
#include "view/verdict_text.h"

#define NARROWEST 40 /* a terminal narrower than this is treated as this wide */

static void put_notes(const struct pen *pen, const struct profile *profile)
{
	for (size_t i = 0; i < profile->n_notes; i++) {
		if (profile->notes[i].pid)
			fprintf(pen->out, "pid %d: ", profile->notes[i].pid);
		pen_put(pen, INK_WARNING, profile->notes[i].sentence);
		fputc('\n', pen->out);
	}
}

/* return whether there are any */
static bool put_verdicts(const struct pen *pen, const struct profile *profile)
{
	if (profile->verdict)
		verdict_text(pen, profile->verdict, profile->target.python_module, 0);
	for (size_t i = 0; i < profile->n_verdicts; i++)
		verdict_text(pen, profile->verdicts[i], profile->target.python_module, 0);
	return profile->verdict || profile->n_verdicts;
}

/* Those that are not sure, too. */
static void put_rows(const struct pen *pen, const struct profile *profile,
		     const struct report_options *options, struct account *account)
{
	const struct rows_manner manner = {.all_frames = options->all_frames};
	size_t n = rows_outstanding(profile);

	*account = (struct account){.n = n, .unsure_listed = true};
	account->n_listed = options->top && options->top < n ? options->top : n;
	rows_head(pen, profile, options->top ? options->top : n);
	for (size_t i = 0; i < account->n_listed; i++) {
		rows_put(pen, profile, i, &manner);
		account->n_unsure += !stack_is_sure(rows_at(profile, i));
	}
}

static void put_whole(const struct pen *pen, const struct profile *profile,
		      const struct report_options *options)
{
	struct account account;

	if (put_verdicts(pen, profile))
		fputc('\n', pen->out);
	put_notes(pen, profile);
	if (profile->trend && !options->quiet)
		trend_text_brief(pen->out, profile->trend, options->color);
	growing_text(pen, profile, options->all_frames);
	growing_text_classes(pen, profile);
	if (!profile->mode.untraced)
		put_rows(pen, profile, options, &account);
	growing_text_types(pen, profile);
	if (!profile->mode.untraced)
		account_text(pen, profile, &account, options->quiet);
	else if (!options->quiet)
		account_untraced(pen, profile);
	account_ends(pen, profile);
	source_text(pen, profile);
	if (options->last && (profile->verdict || profile->n_verdicts)) {
		fputc('\n', pen->out);
		put_verdicts(pen, profile);
	}
}

void report_text(FILE *out, const struct profile *profile, const struct report_options *options)
{
	struct pen pen = {
		.out = out,
		.color = options->color,
		.width = options->width && options->width < NARROWEST ? NARROWEST : options->width,
	};

	if (options->whole) {
		put_whole(&pen, profile, options);
		return;
	}
	if (!pen.width || pen.width > REPORT_WIDTH)
		pen.width = REPORT_WIDTH;
	brief_text(&pen, profile, options);
}
