/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/container_watch.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "census/describe.h"
#include "containers/class_births.h"
#include "containers/class_code.h"
#include "containers/container_cost.h"
#include "containers/container_find.h"
#include "containers/list_watch.h"
#include "containers/pool_find.h"
#include "containers/pool_watch.h"
#include "probe/features.h"
#include "probe/session.h"
#include "probe/session_watch.h"
#include "probe/session_events.h"
#include "probe/target_code.h"
#include "snapshot/watch_hits.h"
#include "target/remote_mem.h"

#define STACKS      4096
#define CHECK_NS    1000000000u /* how often the paths are gone again */
#define FINAL_TRIES 300         /* of 100 us */

/* share lost of what bytes in bulk take, from which on that is worth looking at */
#define STRING_LOSS 0.1

/* What is known of one container at the end. */
struct container_end {
	uint64_t items;
	int64_t unexplained;
	uint64_t events; /* hits that the processor counted */
	bool have_items, have_events;
};

struct container_watch {
	struct container_watch_options options;
	const struct target *target;
	struct features features;
	struct container_find found;
	struct watchpoint points[CONTAINER_WATCH_MAX];
	struct plan plan; /* empty: no function is probed */
	struct target_code code;
	struct session *session;
	struct watch_hits *hits;
	struct container_cost cost;
	struct container_end ends[CONTAINER_WATCH_MAX];
	/* of the class, where one is watched: one at a time */
	struct class_code class_code;
	struct class_births births;
	struct pool_watch *pools; /* of a size, where one is watched; else NULL */
	struct list_watch *list;  /* the same of a list of the interpreter's */
	double followed_s;
	uint64_t stopped_ns, checked_ns;
};

/* ---- opening -------------------------------------------------------------------------------- */

/* Loading takes a while, in which a pool of a dozen blocks becomes full: which ones serve now? */
static void aim_at_pools(void *context)
{
	struct container_watch *watch = context;
	struct container_find *found = &watch->found;

	pool_find_again(found->pools, found->n, watch->target, found->request->block_size);
	for (unsigned i = 0; i < found->n; i++)
		watch->points[i] = container_find_point(found, i);
}

static int open_session(struct container_watch *watch, struct err *err)
{
	const struct session_options options = {
		.max_blocks = 1,
		.max_stacks = STACKS,
		.max_size = UINT64_MAX,
		.code = watch->code.tables,
		.verbose = watch->options.verbose,
		.watchpoints = watch->points,
		.n_watchpoints = watch->found.n,
		.aim = watch->found.request->block_size ? aim_at_pools : NULL,
		.context = watch,
		.string_ops = watch->cost.each.string_loss > STRING_LOSS,
	};
	int result = session_open(&watch->session, &watch->target->process, &watch->target->runtime,
				  &watch->plan, &options, err);

	if (result)
		return result;
	if (session_no_native(watch->session))
		target_code_drop(&watch->code);
	watch->hits = watch_hits_new(&watch->target->process, &watch->target->runtime,
				     watch->session, target_code_map(&watch->code));
	if (!watch->hits)
		return err_set(err, ERR_FAILED, "out of memory");
	watch->cost.session = watch->session;
	result = watch_cost_trap(&watch->cost.each, session_watch_program(watch->session), err);
	return result ? result : session_attach(watch->session, err);
}

