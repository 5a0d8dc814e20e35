/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/heap_monitor.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/lock.h"
#include "census/growth.h"
#include "census/holders.h"
#include "census/scan.h"
#include "census/ways_growing.h"
#include "trace/focus.h"
#include "trace/size_growth.h"
#include "trace/trend_look.h"
#include "python/runtime.h"

#define PERIOD                                                                                   \
	1.25 /* of the time in which the share pays for a scan: for the first one, which nothing \
		came before */

_Static_assert(HEAP_MONITOR_SCANS <= GROWTH_SCANS_MAX, "growth_measure() takes them all");

/* with fewer scans, growth cannot be distinguished from fluctuation */
#define CONTAINER_SCANS 3

#define LIKELY_ERRORS   2 /* of a slope, to its upper bound */

/* containers of many alike that may be watched */
#define EXAMPLES_MOST 8

/* References of up to this many objects are followed: 43 bytes each of the tool's memory. */
#define FOLLOWED_MAX 8000000

struct heap_monitor {
	const struct process *process;
	double share;
	struct census *census; /* NULL: the heap cannot be scanned */
	pthread_t thread;
	bool started;
	uint64_t n_objects;        /* of the last scan; the thread's own */
	unsigned hasty;            /* scans that may still come close together; the thread's own */
	struct retained *retained; /* the thread's own; NULL: memory was out */

	struct lock lock; /* of what follows */
	pthread_cond_t wake;
	bool stop, forget;
	struct trend_recorder recorder;
	struct size_growth sizes;
	struct heap_scan *scans[HEAP_MONITOR_SCANS]; /* oldest first */
	size_t n_scans;
	struct heap_holder fastest[HEAP_MONITOR_FASTEST];
	size_t n_fastest;
	struct retention growing[WAYS_GROWING_MAX]; /* as the latest scan has them */
	size_t n_growing, n_looks;                  /* of `retained` */
	struct governor_focus focus;
	double cpu_s, begun_s; /* of all scans and looks; since the first of them */
};

/* ---- the thread ----------------------------------------------------------------------------- */

static void drop_scans(struct heap_monitor *monitor)
{
	for (size_t i = 0; i < monitor->n_scans; i++)
		heap_scan_free(monitor->scans[i]);
	monitor->n_scans = 0;
	monitor->n_fastest = 0;
}

/* Room for one more: every second one goes, but the first. */
static void thin(struct heap_monitor *monitor)
{
	size_t n = 0, rows = 0;

	for (size_t i = 0; i < monitor->n_scans; i++)
		rows += monitor->scans[i]->n_types;
	if (monitor->n_scans < HEAP_MONITOR_SCANS &&
	    (rows < HEAP_MONITOR_ROWS_MAX || monitor->n_scans < 4))
		return;
	for (size_t i = 0; i < monitor->n_scans; i++) {
		if (i % 2)
			heap_scan_free(monitor->scans[i]);
		else
			monitor->scans[n++] = monitor->scans[i];
	}
	monitor->n_scans = n;
}

/* Into rows that are in order, the fastest first; the slowest falls out. */
static void insert_row(struct heap_monitor *monitor, const struct heap_holder *row)
{
	struct heap_holder *rows = monitor->fastest;
	size_t at = monitor->n_fastest;

	while (at > 0 && rows[at - 1].least_per_s < row->least_per_s)
		at--;
	if (at == HEAP_MONITOR_FASTEST)
		return;
	if (monitor->n_fastest < HEAP_MONITOR_FASTEST)
		monitor->n_fastest++;
	memmove(&rows[at + 1], &rows[at], (monitor->n_fastest - at - 1) * sizeof(*rows));
	rows[at] = *row;
}

/* Once for each scan: the scan's containers times the scans that are kept is work. */
static void find_fastest(struct heap_monitor *monitor)
{
	const struct heap_scan *last =
		monitor->n_scans >= CONTAINER_SCANS ? monitor->scans[monitor->n_scans - 1] : NULL;

	monitor->n_fastest = 0;
	for (size_t i = 0; last && i < last->n_containers; i++) {
		struct heap_holder row = {0};

		if (holders_measure(&row, last->containers[i].address, monitor->scans,
				    monitor->n_scans) &&
		    holder_grows(&row))
			insert_row(monitor, &row);
	}
}

