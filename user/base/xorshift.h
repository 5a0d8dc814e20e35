/* SPDX-License-Identifier: BSD-2-Clause
 *
 * xorshift: random numbers for samples: an even spread is all that is needed. Not for secrets.
 *
 * Place      layer 0; pure.
 * Source     Marsaglia, "Xorshift RNGs", 2003: shifts 13, 7, 17.
 * Threads    the state is the caller's; it must not be 0.
 */
#ifndef PYLEAKTRACE_BASE_XORSHIFT_H
#define PYLEAKTRACE_BASE_XORSHIFT_H

#include <stdint.h>

#define XORSHIFT_SEED 0x9e3779b97f4a7c15u

static inline uint64_t xorshift_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* In [0, 1): the 53 bits at the top, which is what a double has */
static inline double xorshift_as_share(uint64_t bits)
{
	return (double)(bits >> 11) / 9007199254740992.0;
}

static inline double xorshift_share(uint64_t *state)
{
	return xorshift_as_share(xorshift_next(state));
}

#endif
