/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/container_watch.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "census/holders.h"
#include "census/path_find.h"
#include "cli/container_cost.h"
#include "cli/describe.h"
#include "cli/heap_target.h"
#include "cli/newest.h"
#include "probe/features.h"
#include "probe/session.h"
#include "snapshot/watch_hits.h"
#include "target/remote_mem.h"

#define STACKS       4096
#define CHECK_NS     1000000000u /* how often the paths are gone again */
#define IMMORTAL     (1u << 31)  /* such a reference count does not change */
#define TRIES        3           /* a dict may be made larger while it is read */
#define SETTLE_TRIES 300         /* of 100 us */

/* share lost of what bytes in bulk take, from which on that is worth looking at */
#define STRING_LOSS 0.1

/* One container. */
struct container {
	const char *path;
	char by_address[24];    /* what `path` is then: an object that was chosen by its type */
	char *name, *name_type; /* options.name_watched: what it is called; NULL: not known */
	bool refs;
	struct path_found found;
	struct watchpoint point;
	uint64_t address;
	const char *type;
	uint64_t items_after;
	int64_t unexplained;
	uint64_t events; /* hits that the processor counted */
	bool have_end, have_events;
	bool fresh; /* chosen by its type: it was made while we looked */
};

struct container_watch {
	const struct heap_options *options;
	struct features features;
	struct heap_target target;
	struct reach reach;
	struct edges edges;
	bool have_edges;
	struct container containers[HEAP_WATCHES_MAX];
	unsigned n;
	struct watchpoint points[HEAP_WATCHES_MAX];
	struct plan plan; /* empty: no function is probed */
	struct code_map code;
	struct code_tables *tables; /* NULL: C frames are not walked */
	struct session *session;
	struct watch_hits *hits;
	struct container_cost cost;
	uint64_t stopped_ns, checked_ns;
};

/* ---- opening --------------------------------------------------------------------------------- */

static int find(const struct container *container, struct path_found *found, struct edges *edges,
		struct err *err)
{
	return container->refs ? path_find_object(found, edges, container->path, err)
			       : path_find(found, edges, container->path, err);
}

/* From 3.12 on some objects do not count their references. */
static int refuse_immortal(const struct container_watch *watch, const struct container *container,
			   struct err *err)
{
	uint32_t count = 0;

	if (watch->target.runtime.layout.minor < 12 ||
	    remote_read_u32(watch->options->pid, container->found.field, &count) ||
	    count < IMMORTAL)
		return 0;
	return err_set(err, ERR_TARGET,
		       "the object of path %u is immortal: references to it are not counted",
		       (unsigned)(container - watch->containers) + 1);
}

/* It is no path: is it a type? Then one of its objects is watched, which is called by the type from here on. */
static int choose_by_type(struct container_watch *watch, struct container *container,
			  struct err *err)
{
	struct err why = ERR_INIT;
	uint64_t address;

	if (newest_find(&address, &container->fresh, watch->target.census, container->path, &why))
		return err_set(err, why.code, "pid %d: %s", (int)watch->options->pid, why.text);
	snprintf(container->by_address, sizeof(container->by_address), "0x%" PRIx64, address);
	container->name = strdup(container->path);
	container->path = container->by_address;
	return container->name ? 0 : err_set(err, ERR_FAILED, "out of memory");
}

static int scan_again(struct container_watch *watch, struct err *err)
{
	int result;

	if (watch->have_edges)
		edges_fini(&watch->edges);
	watch->have_edges = false;
	reach_fini(&watch->reach);
	memset(&watch->reach, 0, sizeof(watch->reach));
	result = reach_scan(&watch->reach, watch->target.census, err);
	if (!result)
		result = edges_init(&watch->edges, &watch->reach, err);
	watch->have_edges = !result;
	return result;
}

/* Has the heap objects of a type that is called so in full? Its name is a path as well, to the class itself. */
static bool names_type(const struct container_watch *watch, const char *text)
{
	const struct type_table *types = census_types(watch->target.census);

	for (size_t i = 0; i < type_table_length(types); i++)
		if (strcmp(type_table_at(types, i)->py->name, text) == 0 &&
		    type_table_at(types, i)->count)
			return true;
	return false;
}

/* Names of types: from here on they are addresses, of one object of each. */
static int choose_objects(struct container_watch *watch, struct err *err)
{
	bool chosen = false;
	int result = 0;

	for (unsigned i = 0; i < watch->options->n_watch && !result; i++) {
		struct container *container = &watch->containers[i];
		struct path_found found;

		container->path = watch->options->watch[i];
		container->refs = watch->options->watch_refs[i];
		if (!container->refs ||
		    (!names_type(watch, container->path) &&
		     path_find_object(&found, &watch->edges, container->path, NULL) != -ERR_TARGET))
			continue;
		result = choose_by_type(watch, container, err);
		chosen = true;
	}
	/* what was chosen may be younger than the scan */
	return result || !chosen ? result : scan_again(watch, err);
}