static void drop_growing(struct retention *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		retention_fini(&rows[i]);
}

/* What was found of one scan. */
struct found_growing {
	struct retention rows[WAYS_GROWING_MAX];
	size_t n;
};

static int follow(struct heap_monitor *monitor, struct reach *reach, struct found_growing *found,
		  struct err *err)
{
	struct retained *retained = monitor->retained;
	struct edges edges;
	int result = retained_begin(retained, reach, err);

	if (result)
		return result;
	reach->retained = retained;
	result = reach_search(reach, err);
	if (!result) {
		reach_rest(reach);
		result = retained_end(retained, err);
	}
	if (!result)
		result = edges_init(&edges, reach, err);
	if (!result) {
		result = ways_growing(found->rows, &found->n, retained, &edges, err);
		edges_fini(&edges);
	}
	return result;
}

/*
 * Scan, and follow the references. What cannot be followed is no error of the scan.
 *
 * return NULL: err says why
 */
static struct heap_scan *scan_heap(struct heap_monitor *monitor, struct found_growing *found,
				   struct err *err)
{
	struct reach reach = {0};
	struct err why = ERR_INIT;
	struct heap_scan *scan;

	if (!monitor->retained || monitor->n_objects > FOLLOWED_MAX) {
		scan = census_scan(monitor->census, err);
	} else {
		if (!reach_scan(&reach, monitor->census, &why))
			follow(monitor, &reach, found, &why);
		scan = reach.scan;
		if (!scan)
			*err = why;
		reach.scan = NULL;
		retained_abandon(monitor->retained);
		reach_fini(&reach);
	}
	monitor->n_objects = scan ? scan->count : 0;
	return scan;
}

/* Mappings are few, and of any size. */
static void find_focus(struct heap_monitor *monitor)
{
	struct governor_focus *focus = &monitor->focus;

	focus->wanted =
		focus_domains(monitor->recorder.trend, monitor->growing, monitor->n_growing);
	focus->skipped[ABI_OBJECT] = size_growth_skipped(&monitor->sizes, SIZE_GROWTH_POOLS);
	focus->skipped[ABI_MALLOC] = size_growth_skipped(&monitor->sizes, SIZE_GROWTH_MALLOC);
}

/* return CPU seconds that it took */
static double look(struct heap_monitor *monitor)
{
	double begin = clock_cpu_s(), used;
	struct err err = ERR_INIT;
	struct found_growing found = {.n = 0};
	struct heap_scan *scan = monitor->census ? scan_heap(monitor, &found, &err) : NULL;

	lock_take(&monitor->lock);
	if (err.code && process_alive(monitor->process))
		trend_recorder_miss(&monitor->recorder, &err);
	if (monitor->forget) {
		drop_scans(monitor);
		trend_recorder_forget(&monitor->recorder);
		if (monitor->retained)
			retained_forget(monitor->retained);
		drop_growing(found.rows, found.n);
		found.n = 0;
		monitor->hasty = HEAP_MONITOR_FIRST;
		monitor->focus.explained = 0;
		size_growth_forget(&monitor->sizes);
		monitor->forget = false;
	}
	trend_recorder_look(&monitor->recorder, scan);
	trend_recorder_evaluate(&monitor->recorder);
	if (scan) {
		thin(monitor);
		monitor->scans[monitor->n_scans++] = scan;
		size_growth_add(&monitor->sizes, scan);
		find_fastest(monitor);
	}
	drop_growing(monitor->growing, monitor->n_growing);
	memcpy(monitor->growing, found.rows, sizeof(found.rows));
	monitor->n_growing = found.n;
	monitor->n_looks = monitor->retained ? monitor->retained->n_looks : 0;
	find_focus(monitor);
	used = clock_cpu_s() - begin;
	monitor->cpu_s += used;
	lock_release(&monitor->lock);
	return used;
}

/* return false when it is to stop */
static bool wait_until(struct heap_monitor *monitor, double until_s)
{
	const struct timespec until = {(time_t)until_s,
				       (long)((until_s - (double)(time_t)until_s) * 1e9)};
	bool stop;

	lock_take(&monitor->lock);
	while (!monitor->stop && !monitor->forget && clock_now_s() < until_s)
		lock_wait_until(&monitor->lock, &monitor->wake, &until);
	stop = monitor->stop;
	lock_release(&monitor->lock);
	return !stop;
}

