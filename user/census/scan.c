/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/bss.h"
#include "census/buffers.h"
#include "census/containers.h"
#include "census/gc_state.h"
#include "census/classify_run.h"
#include "census/walk.h"
#include "python/pthreads.h"
#include "python/threads.h"

/* A CPython that has just started has thousands of objects; fewer found: they are somewhere
 * else. */
#define OBJECTS_LEAST 500

struct census {
	pid_t pid;
	const struct py_runtime *runtime;
	struct py_types *types;
	void (*see)(void *context, const struct found *found);
	void *see_context;
	void (*on_progress)(void *context, enum census_work work, uint64_t done, uint64_t all);
	void *progress_context;
	struct gc_history collections;
	struct type_table *table; /* of the last scan */
	bool collect;
	struct containers containers;
	/* of the scan that is being made */
	struct walk walk;
	struct classifier classifier;
	struct run_classifier run_classifier, sparse_classifier; /* sparse: is shown all */
	struct buffers buffers;
	uint64_t objects[BLOCK_OWNERS]; /* bytes of the blocks of objects */
	enum block_owner run_owner;     /* of the blocks that are looked at */
	uint64_t n_frozen;
	struct walk_span *stacks;
	size_t n_stacks;
};

struct census *census_new(pid_t pid, const struct py_runtime *runtime, struct err *err)
{
	struct census *census;

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
	type_table_free(census->table);
	py_types_free(census->types);
	free(census);
}

void census_collect(struct census *census)
{
	census->collect = true;
}

const struct type_table *census_types(const struct census *census)
{
	return census->table;
}

const struct py_runtime *census_runtime(const struct census *census)
{
	return census->runtime;
}

pid_t census_pid(const struct census *census)
{
	return census->pid;
}

void census_set_object_cb(struct census *census,
			  void (*see)(void *context, const struct found *found), void *context)
{
	census->see = see;
	census->see_context = context;
}

void census_set_progress_cb(struct census *census,
			    void (*on_progress)(void *context, enum census_work work, uint64_t done,
						uint64_t all),
			    void *context)
{
	census->on_progress = on_progress;
	census->progress_context = context;
}

void census_report_progress(const struct census *census, enum census_work work, uint64_t done,
			    uint64_t all)
{
	if (census->on_progress)
		census->on_progress(census->progress_context, work, done, all);
}

static void report_read(void *context, uint64_t bytes)
{
	census_report_progress(context, CENSUS_READS, bytes, 0);
}

static void take_found(void *context, const struct found *found)
{
	struct census *census = context;

	census->n_frozen += found->frozen;
	found->type->count++;
	found->type->tracked += found->tracked;
	found->type->bytes += found->size;
	buffers_add(&census->buffers, found);
	if (census->containers.rows)
		containers_add(&census->containers, census->classifier.layout, found);
	if (census->see)
		census->see(census->see_context, found);
}

static void take_block(void *context, const struct block *block)
{
	struct census *census = context;
	struct found found;

	if (!classify_block(&census->classifier, block, &found))
		return;
	census->objects[block->kind->owner] +=
		block->kind->largest_for ? block->resident : found.size;
	take_found(census, &found);
}

static void take_of_run(void *context, const struct found *found)
{
	struct census *census = context;

	census->objects[census->run_owner] += found->size;
	take_found(census, found);
}

static void take_of_sparse(void *context, const struct found *found)
{
	found->type->pinning++;
	take_of_run(context, found);
}

/* Is at most a quarter of the blocks in use? */
static bool is_sparse(const struct block_run *run)
{
	uint32_t n_free = 0;

	for (uint32_t i = 0; i < run->n; i += 64) {
		uint32_t n = run->n - i < 64 ? run->n - i : 64;

		n_free += (uint32_t)__builtin_popcountll(run->is_free[i / 64] &
							 (UINT64_MAX >> (64 - n)));
	}
	return n_free >= run->n - run->n / 4;
}