static int find_containers(struct container_watch *watch, struct err *err)
{
	const struct objects *objects = &watch->reach.objects;
	int result = choose_objects(watch, err);

	for (unsigned i = 0; i < watch->options->n_watch && !result; i++) {
		struct container *container = &watch->containers[i];
		const struct census_type *type;

		result = find(container, &container->found, &watch->edges, err);
		if (!result && container->refs)
			result = refuse_immortal(watch, container, err);
		if (result)
			break;
		watch->n = i + 1;
		type = edges_type(&watch->edges, container->found.container);
		container->address = objects->address[container->found.container];
		container->type = edges_type(&watch->edges, container->found.named)->py->name;
		watch->points[i] = (struct watchpoint){
			.field = container->found.field,
			.type_field = container->address +
				      (uint64_t)watch->target.runtime.layout.object.ob_type,
			.type = type->address,
			.refs = container->refs,
		};
		for (unsigned k = 0; k < i && !result; k++)
			if (watch->points[k].field == watch->points[i].field)
				result = err_set(err, ERR_USAGE,
						 "the paths %u and %u lead to one object", k + 1,
						 i + 1);
	}
	return result;
}

/* Paths for those that are known by their addresses. */
static int name_containers(struct container_watch *watch, struct err *err)
{
	int result = 0;

	for (unsigned i = 0; i < watch->n && !result && watch->options->name_watched; i++)
		result = holders_name(&watch->edges, watch->containers[i].address,
				      &watch->containers[i].name, &watch->containers[i].name_type,
				      err);
	return result;
}

static int open_target(struct container_watch *watch, struct err *err)
{
	int result;

	features_detect(&watch->features);
	result = features_require(&watch->features, err);
	if (!result)
		result = heap_target_open(&watch->target, watch->options->pid,
					  watch->options->quiet, err);
	if (!result && watch->target.runtime.layout.free_threaded)
		result = err_set(
			err, ERR_TARGET,
			"pid %d is a CPython without a GIL: who changes what at which moment "
			"cannot be told there",
			(int)watch->options->pid);
	if (!result)
		result = reach_scan(&watch->reach, watch->target.census, err);
	if (!result && watch->options->name_watched) {
		result = reach_search(&watch->reach, err);
		if (!result)
			reach_rest(&watch->reach);
	}
	if (!result)
		result = edges_init(&watch->edges, &watch->reach, err);
	watch->have_edges = !result;
	if (!result)
		result = find_containers(watch, err);
	return result ? result : name_containers(watch, err);
}

static int open_code(struct container_watch *watch, struct err *err)
{
	int result;

	code_map_init(&watch->code, watch->options->pid);
	if (!watch->features.loops)
		return 0;
	result = code_map_update(&watch->code, err);
	if (result < 0)
		return result;
	watch->tables = code_tables_new(&watch->code);
	if (!watch->tables)
		return err_set(err, ERR_FAILED, "out of memory");
	code_tables_compile(watch->tables);
	return 0;
}

static int open_session(struct container_watch *watch, struct err *err)
{
	const struct session_options options = {
		.max_blocks = 1,
		.max_stacks = STACKS,
		.max_size = UINT64_MAX,
		.code = watch->tables,
		.verbose = watch->options->verbose > 0,
		.watchpoints = watch->points,
		.n_watchpoints = watch->n,
		.moments = watch->cost.each.string_loss > STRING_LOSS,
	};
	int result = session_open(&watch->session, &watch->target.process, &watch->target.runtime,
				  &watch->plan, &options, err);

	if (result)
		return result;
	watch->hits = watch_hits_new(&watch->target.process, &watch->target.runtime, watch->session,
				     watch->tables ? &watch->code : NULL);
	if (!watch->hits)
		return err_set(err, ERR_FAILED, "out of memory");
	watch->cost.session = watch->session;
	result = watch_cost_trap(&watch->cost.each, session_watch_program(watch->session), err);
	return result ? result : session_attach(watch->session, err);
}

int container_watch_open(struct container_watch **out, const struct heap_options *options,
			 struct err *err)
{
	struct container_watch *watch = calloc(1, sizeof(*watch));
	int result;