static void *run(void *context)
{
	struct heap_monitor *monitor = context;
	double begin, period;

	do {
		begin = clock_now_s();
		period = PERIOD * look(monitor) / monitor->share;
		if (monitor->hasty) {
			period /= HEAP_MONITOR_HASTE;
			monitor->hasty--;
		}
		period = period > HEAP_MONITOR_LEAST_S ? period : HEAP_MONITOR_LEAST_S;
	} while (wait_until(monitor, begin + period) && process_alive(monitor->process));
	return NULL;
}

/* ---- from outside --------------------------------------------------------------------------- */

static int init_lock(struct heap_monitor *monitor)
{
	pthread_condattr_t attributes;
	int failed = pthread_condattr_init(&attributes);

	if (failed)
		return failed;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	failed = pthread_cond_init(&monitor->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	lock_init(&monitor->lock, LOCK_RANK_HEAP_MONITOR);
	return failed;
}

struct heap_monitor *heap_monitor_open(const struct target *target, double share, struct err *err)
{
	struct heap_monitor *monitor = calloc(1, sizeof(*monitor));
	struct err why = ERR_INIT;

	if (!monitor || init_lock(monitor)) {
		free(monitor);
		err_set(err, ERR_FAILED, "no memory for the heap monitor");
		return NULL;
	}
	monitor->process = &target->process;
	monitor->share = share;
	monitor->hasty = HEAP_MONITOR_FIRST;
	if (trend_recorder_open(&monitor->recorder, &target->process, &target->runtime, err)) {
		free(monitor);
		return NULL;
	}
	monitor->census = census_new(target->process.pid, &target->runtime, &why);
	if (monitor->census)
		monitor->retained = retained_new();
	if (monitor->census)
		census_collect(monitor->census);
	else
		trend_recorder_miss(&monitor->recorder, &why);
	return monitor;
}

void heap_monitor_start(struct heap_monitor *monitor)
{
	monitor->begun_s = clock_now_s();
	monitor->started = pthread_create(&monitor->thread, NULL, run, monitor) == 0;
}

static void raise_flag(struct heap_monitor *monitor, bool *flag)
{
	lock_take(&monitor->lock);
	*flag = true;
	pthread_cond_signal(&monitor->wake);
	lock_release(&monitor->lock);
}

void heap_monitor_close(struct heap_monitor *monitor)
{
	if (!monitor)
		return;
	raise_flag(monitor, &monitor->stop);
	if (monitor->started)
		pthread_join(monitor->thread, NULL);
	drop_scans(monitor);
	trend_recorder_close(&monitor->recorder);
	census_free(monitor->census);
	retained_free(monitor->retained);
	drop_growing(monitor->growing, monitor->n_growing);
	pthread_cond_destroy(&monitor->wake);
	lock_destroy(&monitor->lock);
	free(monitor);
}

void heap_monitor_forget(struct heap_monitor *monitor)
{
	raise_flag(monitor, &monitor->forget);
}

/* ---- reports -------------------------------------------------------------------------------- */

bool heap_monitor_grows(const struct heap_growth_row *row)
{
	return row->bytes_delta > 0 && (row->shape == FIT_UNKNOWN ||
					(row->shape == FIT_STEADY && row->least_bytes_per_min > 0));
}

static void put_growth(struct profile *profile, const struct heap_growth *growth)
{
	struct heap_growth_row *rows = profile_alloc(profile, HEAP_MONITOR_SHOWN * sizeof(*rows));
	struct profile_growing_types *types = profile_alloc(profile, sizeof(*types));

	for (size_t i = 0; i < growth->n_rows && types->n_rows < HEAP_MONITOR_SHOWN; i++) {
		if (!heap_monitor_grows(&growth->rows[i]))
			continue;
		rows[types->n_rows] = growth->rows[i];
		rows[types->n_rows++].name = profile_str(profile, growth->rows[i].name, -1);
	}
	types->rows = rows;
	types->span_s = growth->span_s;
	types->n_scans = growth->n_scans;
	types->no_full_collection = growth->no_full_collection;
	profile->growing_types = types;
}

static void put_retention(const struct heap_monitor *monitor, struct profile *profile)
{
	struct profile_retention *part = profile_alloc(profile, sizeof(*part));
	struct retention *rows = profile_alloc(profile, (monitor->n_growing + 1) * sizeof(*rows));

	for (size_t i = 0; i < monitor->n_growing; i++) {
		rows[i] = monitor->growing[i];
		rows[i].path = (char *)profile_str(profile, rows[i].path, -1);
		rows[i].type = (char *)profile_str(profile, rows[i].type, -1);
		rows[i].item_type = (char *)profile_str(profile, rows[i].item_type, -1);
	}
	part->rows = rows;
	part->n_rows = monitor->n_growing;
	part->n_looks = monitor->n_looks;
	profile->retention = part;
}

/* What one of many alike grows by, on the average. */
static bool measure_example(struct heap_holder *to, const struct retention *row, uint64_t address)
{
	for (unsigned i = 0; i < RETENTION_EXAMPLES; i++) {
		if (!address || row->addresses[i] != address || row->kind != RETENTION_CONTAINER)
			continue;
		*to = (struct heap_holder){
			.address = address,
			.have_growth = true,
			.items = row->items / row->containers,
			.items_delta = row->items_delta / (int64_t)row->containers,
			.items_per_s = row->items_per_s / (double)row->containers,
			.least_per_s = row->least_items_per_s / (double)row->containers,
		};
		return true;
	}
	return false;
}

/* Of the many alike that grow. return how many rows there are */
static size_t add_examples(const struct heap_monitor *monitor, struct heap_holder *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < monitor->n_growing && n < EXAMPLES_MOST; i++) {
		const struct retention *row = &monitor->growing[i];

		for (unsigned k = 0; k < RETENTION_EXAMPLES && n < EXAMPLES_MOST; k++)
			n += row->containers > 1 &&
			     measure_example(&rows[n], row, row->addresses[k]);
	}
	return n;
}

