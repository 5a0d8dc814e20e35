/* SPDX-License-Identifier: BSD-2-Clause
 *
 * watch_hits: the kernel's maps of a session with watchpoints -> the stacks that changed a
 * container.
 *
 * Place      layer 4; made by cli.
 * Ownership  process, runtime, session and code are borrowed; stacks live in the profile.
 * Degrades   as symbolizer: a frame that cannot be named says why.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_WATCH_HITS_H
#define PYLEAKTRACE_SNAPSHOT_WATCH_HITS_H

#include "model/heap_watch.h"
#include "probe/session.h"
#include "target/code_map.h"

struct watch_hits;

/* code: NULL: C frames are not walked. return NULL: memory is out */
struct watch_hits *watch_hits_new(const struct process *process, const struct py_runtime *runtime,
				  const struct session *session, const struct code_map *code);
void watch_hits_free(struct watch_hits *hits);

/* A new site: read its names now, while they are true. For session_events(). */
void watch_hits_learn(void *context, uint32_t site);

/* The stacks of container `number`, in row: heap_watch_merge_stacks(). */
void watch_hits_take(struct watch_hits *hits, struct profile *profile, unsigned number,
		     struct heap_watch_row *row);

/* What is said of a site elsewhere: the items, in place of what the site has counted. */
struct watch_hits_site {
	uint32_t site;
	uint64_t inserted, removed;
};

/* The same with these sites and no others. */
void watch_hits_take_sites(struct watch_hits *hits, struct profile *profile,
			   const struct watch_hits_site *sites, size_t n,
			   struct heap_watch_row *row);

/* Add the losses of the kernel's part, and of names, to profile->losses. */
void watch_hits_losses(struct watch_hits *hits, struct profile *profile);

#endif
