/* SPDX-License-Identifier: BSD-2-Clause
 *
 * grower: during a watch, what grows in the heap and how memory goes, at a price that is kept.
 *
 * A thread scans the heap, looks at the trend, finds the containers that grow fastest, and then waits so long that its
 * CPU time stays below a share of a core: a heap of a million objects is scanned every few seconds, one of a hundred
 * million every few minutes. The first scans come closer together, so that what leaks is known soon: they may take
 * GROWER_HASTE times as much.
 *
 * Place      layer 6; watched.c has one for its target.
 * Ownership  grower_open() gives, grower_close() takes. What grower_report() puts into a profile is the
 *            profile's. The thread has a py_runtime of its own: nothing is shared with the tracer but the process.
 * Errors     a heap that cannot be scanned is no error: the trend says so (missing), and goes on without.
 * Bounds     GROWER_SCANS scans are kept, fewer of heaps with very many types: then every second one is dropped,
 *            so that the first stays. grower_close() waits for the scan that is being made.
 * Threads    all functions from one thread; it is not the one that scans.
 */
#ifndef PYLEAKTRACE_CLI_GROWER_H
#define PYLEAKTRACE_CLI_GROWER_H

#include "model/heap_graph.h"
#include "model/heap_types.h"
#include "model/profile.h"
#include "target/process.h"

#define GROWER_SHARE    0.01 /* of a core, at most */
#define GROWER_LEAST_S  1.0  /* between two scans */
#define GROWER_SCANS    64
#define GROWER_ROWS_MAX (1u << 18) /* types in all scans that are kept */
#define GROWER_SHOWN    5          /* types in a report */
#define GROWER_FIRST    6          /* scans that come closer together */
#define GROWER_HASTE    10.0
#define GROWER_FASTEST  16 /* containers, of the latest scan */

struct grower;

/* in  share: of a core, at most; process: borrowed. NULL: err says why */
struct grower *grower_open(const struct process *process, double share, struct err *err);

/* The first scan, and then on. */
void grower_start(struct grower *grower);
void grower_close(struct grower *grower); /* may be NULL */

/* USR2: the past is forgotten. */
void grower_forget(struct grower *grower);

/* Goes up steadily; while there are too few scans to tell, more. What a report names as growing. */
bool grower_grows(const struct heap_growth_row *row);

/* How all types have grown since the start: shown as long as `see` runs, and not at all before there are two scans. */
void grower_growth(struct grower *grower,
		   void (*see)(void *context, const struct heap_growth *growth), void *context);

/*
 * How many bytes more have come into use each second since the start, at least and at most: the slope of all memory in use, and two of
 * its errors to both sides. Never below 0. What is garbage and waits for the collector is no part of it, as far as it can be told.
 *
 * return false: not known (fewer than three scans)
 */
bool grower_in_use(struct grower *grower, double *least_per_s, double *most_per_s);

/*
 * Containers that grow for sure, fastest first, as the latest scan has them.
 *
 * out    rows: without path and type
 * return how many
 */
size_t grower_containers(struct grower *grower, struct heap_holder rows[GROWER_FASTEST]);

/* How the container at this address has grown since the start; false: not known. */
bool grower_container(struct grower *grower, uint64_t address, struct heap_holder *row);

/* Put what is known now into the profile: trend, and what grows. */
void grower_report(struct grower *grower, struct profile *profile);

#endif