static bool has_row(const struct heap_holder *rows, size_t n, uint64_t address)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].address == address)
			return true;
	return false;
}

size_t heap_monitor_containers(struct heap_monitor *monitor,
			       struct heap_holder rows[HEAP_MONITOR_FASTEST])
{
	size_t n;

	lock_take(&monitor->lock);
	n = add_examples(monitor, rows);
	for (size_t i = 0; i < monitor->n_fastest && n < HEAP_MONITOR_FASTEST; i++)
		if (!has_row(rows, n, monitor->fastest[i].address))
			rows[n++] = monitor->fastest[i];
	lock_release(&monitor->lock);
	return n;
}

/* All rows of the class together. */
static double class_per_s(const struct heap_monitor *monitor, uint64_t address)
{
	double sum = 0;

	for (size_t i = 0; i < monitor->n_growing; i++)
		if (monitor->growing[i].item_class == address)
			sum += monitor->growing[i].items_per_s;
	return sum;
}

/* The rows are in order: the fastest first. */
size_t heap_monitor_classes(struct heap_monitor *monitor,
			    struct heap_monitor_class rows[HEAP_MONITOR_CLASSES])
{
	size_t n = 0;

	lock_take(&monitor->lock);
	for (size_t i = 0; i < monitor->n_growing && n < HEAP_MONITOR_CLASSES; i++) {
		const struct retention *row = &monitor->growing[i];
		bool known = false;

		for (size_t k = 0; k < n; k++)
			known |= rows[k].address == row->item_class;
		if (known || !row->item_class || row->least_bytes_per_s <= GROWTH_LEAST_PER_S ||
		    focus_is_watchable(row))
			continue;
		rows[n].address = row->item_class;
		rows[n].per_s = class_per_s(monitor, row->item_class);
		snprintf(rows[n++].name, sizeof(rows->name), "%s", row->item_type);
	}
	lock_release(&monitor->lock);
	return n;
}

unsigned heap_monitor_lists(struct heap_monitor *monitor)
{
	unsigned lists;

	lock_take(&monitor->lock);
	lists = focus_lists(monitor->recorder.trend, monitor->growing, monitor->n_growing);
	lock_release(&monitor->lock);
	return lists;
}

size_t heap_monitor_sizes(struct heap_monitor *monitor,
			  struct size_growth_row rows[HEAP_MONITOR_CLASSES])
{
	size_t n = 0;

