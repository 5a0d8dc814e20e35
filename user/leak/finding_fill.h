/* SPDX-License-Identifier: BSD-2-Clause
 *
 * finding_fill: the parts of a finding: who did it, what it rests on, and what to call next.
 *
 * Place      leak, private to it. Pure.
 * Ownership  what is made lives in the profile.
 */
#ifndef PYLEAKTRACE_LEAK_FINDING_FILL_H
#define PYLEAKTRACE_LEAK_FINDING_FILL_H

#include "model/verdict.h"

/*
 * Who did it, and of its frames the one to look at: the innermost of own code, or of Python. It is
 * copied: the profile's rows are selected and sorted later.
 *
 * in  stack: NULL: not known; by: "made by", "filled by", ...
 */
void finding_set_stack(struct finding *to, struct profile *profile, const struct stack *stack,
		       const char *by);

/* The next command: verb, or NULL for a trace, and what it is given, or NULL. */
void finding_set_next(struct finding *to, struct profile *profile, const char *verb,
		      const char *object);

/* One figure more: at most FINDING_EVIDENCE. unit: "more a minute" */
void finding_add_evidence(struct finding *to, struct profile *profile, const char *kind,
			  double value, const char *unit);

#endif
