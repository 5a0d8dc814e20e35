/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/container_find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "census/holders.h"
#include "census/newest.h"
#include "containers/pool_find.h"
#include "python/atexit.h"
#include "target/remote_mem.h"

#define IMMORTAL (1u << 31) /* such a reference count does not change */
#define TRIES    3          /* a dict may be made larger while it is read */

static int look_up(const struct container_place *place, struct path_found *found,
		   struct edges *edges, struct err *err)
{
	if (place->by_address[0])
		return path_find_address(found, edges, place->address, place->refs, err);
	return place->refs ? path_find_object(found, edges, place->path, err)
			   : path_find(found, edges, place->path, err);
}

/* From 3.12 on some objects do not count their references. */
static int refuse_immortal(const struct container_find *find, const struct container_place *place,
			   struct err *err)
{
	uint32_t count = 0;

	if (find->heap->target->runtime.layout.minor < 12 ||
	    remote_read_u32(find->heap->target->process.pid, place->found.field, &count) ||
	    count < IMMORTAL)
		return 0;
	return err_set(err, ERR_TARGET,
		       "the object of path %u is immortal: references to it are not counted",
		       (unsigned)(place - find->places) + 1);
}

static void call_by_address(struct container_place *place)
{
	snprintf(place->by_address, sizeof(place->by_address), "0x%" PRIx64, place->address);
	place->path = place->by_address;
	place->is_address = true;
}

/* It is no path: is it a type? Then one of its objects is watched, which is called by the type from
 * here on. */
static int choose_by_type(struct container_find *find, struct container_place *place,
			  struct err *err)
{
	struct err why = ERR_INIT;

	if (newest_find(&place->address, &place->fresh, find->heap->census, place->path, &why))
		return err_set(err, why.code, "pid %d: %s", (int)find->heap->target->process.pid,
			       why.text);
	place->name = strdup(place->path);
	call_by_address(place);
	return place->name ? 0 : err_set(err, ERR_FAILED, "out of memory");
}

static int scan_again(struct container_find *find, struct err *err)
{
	int result;

	if (find->have_edges)
		edges_fini(&find->edges);
	find->have_edges = false;
	reach_fini(&find->reach);
	memset(&find->reach, 0, sizeof(find->reach));
	result = reach_scan(&find->reach, find->heap->census, err);
	if (!result)
		result = edges_init(&find->edges, &find->reach, err);
	find->have_edges = !result;
	return result;
}

/* Does the heap have objects of a type with this full name? Its name is a path as well, to the
 * class itself. */
static bool names_type(const struct container_find *find, const char *text)
{
	const struct type_table *types = census_types(find->heap->census);

	for (size_t i = 0; i < type_table_length(types); i++)
		if (strcmp(type_table_at(types, i)->py->name, text) == 0 &&
		    type_table_at(types, i)->count)
			return true;
	return false;
}

/* Names of types: from here on they are addresses, of one object of each. */
static int choose_objects(struct container_find *find, struct err *err)
{
	bool chosen = false;
	int result = 0;

	for (unsigned i = 0; i < find->request->n && !result; i++) {
		struct container_place *place = &find->places[i];
		struct path_found found;

		place->path = find->request->asked[i].path;
		place->refs = find->request->asked[i].refs;
		place->each = find->request->asked[i].each;
		place->address = find->request->asked[i].address;
		if (!place->path)
			call_by_address(place);
		else
			place->is_address = !strncmp(place->path, "0x", 2);
		if (place->by_address[0] || !place->refs ||
		    (!names_type(find, place->path) &&
		     path_find_object(&found, &find->edges, place->path, NULL) != -ERR_TARGET))
			continue;
		result = choose_by_type(find, place, err);
		chosen = true;
	}
	/* what was chosen may be younger than the scan */
	return result || !chosen ? result : scan_again(find, err);
}

static int find_all(struct container_find *find, struct err *err)
{
	const struct objects *objects = &find->reach.objects;
	int result = choose_objects(find, err);

	for (unsigned i = 0; i < find->request->n && !result; i++) {
		struct container_place *place = &find->places[i];

		result = look_up(place, &place->found, &find->edges, err);
		if (!result && place->refs)
			result = refuse_immortal(find, place, err);
		if (result)
			break;
		find->n = i + 1;
		place->address = objects->address[place->found.container];
		place->type = edges_type(&find->edges, place->found.named)->py->name;
		for (unsigned k = 0; k < i && !result; k++)
			if (find->places[k].found.field == place->found.field)
				result = err_set(err, ERR_USAGE,
						 "paths %u and %u lead to the same object", k + 1,
						 i + 1);
	}
	return result;
}

/* Paths for containers that are known by their addresses. */
static int name_all(struct container_find *find, struct err *err)
{
	int result = 0;

	for (unsigned i = 0; i < find->n && !result && find->request->named; i++)
		result = holders_name(&find->edges, find->places[i].address, &find->places[i].name,
				      &find->places[i].name_type, err);
	return result;
}

/* Is it a part of the interpreter's, and no object? It stays where it is. */
static bool is_fixed(const struct container_find *find)
{
	return find->request->block_size || find->request->list;
}

