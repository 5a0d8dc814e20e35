/* SPDX-License-Identifier: BSD-2-Clause
 *
 * reclaim: which sites nothing refers to any more, so that a trace of weeks does not run out of
 * room for stacks.
 *
 *      round      n                    n + 1                n + 2
 *      site   unused, no block ─▶ ... the same: hidden ─▶ ... the same: given up ─▶ another stack's
 *                                     └────────── a block after all: shown again
 *
 * A site is referred to by live blocks and mappings, by calls in flight (a realloc has taken its
 * block out of the map), and by survivors of windows. All three are read in a round, after all hits
 * that could have found the site have ended (session_wait_grace_period()), and a site is given up
 * when in two rounds nothing referred to it and it has counted nothing. Where that is not enough,
 * survivors hold too many: every second one is dropped, and the others stand for two.
 *
 * Place      layer 4; snapshot has one, and learns what is given up. The session is changed.
 * Bounds     16 bytes a site. A round every RECLAIM_PERIOD_NS, when room is short every
 *            RECLAIM_SHORT_NS, and never more than 1 / RECLAIM_PAUSE of a core. Where it takes as
 *            long as RECLAIM_LONG_NS (two million live blocks), only when room is short: the
 *            caller has other work to do.
 * Errors     -ERR_FAILED: a map cannot be read; the round is given up, and nothing else.
 * Degrades   where hits cannot be waited for there are no rounds: when the room for stacks is used
 *            up losses say so. A realloc that begins after the calls in flight were read, and
 *            fails, in two rounds at just that moment, would have its block counted at another
 *            site.
 * Threads    one at a time, and no window is being taken meanwhile.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_RECLAIM_H
#define PYLEAKTRACE_SNAPSHOT_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "probe/session.h"
#include "snapshot/survivors.h"

#define RECLAIM_PERIOD_NS 60000000000ull
#define RECLAIM_SHORT_NS  5000000000ull
#define RECLAIM_LONG_NS   500000000ull
#define RECLAIM_PAUSE     50   /* times as long as a round takes */
#define RECLAIM_FULL      0.75 /* of the room for stacks: beyond it room is short */
#define RECLAIM_SPARE     16   /* a part of the room: below that, survivors are dropped */
#define RECLAIM_IDLE      2    /* rounds that a site must be unused; when room is short, 1 */

struct reclaim;

/* max_sites: of the session. NULL: out of memory */
struct reclaim *reclaim_new(uint32_t max_sites);
void reclaim_free(struct reclaim *reclaim); /* may be NULL */

/* Is it time for a round? now_ns: CLOCK_MONOTONIC */
bool reclaim_is_due(const struct reclaim *reclaim, const struct session *session, uint64_t now_ns);

/*
 * One round.
 *
 * in     survivors: of which some may be dropped; NULL: there are none
 *        give_up: called for each site that is no more, just before what it has counted is cleared
 */
int reclaim_round(struct reclaim *reclaim, struct session *session, struct survivors *survivors,
		  void (*give_up)(void *context, uint32_t site), void *context, struct err *err);

#endif
