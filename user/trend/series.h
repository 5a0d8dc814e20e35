/* SPDX-License-Identifier: BSD-2-Clause
 *
 * series: looks, one after the other -> for each quantity how it goes; the account of RSS; what
 * that shows.
 *
 * Place      trend; pure; called by cli.
 * Source     base/fit for lines and shapes.
 * Shapes     trend->rows[kind] for every kind; findings in the order of their weight.
 * Degrades   a quantity that few looks have has a row without shape; findings that need a shape are
 *            then not made, or say so.
 * Bounds     TREND_LOOKS_MAX looks stay: then half of them, evenly in time; the first always does.
 * Example    trend_add(trend, &look); trend_measure(trend); trend_find(trend);
 */
#ifndef PYLEAKTRACE_TREND_SERIES_H
#define PYLEAKTRACE_TREND_SERIES_H

#include "model/trend.h"
#include "trend/proc_memory.h"

/* Add a look that is later than all that are there. */
void trend_add(struct trend *trend, const struct trend_look *look);

/* Forget all looks but the last. */
void trend_forget(struct trend *trend);

/* Fill rows from the looks, and the account from the last one. */
void trend_measure(struct trend *trend);

/* Say what the rows, the account, the threads and the collector show. */
void trend_find(struct trend *trend);

/* The parts of RSS. in  room: of a scan, or NULL: then the parts of the heap are not known */
void trend_set_memory(struct trend_look *look, const struct proc_memory *memory,
		      const struct heap_usage *room);

#endif
