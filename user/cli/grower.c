/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/grower.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "census/growth.h"
#include "census/holders.h"
#include "census/scan.h"
#include "cli/trend_look.h"
#include "python/runtime.h"

#define PERIOD \
	1.25 /* of the time in which the share pays for a scan: for the first one, which nothing came before */

_Static_assert(GROWER_SCANS <= GROWTH_SCANS_MAX, "growth_measure() takes them all");

/* what grows is not told from what changes by fewer scans */
#define CONTAINER_SCANS 3

#define LIKELY_ERRORS   2 /* of a slope, to its upper bound */

struct grower {
	const struct process *process;
	double share;
	struct py_runtime runtime;
	struct census *census; /* NULL: the heap cannot be scanned */
	pthread_t thread;
	bool started;
	unsigned hasty; /* scans that may still come close together; the thread's own */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	bool stop, forget;
	struct trend_watch watch;
	struct heap_scan *scans[GROWER_SCANS]; /* oldest first */
	size_t n_scans;
	struct heap_holder fastest[GROWER_FASTEST];
	size_t n_fastest;
	double cpu_s, begun_s; /* of all scans and looks; since the first of them */
};

/* ---- the thread ------------------------------------------------------------------------------------------- */

static void drop_scans(struct grower *grower)
{
	for (size_t i = 0; i < grower->n_scans; i++)
		heap_scan_free(grower->scans[i]);
	grower->n_scans = 0;
	grower->n_fastest = 0;
}

/* Room for one more: every second one goes, but the first. */
static void thin(struct grower *grower)
{
	size_t n = 0, rows = 0;

	for (size_t i = 0; i < grower->n_scans; i++)
		rows += grower->scans[i]->n_types;
	if (grower->n_scans < GROWER_SCANS && (rows < GROWER_ROWS_MAX || grower->n_scans < 4))
		return;
	for (size_t i = 0; i < grower->n_scans; i++) {
		if (i % 2)
			heap_scan_free(grower->scans[i]);
		else
			grower->scans[n++] = grower->scans[i];
	}
	grower->n_scans = n;
}

/* Into rows that are in order, the fastest first; the slowest falls out. */
static void insert_row(struct grower *grower, const struct heap_holder *row)
{
	struct heap_holder *rows = grower->fastest;
	size_t at = grower->n_fastest;

	while (at > 0 && rows[at - 1].least_per_s < row->least_per_s)
		at--;
	if (at == GROWER_FASTEST)
		return;
	if (grower->n_fastest < GROWER_FASTEST)
		grower->n_fastest++;
	memmove(&rows[at + 1], &rows[at], (grower->n_fastest - at - 1) * sizeof(*rows));
	rows[at] = *row;
}

/* Once for each scan: the scan's containers times the scans that are kept is work. */
static void find_fastest(struct grower *grower)
{
	const struct heap_scan *last =
		grower->n_scans >= CONTAINER_SCANS ? grower->scans[grower->n_scans - 1] : NULL;

	grower->n_fastest = 0;
	for (size_t i = 0; last && i < last->n_containers; i++) {
		struct heap_holder row = {0};

		if (holders_measure(&row, last->containers[i].address, grower->scans,
				    grower->n_scans) &&
		    holder_grows(&row))
			insert_row(grower, &row);
	}
}

/* return CPU seconds that it took */
static double look(struct grower *grower)
{
	double begin = clock_cpu_s(), used;
	struct err err = ERR_INIT;
	struct heap_scan *scan = grower->census ? census_scan(grower->census, &err) : NULL;

	pthread_mutex_lock(&grower->lock);
	if (err.code && process_alive(grower->process))
		trend_watch_miss(&grower->watch, &err);
	if (grower->forget) {
		drop_scans(grower);
		trend_watch_forget(&grower->watch);
		grower->hasty = GROWER_FIRST;
		grower->forget = false;
	}
	trend_watch_look(&grower->watch, scan);
	trend_watch_settle(&grower->watch);
	if (scan) {
		thin(grower);
		grower->scans[grower->n_scans++] = scan;
		find_fastest(grower);
	}
	used = clock_cpu_s() - begin;
	grower->cpu_s += used;
	pthread_mutex_unlock(&grower->lock);
	return used;
}

