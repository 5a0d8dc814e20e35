/* SPDX-License-Identifier: BSD-2-Clause
 *
 * session_events: what the kernel's part announces: new stacks, and code that it does not know.
 *
 * Place      layer 3; trace and containers take them.
 */
#ifndef PYLEAKTRACE_PROBE_SESSION_EVENTS_H
#define PYLEAKTRACE_PROBE_SESSION_EVENTS_H

#include "probe/session.h"

/* File descriptor for poll(): readable when there are events. */
int session_events_fd(const struct session *session);

/* To be called before the code map is updated: what is unmapped from here on the update may not
 * know. */
void session_read_code(struct session *session);

/*
 * The mappings have been read: what has changed in the code map is brought into the maps (when C
 * frames are walked).
 *
 * in     changed: ranges are not what they were, or the target must ask again for what it
 *        did not get
 */
void session_publish_code(struct session *session, bool changed);

/* Has the target executable memory that is in no range (since the last session_read_code())? */
bool session_wants_code(const struct session *session);

/*
 * Take the waiting events: on_site is called with the id of each new site.
 *
 * return the number of events
 */
int session_events(struct session *session, void (*on_site)(void *context, uint32_t site),
		   void *context);

#endif
