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
 * Write the line: "12 s  3.4 MiB outstanding +204.1 KiB/s  812,000 hits/s, 38 % of a core". Pure.
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
