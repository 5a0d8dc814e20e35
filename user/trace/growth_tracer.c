/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/growth_tracer.h"

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
#include "base/lock.h"
#include "census/holders.h"
#include "containers/container_find.h"
#include "containers/container_watch.h"
#include "target/remote_mem.h"
#include "trace/class_results.h"
#include "trace/container_results.h"

#define ROUND_NS         3000000000u /* containers are watched for this long at a time, ... */
#define LONGEST_ROUND_NS 9000000000u /* ... where little comes, for this long, ... */
/* ... and at least for this long where watchpoints may have costs that cannot be measured
 * (container_cost.h), though the lease is spent */
#define LEAST_ROUND_NS 1000000000u
#define REST_NS        10000000000u /* between two rounds, at least */
#define LISTS_AGAIN_NS 60000000000u
#define LOOK_NS        500000000u /* while nothing is known to grow, or nothing can be paid */
#define TICK_NS        50000000u  /* as container_watch_tick() wants it */
/* of the target's CPU time: what a round is worth beginning with; two or three dozen changes */
#define LEAST_LEASE_NS 500000.0

struct growth_tracer {
	const struct target *target;
	struct heap_monitor *monitor;
	struct growth_tracer_options options;
	pthread_t thread;
	bool started;
	int wake;                  /* eventfd: stop */
	unsigned turn;             /* of sizes; the thread's own */
	uint64_t lists_ns[LISTED]; /* when each is watched again; the thread's own */

	struct lock lock; /* of what follows */
	bool forgotten;   /* what this round has seen of the past is not wanted any more */
	struct container_results containers;
	struct class_results classes, types; /* types: by pools */
	struct heap_watch *lists[LISTED];    /* each with the row of one; NULL: nothing was seen */
	char why_not[160];
	uint64_t not_watched; /* ... this container; it may have died meanwhile */
};

static uint64_t last_watched_ns(struct growth_tracer *tracer, uint64_t address)
{
	uint64_t ns;

	lock_take(&tracer->lock);
	ns = container_results_last_ns(&tracer->containers, address);
	lock_release(&tracer->lock);
	return ns;
}

/* err: NULL: it could */
static void set_why_not(struct growth_tracer *tracer, uint64_t address, const struct err *err)
{
	lock_take(&tracer->lock);
	tracer->not_watched = address;
	snprintf(tracer->why_not, sizeof(tracer->why_not), "%.150s", err ? err->text : "");
	lock_release(&tracer->lock);
}

/* ---- a round -------------------------------------------------------------------------------- */

/* Wait; false: to be stopped. */
static bool rest(const struct growth_tracer *tracer, uint64_t ns)
{
	struct pollfd wake = {.fd = tracer->wake, .events = POLLIN};
	const struct timespec time = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	return ppoll(&wake, 1, &time, NULL) == 0 || !(wake.revents & POLLIN);
}

