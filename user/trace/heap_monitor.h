/* SPDX-License-Identifier: BSD-2-Clause
 *
 * monitor: during a trace, what grows in the heap and how memory develops, within a budget.
 *
 * A thread scans the heap, looks at the trend, finds the containers that grow fastest, and then
 * waits long enough to keep its CPU time below a share of a core: a heap of a million objects is
 * scanned every few seconds, one of a hundred million every few minutes. The first scans come
 * closer together, so that what leaks is known soon: they may take HEAP_MONITOR_HASTE times as
 * much.
 *
 * Place      trace; target_trace.c has one for its target.
 * Ownership  heap_monitor_open() allocates, heap_monitor_close() frees. What heap_monitor_report()
 *            puts into a profile belongs to the profile. Only the target is shared with the
 *            tracer, read-only.
 * Errors     a heap that cannot be scanned is not an error: the trend lists it as missing and
 *            continues without it.
 * Bounds     HEAP_MONITOR_SCANS scans are kept, fewer of heaps with very many types: then every
 *            second one is dropped, so that the first stays. heap_monitor_close() waits for the
 *            scan that is being made.
 * Threads    all functions from one thread; it is not the one that scans.
 */
#ifndef PYLEAKTRACE_TRACE_HEAP_MONITOR_H
#define PYLEAKTRACE_TRACE_HEAP_MONITOR_H

#include "govern/governor.h"
#include "model/heap_graph.h"
#include "model/heap_types.h"
#include "model/profile.h"
#include "python/target.h"
#include "trace/size_growth.h"

#define HEAP_MONITOR_SHARE    0.01 /* of a core, at most */
#define HEAP_MONITOR_LEAST_S  1.0  /* between two scans */
#define HEAP_MONITOR_SCANS    64
#define HEAP_MONITOR_ROWS_MAX (1u << 18) /* types in all scans that are kept */
#define HEAP_MONITOR_SHOWN    5          /* types in a report */
#define HEAP_MONITOR_FIRST    6          /* scans that come closer together */
#define HEAP_MONITOR_HASTE    10.0
#define HEAP_MONITOR_FASTEST  16 /* containers, of the latest scan */
#define HEAP_MONITOR_CLASSES  4

struct heap_monitor;

/* in  share: of a core, at most; target: borrowed. NULL: err says why */
struct heap_monitor *heap_monitor_open(const struct target *target, double share, struct err *err);

/* The first scan, and then on. */
void heap_monitor_start(struct heap_monitor *monitor);
void heap_monitor_close(struct heap_monitor *monitor); /* may be NULL */

/* USR2: the past is forgotten. */
void heap_monitor_forget(struct heap_monitor *monitor);

/* Goes up steadily; while there are too few scans to tell, more. What a report names as growing. */
bool heap_monitor_grows(const struct heap_growth_row *row);

/* How all types have grown since the start: shown as long as `see` runs, and not at all before
 * there are two scans. */
void heap_monitor_growth(struct heap_monitor *monitor,
			 void (*see)(void *context, const struct heap_growth *growth),
			 void *context);

/*
 * How many bytes more have come into use each second since the start, at least and at most: the
 * slope of all memory in use, and two of its errors to both sides. Never below 0. Garbage that
 * waits for the collector is not included, as far as it is known.
 *
 * return false: not known (fewer than three scans)
 */
bool heap_monitor_in_use(struct heap_monitor *monitor, double *least_per_s, double *most_per_s);

/*
 * Containers that grow for sure, fastest first, as the latest scan has them.
 *
 * out    rows: without path and type
 * return how many
 */
size_t heap_monitor_containers(struct heap_monitor *monitor,
			       struct heap_holder rows[HEAP_MONITOR_FASTEST]);

/* A class whose instances grow in a way that no container's watchpoint shows. */
struct heap_monitor_class {
	uint64_t address;
	char name[128]; /* cut off */
	double per_s;   /* instances more, wherever they are held */
};

/* Fastest growth first. Return how many. */
size_t heap_monitor_classes(struct heap_monitor *monitor,
			    struct heap_monitor_class rows[HEAP_MONITOR_CLASSES]);

/*
 * Sizes of blocks of pymalloc's that grow, where objects grow in a way that is not explained yet:
 * the most bytes first. return how many
 */
size_t heap_monitor_sizes(struct heap_monitor *monitor,
			  struct size_growth_row rows[HEAP_MONITOR_CLASSES]);

/* Lists of the interpreter's that get longer and longer: bits of enum listed. */
unsigned heap_monitor_lists(struct heap_monitor *monitor);

/* How the container at this address has grown since the start, or, as one of many alike, may have
 * grown; false: it does not grow, or is not known. */
bool heap_monitor_container(struct heap_monitor *monitor, uint64_t address,
			    struct heap_holder *row);

/*
 * How many bytes a second more there are for sure in blocks of CPython's allocators that are no
 * part of an object; 0: none, or not known.
 */
double heap_monitor_other_blocks(struct heap_monitor *monitor);

/* What is worth tracing now (focus.h, size_growth.h): nothing before there are enough scans. */
void heap_monitor_focus(struct heap_monitor *monitor, struct governor_focus *focus);

/* Of these domains (bits) it is known who makes what grows: leak/judge.h. */
void heap_monitor_explain(struct heap_monitor *monitor, unsigned domains);

/* Put what is known now into the profile: trend, and what grows. */
void heap_monitor_report(struct heap_monitor *monitor, struct profile *profile);

#endif