int container_watch_open(struct container_watch **out, struct heap_target *heap,
			 const struct container_request *request,
			 const struct container_watch_options *options, struct err *err)
{
	struct container_watch *watch = calloc(1, sizeof(*watch));
	int result;

	*out = watch;
	if (!watch)
		return err_set(err, ERR_FAILED, "out of memory");
	watch->options = *options;
	watch->target = heap->target;
	features_detect(&watch->features);
	result = features_require(&watch->features, err);
	if (!result)
		result = container_find_open(&watch->found, heap, request, err);
	for (unsigned i = 0; i < watch->found.n && !result; i++) {
		watch->points[i] = container_find_point(&watch->found, i);
		if (watch->points[i].each && !request->block_size && !request->list)
			result = class_code_find(&watch->class_code, watch->target,
						 watch->found.places[i].address, err);
	}
	if (!result)
		result = target_code_open(&watch->code, heap->target->process.pid,
					  watch->features.c_frames && watch->options.native, err);
	watch->cost.n = watch->found.n;
	watch->cost.process = &watch->target->process;
	watch->cost.ceiling = options->max_overhead;
	watch->cost.lease_ns = options->lease_ns;
	watch->cost.slow_ns = options->slow_ns ? (double)options->slow_ns : INFINITY;
	if (!result)
		result = watch_cost_measure(&watch->cost.each, watch->found.n, err);
	if (!result)
		result = open_session(watch, err);
	if (!result && request->block_size) {
		watch->pools = pool_watch_new(watch->target, watch->session, watch->found.pools,
					      watch->found.n);
		if (!watch->pools)
			result = err_set(err, ERR_FAILED, "out of memory");
	}
	if (!result && request->list) {
		watch->list = list_watch_new(watch->target, watch->session, request->list - 1,
					     watch->points[0].field);
		if (!watch->list)
			result = err_set(err, ERR_FAILED, "out of memory");
	}
	return result;
}

void container_watch_close(struct container_watch *watch)
{
	if (!watch)
		return;
	class_births_fini(&watch->births);
	pool_watch_free(watch->pools);
	list_watch_free(watch->list);
	watch_hits_free(watch->hits);
	session_close(watch->session);
	target_code_close(&watch->code);
	container_find_close(&watch->found);
	free(watch);
}

int container_watch_pidfd(const struct container_watch *watch)
{
	return watch->target->process.pidfd;
}

int container_watch_news_fd(const struct container_watch *watch)
{
	return session_events_fd(watch->session);
}

const struct container_find *container_watch_found(const struct container_watch *watch)
{
	return &watch->found;
}

/* ---- watching ------------------------------------------------------------------------------- */

/* Give each watchpoint the value that the first hit is compared with. */
static void begin_values(struct container_watch *watch)
{
	for (unsigned i = 0; i < watch->found.n; i++) {
		uint64_t value;

		if (remote_read_u64(watch->target->process.pid, watch->points[i].field, &value))
			continue;
		session_watch_begin(watch->session, i, (int64_t)value);
		if (watch->list)
			list_watch_begin(watch->list, value);
	}
}

double container_watch_spent(const struct container_watch *watch)
{
	return container_cost_spent(&watch->cost);
}

double container_watch_splits(const struct container_watch *watch)
{
	return container_cost_splits(&watch->cost);
}

void container_watch_start(struct container_watch *watch)
{
	begin_values(watch);
	watch->checked_ns = clock_now_ns();
	container_cost_begin(&watch->cost);
	container_cost_allow(&watch->cost, watch->session);
	session_start(watch->session);
	if (watch->pools)
		pool_watch_begin(watch->pools);
}

static void refresh_code(struct container_watch *watch)
{
	int changed;

	if (!watch->code.tables)
		return;
	session_read_code(watch->session);
	changed = target_code_update(&watch->code);
	if (changed >= 0)
		session_publish_code(watch->session, changed > 0);
}

bool container_watch_tick(struct container_watch *watch, enum heap_watch_end *end)
{
	uint64_t now = clock_now_ns();

	container_cost_allow(&watch->cost, watch->session);
	session_events(watch->session, watch_hits_learn, watch->hits);
	if (session_wants_code(watch->session))
		refresh_code(watch);
	*end = WATCH_OVERHEAD;
	if (session_watch_over(watch->session))
		return true;
	*end = WATCH_TARGET;
	if (session_execed(watch->session) || !process_alive(&watch->target->process))
		return true;
	*end = WATCH_LOST;
	for (unsigned i = 0; i < watch->found.n; i++)
		if (session_watch(watch->session, i)->dead)
			return true;
	if (now - watch->checked_ns < CHECK_NS)
		return false;
	watch->checked_ns = now;
	for (unsigned i = 0; i < watch->found.n; i++)
		if (!container_find_there(&watch->found, i))
			return true;
	return false;
}

/* ---- instances of a class ------------------------------------------------------------------- */

struct class_end {
	const struct container_watch *watch;
	uint64_t class;
};

