/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_progress: a census at work -> a line on the terminal that says how far it is, once it has
 * taken a second. The line is gone when the work is done.
 *
 *     pid 4242: 1.2 GiB of about 9.8 GiB read, 4 s
 *     pid 4242: 3,145,728 of 5,022,939 objects reached, 2 s
 *
 * Place      layer 6; for the heap commands.
 * Bounds     a line each PROGRESS_EACH_S; nothing when stderr is no terminal.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_PROGRESS_H
#define PYLEAKTRACE_CLI_HEAP_PROGRESS_H

#include <stdio.h>

#include "census/heap_target.h"

#define PROGRESS_AFTER_S 1.0
#define PROGRESS_EACH_S  0.2
#define PROGRESS_LINE    192

struct heap_progress {
	const struct process *process;
	FILE *terminal;
	enum census_work work;
	double begin_s, drawn_s; /* of this work; 0: there is none, no line */
	uint64_t rss_bytes;
};

/* From now on, when stderr is a terminal and not to be quiet. Both must stay where they are. */
void heap_progress_attach(struct heap_progress *progress, const struct heap_target *heap,
			  bool quiet);

/* Work has gone on, at a time of the monotonic clock. Called by the census. */
void heap_progress_update(struct heap_progress *progress, enum census_work work, uint64_t done,
			  uint64_t all, double now_s);

#endif
