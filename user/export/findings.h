/* SPDX-License-Identifier: BSD-2-Clause
 *
 * findings: what the formats of stacks say of the answer: which finding a stack is of, its short
 * name, and the sentences.
 *
 * Place      layer 5, private to export.
 * Shapes     all findings of a profile's verdict, or of its verdicts where several targets are
 *            shown as one, are numbered from 0. A finding's stack may be none of the profile's:
 *            watchpoints see what is not traced.
 * Bounds     a look at all findings for each stack; there are few.
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_EXPORT_FINDINGS_H
#define PYLEAKTRACE_EXPORT_FINDINGS_H

#include "model/profile.h"
#include "model/verdict.h"

/*
 * The finding of this number; NULL: there are no more. of: its verdict, when not NULL.
 */
const struct finding *findings_at(const struct profile *profile, size_t number,
				  const struct verdict **of);

/* Is this stack of the profile's the finding's stack? */
bool findings_is_stack(const struct finding *finding, const struct stack *stack);

/* The finding whose stack it is; of several the first, which grows most. NULL: there is none */
const struct finding *findings_of(const struct profile *profile, const struct stack *stack);

/* Are there stacks of findings among the profile's? */
bool findings_have_stacks(const struct profile *profile);

/* Is their growth all that there is to show? No stack of the profile's has anything outstanding. */
bool findings_are_all(const struct profile *profile);

/*
 * Cause and what it is about: "container app.cache.SESSIONS", "C memory strdup()", "thread". It has
 * no figures, so that it is the same in each report. Not escaped. return text
 */
#define FINDINGS_TITLE_MAX (PROFILE_STRING_MAX + 32)

const char *findings_title(const struct finding *finding, char text[FINDINGS_TITLE_MAX]);

/* Growth in whole bytes a minute. */
uint64_t findings_per_minute(const struct finding *finding);

/*
 * What a reader of the file has to know, a line for each: the target, the answer, what was found,
 * notes, losses. Not escaped.
 */
void findings_say(const struct profile *profile, void (*line)(void *context, const char *text),
		  void *context);

#endif