	lock_take(&monitor->lock);
	if (monitor->focus.wanted & ~monitor->focus.explained & 1u << ABI_OBJECT)
		n = size_growth_rows(&monitor->sizes, SIZE_GROWTH_POOLS, rows,
				     HEAP_MONITOR_CLASSES);
	lock_release(&monitor->lock);
	return n;
}

bool heap_monitor_container(struct heap_monitor *monitor, uint64_t address, struct heap_holder *row)
{
	bool known;

	lock_take(&monitor->lock);
	known = holders_measure(row, address, monitor->scans, monitor->n_scans) &&
		holder_grows(row);
	for (size_t i = 0; i < monitor->n_growing && !known; i++)
		known = measure_example(row, &monitor->growing[i], address);
	lock_release(&monitor->lock);
	return known;
}

double heap_monitor_other_blocks(struct heap_monitor *monitor)
{
	const struct trend_row *row;
	double per_s;

	lock_take(&monitor->lock);
	row = &monitor->recorder.trend->rows[TREND_PART_PYMALLOC];
	per_s = row->n >= FOCUS_LOOKS && row->shape == FIT_STEADY ? fmax(row->least_per_s, 0) : 0;
	lock_release(&monitor->lock);
	return per_s;
}

void heap_monitor_focus(struct heap_monitor *monitor, struct governor_focus *focus)
{
	lock_take(&monitor->lock);
	*focus = monitor->focus;
	lock_release(&monitor->lock);
}

void heap_monitor_explain(struct heap_monitor *monitor, unsigned domains)
{
	lock_take(&monitor->lock);
	monitor->focus.explained = domains;
	lock_release(&monitor->lock);
}

/*
 * What can hold a leaked block: also another malloc's mappings, and pages that are swapped out,
 * which is where the leaked ones go first.
 */
static double in_use(const struct heap_scan *scan)
{
	const struct heap_usage *room = &scan->room;

	return (double)(room->objects_bytes + room->pymalloc_bytes + room->malloc_bytes +
			room->other_bytes + scan->swapped_bytes);
}

bool heap_monitor_in_use(struct heap_monitor *monitor, double *least_per_s, double *most_per_s)
{
	double seconds[HEAP_MONITOR_SCANS], bytes[HEAP_MONITOR_SCANS], cycle[HEAP_MONITOR_SCANS];
	bool known, have_cycle = true;
	struct fit_line line;

	lock_take(&monitor->lock);
	known = monitor->n_scans >= CONTAINER_SCANS;
	for (size_t i = 0; i < monitor->n_scans; i++) {
		const struct heap_scan *scan = monitor->scans[i];

		seconds[i] = scan->at_s;
		bytes[i] = in_use(scan);
		cycle[i] = scan->gc.since_full;
		have_cycle &= scan->gc.have_since_full;
	}
	line = fit_line_without_cycle(seconds, bytes, have_cycle ? cycle : NULL, monitor->n_scans);
	known = known && line.error >= 0;
	if (known) {
		*least_per_s = fmax(line.slope - LIKELY_ERRORS * line.error, 0);
		*most_per_s = fmax(line.slope + LIKELY_ERRORS * line.error, 0);
	}
	lock_release(&monitor->lock);
	return known;
}

void heap_monitor_growth(struct heap_monitor *monitor,
			 void (*see)(void *context, const struct heap_growth *growth),
			 void *context)
{
	struct heap_growth *growth;

	lock_take(&monitor->lock);
	growth = monitor->n_scans > 1 ? growth_measure(monitor->scans, monitor->n_scans) : NULL;
	if (growth)
		see(context, growth);
	heap_growth_free(growth);
	lock_release(&monitor->lock);
}

void heap_monitor_report(struct heap_monitor *monitor, struct profile *profile)
{
	struct heap_growth *growth;
	double passed;

	lock_take(&monitor->lock);
	if (monitor->recorder.trend->n_looks)
		profile->trend = trend_copy(profile, monitor->recorder.trend);
	growth = monitor->n_scans > 1 ? growth_measure(monitor->scans, monitor->n_scans) : NULL;
	if (growth)
		put_growth(profile, growth);
	put_retention(monitor, profile);
	passed = clock_now_s() - monitor->begun_s;
	if (profile->growing_types && passed > 0)
		profile->growing_types->cpu_fraction = monitor->cpu_s / passed;
	heap_growth_free(growth);
	lock_release(&monitor->lock);
}
