/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/scan.h"

#include <stdlib.h>
#include <string.h>

#include "census/buffers.h"
#include "census/gc_state.h"

/* A CPython that has just started has thousands of objects; fewer found: they are somewhere else. */
#define OBJECTS_LEAST 500

struct census {
	pid_t pid;
	const struct py_runtime *runtime;
	struct py_types *types;
	void (*see)(void *context, const struct found *found);
	void *see_context;
	struct gc_history collections;
	/* of the scan that is being made */
	struct walk walk;
	struct judge judge;
	struct buffers buffers;
};

struct census *census_new(pid_t pid, const struct py_runtime *runtime, struct err *err)
{
	struct census *census;

	if (runtime->layout.free_threaded) {
		err_set(err, ERR_TARGET,
			"pid %d runs a free-threaded CPython, whose heap cannot be read yet",
			(int)pid);
		return NULL;
	}
	census = calloc(1, sizeof(*census));
	if (census)
		census->types = py_types_new(pid, runtime);
	if (!census || !census->types) {
		free(census);
		err_set(err, ERR_FAILED, "no memory for a census of pid %d", (int)pid);
		return NULL;
	}
	census->pid = pid;
	census->runtime = runtime;
	return census;
}

void census_free(struct census *census)
{
	if (!census)
		return;
	py_types_free(census->types);
	free(census);
}

void census_watch(struct census *census, void (*see)(void *context, const struct found *found),
		  void *context)
{
	census->see = see;
	census->see_context = context;
}

static void take_block(void *context, const struct block *block)
{
	struct census *census = context;
	struct found found;

	if (!judge_block(&census->judge, block, &found))
		return;
	found.type->count++;
	found.type->tracked += found.tracked;
	found.type->bytes += found.size;
	buffers_add(&census->buffers, &found);
	if (census->see)
		census->see(census->see_context, &found);
}

/* Chunks are glibc's only when nothing has taken the place of its malloc. */
static bool has_other_malloc(const struct py_runtime *runtime, const struct maps *maps)
{
	static const char *const others[] = {"/libjemalloc", "/libtcmalloc", "/libmimalloc",
					     "/libhoard",    "/librpmalloc", "/libscudo"};

	if (runtime->libc_is_musl)
		return true;
	for (size_t i = 0; i < maps->n_ranges; i++)
		for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++)
			if (strstr(maps->ranges[i].path, others[j]))
				return true;
	return false;
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the result ------------------------------------------------------------------------------ */

static int take_types(struct heap_scan *scan, const struct type_table *table)
{
	scan->types = calloc(type_table_length(table) + 1, sizeof(*scan->types));
	if (!scan->types)
		return -1;
	for (size_t i = 0; i < type_table_length(table); i++) {
		const struct census_type *type = type_table_at(table, i);
		struct heap_type *row = &scan->types[scan->n_types];

		if (!type->count)
			continue;
		row->name = strdup(type->py->name);
		if (!row->name)
			return -1;
		row->count = type->count;
		row->tracked = type->tracked;
		row->bytes = type->bytes;
		scan->n_types++;
	}
	heap_scan_settle(scan);
	return 0;
}

static void take_facts(struct heap_scan *scan, struct census *census, double begin)
{
	const struct walk *walk = &census->walk;
	double end = seconds(CLOCK_MONOTONIC);

	clock_gettime(CLOCK_REALTIME, &scan->time);
	scan->at_s = (begin + end) / 2;
	scan->duration_s = end - begin;
	scan->read_bytes = walk->memory.read_bytes;
	scan->judged = walk->loose;
	scan->swapped_bytes = walk->memory.swapped_pages * MEMORY_PAGE;
	scan->torn_pools = walk->torn_pools;
	scan->lost_chains = walk->lost_chains;
	scan->unasked_words = type_table_unasked(census->judge.table);
	gc_state_read(&scan->gc, census->pid, census->runtime, &census->collections, end);
}

static int check(const struct heap_scan *scan, const struct census *census, struct err *err)
{
	if (census->walk.memory.gone)
		return err_set(err, ERR_TARGET, "pid %d ended while its heap was read",
			       (int)census->pid);
	if (scan->count < OBJECTS_LEAST)
		return err_set(
			err, ERR_TARGET,
			"the objects of pid %d are neither in pymalloc's pools nor in malloc's "
			"chunks (PYTHONMALLOC=mimalloc, or another allocator); that is not "
			"supported",
			(int)census->pid);
	return 0;
}

/* ---- the scan -------------------------------------------------------------------------------- */

static void walk_all(struct census *census, const struct maps *maps)
{
	for (size_t i = 0; i < maps->n_ranges && !census->walk.memory.gone; i++) {
		if (!memory_is_heap(&maps->ranges[i]))
			continue;
		walk_range(&census->walk, &maps->ranges[i]);
		buffers_flush(&census->buffers);
	}
}

static void prepare(struct census *census, const struct maps *maps, struct type_table *table)
{
	const struct py_layout *layout = &census->runtime->layout;

	census->walk.pool_size = layout->arena_size / 64;
	census->walk.loose = has_other_malloc(census->runtime, maps);
	census->walk.visit = take_block;
	census->walk.context = census;
	census->judge = (struct judge){
		.layout = layout,
		.pid = census->pid,
		.table = table,
		.maps = maps,
		.loose_above =
			census->runtime->obj.malloc && census->runtime->obj.malloc !=
							       census->runtime->default_obj_malloc
				? 0
				: layout->small_threshold,
	};
	memset(&census->buffers, 0, sizeof(census->buffers));
	census->buffers.layout = layout;
	census->buffers.memory = &census->walk.memory;
}

struct heap_scan *census_scan(struct census *census, struct err *err)
{
	struct heap_scan *scan = calloc(1, sizeof(*scan));
	struct type_table *table = NULL;
	double begin = seconds(CLOCK_MONOTONIC);
	struct maps maps = {0};
	int result = maps_read(&maps, census->pid, err);

	py_types_begin(census->types);
	memset(&census->walk, 0, sizeof(census->walk));
	census->walk.memory.pagemap = -1;
	if (!result)
		result = memory_open(&census->walk.memory, census->pid, err);
	if (!result) {
		table = type_table_new(census->types);
		if (!table || !scan)
			result = err_set(err, ERR_FAILED, "no memory for a census of pid %d",
					 (int)census->pid);
	}
	if (!result) {
		prepare(census, &maps, table);
		walk_all(census, &maps);
		take_facts(scan, census, begin);
		if (take_types(scan, table))
			result = err_set(err, ERR_FAILED, "no memory for the types of pid %d",
					 (int)census->pid);
	}
	if (!result)
		result = check(scan, census, err);
	type_table_free(table);
	memory_close(&census->walk.memory);
	maps_fini(&maps);
	if (!result)
		return scan;
	heap_scan_free(scan);
	return NULL;
}
