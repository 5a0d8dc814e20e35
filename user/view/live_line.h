/* SPDX-License-Identifier: BSD-2-Clause
 *
 * live_line: state of a running watch -> one line at the bottom of a terminal, between reports.
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

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define LIVE_LINE_MAX 256

struct live_state {
	double seconds;             /* since the baseline */
	double left_s;              /* until the watch ends; < 0: it has no end */
	bool untraced;              /* what follows is not known */
	uint64_t outstanding_bytes; /* as last read */
	double growth_bytes_per_s;
	double hits_per_s;
	double target_cpu_fraction; /* of one core; < 0: not measured yet */
	uint64_t lost;              /* sum of all losses so far */
};

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
