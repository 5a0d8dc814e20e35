/* SPDX-License-Identifier: BSD-2-Clause
 *
 * focus: what grows -> what is worth tracing.
 *
 * The census and the account of memory cost the target nothing, so they come first, and tracing
 * is spent only where they show growth that needs a stack:
 *
 *      nothing grows                              nothing
 *      one container grows                        nothing: a watchpoint shows who fills it
 *      interpreters                               the same, on the list of them
 *      many containers, lost references,
 *      cycles that no collection takes            objects
 *      blocks of pymalloc that hold no object     objects
 *      malloc'ed blocks, threads                  malloc
 *      mappings                                   mmap
 *
 * Place      trace; heap_monitor.c asks after each scan, the governor does what it says. Pure.
 * Degrades   where the parts of memory are not known all is worth tracing.
 */
#ifndef PYLEAKTRACE_TRACE_FOCUS_H
#define PYLEAKTRACE_TRACE_FOCUS_H

#include "model/heap_watch.h"
#include "model/retention.h"
#include "model/trend.h"

/* Fewer looks show no growth. */
#define FOCUS_LOOKS 5

/* Can a watchpoint show who fills it? Then no call needs to be traced. */
bool focus_is_watchable(const struct retention *row);

/* Lists of the interpreter's that get longer. return bits of enum listed */
unsigned focus_lists(const struct trend *trend, const struct retention *rows, size_t n_rows);

/* return bits of enum domain */
unsigned focus_domains(const struct trend *trend, const struct retention *rows, size_t n_rows);

#endif