static void take_run(void *context, const struct block_run *run)
{
	struct census *census = context;

	census->run_owner = run->kind->owner;
	census->objects[run->kind->owner] +=
		(uint64_t)classify_run(is_sparse(run) ? &census->sparse_classifier
						      : &census->run_classifier,
				       run) *
		run->size;
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the result ----------------------------------------------------------------------------- */

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
	heap_scan_finalize(scan);
	return 0;
}

/* Move up to this much from one sum to another; what the target changed meanwhile must not wrap. */
static void move(uint64_t *from, uint64_t *to, uint64_t bytes)
{
	bytes = bytes < *from ? bytes : *from;
	*from -= bytes;
	*to += bytes;
}

/* Those of the main interpreter: others register nothing, usually. */
static void add_callbacks(struct census *census)
{
	uint64_t interp = py_runtime_main(census->runtime, census->pid);
	struct py_atexit found;

	if (interp && py_atexit_find(&found, census->pid, census->runtime, interp))
		buffers_add_callbacks(&census->buffers, &found);
}

static void take_pinning(struct heap_usage *room, const struct type_table *table)
{
	for (size_t i = 0; i < type_table_length(table); i++) {
		const struct census_type *type = type_table_at(table, i);
		unsigned at = HEAP_PINNING;

		while (at > 0 && type->pinning > room->pinning[at - 1].objects)
			at--;
		if (at == HEAP_PINNING)
			continue;
		memmove(&room->pinning[at + 1], &room->pinning[at],
			(HEAP_PINNING - 1 - at) * sizeof(room->pinning[0]));
		room->pinning[at].objects = type->pinning;
		snprintf(room->pinning[at].type, sizeof(room->pinning[at].type), "%.63s",
			 type->py->name);
	}
}

static void take_room(struct heap_usage *room, const struct census *census)
{
	const struct buffers *buffers = &census->buffers;

	room->stacks = census->n_stacks;
	take_pinning(room, census->table);
	move(&room->pymalloc_bytes, &room->objects_bytes,
	     census->objects[BLOCK_OF_PYTHON] + buffers->small_bytes +
		     (room->mimalloc ? buffers->large_bytes : 0));
	move(&room->malloc_bytes, &room->objects_bytes,
	     census->objects[BLOCK_OF_MALLOC] + (room->mimalloc ? 0 : buffers->large_bytes));
	move(&room->other_bytes, &room->objects_bytes, census->objects[BLOCK_OF_NOBODY]);
}

static void take_facts(struct heap_scan *scan, struct census *census, double begin)
{
	const struct walk *walk = &census->walk;
	double end = seconds(CLOCK_MONOTONIC);

	clock_gettime(CLOCK_REALTIME, &scan->time);
	scan->at_s = (begin + end) / 2;
	scan->duration_s = end - begin;
	scan->read_bytes = walk->memory.read_bytes;
	scan->judged = !walk->knows_malloc;
	scan->swapped_bytes = walk->memory.swapped_pages * MEMORY_PAGE;
	scan->sparse_bytes = walk->memory.sparse_bytes;
	scan->torn_pools = walk->torn_pools;
	scan->lost_chains = walk->lost_chains;
	scan->unasked_words = type_table_unasked(census->classifier.table);
	take_room(&scan->room, census);
	gc_state_read(&scan->gc, census->pid, census->runtime, &census->collections, end);
	if (census->runtime->layout.free_threaded) {
		scan->gc.have_frozen = true;
		scan->gc.frozen = census->n_frozen;
	}
}

static int check(const struct heap_scan *scan, const struct census *census, struct err *err)
{
	if (census->walk.memory.gone)
		return err_set(err, ERR_TARGET, "pid %d ended while its heap was read",
			       (int)census->pid);
	if (scan->count < OBJECTS_LEAST)
		return err_set(
			err, ERR_TARGET,
			"the objects of pid %d are neither in the memory of CPython's allocators "
			"nor in malloc's chunks (it has an allocator of its own?); that is not "
			"supported",
			(int)census->pid);
	return 0;
}

/* ---- the scan ------------------------------------------------------------------------------- */