/* return false when it is to stop */
static bool wait_until(struct grower *grower, double until_s)
{
	const struct timespec until = {(time_t)until_s,
				       (long)((until_s - (double)(time_t)until_s) * 1e9)};
	bool stop;

	pthread_mutex_lock(&grower->lock);
	while (!grower->stop && !grower->forget && clock_now_s() < until_s)
		pthread_cond_timedwait(&grower->wake, &grower->lock, &until);
	stop = grower->stop;
	pthread_mutex_unlock(&grower->lock);
	return !stop;
}

static void *run(void *context)
{
	struct grower *grower = context;
	double begin, period;

	do {
		begin = clock_now_s();
		period = PERIOD * look(grower) / grower->share;
		if (grower->hasty) {
			period /= GROWER_HASTE;
			grower->hasty--;
		}
		period = period > GROWER_LEAST_S ? period : GROWER_LEAST_S;
	} while (wait_until(grower, begin + period) && process_alive(grower->process));
	return NULL;
}

/* ---- from outside ----------------------------------------------------------------------------------------- */

static int init_lock(struct grower *grower)
{
	pthread_condattr_t attributes;
	int failed = pthread_condattr_init(&attributes);

	if (failed)
		return failed;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	failed = pthread_cond_init(&grower->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return failed ? failed : pthread_mutex_init(&grower->lock, NULL);
}

struct grower *grower_open(const struct process *process, double share, struct err *err)
{
	struct grower *grower = calloc(1, sizeof(*grower));
	struct err why = ERR_INIT;

	if (!grower || init_lock(grower)) {
		free(grower);
		err_set(err, ERR_FAILED, "no memory to watch the heap");
		return NULL;
	}
	grower->process = process;
	grower->share = share;
	grower->hasty = GROWER_FIRST;
	if (py_runtime_find(&grower->runtime, process, err)) {
		free(grower);
		return NULL;
	}
	if (trend_watch_open(&grower->watch, process, &grower->runtime, err)) {
		py_runtime_fini(&grower->runtime);
		free(grower);
		return NULL;
	}
	grower->census = census_new(process->pid, &grower->runtime, &why);
	if (grower->census)
		census_collect(grower->census);
	else
		trend_watch_miss(&grower->watch, &why);
	return grower;
}

void grower_start(struct grower *grower)
{
	grower->begun_s = clock_now_s();
	grower->started = pthread_create(&grower->thread, NULL, run, grower) == 0;
}

static void tell(struct grower *grower, bool *flag)
{
	pthread_mutex_lock(&grower->lock);
	*flag = true;
	pthread_cond_signal(&grower->wake);
	pthread_mutex_unlock(&grower->lock);
}

void grower_close(struct grower *grower)
{
	if (!grower)
		return;
	tell(grower, &grower->stop);
	if (grower->started)
		pthread_join(grower->thread, NULL);
	drop_scans(grower);
	trend_watch_close(&grower->watch);
	census_free(grower->census);
	py_runtime_fini(&grower->runtime);
	pthread_cond_destroy(&grower->wake);
	pthread_mutex_destroy(&grower->lock);
	free(grower);
}

void grower_forget(struct grower *grower)
{
	tell(grower, &grower->forget);
}

/* ---- reports ---------------------------------------------------------------------------------------------- */

bool grower_grows(const struct heap_growth_row *row)
{
	return row->bytes_delta > 0 && (row->shape == FIT_UNKNOWN ||
					(row->shape == FIT_STEADY && row->least_bytes_per_min > 0));
}

static void put_growth(struct profile *profile, const struct heap_growth *growth)
{
	struct heap_growth_row *rows = profile_alloc(profile, GROWER_SHOWN * sizeof(*rows));
	struct profile_grows *grows_part = profile_alloc(profile, sizeof(*grows_part));

	for (size_t i = 0; i < growth->n_rows && grows_part->n_rows < GROWER_SHOWN; i++) {
		if (!grower_grows(&growth->rows[i]))
			continue;
		rows[grows_part->n_rows] = growth->rows[i];
		rows[grows_part->n_rows++].name = profile_str(profile, growth->rows[i].name, -1);
	}
	grows_part->rows = rows;
	grows_part->span_s = growth->span_s;
	grows_part->n_scans = growth->n_scans;
	grows_part->no_full_collection = growth->no_full_collection;
	profile->grows = grows_part;
}

size_t grower_containers(struct grower *grower, struct heap_holder rows[GROWER_FASTEST])
{
	size_t n;

	pthread_mutex_lock(&grower->lock);
	n = grower->n_fastest;
	memcpy(rows, grower->fastest, n * sizeof(*rows));
	pthread_mutex_unlock(&grower->lock);
	return n;
}

bool grower_container(struct grower *grower, uint64_t address, struct heap_holder *row)
{
	bool known;

	pthread_mutex_lock(&grower->lock);
	known = holders_measure(row, address, grower->scans, grower->n_scans);
	pthread_mutex_unlock(&grower->lock);
	return known;
}

/*
 * What can hold a leaked block: also another malloc's mappings, and pages that are swapped out, which is where the leaked
 * ones go first.
 */
static double in_use(const struct heap_scan *scan)
{
	const struct heap_room *room = &scan->room;

	return (double)(room->objects_bytes + room->pymalloc_bytes + room->malloc_bytes +
			room->other_bytes + scan->swapped_bytes);
}

bool grower_in_use(struct grower *grower, double *least_per_s, double *most_per_s)
{
	double seconds[GROWER_SCANS], bytes[GROWER_SCANS], cycle[GROWER_SCANS];
	bool known, have_cycle = true;
	struct fit_line line;

	pthread_mutex_lock(&grower->lock);
	known = grower->n_scans >= CONTAINER_SCANS;
	for (size_t i = 0; i < grower->n_scans; i++) {
		const struct heap_scan *scan = grower->scans[i];

		seconds[i] = scan->at_s;
		bytes[i] = in_use(scan);
		cycle[i] = scan->gc.since_full;
		have_cycle &= scan->gc.have_since_full;
	}
	line = fit_line_beside(seconds, bytes, have_cycle ? cycle : NULL, grower->n_scans);
	known = known && line.error >= 0;
	if (known) {
		*least_per_s = fmax(line.slope - LIKELY_ERRORS * line.error, 0);
		*most_per_s = fmax(line.slope + LIKELY_ERRORS * line.error, 0);
	}
	pthread_mutex_unlock(&grower->lock);
	return known;
}

void grower_growth(struct grower *grower,
		   void (*see)(void *context, const struct heap_growth *growth), void *context)
{
	struct heap_growth *growth;

	pthread_mutex_lock(&grower->lock);
	growth = grower->n_scans > 1 ? growth_measure(grower->scans, grower->n_scans) : NULL;
	if (growth)
		see(context, growth);
	heap_growth_free(growth);
	pthread_mutex_unlock(&grower->lock);
}

void grower_report(struct grower *grower, struct profile *profile)
{
	struct heap_growth *growth;
	double passed;

	pthread_mutex_lock(&grower->lock);
	if (grower->watch.trend->n_looks)
		profile->trend = trend_copy(profile, grower->watch.trend);
	growth = grower->n_scans > 1 ? growth_measure(grower->scans, grower->n_scans) : NULL;
	if (growth)
		put_growth(profile, growth);
	passed = clock_now_s() - grower->begun_s;
	if (profile->grows && passed > 0)
		profile->grows->cpu_fraction = grower->cpu_s / passed;
	heap_growth_free(growth);
	pthread_mutex_unlock(&grower->lock);
}
