/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/holder_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "census/holders.h"
#include "cli/container_find.h"
#include "cli/container_watch.h"
#include "target/remote_mem.h"

#define ROUND_NS 3000000000u /* containers are watched for so long at a time, ... */
/* ... and for so long where watchpoints may cost what nobody can measure (container_cost.h), by what has been allowed */
#define LEAST_ROUND_NS 1000000000u
#define REST_NS        10000000000u /* between two rounds, at least */
#define LOOK_NS        500000000u   /* while nothing is known to grow */
#define TICK_NS        50000000u    /* as container_watch_tick() wants it */
/* of what has been allowed and not spent, at most so many rounds' worth */
#define SAVED_ROUNDS 5.0
/* Of a core, in a round: what may be spent in any case, so that a few changes are seen of a process that mostly sleeps. With
 * the rests between that is half of the governor's BUDGET_FLOOR, so that windows can be paid too. */
#define LEAST_CORES 0.0006
/* a hit costs the target more than its trap and the program: caches, the kernel's way there (measured: 10 us are 15) */
#define CAUTION 1.5

/* What the last round with a container has shown. */
struct result {
	struct profile *about; /* of its own; the row lives in it */
	const struct heap_watch_row *row;
	uint64_t address, ended_ns;
	double watched_s, lost;
	bool cut;
};

struct holder_watch {
	const struct process *process;
	struct grower *grower;
	struct holder_watch_options options;
	pthread_t thread;
	bool started;
	int wake; /* eventfd: stop */

	pthread_mutex_t lock; /* of what follows */
	double cores;         /* allowed */
	double spent_ns;      /* in rounds that are over */
	struct container_watch *current;
	bool forgotten; /* what this round has seen of the past is not wanted any more */
	struct result results[HOLDER_WATCH_KEPT];
	size_t n_results;
	char why_not[160];
	uint64_t
		not_watched; /* ... this container; it may have died meanwhile, which is no trouble */
};

/* ---- results ----------------------------------------------------------------------------------------------- */

static void drop_result(struct holder_watch *watch, size_t i)
{
	profile_free(watch->results[i].about);
	watch->results[i] = watch->results[--watch->n_results];
}

/* A place for this container's result: its own, a free one, or that of the one that was watched longest ago. */
static struct result *result_place(struct holder_watch *watch, uint64_t address)
{
	size_t oldest = 0;

	for (size_t i = 0; i < watch->n_results; i++) {
		if (watch->results[i].address == address) {
			oldest = i;
			break;
		}
		if (watch->results[i].ended_ns < watch->results[oldest].ended_ns)
			oldest = i;
	}
	if (watch->n_results &&
	    (watch->results[oldest].address == address || watch->n_results == HOLDER_WATCH_KEPT))
		drop_result(watch, oldest);
	return &watch->results[watch->n_results++];
}

static bool is_known(const struct holder_watch *watch, uint64_t address)
{
	for (size_t i = 0; i < watch->n_results; i++)
		if (watch->results[i].address == address)
			return true;
	return false;
}

/*
 * Under the lock: a round that the end of the watch broke off tells less than the whole one before it, and one that was
 * cut before anything was seen tells nothing.
 */
static bool is_wanted(const struct holder_watch *watch, enum heap_watch_end end,
		      const struct heap_watch_row *row)
{
	bool saw = row->insertions || row->removals;

	if (watch->forgotten)
		return false;
	return !is_known(watch, row->address) ||
	       (end != WATCH_ASKED && (end != WATCH_OVERHEAD || saw));
}

/* Each row gets a profile of its own, so that it can be dropped for itself. */
static void keep_results(struct holder_watch *watch, const struct heap_watch *round)
{
	for (size_t i = 0; i < round->n_rows; i++) {
		struct profile *about = profile_new();
		struct heap_watch_row *row;

		if (!about)
			return;
		row = profile_alloc(about, sizeof(*row));
		heap_watch_copy(about, row, &round->rows[i]);
		pthread_mutex_lock(&watch->lock);
		if (is_wanted(watch, round->end, row)) {
			*result_place(watch, row->address) = (struct result){
				.about = about,
				.row = row,
				.address = row->address,
				.ended_ns = clock_now_ns(),
				.watched_s = round->about->duration_s,
				.lost = round->strings_fraction,
				.cut = round->end == WATCH_OVERHEAD,
			};
			about = NULL;
		}
		pthread_mutex_unlock(&watch->lock);
		profile_free(about);
	}
}

static uint64_t last_watched_ns(struct holder_watch *watch, uint64_t address)
{
	uint64_t ns = 0;

	pthread_mutex_lock(&watch->lock);
	for (size_t i = 0; i < watch->n_results; i++)
		if (watch->results[i].address == address)
			ns = watch->results[i].ended_ns;
	pthread_mutex_unlock(&watch->lock);
	return ns;
}

