/* SPDX-License-Identifier: BSD-2-Clause
 *
 * session_sites: places of stacks that nothing refers to any more, for other stacks.
 *
 * Place      layer 3; snapshot/reclaim decides which ones.
 * Threads    one.
 */
#ifndef PYLEAKTRACE_PROBE_SESSION_SITES_H
#define PYLEAKTRACE_PROBE_SESSION_SITES_H

#include "probe/session.h"

/*
 * Reuse sites that nothing refers to any more for other stacks (session_sites.c;
 * snapshot/reclaim.h decides which):
 *
 *     in use ── hide ──▶ no stack finds it ── wait, look again ────▶ clear ──▶ free ──▶ taken
 *                                └───── show: it was used after all
 *
 * All from one thread; ids from ABI_FIRST_SITE to n_sites of a view.
 */

/* From now on only hits that have already found it by its stack go on to use it. return false: it
 * was not findable */
bool session_site_hide(struct session *session, uint32_t site);

/* It can be found again, unless its stack has another site by now. */
void session_site_show(struct session *session, uint32_t site);

/*
 * Wait until all hits in progress have ended, some milliseconds. return false: this kernel cannot
 * do it (membarrier(2) where processors run without ticks)
 */
bool session_wait_grace_period(void);

/* Make it a site without stack and counts. No hit finds it, so none counts meanwhile. */
void session_site_clear(struct session *session, uint32_t site);

/*
 * Free sites that have been taken since the last time. session_wait_grace_period() comes before
 * more are put, or a hit that is still taking one could find another in its place.
 */
void session_sites_taken(struct session *session, void (*see)(void *context, uint32_t site),
			 void *context);

/* Have stacks found no room since session_sites_taken()? */
bool session_sites_missed(const struct session *session);

/* A cleared site waits for a stack. return false: ABI_FREE_ROOM of its kind do already */
bool session_site_free(struct session *session, uint32_t site);

#endif