static bool in_loop(void *context, uint64_t ip)
{
	const struct class_end *end = context;

	return eval_loop_holds(&end->watch->class_code.loop, ip);
}

static bool holds_instance(void *context, uint64_t object)
{
	const struct class_end *end = context;
	const struct target *target = end->watch->target;
	uint64_t type;

	return !remote_read_u64(target->process.pid,
				object + (uint64_t)target->runtime.layout.object.ob_type, &type) &&
	       type == end->class;
}

/* Births until here are followed: half of the time, of which the other half is left. */
static uint64_t followed_until(struct container_watch *watch)
{
	uint64_t end = watch->stopped_ns, until;
	size_t n;
	const struct abi_class_hit *hits = session_class_hits(watch->session, &n);

	if (n && session_watch_over(watch->session))
		end = hits[n - 1].time_ns;
	until = watch->cost.started_ns + (end - watch->cost.started_ns) / 2;
	watch->followed_s = (double)(until - watch->cost.started_ns) / 1e9;
	return until;
}

/* Soon after the end: an address may have another object later. */
static void find_births(struct container_watch *watch, unsigned i)
{
	struct class_end context = {watch, watch->found.places[i].address};
	struct class_hits hits = {.dealloc_start = watch->class_code.dealloc_start,
				  .dealloc_end = watch->class_code.dealloc_end,
				  .in_loop = in_loop,
				  .holds = holds_instance,
				  .context = &context};

	hits.hits = session_class_hits(watch->session, &hits.n);
	hits.until_ns = followed_until(watch);
	if (class_births_find(&watch->births, &hits, NULL))
		watch->births.known = false;
}

/* ---- the end -------------------------------------------------------------------------------- */

/*
 * The field as it is, and as the last hit left it: they are the same, or hits were not seen.
 * Compared while no hit comes in between.
 */
static void read_final_value(struct container_watch *watch, unsigned i)
{
	const volatile struct abi_watch *seen = session_watch(watch->session, i);
	struct container_end *end = &watch->ends[i];

	for (unsigned try = 0; try < FINAL_TRIES; try++) {
		uint64_t hits = seen->hits, value;
		int64_t last = seen->last;

		if (remote_read_u64(watch->target->process.pid, watch->points[i].field, &value))
			return;
		if (seen->hits == hits && seen->last == last) {
			end->have_items = true;
			end->items = value;
			end->unexplained = last == ABI_NOT_SEEN ? 0 : (int64_t)value - last;
		}
		if (end->have_items && !end->unexplained)
			return;
		/* the last write has been made, and its hit is on the way */
		usleep(100);
	}
}

void container_watch_stop(struct container_watch *watch)
{
	session_stop(watch->session);
	watch->stopped_ns = clock_now_ns();
	if (!session_execed(watch->session))
		for (unsigned i = 0; i < watch->found.n; i++)
			read_final_value(watch, i);
	session_watch_disarm(watch->session);
	if (watch->pools) {
		uint64_t until = followed_until(watch);

		pool_watch_end(watch->pools, until, watch->followed_s);
	}
	if (watch->list)
		list_watch_end(watch->list, followed_until(watch));
	for (unsigned i = 0; i < watch->found.n; i++)
		if (watch->points[i].each && !watch->pools && !watch->list)
			find_births(watch, i);
	for (unsigned i = 0; i < watch->found.n; i++)
		watch->ends[i].have_events =
			session_watch_events(watch->session, i, &watch->ends[i].events);
	session_events(watch->session, watch_hits_learn, watch->hits);
	container_cost_look(&watch->cost);
	session_detach(watch->session, NULL);
}

/* What has become of containers that are not where they were? */
static void look_again(struct container_watch *watch, struct heap_watch *report)
{
	struct container_now now[CONTAINER_WATCH_MAX];

	if (container_find_again(&watch->found, now, NULL))
		return;
	for (unsigned i = 0; i < watch->found.n; i++) {
		struct heap_watch_row *row = &report->rows[i];

		if (row->fate == WATCH_SAME)
			continue;
		row->fate = now[i].address == watch->found.places[i].address ? WATCH_SAME
			    : now[i].address                                 ? WATCH_REPLACED
									     : WATCH_GONE;
		if (!now[i].address)
			continue;
		row->now_address = now[i].address;
		row->now_type = profile_str(report->about, now[i].type, -1);
	}
}

