/* SPDX-License-Identifier: BSD-2-Clause
 *
 * join: the profiles of several targets -> one profile of them all.
 *
 * Place      layer 1; called by cli for --group-by pid.
 * Shapes     every stack keeps its figures and gets its target's pid; targets[i] is that of
 *            profiles[i]. Totals, losses of one name and what the selection left out add up; so
 *            does the cost, but for that of the tool, which is one process. It is exact when all
 *            are. How targets were traced (parts), and which of their containers grow, stand side
 *            by side with their pids, as do the verdicts.
 * Ownership  the profile is the caller's (profile_free()); frames and strings stay in the profiles
 *            that were given, which must live longer.
 * Bounds     a copy of each struct stack, none of their frames.
 * Threads    one at a time per profile.
 */
#ifndef PYLEAKTRACE_MODEL_JOIN_H
#define PYLEAKTRACE_MODEL_JOIN_H

#include "model/profile.h"

/*
 * in     profiles: n of them, n > 0, not grouped
 * return a profile that is neither sorted nor grouped; NULL: memory is out
 */
struct profile *profile_join(const struct profile *const *profiles, size_t n);

#endif