	*out = watch;
	if (!watch)
		return err_set(err, ERR_FAILED, "out of memory");
	watch->options = options;
	result = open_target(watch, err);
	if (!result)
		result = open_code(watch, err);
	watch->cost.n = watch->n;
	watch->cost.process = &watch->target.process;
	watch->cost.ceiling = options->max_overhead;
	watch->cost.ahead_ns = (double)options->ahead_ns;
	watch->cost.slow_ns = options->slow_ns ? (double)options->slow_ns : INFINITY;
	if (!result)
		result = watch_cost_measure(&watch->cost.each, watch->n, err);
	if (!result)
		result = open_session(watch, err);
	return result;
}

void container_watch_close(struct container_watch *watch)
{
	if (!watch)
		return;
	watch_hits_free(watch->hits);
	session_close(watch->session);
	code_tables_free(watch->tables);
	code_map_fini(&watch->code);
	if (watch->have_edges)
		edges_fini(&watch->edges);
	reach_fini(&watch->reach);
	heap_target_close(&watch->target);
	for (unsigned i = 0; i < HEAP_WATCHES_MAX; i++) {
		free(watch->containers[i].name);
		free(watch->containers[i].name_type);
	}
	free(watch);
}

int container_watch_pidfd(const struct container_watch *watch)
{
	return watch->target.process.pidfd;
}

int container_watch_news_fd(const struct container_watch *watch)
{
	return session_events_fd(watch->session);
}

void container_watch_announce(const struct container_watch *watch)
{
	char path[256], type[128];

	for (unsigned i = 0; i < watch->n; i++)
		fprintf(stderr, "pyleaktrace: watching %s of pid %d: %s at 0x%" PRIx64 "%s\n",
			escape_copy(path, sizeof(path),
				    watch->containers[i].name ? watch->containers[i].name
							      : watch->containers[i].path),
			(int)watch->options->pid,
			escape_copy(type, sizeof(type), watch->containers[i].type),
			watch->containers[i].address,
			watch->containers[i].fresh ? ", just made" : "");
}

/* ---- watching -------------------------------------------------------------------------------- */