/* return its address; 0: it is not there */
static uint64_t find_word(const struct container_find *find, enum listed which, uint64_t main_one)
{
	const struct py_runtime *runtime = &find->heap->target->runtime;
	struct py_atexit callbacks;

	switch (which) {
	case LISTED_THREADS:
		return main_one + (uint64_t)runtime->layout.interp.threads_head;
	case LISTED_INTERPRETERS:
		return runtime->interp_head_address;
	default:
		return py_atexit_find(&callbacks, find->heap->target->process.pid, runtime,
				      main_one) &&
				       callbacks.count_at % 8 == 0
			       ? callbacks.count_at
			       : 0;
	}
}

/* The word belongs to the main interpreter as long as that has its modules. */
static int find_list(struct container_find *find, struct err *err)
{
	static const char *const names[LISTED] = {[LISTED_THREADS] = "threads",
						  [LISTED_INTERPRETERS] = "interpreters",
						  [LISTED_CALLBACKS] = "atexit callbacks"};
	const struct py_runtime *runtime = &find->heap->target->runtime;
	pid_t pid = find->heap->target->process.pid;
	uint64_t main_one = py_runtime_main(runtime, pid);
	enum listed which = find->request->list - 1;
	struct container_place *place = &find->places[0];

	find->list = (struct watchpoint){.field = main_one ? find_word(find, which, main_one) : 0,
					 .type_field = main_one +
						       (uint64_t)runtime->layout.interp.modules,
					 .each = true};
	if (!find->list.field || remote_read_u64(pid, find->list.type_field, &find->list.type))
		return err_set(err, ERR_TARGET, "pid %d: its main interpreter cannot be read",
			       (int)pid);
	place->path = names[which];
	place->type = "list";
	place->address = find->list.field;
	find->n = 1;
	return 0;
}

int container_find_open(struct container_find *find, struct heap_target *heap,
			const struct container_request *request, struct err *err)
{
	int result = 0;

	memset(find, 0, sizeof(*find));
	find->request = request;
	find->heap = heap;
	if (request->list)
		return find_list(find, err);
	if (!request->unwatched && heap->target->runtime.layout.free_threaded)
		result = err_set(err, ERR_TARGET,
				 "pid %d is a CPython without a GIL: who changes what cannot be "
				 "determined there",
				 (int)heap->target->process.pid);
	if (!result && request->block_size)
		return pool_find(find->pools, &find->n, heap->target, request->block_size, err);
	if (!result)
		result = reach_scan(&find->reach, find->heap->census, err);
	if (!result && request->named) {
		result = reach_search(&find->reach, err);
		if (!result)
			reach_rest(&find->reach);
	}
	if (!result)
		result = edges_init(&find->edges, &find->reach, err);
	find->have_edges = !result;
	if (!result)
		result = find_all(find, err);
	return result ? result : name_all(find, err);
}

void container_find_close(struct container_find *find)
{
	if (find->have_edges)
		edges_fini(&find->edges);
	reach_fini(&find->reach);
	for (unsigned i = 0; i < CONTAINER_WATCH_MAX; i++) {
		free(find->places[i].name);
		free(find->places[i].name_type);
	}
}

struct watchpoint container_find_point(const struct container_find *find, unsigned i)
{
	const struct container_place *place = &find->places[i];
	const struct pool_place *pool = &find->pools[i];

	if (find->request->list)
		return find->list;
	if (find->request->block_size)
		return (struct watchpoint){.field = pool->address + POOL_FREE,
					   .type_field = pool->address + POOL_KIND,
					   .type = pool->kind,
					   .each = true};
	return (struct watchpoint){
		.field = place->found.field,
		.type_field = place->address +
			      (uint64_t)find->heap->target->runtime.layout.object.ob_type,
		.type = edges_type(&find->edges, place->found.container)->address,
		.refs = place->refs,
		.each = place->each,
	};
}

/* ---- later ---------------------------------------------------------------------------------- */

bool container_find_there(struct container_find *find, unsigned i)
{
	const struct container_place *place = &find->places[i];
	struct path_found now;

	/* a pool that has become another's says so itself */
	if (is_fixed(find))
		return true;
	for (unsigned try = 0; try < TRIES; try++)
		if (path_is_there(&find->edges, &place->found) &&
		    !look_up(place, &now, &find->edges, NULL) &&
		    now.container == place->found.container)
			return true;
	return false;
}

int container_find_again(struct container_find *find, struct container_now *now, struct err *err)
{
	struct reach reach = {0};
	struct edges edges;
	int result = reach_scan(&reach, find->heap->census, err);

	memset(now, 0, find->n * sizeof(*now));
	if (!result)
		result = edges_init(&edges, &reach, err);
	for (unsigned i = 0; i < find->n && !result; i++) {
		struct path_found found;

		if (look_up(&find->places[i], &found, &edges, NULL))
			continue;
		now[i].address = reach.objects.address[found.container];
		now[i].type = edges_type(&edges, found.named)->py->name;
	}
	if (!result)
		edges_fini(&edges);
	reach_fini(&reach);
	return result;
}
