/* SPDX-License-Identifier: BSD-2-Clause
 *
 * account_text: the end of a trace's report: what is outstanding in all, what was traced, what was
 * lost, what it cost, and what became of the target.
 *
 * Place      layer 5, private to view; used by report and brief.
 * Shapes     all of it, or in brief: a line for each that has something to say, sentences of two
 *            lines at most.
 */
#ifndef PYLEAKTRACE_VIEW_ACCOUNT_TEXT_H
#define PYLEAKTRACE_VIEW_ACCOUNT_TEXT_H

#include "model/profile.h"
#include "view/pen.h"

/* Of the rows with something outstanding. */
struct account {
	size_t n, n_listed;
	size_t n_unsure; /* see stack_is_sure(); of those that are listed, or of all */
	bool unsure_listed;
	uint64_t unsure_bytes, unsure_seen;
};

void account_text(const struct pen *pen, const struct profile *profile,
		  const struct account *account, bool quiet);
void account_text_brief(const struct pen *pen, const struct profile *profile,
			const struct account *account, bool quiet);

/* The cost, where nothing is traced: what is read from outside costs only bandwidth. */
void account_untraced(const struct pen *pen, const struct profile *profile);

/* Where the names are that C functions do not have here. */
void account_nameless(const struct pen *pen, const struct profile *profile);

void account_ends(const struct pen *pen, const struct profile *profile);

#endif