/* err: NULL: it could */
static void set_why_not(struct holder_watch *watch, uint64_t address, const struct err *err)
{
	pthread_mutex_lock(&watch->lock);
	watch->not_watched = address;
	snprintf(watch->why_not, sizeof(watch->why_not), "%.150s", err ? err->text : "");
	pthread_mutex_unlock(&watch->lock);
}

/* ---- a round ----------------------------------------------------------------------------------------------- */

/* Wait; false: to be stopped. */
static bool rest(const struct holder_watch *watch, uint64_t ns)
{
	struct pollfd wake = {.fd = watch->wake, .events = POLLIN};
	const struct timespec time = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	return ppoll(&wake, 1, &time, NULL) == 0 || !(wake.revents & POLLIN);
}

/* Those that were not watched for longest, of the fastest. */
static unsigned choose(struct holder_watch *watch, struct heap_holder chosen[HEAP_WATCHES_MAX])
{
	struct heap_holder rows[GROWER_FASTEST];
	size_t n = grower_containers(watch->grower, rows);
	uint64_t last[GROWER_FASTEST];
	unsigned n_chosen = 0;

	for (size_t i = 0; i < n; i++)
		last[i] = last_watched_ns(watch, rows[i].address);
	while (n_chosen < HEAP_WATCHES_MAX) {
		size_t next = n;

		for (size_t i = 0; i < n; i++)
			if (rows[i].address && (next == n || last[i] < last[next]))
				next = i;
		if (next == n)
			break;
		chosen[n_chosen++] = rows[next];
		rows[next].address = 0;
	}
	return n_chosen;
}

/* Is it over? */
static bool round_done(const struct container_watch *round, uint64_t began_ns, double most_ns)
{
	uint64_t passed = clock_now_ns() - began_ns;

	return passed >= ROUND_NS ||
	       (passed >= LEAST_ROUND_NS && container_watch_splits(round) >= most_ns);
}

static enum heap_watch_end follow(struct holder_watch *watch, struct container_watch *round,
				  double most_ns)
{
	struct pollfd sources[] = {{.fd = watch->wake, .events = POLLIN},
				   {.fd = container_watch_pidfd(round), .events = POLLIN},
				   {.fd = container_watch_news_fd(round), .events = POLLIN}};
	const struct timespec tick = {0, TICK_NS};
	uint64_t began = clock_now_ns();
	enum heap_watch_end end;

	for (;;) {
		int n = ppoll(sources, 3, &tick, NULL);

		if (container_watch_tick(round, &end))
			return end;
		if ((n > 0 && sources[0].revents) || (n < 0 && errno != EINTR))
			return WATCH_ASKED;
		if (round_done(round, began, most_ns))
			return WATCH_TIME;
	}
}

static double spent(const struct container_watch *round)
{
	return CAUTION * container_watch_spent(round) + container_watch_splits(round);
}

static void set_current(struct holder_watch *watch, struct container_watch *round)
{
	pthread_mutex_lock(&watch->lock);
	if (!round && watch->current)
		watch->spent_ns += spent(watch->current);
	watch->current = round;
	if (round)
		watch->forgotten = false;
	pthread_mutex_unlock(&watch->lock);
}

/* return false: these containers could not be watched; err says why */
static bool watch_some(struct holder_watch *watch, const struct heap_holder *chosen, unsigned n,
		       double cores, struct err *err)
{
	struct heap_options options = {.pid = watch->process->pid,
				       .quiet = true,
				       .name_watched = true,
				       .n_watch = n,
				       .for_ns = ROUND_NS,
				       .max_overhead = cores / CAUTION,
				       .ahead_ns = ROUND_NS,
				       .slow_ns = watch->options.slow_ns,
				       .no_native = watch->options.no_native};
	char addresses[HEAP_WATCHES_MAX][24];
	struct container_watch *round;
	struct heap_watch *report = NULL;
	bool watched;

	for (unsigned i = 0; i < n; i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "0x%" PRIx64, chosen[i].address);
		options.watch[i] = addresses[i];
	}
	watched = container_watch_open(&round, &options, err) == 0;
	if (watched) {
		enum heap_watch_end end;

		set_current(watch, round);
		container_watch_start(round);
		end = follow(watch, round, cores * ROUND_NS);
		container_watch_stop(round);
		set_current(watch, NULL);
		report = container_watch_report(round, end, err);
	}
	if (report) {
		keep_results(watch, report);
		profile_free(report->about);
	}
	container_watch_close(round);
	return watched;
}

