/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_trend: `pyleaktrace heap --trend`: a look every INTERVAL, a line for each, a report at the
 * end.
 *
 * Place      layer 6; called by cmd_heap.c when --trend is among the options.
 * Errors     said on stderr; the exit code is the result.
 */
#ifndef PYLEAKTRACE_CLI_HEAP_TREND_H
#define PYLEAKTRACE_CLI_HEAP_TREND_H

#include "cli/heap_options.h"

int heap_trend(const struct heap_options *options);

#endif
