/* SPDX-License-Identifier: BSD-2-Clause
 *
 * container_results: what the last round with each container has shown.
 *
 * Place      trace; growth_tracer has one. Pure, but for what a report asks the monitor.
 * Ownership  container_results_forget() releases all. Rows that are added are copied.
 * Bounds     CONTAINER_RESULTS_MAX containers; the one that was watched longest ago makes room.
 * Threads    one at a time: under the lock of growth_tracer.
 */
#ifndef PYLEAKTRACE_TRACE_CONTAINER_RESULTS_H
#define PYLEAKTRACE_TRACE_CONTAINER_RESULTS_H

#include "model/heap_watch.h"
#include "trace/heap_monitor.h"

#define CONTAINER_RESULTS_MAX 8

struct container_result {
	struct profile *about;            /* of its own, so that it can be dropped for itself */
	const struct heap_watch_row *row; /* lives in it */
	uint64_t address, ended_ns;
	double watched_s, lost;
	bool cut;
};

struct container_results {
	struct container_result all[CONTAINER_RESULTS_MAX];
	size_t n;
};

/* A round has ended, now. */
void container_results_add(struct container_results *results, const struct heap_watch *round);

/* One that was not watched: what it is called. row: without figures */
void container_results_add_name(struct container_results *results,
				const struct heap_watch_row *row);

bool container_results_know(const struct container_results *results, uint64_t address);

/* When its last round ended; 0: there was none. */
uint64_t container_results_last_ns(const struct container_results *results, uint64_t address);

void container_results_forget(struct container_results *results);

/*
 * Of those that may grow still, with what the monitor knows of their growth.
 *
 * out    growing: rows, fastest growth first; why_not is the caller's
 * return any of them was watched
 */
bool container_results_report(const struct container_results *results, struct heap_monitor *monitor,
			      struct profile *profile, struct profile_growing_containers *growing);

#endif
