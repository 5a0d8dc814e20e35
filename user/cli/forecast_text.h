/* SPDX-License-Identifier: BSD-2-Clause
 *
 * forecast_text: a plan -> what it would cost, for `doctor -p`.
 *
 * What a trap costs is measured here and now, on places of each class in a process of our own. How
 * often the target allocates is unknown before something is attached, so the forecast is a table of
 * rates. The BPF programs' own part of a hit is known only when they run: the figures are lower
 * bounds.
 *
 * What watchpoints take is measured in threads of our own (probe/watch_cost.h).
 *
 * Place      layer 6. Loads the programs; attaches nothing to the target; takes about two seconds.
 */
#ifndef PYLEAKTRACE_CLI_FORECAST_TEXT_H
#define PYLEAKTRACE_CLI_FORECAST_TEXT_H

#include <stdio.h>

#include "probe/features.h"
#include "probe/plan.h"

void forecast_text(FILE *out, const struct process *process, const struct py_runtime *runtime,
		   const struct plan *plan, const struct features *features);

#endif
