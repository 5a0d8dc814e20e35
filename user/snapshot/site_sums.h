/* SPDX-License-Identifier: BSD-2-Clause
 *
 * site_sums: what sites have counted, added up; also of sites that are no more (reclaim.h).
 *
 * Place      layer 4; used by snapshot. Pure.
 * Units      bytes, counts; since the base that is handed in.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_SITE_SUMS_H
#define PYLEAKTRACE_SNAPSHOT_SITE_SUMS_H

#include <stdint.h>

#include "probe/session.h"
#include "probe/session_maps.h"

struct site_sums {
	uint64_t allocated_bytes, allocated_count, freed_count;
	uint64_t gaps[ABI_GAP_NATIVE_END]; /* allocations of stacks whose C frames end early, by
					      why; 0: they do not */
};

/* base: of the site, at the beginning of what counts */
void site_sums_add(struct site_sums *sums, const struct session_view *view, uint32_t id,
		   const struct abi_site *base);

/* and what another sum has */
void site_sums_join(struct site_sums *sums, const struct site_sums *more);

#endif
