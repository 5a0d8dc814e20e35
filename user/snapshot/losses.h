/* SPDX-License-Identifier: BSD-2-Clause
 *
 * losses: counters of the kernel and of the symbolizer -> what was lost, in words.
 *
 * Place      layer 4; used by snapshot.c and watch_hits.c. Source: bpf/abi/counters.h, the one list
 *            of names and sentences.
 * Ownership  names and sentences are static; the array lives in the profile.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_LOSSES_H
#define PYLEAKTRACE_SNAPSHOT_LOSSES_H

#include <stdint.h>

#include "model/profile.h"
#include "symbol/symbolizer.h"

/* Add to profile->losses what is not zero: of the names; of the counters and the names. */
void losses_add_names(struct profile *profile, const struct symbolizer_losses *names);
void losses_fill(struct profile *profile, const uint64_t *counts,
		 const struct symbolizer_losses *names);

#endif