/* The least recently watched, of the fastest. */
static unsigned choose(struct growth_tracer *tracer, struct heap_holder chosen[CONTAINER_WATCH_MAX])
{
	struct heap_holder rows[HEAP_MONITOR_FASTEST];
	size_t n = heap_monitor_containers(tracer->monitor, rows);
	uint64_t last[HEAP_MONITOR_FASTEST];
	unsigned n_chosen = 0;

	for (size_t i = 0; i < n; i++)
		last[i] = last_watched_ns(tracer, rows[i].address);
	while (n_chosen < CONTAINER_WATCH_MAX) {
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

/* What a round has been charged for so far. */
struct charged {
	double measured_ns, splits_ns;
};

static void charge(const struct growth_tracer *tracer, const struct container_watch *round,
		   struct charged *charged)
{
	/* hits are charged by what one takes on the average, which may become less */
	const struct charged now = {fmax(charged->measured_ns, container_watch_spent(round)),
				    fmax(charged->splits_ns, container_watch_splits(round))};

	budget_charge(tracer->options.budget, BUDGET_WATCHPOINTS,
		      now.measured_ns - charged->measured_ns, now.splits_ns - charged->splits_ns);
	*charged = now;
}

/* Is it over? */
static bool round_done(const struct growth_tracer *tracer, uint64_t began_ns, double spent_ns)
{
	uint64_t passed = clock_now_ns() - began_ns;

	return passed >= LONGEST_ROUND_NS || (passed >= ROUND_NS && spent_ns >= LEAST_LEASE_NS) ||
	       (passed >= LEAST_ROUND_NS &&
		budget_is_spent(tracer->options.budget, BUDGET_WATCHPOINTS));
}

static enum heap_watch_end follow(const struct growth_tracer *tracer, struct container_watch *round,
				  struct charged *charged)
{
	struct pollfd sources[] = {{.fd = tracer->wake, .events = POLLIN},
				   {.fd = container_watch_pidfd(round), .events = POLLIN},
				   {.fd = container_watch_news_fd(round), .events = POLLIN}};
	const struct timespec tick = {0, TICK_NS};
	uint64_t began = clock_now_ns();
	enum heap_watch_end end;

	for (;;) {
		int n = ppoll(sources, 3, &tick, NULL);
		bool over = container_watch_tick(round, &end);

		charge(tracer, round, charged);
		if (over)
			return end;
		if ((n > 0 && sources[0].revents) || (n < 0 && errno != EINTR))
			return WATCH_ASKED;
		if (round_done(tracer, began, charged->measured_ns + charged->splits_ns))
			return WATCH_TIME;
	}
}

/* What is seen from here on is not the past. */
static void begin_round(struct growth_tracer *tracer)
{
	lock_take(&tracer->lock);
	tracer->forgotten = false;
	lock_release(&tracer->lock);
}

static struct container_request ask_for_class(uint64_t address)
{
	return (struct container_request){
		.n = 1, .asked = {{.address = address, .refs = true, .each = true}}};
}

static struct container_request ask_for(const struct heap_holder *chosen, unsigned n,
					bool unwatched)
{
	struct container_request request = {.n = n, .named = true, .unwatched = unwatched};

	for (unsigned i = 0; i < n; i++)
		request.asked[i].address = chosen[i].address;
	return request;
}

/*
 * out    report: what a round with these has shown, to be freed with its profile; NULL: nothing
 * return false: they could not be watched; err says why
 */
static bool watch_round(struct growth_tracer *tracer, const struct container_request *request,
			double lease_ns, struct heap_watch **report, struct err *err)
{
	const struct container_watch_options options = {.lease_ns = lease_ns,
							.slow_ns = tracer->options.slow_ns,
							.native = !tracer->options.no_native};
	struct heap_target heap = {0};
	struct container_watch *round = NULL;
	bool watched = heap_target_share(&heap, tracer->target, err) == 0 &&
		       container_watch_open(&round, &heap, request, &options, err) == 0;

	*report = NULL;
	if (watched) {
		struct charged charged = {0};
		enum heap_watch_end end;

		begin_round(tracer);
		container_watch_start(round);
		end = follow(tracer, round, &charged);
		container_watch_stop(round);
		charge(tracer, round, &charged);
		*report = container_watch_report(round, end, err);
	}
	container_watch_close(round);
	heap_target_close(&heap);
	return watched;
}

/* return as watch_round() */
static bool watch_some(struct growth_tracer *tracer, const struct heap_holder *chosen, unsigned n,
		       double lease_ns, struct err *err)
{
	const struct container_request request = ask_for(chosen, n, false);
	struct heap_watch *report;
	bool watched = watch_round(tracer, &request, lease_ns, &report, err);

	if (report) {
		lock_take(&tracer->lock);
		if (!tracer->forgotten)
			container_results_add(&tracer->containers, report);
		lock_release(&tracer->lock);
		profile_free(report->about);
	}
	return watched;
}

/* What makes the instances of a class. That it cannot be watched is no news: then nothing is said
 * of it. */
static void watch_class(struct growth_tracer *tracer, const struct heap_monitor_class *class,
			double lease_ns)
{
	const struct container_request request = ask_for_class(class->address);
	struct heap_watch *report;
	struct err err = ERR_INIT;

	watch_round(tracer, &request, lease_ns, &report, &err);
	lock_take(&tracer->lock);
	if (!tracer->forgotten)
		class_results_add(&tracer->classes, class,
				  report && report->n_rows ? &report->rows[0] : NULL,
				  report && report->end == WATCH_OVERHEAD);
	lock_release(&tracer->lock);
	if (report)
		profile_free(report->about);
}

/* Under the lock: what was seen in pools, by type. */
static void keep_types(struct growth_tracer *tracer, const struct heap_watch *report, double per_s)
{
	for (size_t i = 0; i < report->n_rows && !tracer->forgotten; i++) {
		struct heap_monitor_class type = {.address = report->rows[i].address,
						  .per_s = per_s};

		snprintf(type.name, sizeof(type.name), "%s", report->rows[i].type);
		class_results_add(&tracer->types, &type, &report->rows[i],
				  report->end == WATCH_OVERHEAD);
	}
}

/* What makes the blocks of a size. */
static void watch_size(struct growth_tracer *tracer, const struct size_growth_row *size,
		       double lease_ns)
{
	const struct container_request request = {.block_size = 16 * size->class};
	struct heap_watch *report;
	struct err err = ERR_INIT;

	watch_round(tracer, &request, lease_ns, &report, &err);
	if (!report)
		return;
	lock_take(&tracer->lock);
	keep_types(tracer, report, size->per_s);
	lock_release(&tracer->lock);
	profile_free(report->about);
}

/* Under the lock; round: kept as it is; NULL: none */
static void set_list(struct growth_tracer *tracer, enum listed which, struct heap_watch *round)
{
	if (tracer->lists[which])
		profile_free(tracer->lists[which]->about);
	tracer->lists[which] = round;
}

/* What makes more of what a list has. One at a time: what was seen is kept as it is. */
static void watch_list(struct growth_tracer *tracer, enum listed which, double lease_ns)
{
	const struct container_request request = {.list = which + 1};
	struct heap_watch *report;
	struct err err = ERR_INIT;

	watch_round(tracer, &request, lease_ns, &report, &err);
	if (!report)
		return;
	lock_take(&tracer->lock);
	if (!tracer->forgotten && report->n_rows && report->rows[0].inserted) {
		set_list(tracer, which, report);
		report = NULL;
	}
	lock_release(&tracer->lock);
	if (report)
		profile_free(report->about);
}

/* Under the lock: of one that has been watched more is known already. */
static void keep_name(struct growth_tracer *tracer, const struct container_find *find, unsigned i)
{
	const struct container_place *place = &find->places[i];
	struct heap_watch_row row = {.path = place->name ? place->name : place->path,
				     .type = place->name_type ? place->name_type : place->type,
				     .address = place->address};

	if (container_results_know(&tracer->containers, place->address) ||
	    remote_read_u64(tracer->target->process.pid, place->found.field, &row.items_before))
		return;
	row.items_after = row.items_before;
	container_results_add_name(&tracer->containers, &row);
}

/* What they are called, where what changes them cannot be seen. return as watch_some() */
static bool name_some(struct growth_tracer *tracer, const struct heap_holder *chosen, unsigned n,
		      struct err *err)
{
	const struct container_request request = ask_for(chosen, n, true);
	struct heap_target heap = {0};
	struct container_find *find = calloc(1, sizeof(*find));
	bool found;

	if (!find)
		return false;
	found = heap_target_share(&heap, tracer->target, err) == 0 &&
		container_find_open(find, &heap, &request, err) == 0;
	lock_take(&tracer->lock);
	for (unsigned i = 0; i < find->n && found; i++)
		keep_name(tracer, find, i);
	lock_release(&tracer->lock);
	container_find_close(find);
	heap_target_close(&heap);
	free(find);
	return found;
}

static bool look_at_some(struct growth_tracer *tracer, const struct heap_holder *chosen, unsigned n,
			 double lease_ns, struct err *err)
{
	struct err unnamed = ERR_INIT;
	bool watched = tracer->options.can_watch && watch_some(tracer, chosen, n, lease_ns, err);

	/* a container that has died is no reason to look at the others only */
	if (watched || (tracer->options.can_watch && err->code == ERR_TARGET))
		return watched;
	if (!tracer->options.can_watch)
		return name_some(tracer, chosen, n, err);
	/* the reason why they cannot be watched is known, and is reported */
	name_some(tracer, chosen, n, &unnamed);
	return false;
}

/* One of them may have died since it was chosen: then each is tried alone. */
static void run_round(struct growth_tracer *tracer, const struct heap_holder *chosen, unsigned n,
		      double lease_ns)
{
	struct err err = ERR_INIT;
	bool any = look_at_some(tracer, chosen, n, lease_ns, &err);

	for (unsigned i = 0; i < n && n > 1 && !any && err.code == ERR_TARGET; i++) {
		err = (struct err)ERR_INIT;
		any = look_at_some(tracer, &chosen[i], 1, lease_ns, &err);
	}
	set_why_not(tracer, chosen[0].address, any ? NULL : &err);
}

/* return false: the target cannot be watched now */
static bool take_lease(struct growth_tracer *tracer, double *lease_ns)
{
	*lease_ns = 0;
	if (!tracer->options.can_watch)
		return true;
	*lease_ns = budget_lease(tracer->options.budget, BUDGET_WATCHPOINTS, LEAST_LEASE_NS);
	return *lease_ns > 0;
}

static void return_lease(struct growth_tracer *tracer)
{
	if (tracer->options.can_watch)
		budget_return(tracer->options.budget, BUDGET_WATCHPOINTS);
}

/* return false: there was nothing to look at, or nothing to pay with */
static bool look_at_containers(struct growth_tracer *tracer)
{
	struct heap_holder chosen[CONTAINER_WATCH_MAX];
	unsigned n = choose(tracer, chosen);
	double lease_ns;

	if (!n || !take_lease(tracer, &lease_ns))
		return false;
	run_round(tracer, chosen, n, lease_ns);
	return_lease(tracer);
	return true;
}

/* The same. Without a GIL a class is counted by each thread for itself, and mostly not at all. */
static bool look_at_class(struct growth_tracer *tracer)
{
	struct heap_monitor_class classes[HEAP_MONITOR_CLASSES];
	size_t n = 0;
	struct heap_monitor_class class;
	double lease_ns;

	if (tracer->options.can_watch && !tracer->target->runtime.layout.free_threaded)
		n = heap_monitor_classes(tracer->monitor, classes);
	if (!n || !take_lease(tracer, &lease_ns))
		return false;
	lock_take(&tracer->lock);
	class = *class_results_next(&tracer->classes, classes, n);
	lock_release(&tracer->lock);
	watch_class(tracer, &class, lease_ns);
	return_lease(tracer);
	return true;
}

/* The same of a size of blocks, in turn. */
static bool look_at_size(struct growth_tracer *tracer)
{
	struct size_growth_row sizes[HEAP_MONITOR_CLASSES];
	size_t n = 0;
	double lease_ns;

	if (tracer->options.can_watch && !tracer->target->runtime.layout.free_threaded)
		n = heap_monitor_sizes(tracer->monitor, sizes);
	if (!n || !take_lease(tracer, &lease_ns))
		return false;
	watch_size(tracer, &sizes[tracer->turn++ % n], lease_ns);
	return_lease(tracer);
	return true;
}

/* The same of lists. Their changes are few: what has been seen once is seen again, seldom. */
static bool look_at_lists(struct growth_tracer *tracer)
{
	unsigned lists = tracer->options.can_watch ? heap_monitor_lists(tracer->monitor) : 0;
	bool looked = false;

	for (unsigned i = 0; i < LISTED; i++) {
		uint64_t now = clock_now_ns();
		double lease_ns;

		if (!(lists & 1u << i) || (tracer->lists[i] && now < tracer->lists_ns[i]) ||
		    !rest(tracer, 0) || !take_lease(tracer, &lease_ns))
			continue;
		watch_list(tracer, i, lease_ns);
		return_lease(tracer);
		tracer->lists_ns[i] = clock_now_ns() + LISTS_AGAIN_NS;
		looked = true;
	}
	return looked;
}

static void *run(void *context)
{
	struct growth_tracer *tracer = context;
	uint64_t pause_ns = LOOK_NS;

	while (rest(tracer, pause_ns) && process_alive(&tracer->target->process)) {
		double began_s = clock_cpu_s();
		bool looked = look_at_containers(tracer);

		looked |= look_at_lists(tracer);
		if (rest(tracer, 0))
			looked |= look_at_class(tracer);
		if (rest(tracer, 0))
			looked |= look_at_size(tracer);
		pause_ns = LOOK_NS;
		if (!looked)
			continue;
		/* a round looks through the whole heap, with 20 MiB of tables; libc would keep them
		 * until the next */
		malloc_trim(0);
		pause_ns = (uint64_t)((clock_cpu_s() - began_s) /
				      (tracer->options.share * GROWTH_TRACER_SHARE) * 1e9);
		pause_ns = pause_ns > REST_NS ? pause_ns : REST_NS;
	}
	return NULL;
}

/* ---- from outside --------------------------------------------------------------------------- */

static void forget_results(struct growth_tracer *tracer)
{
	container_results_forget(&tracer->containers);
	class_results_forget(&tracer->classes);
	class_results_forget(&tracer->types);
	for (unsigned i = 0; i < LISTED; i++)
		set_list(tracer, i, NULL);
}

struct growth_tracer *growth_tracer_open(const struct target *target, struct heap_monitor *monitor,
					 const struct growth_tracer_options *options,
					 struct err *err)
{
	struct growth_tracer *tracer = calloc(1, sizeof(*tracer));

	if (!tracer) {
		err_set(err, ERR_FAILED, "out of memory");
		return NULL;
	}
	tracer->target = target;
	tracer->monitor = monitor;
	tracer->options = *options;
	lock_init(&tracer->lock, LOCK_RANK_GROWTH_TRACER);
	if (options->can_watch)
		budget_join(options->budget, BUDGET_WATCHPOINTS, LEAST_LEASE_NS);
	tracer->wake = eventfd(0, EFD_CLOEXEC);
	if (tracer->wake < 0) {
		err_set(err, ERR_FAILED, "eventfd: %s", strerror(errno));
		growth_tracer_close(tracer);
		return NULL;
	}
	return tracer;
}

void growth_tracer_start(struct growth_tracer *tracer)
{
	tracer->started = pthread_create(&tracer->thread, NULL, run, tracer) == 0;
}

void growth_tracer_stop(struct growth_tracer *tracer)
{
	const uint64_t one = 1;

	if (!tracer->started || write(tracer->wake, &one, sizeof(one)) != sizeof(one))
		return;
	pthread_join(tracer->thread, NULL);
	tracer->started = false;
}

void growth_tracer_close(struct growth_tracer *tracer)
{
	if (!tracer)
		return;
	growth_tracer_stop(tracer);
	if (tracer->options.can_watch)
		budget_leave(tracer->options.budget, BUDGET_WATCHPOINTS);
	forget_results(tracer);
	if (tracer->wake >= 0)
		close(tracer->wake);
	lock_destroy(&tracer->lock);
	free(tracer);
}

void growth_tracer_forget(struct growth_tracer *tracer)
{
	lock_take(&tracer->lock);
	forget_results(tracer);
	tracer->forgotten = true;
	lock_release(&tracer->lock);
}

/* Is it among the fastest of the latest scan? */
static bool grows_still(struct growth_tracer *tracer, uint64_t address)
{
	struct heap_holder rows[HEAP_MONITOR_FASTEST];
	size_t n = heap_monitor_containers(tracer->monitor, rows);

	for (size_t i = 0; i < n; i++)
		if (rows[i].address == address)
			return true;
	return false;
}

static void report_classes(struct growth_tracer *tracer, struct profile *profile)
{
	struct heap_monitor_class classes[HEAP_MONITOR_CLASSES], types[CLASS_RESULTS_MAX];
	size_t n = heap_monitor_classes(tracer->monitor, classes), n_types;
	struct profile_growing_classes *growing = profile_alloc(profile, sizeof(*growing));

	growing->rows = profile_alloc(profile, (HEAP_MONITOR_CLASSES + CLASS_RESULTS_MAX) *
						       sizeof(*growing->rows));
	lock_take(&tracer->lock);
	growing->n_rows =
		class_results_report(&tracer->classes, classes, n, profile, growing->rows);
	n_types = class_results_fresh(&tracer->types, types);
	growing->n_rows += class_results_report(&tracer->types, types, n_types, profile,
						growing->rows + growing->n_rows);
	lock_release(&tracer->lock);
	profile->growing_classes = growing;
}

/* Under the lock. */
static void report_lists(struct growth_tracer *tracer, struct profile *profile)
{
	struct profile_lists *lists = profile_alloc(profile, sizeof(*lists));

	for (unsigned i = 0; i < LISTED; i++) {
		struct heap_watch_row *row;

		if (!tracer->lists[i])
			continue;
		row = profile_alloc(profile, sizeof(*row));
		heap_watch_copy(profile, row, &tracer->lists[i]->rows[0]);
		lists->rows[i] = row;
	}
	profile->lists = lists;
}

void growth_tracer_report(struct growth_tracer *tracer, struct profile *profile)
{
	struct profile_growing_containers *growing = profile_alloc(profile, sizeof(*growing));
	bool any;

	lock_take(&tracer->lock);
	any = container_results_report(&tracer->containers, tracer->monitor, profile, growing);
	if (tracer->why_not[0] && !any && grows_still(tracer, tracer->not_watched))
		growing->why_not = profile_str(profile, tracer->why_not, -1);
	report_lists(tracer, profile);
	lock_release(&tracer->lock);
	profile->growing_containers = growing;
	report_classes(tracer, profile);
}
