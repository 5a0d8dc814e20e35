/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trace_parts: what the governor does -> what a profile says of how each part was traced, and how
 * its blocks are to be read.
 *
 * Place      trace; pure; used by target_trace.c.
 */
#ifndef PYLEAKTRACE_TRACE_TRACE_PARTS_H
#define PYLEAKTRACE_TRACE_TRACE_PARTS_H

#include "govern/governor.h"
#include "model/profile.h"

/* mode.parts and mode.exact; no part that is not there */
void trace_parts_fill(struct profile *profile, const struct governor_state *state);

/* The same for --sample: everything is one part. domains: bits; shift: the mean distance is 2^shift
 * bytes */
void trace_parts_sampled(struct profile *profile, unsigned domains, unsigned shift);

/* Bits of enum abi_domain: whose blocks are in the maps, all of them or a sample; and of which a
 * sample. */
unsigned trace_parts_mapped(const struct governor_state *state);
unsigned trace_parts_thinned(const struct governor_state *state);

#endif
