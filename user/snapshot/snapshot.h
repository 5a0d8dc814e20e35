/* SPDX-License-Identifier: BSD-2-Clause
 *
 * snapshot: a running (or stopped) session -> a profile.
 *
 * Place      layer 4; called by cli for each report.
 * Shapes     stacks with something outstanding, named, merged where they read the same, with the
 *            types of their blocks; totals over all sites; losses. The cost is filled in by cli,
 *            which measures it.
 * Units      as in model/profile.h. Growth is against the previous snapshot (the first: since the
 *            baseline).
 * Ownership  the profile is the caller's; session, process and runtime must outlive the snapshot.
 * Errors     -ERR_FAILED: the maps cannot be read.
 * Degrades   when the target is gone, types are left out and names come from what was learned
 *            before. With more than 250,000 live blocks they are not read one by one for every
 *            snapshot, so that the tool stays below 5 % of a core: in between, what is outstanding
 *            is the sites' exact totals, the youngest blocks included (mode.older_s is 0 then). The
 *            last snapshot always reads them.
 * Bounds     types are looked up for the SNAPSHOT_TYPED_SITES largest sites.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_SNAPSHOT_H
#define PYLEAKTRACE_SNAPSHOT_SNAPSHOT_H

#include "model/profile.h"
#include "probe/session.h"
#include "snapshot/site_estimates.h"

#define SNAPSHOT_TYPED_SITES 256

struct snapshot;

/* code: the target's code map, borrowed; NULL: there are no C frames in the stacks. */
struct snapshot *snapshot_new(const struct process *process, const struct py_runtime *runtime,
			      const struct plan *plan, struct session *session,
			      const struct code_map *code, struct err *err);
void snapshot_free(struct snapshot *snapshot);

/* Read the names of a site's frames now, while they are true; for session_events(). */
void snapshot_learn(void *snapshot, uint32_t site);

/* Forget the past: only what is allocated from now on counts. */
void snapshot_baseline(struct snapshot *snapshot);

/* For the snapshots from now on; copied. */
void snapshot_estimate(struct snapshot *snapshot, const struct snapshot_estimates *estimates);

/* What has been allocated and freed in these domains is the past. */
void snapshot_rebase(struct snapshot *snapshot, unsigned domains);

/*
 * Sites that nothing refers to any more may have other stacks, and their names are forgotten; what
 * they have counted stays in the totals. To be called now and then, when it is due; not within a
 * window.
 *
 * in     session: the snapshot's; survivors: of windows, or NULL
 */
bool snapshot_reclaim_is_due(const struct snapshot *snapshot);
void snapshot_reclaim(struct snapshot *snapshot, struct session *session,
		      struct survivors *survivors);

/*
 * Look.
 *
 * in     older_ns: blocks younger than that are not counted as outstanding
 * out    profile: new, unsorted
 */
int snapshot_take(struct snapshot *snapshot, uint64_t older_ns, struct profile **profile,
		  struct err *err);

/*
 * The stack that allocated what lies at this address of the target, for the profile.
 *
 * return its frames, no figures; NULL: it is not on the account
 */
const struct stack *snapshot_allocator(struct snapshot *snapshot, struct profile *profile,
				       uint64_t address);

#endif
