/* SPDX-License-Identifier: BSD-2-Clause
 *
 * describe: a target -> a profile with the description of the target, and nothing else.
 *
 * Place      the census; for all that reports on a target.
 */
#ifndef PYLEAKTRACE_CENSUS_DESCRIBE_H
#define PYLEAKTRACE_CENSUS_DESCRIBE_H

#include "model/profile.h"
#include "python/target.h"

/* The time is now; to be freed with profile_free(). NULL: memory is out. */
struct profile *describe_target(const struct target *target);

#endif
