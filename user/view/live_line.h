/* SPDX-License-Identifier: BSD-2-Clause
 *
 * live_line: state of a running trace -> one line at the bottom of a terminal, between reports.
 *
 * Place      layer 5; called by cli about once a second when stderr is a terminal.
 * Bounds     one line, never wider than the terminal, so that erasing it is one sequence.
 * Threads    one at a time per terminal.
 * Example    live_line_draw(stderr, live_line(&state, columns, line, sizeof(line)));
 *            ...
 *            live_line_erase(stderr); before anything else is printed
 */
#ifndef PYLEAKTRACE_VIEW_LIVE_LINE_H
#define PYLEAKTRACE_VIEW_LIVE_LINE_H

#include <stdio.h>

#include "model/live_state.h"

#define LIVE_LINE_MAX 256

/*
 * Write the line: what is being done, or what the last report said; for how long; what it costs.
 * Pure.
 *
 *      looking at what grows, 6 s (54 s left)  3.4 MiB outstanding +204.1 KiB/s  38 % of a core
 *      LEAK +5.0 MiB/min, 42 s (18 s left)  3.4 MiB outstanding +204.1 KiB/s  0.4 % of a core
 *
 * in     width: columns of the terminal, 0: unknown (80 is assumed)
 * out    line: terminated, no line break, at most width - 1 columns; LIVE_LINE_MAX is enough
 * return line
 */
const char *live_line(const struct live_state *state, unsigned width, char *line, size_t size);

/* Show the line in place of the one before. Only for a terminal. */
void live_line_draw(FILE *terminal, const char *line);

/* Take the line away; harmless when there is none. Only for a terminal. */
void live_line_erase(FILE *terminal);

#endif