/* Where glibc has put the stacks of threads: no blocks are looked for in them. */
static void find_stacks(struct census *census)
{
	uint64_t *idents = malloc(PY_THREADS_MAX * sizeof(*idents));
	struct pthread_stack *stacks = NULL;
	struct pthreads pthreads;
	size_t n = 0;

	pthreads_init(&pthreads, census->pid, census->runtime);
	if (idents && pthreads.known)
		stacks = pthread_stacks(
			&pthreads, idents,
			py_threads_idents(idents, PY_THREADS_MAX, census->pid, census->runtime),
			&n);
	census->stacks = stacks ? calloc(n + 1, sizeof(*census->stacks)) : NULL;
	census->n_stacks = census->stacks ? n : 0;
	for (size_t i = 0; i < census->n_stacks; i++)
		census->stacks[i] = (struct walk_span){stacks[i].start, stacks[i].end};
	free(stacks);
	free(idents);
}

static void walk_all(struct census *census, const struct maps *maps, struct heap_usage *usage)
{
	for (size_t i = 0; i < maps->n_ranges && !census->walk.memory.gone; i++) {
		if (!memory_is_heap(&maps->ranges[i]))
			continue;
		census->walk.data_end = bss_end(maps, i);
		walk_range(&census->walk, &maps->ranges[i]);
		buffers_flush(&census->buffers);
	}
	walk_add_usage(&census->walk, usage);
}

static void prepare(struct census *census, const struct maps *maps, struct type_table *table)
{
	const struct py_layout *layout = &census->runtime->layout;

	census->walk.memory.moved = report_read;
	census->walk.memory.context = census;
	census->walk.visit = take_block;
	census->walk.visit_run = take_run;
	census->walk.context = census;
	find_stacks(census);
	census->walk.spans = census->stacks;
	census->walk.n_spans = census->n_stacks;
	memset(census->objects, 0, sizeof(census->objects));
	census->n_frozen = 0;
	census->classifier = (struct classifier){
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
	census->run_classifier = (struct run_classifier){
		.classifier = &census->classifier,
		.buffers = &census->buffers,
		.take = take_of_run,
		.context = census,
		.show_all = census->see != NULL,
	};
	census->sparse_classifier = census->run_classifier;
	census->sparse_classifier.take = take_of_sparse;
	census->sparse_classifier.show_all = true;
	memset(&census->buffers, 0, sizeof(census->buffers));
	census->buffers.layout = layout;
	census->buffers.memory = &census->walk.memory;
	census->buffers.small_max = census->classifier.loose_above;
}

struct heap_scan *census_scan(struct census *census, struct err *err)
{
	struct heap_scan *scan = calloc(1, sizeof(*scan));
	double begin = seconds(CLOCK_MONOTONIC);
	struct maps maps = {0};
	int result = maps_read(&maps, census->pid, err);

	census_report_progress(census, CENSUS_READS, 0, 0);
	type_table_free(census->table);
	census->table = NULL;
	py_types_begin(census->types);
	memset(&census->walk, 0, sizeof(census->walk));
	census->walk.memory.pagemap = -1;
	if (!result)
		result = walk_begin(&census->walk, census->pid, census->runtime, &maps, err);
	if (!result) {
		census->table = type_table_new(census->types);
		if (!census->table || !scan)
			result = err_set(err, ERR_FAILED, "no memory for a census of pid %d",
					 (int)census->pid);
	}
	if (!result && census->collect)
		result = containers_begin(&census->containers, err);
	if (!result) {
		prepare(census, &maps, census->table);
		walk_all(census, &maps, &scan->room);
		if (census->collect)
			containers_finish(&census->containers, scan);
		add_callbacks(census);
		take_facts(scan, census, begin);
		if (take_types(scan, census->table))
			result = err_set(err, ERR_FAILED, "no memory for the types of pid %d",
					 (int)census->pid);
	}
	if (!result)
		result = check(scan, census, err);
	census_report_progress(census, CENSUS_RESTS, 0, 0);
	free(census->stacks);
	census->stacks = NULL;
	walk_end(&census->walk);
	maps_fini(&maps);
	if (!result)
		return scan;
	heap_scan_free(scan);
	return NULL;
}
