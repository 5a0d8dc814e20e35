/* SPDX-License-Identifier: BSD-2-Clause
 *
 * container_watch: containers of one target, by path -> watchpoints on their sizes, and what came
 * of it; everything that is opened for it, in one place.
 *
 *      scan, find the paths ▶ load, calibrate, attach ▶ start ▶ tick ... ▶ stop ▶ fill
 *
 * What it costs the target is measured, and ends the watch when that is more than it may
 * (container_cost.h).
 *
 * Place      containers; cli/heap_watch has one, and trace/growth_tracer one after the other.
 * Ownership  container_watch_open() gives, container_watch_close() takes, also after a failure of
 *            the first.
 * Errors     of the rooms below.
 */
#ifndef PYLEAKTRACE_CONTAINERS_CONTAINER_WATCH_H
#define PYLEAKTRACE_CONTAINERS_CONTAINER_WATCH_H

#include "containers/container_find.h"
#include "model/heap_watch.h"

struct container_watch;

struct container_watch_options {
	/* what may be spent (container_cost.h): an amount at any time, and a share of a core */
	double lease_ns, max_overhead;
	uint64_t slow_ns; /* the target may be slow for so long; 0: for any time */
	bool native;      /* C frames */
	bool verbose;
};

/* in  heap, request: borrowed until container_watch_close(); options: copied */
int container_watch_open(struct container_watch **out, struct heap_target *heap,
			 const struct container_request *request,
			 const struct container_watch_options *options, struct err *err);
void container_watch_close(struct container_watch *watch); /* accepts NULL */

/* Changes are counted from here on. */
void container_watch_start(struct container_watch *watch);

/* File descriptors for poll(): the end of the target; news. */
int container_watch_pidfd(const struct container_watch *watch);
int container_watch_news_fd(const struct container_watch *watch);

/* What is watched. */
const struct container_find *container_watch_found(const struct container_watch *watch);

/*
 * Take what there is of news, allow more hits, see whether all is still there; wanted 20 times a
 * second.
 *
 * out    end: why it is over, when it is
 * return it is over
 */
bool container_watch_tick(struct container_watch *watch, enum heap_watch_end *end);

/* ns of the target's CPU time that it has taken so far, as measured. */
double container_watch_spent(const struct container_watch *watch);

/* The same of what cannot be measured (container_cost.h), at most. */
double container_watch_splits(const struct container_watch *watch);

/* Nothing is counted from here on, and the watchpoints are gone. */
void container_watch_stop(struct container_watch *watch);

/* NULL, with err set, on failure. To be freed with profile_free(watch->about). */
struct heap_watch *container_watch_report(struct container_watch *watch, enum heap_watch_end end,
					  struct err *err);

#endif