static void fill_fates(struct container_watch *watch, struct heap_watch *report)
{
	bool again = false;

	for (unsigned i = 0; i < watch->found.n; i++) {
		report->rows[i].fate = WATCH_UNKNOWN;
		if (!process_alive(&watch->target->process) || session_execed(watch->session))
			continue;
		/* what was asked for by its address has no path that could lead elsewhere */
		if (!watch->found.places[i].is_address && container_find_there(&watch->found, i))
			report->rows[i].fate = WATCH_SAME;
		again |= report->rows[i].fate != WATCH_SAME;
	}
	if (again)
		look_again(watch, report);
}

static void fill_instances(struct container_watch *watch, struct profile *about,
			   struct heap_watch_row *row)
{
	const struct class_births *births = &watch->births;
	struct heap_watch_instances *instances = profile_alloc(about, sizeof(*instances));

	*instances = (struct heap_watch_instances){.known = births->known,
						   .made = births->made,
						   .died = births->died,
						   .others = births->others,
						   .followed_s = watch->followed_s};
	row->instances = instances;
	watch_hits_take_sites(watch->hits, about, births->sites,
			      births->known ? births->n_sites : 0, row);
}

static void fill_row(struct container_watch *watch, struct profile *about, unsigned i,
		     struct heap_watch_row *row)
{
	const volatile struct abi_watch *seen = session_watch(watch->session, i);
	const struct container_place *place = &watch->found.places[i];
	const struct container_end *end = &watch->ends[i];

	row->path = profile_str(about, place->name ? place->name : place->path, -1);
	row->refs = place->refs;
	row->type = profile_str(about, place->name_type ? place->name_type : place->type, -1);
	row->address = place->address;
	if (watch->list)
		list_watch_take(watch->list, watch->hits, about, row);
	else if (place->each)
		fill_instances(watch, about, row);
	else
		watch_hits_take(watch->hits, about, i, row);
	row->items_before = (uint64_t)(seen->first == ABI_NOT_SEEN ? seen->last : seen->first);
	if (seen->last == ABI_NOT_SEEN)
		row->items_before = end->items;
	row->items_after =
		end->have_items ? end->items : row->items_before + row->inserted - row->removed;
	if (row->refs) {
		/* the upper half has other things in some versions */
		row->items_before = (uint32_t)row->items_before;
		row->items_after = (uint32_t)row->items_after;
	}
	if (seen->dead)
		row->items_after = 0;
	row->unexplained = seen->dead ? 0 : end->unexplained;
	row->foreign = seen->foreign;
	row->unread = seen->unread;
	if (end->have_events && end->events > seen->hits)
		row->unseen = end->events - seen->hits;
}

static void fill_losses(struct container_watch *watch, const struct heap_watch *report)
{
	struct heap_watch_losses losses;

	heap_watch_losses_init(&losses);
	for (size_t i = 0; i < report->n_rows; i++)
		heap_watch_losses_add(&losses, &report->rows[i]);
	profile_add_losses(report->about, losses.kinds, HEAP_WATCH_LOSSES);
	watch_hits_losses(watch->hits, report->about);
}

struct heap_watch *container_watch_report(struct container_watch *watch, enum heap_watch_end end,
					  struct err *err)
{
	struct profile *about = describe_target(watch->target);
	struct heap_watch *report = watch->pools
					    ? pool_watch_report(watch->pools, watch->hits, about)
					    : heap_watch_new(about, watch->found.n);
	double seconds = (double)(watch->stopped_ns - watch->cost.started_ns) / 1e9;

	if (!report) {
		err_set(err, ERR_FAILED, "no memory for a report");
		return NULL;
	}
	about->duration_s = seconds;
	report->end = end;
	report->slow = session_watch_slow(watch->session);
	container_cost_fill(&watch->cost, seconds, report);
	for (unsigned i = 0; i < watch->found.n && !watch->pools; i++)
		fill_row(watch, about, i, &report->rows[i]);
	if (watch->pools)
		return report;
	fill_fates(watch, report);
	fill_losses(watch, report);
	return report;
}