/* Give each watchpoint the value that the first hit is compared with. */
static void begin_values(struct container_watch *watch)
{
	for (unsigned i = 0; i < watch->n; i++) {
		uint64_t value;

		if (!remote_read_u64(watch->options->pid, watch->points[i].field, &value))
			session_watch_begin(watch->session, i, (int64_t)value);
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
}

static void refresh_code(struct container_watch *watch)
{
	int changed;

	if (!watch->tables)
		return;
	session_read_code(watch->session);
	changed = code_map_update(&watch->code, NULL);
	if (changed < 0)
		return;
	code_tables_compile(watch->tables);
	session_publish_code(watch->session, changed > 0);
}

/* Does each path still lead to its container? */
static bool all_there(struct container_watch *watch, unsigned i)
{
	const struct container *container = &watch->containers[i];
	struct path_found now;

	for (unsigned try = 0; try < TRIES; try++)
		if (path_is_there(&watch->edges, &container->found) &&
		    !find(container, &now, &watch->edges, NULL) &&
		    now.container == container->found.container)
			return true;
	return false;
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
	if (session_execed(watch->session) || !process_alive(&watch->target.process))
		return true;
	*end = WATCH_LOST;
	for (unsigned i = 0; i < watch->n; i++)
		if (session_watch(watch->session, i)->dead)
			return true;
	if (now - watch->checked_ns < CHECK_NS)
		return false;
	watch->checked_ns = now;
	for (unsigned i = 0; i < watch->n; i++)
		if (!all_there(watch, i))
			return true;
	return false;
}

/* ---- the end --------------------------------------------------------------------------------- */

/*
 * The field as it is, and as the last hit left it: they are the same, or hits were not seen. Compared while no hit
 * comes in between.
 */
static void settle(struct container_watch *watch, unsigned i)
{
	const volatile struct abi_watch *seen = session_watch(watch->session, i);
	struct container *container = &watch->containers[i];

	for (unsigned try = 0; try < SETTLE_TRIES; try++) {
		uint64_t hits = seen->hits, value;
		int64_t last = seen->last;

		if (remote_read_u64(watch->options->pid, watch->points[i].field, &value))
			return;
		if (seen->hits == hits && seen->last == last) {
			container->have_end = true;
			container->items_after = value;
			container->unexplained = last == ABI_NOT_SEEN ? 0 : (int64_t)value - last;
		}
		if (container->have_end && !container->unexplained)
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
		for (unsigned i = 0; i < watch->n; i++)
			settle(watch, i);
	session_watch_disarm(watch->session);
	for (unsigned i = 0; i < watch->n; i++)
		watch->containers[i].have_events =
			session_watch_events(watch->session, i, &watch->containers[i].events);
	session_events(watch->session, watch_hits_learn, watch->hits);
	container_cost_look(&watch->cost);
	session_detach(watch->session, NULL);
}

/* Find what the paths lead to now, in a new scan. */
static void look_again(struct container_watch *watch, struct heap_watch *report)
{
	struct reach reach = {0};
	struct path_found now;
	struct edges edges;
	int result = reach_scan(&reach, watch->target.census, NULL);

	if (!result)
		result = edges_init(&edges, &reach, NULL);
	for (unsigned i = 0; i < watch->n && !result; i++) {
		const struct container *container = &watch->containers[i];
		struct heap_watch_row *row = &report->rows[i];

		if (row->fate == WATCH_SAME)
			continue;
		row->fate = WATCH_GONE;
		if (find(container, &now, &edges, NULL))
			continue;
		row->now_address = reach.objects.address[now.container];
		row->now_type =
			profile_str(report->about, edges_type(&edges, now.named)->py->name, -1);
		row->fate = row->now_address == container->address ? WATCH_SAME : WATCH_REPLACED;
	}
	if (!result)
		edges_fini(&edges);
	reach_fini(&reach);
}

static void fill_fates(struct container_watch *watch, struct heap_watch *report)
{
	bool again = false;

	for (unsigned i = 0; i < watch->n; i++) {
		report->rows[i].fate = WATCH_UNKNOWN;
		if (!process_alive(&watch->target.process) || session_execed(watch->session))
			continue;
		if (strncmp(watch->containers[i].path, "0x", 2) && all_there(watch, i))
			report->rows[i].fate = WATCH_SAME;
		again |= report->rows[i].fate != WATCH_SAME;
	}
	if (again)
		look_again(watch, report);
}

static void fill_row(struct container_watch *watch, struct profile *about, unsigned i,
		     struct heap_watch_row *row)
{
	const volatile struct abi_watch *seen = session_watch(watch->session, i);
	const struct container *container = &watch->containers[i];

	row->path = profile_str(about, container->name ? container->name : container->path, -1);
	row->refs = container->refs;
	row->type = profile_str(about,
				container->name_type ? container->name_type : container->type, -1);
	row->address = container->address;
	watch_hits_take(watch->hits, about, i, row);
	row->items_before = (uint64_t)(seen->first == ABI_NOT_SEEN ? seen->last : seen->first);
	if (seen->last == ABI_NOT_SEEN)
		row->items_before = container->items_after;
	row->items_after = container->have_end ? container->items_after
					       : row->items_before + row->inserted - row->removed;
	if (row->refs) {
		/* the upper half has other things in some versions */
		row->items_before = (uint32_t)row->items_before;
		row->items_after = (uint32_t)row->items_after;
	}
	if (seen->dead)
		row->items_after = 0;
	row->unexplained = seen->dead ? 0 : container->unexplained;
	row->foreign = seen->foreign;
	row->unread = seen->unread;
	if (container->have_events && container->events > seen->hits)
		row->unseen = container->events - seen->hits;
}

static void fill_losses(struct container_watch *watch, const struct heap_watch *report)
{
	struct loss extra[] = {
		{"hits_unseen",
		 "changes were counted by the processor and not seen by the program: whose they "
		 "are is "
		 "not known",
		 0},
		{"hits_unread", "changes whose size could not be read", 0},
		{"hits_foreign", "changes while something else was in the container's place", 0},
		{"items_unexplained", "items more or less than the changes that were seen make", 0},
	};

	for (size_t i = 0; i < report->n_rows; i++) {
		const struct heap_watch_row *row = &report->rows[i];

		extra[0].count += row->unseen;
		extra[1].count += row->unread;
		extra[2].count += row->foreign;
		extra[3].count +=
			(uint64_t)(row->unexplained < 0 ? -row->unexplained : row->unexplained);
	}
	watch_hits_losses(watch->hits, report->about, extra, sizeof(extra) / sizeof(extra[0]));
}

struct heap_watch *container_watch_report(struct container_watch *watch, enum heap_watch_end end,
					  struct err *err)
{
	struct profile *about = describe_target(&watch->target.process, &watch->target.runtime);
	struct heap_watch *report = heap_watch_new(about, watch->n);
	double seconds = (double)(watch->stopped_ns - watch->cost.started_ns) / 1e9;

	if (!report) {
		err_set(err, ERR_FAILED, "no memory for a report");
		return NULL;
	}
	about->duration_s = seconds;
	report->end = end;
	report->slow = session_watch_slow(watch->session);
	report->asked_s = (double)watch->options->for_ns / 1e9;
	container_cost_fill(&watch->cost, seconds, report);
	for (unsigned i = 0; i < watch->n; i++)
		fill_row(watch, about, i, &report->rows[i]);
	fill_fates(watch, report);
	fill_losses(watch, report);
	return report;
}
