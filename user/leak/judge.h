/* SPDX-License-Identifier: BSD-2-Clause
 *
 * judge: a profile -> the verdict: is it a leak, of which kind, how fast, and where.
 *
 *      memory in use, over time ──▶ how much grows ─┐
 *      what retains more and more ──────────────────┼──▶ findings, what is left of the growth ──▶
 * state blocks of C code, mappings, threads ─────────┘
 *
 * The growth is that of memory in use: objects, other blocks of pymalloc and malloc, mappings and
 * threads' stacks; RSS has free memory in it, too. A finding is a part of it that was measured on
 * its own, so that findings never claim more than there is; the rest is reported as unexplained.
 *
 * Place      leak. Pure: reads the profile and nothing else.
 * Ownership  the verdict lives in the profile.
 * Degrades   without looks at memory and heap there is no verdict (profile->verdict is NULL).
 * Bounds     JUDGE_FINDINGS findings.
 */
#ifndef PYLEAKTRACE_LEAK_JUDGE_H
#define PYLEAKTRACE_LEAK_JUDGE_H

#include "model/verdict.h"

#define JUDGE_FINDINGS 8
#define JUDGE_LOOKS    5    /* fewer show nothing */
#define JUDGE_EARLY_S  8.0  /* in a shorter time every program changes */
#define JUDGE_SPAN_S   30.0 /* what grows for a shorter time may be a warm-up */
#define JUDGE_TELLS_S  60.0 /* what has not grown for sure by then does not */

/* Set profile->verdict. */
void judge(struct profile *profile);

/*
 * Domains of whose growth the findings explain nearly all, with a line that is not in doubt: to
 * trace them on shows nothing new.
 *
 * in     after judge()
 * return bits of enum domain
 */
unsigned judge_explained(const struct profile *profile);

#endif
