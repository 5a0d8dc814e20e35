/* SPDX-License-Identifier: BSD-2-Clause
 *
 * live_state: what is known between two reports, for the live line.
 *
 * Place      layer 1; filled by trace, and by cli with the last verdict; shown by view/live_line.
 */
#ifndef PYLEAKTRACE_MODEL_LIVE_STATE_H
#define PYLEAKTRACE_MODEL_LIVE_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct live_state {
	double seconds;             /* since the baseline */
	double left_s;              /* until the trace ends; < 0: it has no end */
	const char *verdict;        /* the last one's state, "LEAK"; NULL: there is none yet */
	double in_use_growth_per_s; /* as it says; 0: it does not grow */
	bool looking;               /* there will be a verdict */
	bool untraced;              /* what follows is not known */
	uint64_t outstanding_bytes; /* as last read */
	double growth_bytes_per_s;
	double hits_per_s;
	double target_cpu_fraction; /* of one core; < 0: not measured yet */
	uint64_t lost;              /* sum of all losses so far */
};

#endif