/* Under the lock: of one that has been watched more is known already. */
static void keep_name(struct holder_watch *watch, const struct container_find *find, unsigned i)
{
	const struct container_place *place = &find->places[i];
	struct profile *about;
	struct heap_watch_row *row;
	uint64_t items;

	if (is_known(watch, place->address) ||
	    remote_read_u64(watch->process->pid, place->found.field, &items))
		return;
	about = profile_new();
	if (!about)
		return;
	row = profile_alloc(about, sizeof(*row));
	row->path = profile_str(about, place->name ? place->name : place->path, -1);
	row->type = profile_str(about, place->name_type ? place->name_type : place->type, -1);
	row->address = place->address;
	row->items_before = row->items_after = items;
	*result_place(watch, row->address) = (struct result){
		.about = about,
		.row = row,
		.address = row->address,
		.ended_ns = clock_now_ns(),
	};
}

/* What they are called, where who changes them is not to be had. return as watch_some() */
static bool name_some(struct holder_watch *watch, const struct heap_holder *chosen, unsigned n,
		      struct err *err)
{
	struct heap_options options = {.pid = watch->process->pid,
				       .quiet = true,
				       .name_watched = true,
				       .name_only = true,
				       .n_watch = n};
	char addresses[HEAP_WATCHES_MAX][24];
	struct container_find *find = malloc(sizeof(*find));
	bool found;

	if (!find)
		return false;
	for (unsigned i = 0; i < n; i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "0x%" PRIx64, chosen[i].address);
		options.watch[i] = addresses[i];
	}
	found = container_find_open(find, &options, err) == 0;
	pthread_mutex_lock(&watch->lock);
	for (unsigned i = 0; i < find->n && found; i++)
		keep_name(watch, find, i);
	pthread_mutex_unlock(&watch->lock);
	container_find_close(find);
	free(find);
	return found;
}

static bool look_at_some(struct holder_watch *watch, const struct heap_holder *chosen, unsigned n,
			 double cores, struct err *err)
{
	struct err unnamed = ERR_INIT;
	bool watched = watch->options.can_watch && watch_some(watch, chosen, n, cores, err);

	/* a container that has died is no reason to look at the others only */
	if (watched || (watch->options.can_watch && err->code == ERR_TARGET))
		return watched;
	if (!watch->options.can_watch)
		return name_some(watch, chosen, n, err);
	/* why they cannot be watched is known, and is what is said */
	name_some(watch, chosen, n, &unnamed);
	return false;
}

/* One of them may have died since it was chosen: then each is tried alone. */
static void run_round(struct holder_watch *watch, const struct heap_holder *chosen, unsigned n,
		      double cores)
{
	struct err err = ERR_INIT;
	bool any = look_at_some(watch, chosen, n, cores, &err);

	for (unsigned i = 0; i < n && n > 1 && !any && err.code == ERR_TARGET; i++) {
		err = (struct err)ERR_INIT;
		any = look_at_some(watch, &chosen[i], 1, cores, &err);
	}
	set_why_not(watch, chosen[0].address, any ? NULL : &err);
}

static double allowed(struct holder_watch *watch, uint64_t rested_ns)
{
	double rounds = fmin(fmax((double)rested_ns / ROUND_NS, 1), SAVED_ROUNDS), cores;

	pthread_mutex_lock(&watch->lock);
	cores = watch->cores;
	pthread_mutex_unlock(&watch->lock);
	return fmax(cores * rounds, LEAST_CORES);
}

static void *run(void *context)
{
	struct holder_watch *watch = context;
	struct heap_holder chosen[HEAP_WATCHES_MAX];
	uint64_t last_ns = clock_now_ns();
	uint64_t pause_ns = LOOK_NS;

	while (rest(watch, pause_ns) && process_alive(watch->process)) {
		double began_s = clock_cpu_s();
		unsigned n = choose(watch, chosen);

		pause_ns = LOOK_NS;
		if (!n)
			continue;
		run_round(watch, chosen, n, allowed(watch, clock_now_ns() - last_ns));
		/* a round looks through the whole heap, with 20 MiB of tables; libc would keep them until the next */
		malloc_trim(0);
		last_ns = clock_now_ns();
		pause_ns = (uint64_t)((clock_cpu_s() - began_s) /
				      (watch->options.share * HOLDER_WATCH_SHARE) * 1e9);
		pause_ns = pause_ns > REST_NS ? pause_ns : REST_NS;
	}
	return NULL;
}

/* ---- from outside ------------------------------------------------------------------------------------------- */

