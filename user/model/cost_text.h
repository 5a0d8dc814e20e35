/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cost_text: what a trace costs, in the words of the report's last line. The page says the same.
 *
 * Place      layer 1; used by view and export.
 * Degrades   what is not known is an empty text, never a 0.
 * Bounds     no memory.
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_MODEL_COST_TEXT_H
#define PYLEAKTRACE_MODEL_COST_TEXT_H

#include "model/profile.h"

struct cost_text {
	char hits[160];     /* "26,700 hits/s x 3.1 us = 8.3 % of a core", over the last interval */
	char slowdown[128]; /* "the target used 10 %: 5.1 times its own work" */
	char so_far[128];   /* "2.3 % to 3.4 % of its own work", since the start; with a ceiling */
	char ceiling[128];  /* "ceiling 5.0 %", and the floor where that is what counts */
	/* "system calls 107 ns slower: 0.5 % of a core, of other processes 2.2 %" */
	char syscalls[256];
	char tool[160]; /* "tool 0.7 s CPU, 70.8 MiB; maps 37.3 MiB" */
};

void cost_text(const struct cost *cost, struct cost_text *text);

#endif