struct holder_watch *holder_watch_open(const struct process *process, struct grower *grower,
				       const struct holder_watch_options *options, struct err *err)
{
	struct holder_watch *watch = calloc(1, sizeof(*watch));

	if (!watch) {
		err_set(err, ERR_FAILED, "out of memory");
		return NULL;
	}
	watch->process = process;
	watch->grower = grower;
	watch->options = *options;
	pthread_mutex_init(&watch->lock, NULL);
	watch->wake = eventfd(0, EFD_CLOEXEC);
	if (watch->wake < 0) {
		err_set(err, ERR_FAILED, "eventfd: %s", strerror(errno));
		holder_watch_close(watch);
		return NULL;
	}
	return watch;
}

void holder_watch_start(struct holder_watch *watch)
{
	watch->started = pthread_create(&watch->thread, NULL, run, watch) == 0;
}

void holder_watch_stop(struct holder_watch *watch)
{
	const uint64_t one = 1;

	if (!watch->started || write(watch->wake, &one, sizeof(one)) != sizeof(one))
		return;
	pthread_join(watch->thread, NULL);
	watch->started = false;
}

void holder_watch_close(struct holder_watch *watch)
{
	if (!watch)
		return;
	holder_watch_stop(watch);
	while (watch->n_results)
		drop_result(watch, 0);
	if (watch->wake >= 0)
		close(watch->wake);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}

void holder_watch_forget(struct holder_watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	while (watch->n_results)
		drop_result(watch, 0);
	watch->forgotten = true;
	pthread_mutex_unlock(&watch->lock);
}

void holder_watch_allow(struct holder_watch *watch, double cores)
{
	pthread_mutex_lock(&watch->lock);
	watch->cores = cores;
	pthread_mutex_unlock(&watch->lock);
}

double holder_watch_spent(struct holder_watch *watch)
{
	double ns;

	pthread_mutex_lock(&watch->lock);
	ns = watch->spent_ns;
	if (watch->current)
		ns += spent(watch->current);
	pthread_mutex_unlock(&watch->lock);
	return ns;
}

static int faster(const void *a, const void *b)
{
	const struct growing *x = a, *y = b;

	if (x->least_per_s != y->least_per_s)
		return x->least_per_s > y->least_per_s ? -1 : 1;
	return x->row.address < y->row.address ? -1 : x->row.address > y->row.address;
}

/* Is it among the fastest of the latest scan? */
static bool grows_still(struct holder_watch *watch, uint64_t address)
{
	struct heap_holder rows[GROWER_FASTEST];
	size_t n = grower_containers(watch->grower, rows);

	for (size_t i = 0; i < n; i++)
		if (rows[i].address == address)
			return true;
	return false;
}

/*
 * Garbage and what is gone cannot grow any more. They are remembered all the same, so that others have their turn to be watched.
 */
static bool can_grow(const struct heap_watch_row *row)
{
	return row->insertions || row->removals ||
	       (row->fate != WATCH_GONE && strcmp(row->path, HOLDERS_GARBAGE) != 0);
}

void holder_watch_report(struct holder_watch *watch, struct profile *profile)
{
	struct profile_growing *growing = profile_alloc(profile, sizeof(*growing));
	struct growing *rows = profile_alloc(profile, HOLDER_WATCH_KEPT * sizeof(*rows));
	uint64_t now = clock_now_ns();
	struct heap_watch_losses losses;
	bool any = false;

	heap_watch_losses_init(&losses);
	pthread_mutex_lock(&watch->lock);
	for (size_t i = 0; i < watch->n_results; i++) {
		const struct result *result = &watch->results[i];
		struct growing *row = &rows[growing->n_rows];
		struct heap_holder holder = {0};

		/* it may have stopped to grow, or died */
		if (!can_grow(result->row) ||
		    !grower_container(watch->grower, result->address, &holder) ||
		    !holder_grows(&holder))
			continue;
		*row = (struct growing){
			.watched_s = result->watched_s,
			.lost = result->lost,
			.ago_s = (double)(now - result->ended_ns) / 1e9,
			.items_per_s = holder.items_per_s,
			.least_per_s = holder.least_per_s,
			.cut = result->cut,
		};
		heap_watch_copy(profile, &row->row, result->row);
		if (!(row->watched_s > 0))
			row->row.items_before = row->row.items_after = holder.items;
		heap_watch_losses_add(&losses, &row->row);
		any |= row->watched_s > 0;
		growing->n_rows++;
	}
	if (watch->why_not[0] && !any && grows_still(watch, watch->not_watched))
		growing->why_not = profile_str(profile, watch->why_not, -1);
	pthread_mutex_unlock(&watch->lock);
	qsort(rows, growing->n_rows, sizeof(*rows), faster);
	growing->rows = rows;
	profile->growing = growing;
	profile_add_losses(profile, losses.kinds, HEAP_WATCH_LOSSES);
}
