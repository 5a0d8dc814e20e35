/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/reach.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "census/memory.h"
#include "census/retained.h"
#include "census/roots.h"
#include "target/remote_mem.h"

#define GLOBALS_LEVEL \
	4 /* modules, module, its dict, its globals: with these, the locals of frames */
#define BATCH          4096
#define LOOK_EACH      1024 /* objects: what was missed may be gone soon */
#define INTERNED_LEAST 100
#define PROGRESS_EACH  32768
#define SHARED_FLAGS   2          /* bits of ob_ref_shared below its count */
#define IMMORTAL       (1u << 31) /* such a reference count is not counted any more, from 3.12 on */

/* ---- the objects ---------------------------------------------------------------------------- */

static void take_object(void *context, const struct found *found)
{
	struct reach *reach = context;

	objects_add(&reach->objects, found->address, found->type->index, found->size);
}

/* Types that C code has in its data are in no block, and hold what their classes have. */
static void add_static_types(struct reach *reach)
{
	const struct type_table *types = census_types(reach->census);
	const struct py_layout *layout = &census_runtime(reach->census)->layout;
	size_t n = type_table_length(types);

	for (size_t i = 0; i < n; i++) {
		const struct census_type *type = type_table_at(types, i), *meta;
		uint64_t address;

		if (type->py->flags & PY_TYPE_HEAP ||
		    remote_read_u64(census_pid(reach->census),
				    type->address + (uint64_t)layout->object.ob_type, &address))
			continue;
		meta = type_table_find(types, address);
		if (meta)
			objects_add(&reach->objects, type->address, meta->index, 0);
	}
}

static uint64_t memory_bytes(pid_t pid)
{
	struct err err = ERR_INIT;
	struct maps maps = {0};
	uint64_t sum = 0;

	if (maps_read(&maps, pid, &err))
		return 0;
	for (size_t i = 0; i < maps.n_ranges; i++)
		if (memory_is_heap(&maps.ranges[i]))
			sum += maps.ranges[i].end - maps.ranges[i].start;
	maps_fini(&maps);
	return sum;
}

static void see(void *context, const struct ref *ref);
static void miss(void *context, const struct ref *ref, uint64_t word);

static int prepare(struct reach *reach, struct err *err)
{
	size_t n;

	reach->late = (struct late){.pid = census_pid(reach->census),
				    .runtime = census_runtime(reach->census),
				    .types = census_types(reach->census),
				    .objects = &reach->objects,
				    .see = see,
				    .context = reach};
	late_begin(&reach->late);
	n = reach_room(reach) + 1;
	reach->parent = calloc(n, sizeof(*reach->parent));
	reach->how = calloc(n, sizeof(*reach->how));
	reach->order = malloc(n * sizeof(*reach->order));
	reach->marks = malloc((n / 64 + 1) * sizeof(*reach->marks));
	reach->kept = malloc(REACH_KEPT * sizeof(*reach->kept));
	if (!reach->parent || !reach->how || !reach->order || !reach->marks || !reach->kept)
		return err_set(err, ERR_FAILED, "no memory for %zu objects", reach->objects.n);
	reach->referents = (struct referents){
		.types = census_types(reach->census),
		.spans = {.pid = census_pid(reach->census),
			  .runtime = census_runtime(reach->census),
			  .objects = &reach->objects,
			  .see = see,
			  .context = reach},
	};
	return referents_init(&reach->referents, err);
}

int reach_scan(struct reach *reach, struct census *census, struct err *err)
{
	int result;

	reach->census = census;
	census_set_object_cb(census, take_object, reach);
	reach->scan = census_scan(census, err);
	census_set_object_cb(census, NULL, NULL);
	if (!reach->scan)
		return -(int)err->code;
	add_static_types(reach);
	result = objects_build_index(&reach->objects, err);
	if (!result)
		result = prepare(reach, err);
	return result ? result : roots_find(reach, err);
}

void reach_fini(struct reach *reach)
{
	referents_fini(&reach->referents);
	late_fini(&reach->late);
	objects_fini(&reach->objects);
	py_threads_free(&reach->threads);
	for (size_t i = 0; i < reach->n_roots; i++)
		free(reach->roots[i].file);
	free(reach->roots);
	free(reach->parent);
	free(reach->how);
	free(reach->order);
	free(reach->kept);
	free(reach->marks);
	heap_scan_free(reach->scan);
	*reach = (struct reach){0};
}

/* Now and then. */
static void report_progress(const struct reach *reach)
{
	if (reach->n_order % PROGRESS_EACH == 0)
		census_report_progress(reach->census, CENSUS_FOLLOWS, reach->n_order,
				       reach->objects.n);
}

/* ---- the search ----------------------------------------------------------------------------- */

/* May others be behind it? */
static bool may_refer(const struct reach *reach, uint32_t object)
{
	switch (type_table_at(census_types(reach->census), reach->objects.type[object])->kind) {
	case KIND_STR:
	case KIND_BYTES:
	case KIND_LEAF:
	case KIND_CODE:
		return false;
	default:
		return true;
	}
}

bool reach_recall(const struct reach *reach, uint32_t from, uint32_t to, struct ref *ref)
{
	for (size_t i = 0; i < reach->n_kept; i++) {
		if (reach->kept[i].to == to && reach->kept[i].from == from) {
			*ref = reach->kept[i];
			return true;
		}
	}
	return late_recall(&reach->late, from, to, ref);
}

static void take(struct reach *reach, const struct ref *ref)
{
	if (reach->n_kept < REACH_KEPT && may_refer(reach, ref->to))
		reach->kept[reach->n_kept++] = *ref;
	reach->how[ref->to] = (uint8_t)reach->now;
	reach->parent[ref->to] = ref->from;
	reach->order[reach->n_order++] = ref->to;
	if (reach->retained)
		retained_see(reach->retained, ref);
	report_progress(reach);
}

static void see(void *context, const struct ref *ref)
{
	struct reach *reach = context;

	if (reach->how[ref->to])
		return;
	/* {"name": "name"}, one object: so interned strings are known, which keeps none of them */
	if (reach->skip_interned && (ref->place == REF_KEY || ref->place == REF_VALUE) &&
	    ref->at == reach->objects.address[ref->to])
		return;
	take(reach, ref);
}

static void miss(void *context, const struct ref *ref, uint64_t word)
{
	struct reach *reach = context;

	late_miss(&reach->late, ref, word);
}

static void gone(void *context, uint32_t object)
{
	struct reach *reach = context;

	late_gone(&reach->late, object, reach->parent[object]);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* A level in the order of addresses. A large one is marked in a map of all objects, and read
 * off. */
static void sort_level(struct reach *reach, uint32_t *level, size_t n)
{
	size_t words = reach->objects.n / 64 + 1, done = 0;

	if (n < words) {
		qsort(level, n, sizeof(*level), compare);
		return;
	}
	memset(reach->marks, 0, words * sizeof(*reach->marks));
	for (size_t i = 0; i < n; i++)
		reach->marks[level[i] / 64] |= 1ull << level[i] % 64;
	for (size_t i = 0; i < words; i++)
		for (uint64_t left = reach->marks[i]; left; left &= left - 1)
			level[done++] = (uint32_t)(i * 64 + (size_t)__builtin_ctzll(left));
}

static void add_root(const struct reach *reach, size_t i, struct spans *spans)
{
	const struct root *root = &reach->roots[i];
	struct span span = {.kind = SPAN_WORDS,
			    .place = REF_WORD,
			    .from = REACH_ROOT | (uint32_t)i,
			    .address = root->start,
			    .left = (root->end - root->start) & ~7ull};

	if (root->kind == ROOT_FRAME) {
		span.kind = SPAN_FRAME;
		span.address = root->frame.address;
	} else if (root->structs) {
		span.kind = SPAN_CALLBACKS;
	}
	spans_add(spans, &span);
}

void reach_read_root(const struct reach *reach, size_t root, struct spans *spans)
{
	add_root(reach, root, spans);
	spans_flush(spans);
}

static void add_roots(struct reach *reach, enum root_kind from, enum root_kind to)
{
	for (size_t i = 0; i < reach->n_roots; i++)
		if (reach->roots[i].kind >= from && reach->roots[i].kind <= to)
			add_root(reach, i, &reach->referents.spans);
	spans_flush(&reach->referents.spans);
	late_look(&reach->late);
}

/* The objects of a level, in their order: late ones are behind the others. */
static void walk_level(struct reach *reach, const uint32_t *level, size_t n)
{
	size_t i = 0, known = n;

	while (known && late_is(&reach->late, level[known - 1]))
		known--;
	for (; i < known; i += LOOK_EACH) {
		referents_walk(&reach->referents, level + i,
			       known - i < LOOK_EACH ? known - i : LOOK_EACH);
		late_look(&reach->late);
	}
	for (i = known; i < n; i++) {
		if (late_show(&reach->late, level[i]))
			continue;
		referents_walk(&reach->referents, level + i, 1);
		late_look(&reach->late);
	}
}

/* Follow what was reached from `begin` on, level by level. */
static void follow(struct reach *reach, size_t begin, unsigned roots_at)
{
	for (unsigned level = 0; begin < reach->n_order || level < roots_at; level++) {
		size_t end;

		if (level + 1 == roots_at)
			add_roots(reach, ROOT_FRAME, ROOT_ATEXIT);
		end = reach->n_order;
		sort_level(reach, reach->order + begin, end - begin);
		walk_level(reach, reach->order + begin, end - begin);
		begin = end;
	}
}

void reach_refill(struct reach *reach)
{
	uint64_t bytes = memory_bytes(census_pid(reach->census));

	reach->referents.spans.budget = REACH_BUDGET * (bytes + (16u << 20));
}

/* Of the dicts that data points to and nothing else holds, the largest. */
static void see_interned(void *context, const struct ref *ref)
{
	struct reach *reach = context;
	const struct py_layout *layout = &census_runtime(reach->census)->layout;
	uint64_t items;

	if (reach->how[ref->to] ||
	    type_table_at(census_types(reach->census), reach->objects.type[ref->to])->kind !=
		    KIND_DICT ||
	    remote_read_u64(census_pid(reach->census),
			    reach->objects.address[ref->to] + (uint64_t)layout->dict.used,
			    &items) ||
	    items <= reach->interned_items)
		return;
	reach->interned_items = items;
	reach->interned = *ref;
}

/*
 * The dict of interned strings, up to 3.11: it does not own them, so that it must be known before
 * references are counted.
 */
static void add_interned(struct reach *reach)
{
	reach->interned_items = INTERNED_LEAST;
	reach->referents.spans.see = see_interned;
	add_roots(reach, ROOT_DATA, ROOT_DATA);
	reach->referents.spans.see = see;
	if (reach->interned_items > INTERNED_LEAST)
		see(reach, &reach->interned);
}

int reach_search(struct reach *reach, struct err *err)
{
	double begin = clock_now_s();
	size_t named;

	census_report_progress(reach->census, CENSUS_FOLLOWS, 0, reach->objects.n);
	reach->now = REACH_NAMED;
	reach_refill(reach);
	reach->referents.spans.miss = miss;
	reach->referents.gone = gone;
	reach->referents.ahead = true;
	add_roots(reach, ROOT_MODULES, ROOT_MODULES);
	if (!reach->n_order)
		return err_set(err, ERR_TARGET, "pid %d: sys.modules cannot be read",
			       (int)census_pid(reach->census));
	follow(reach, 0, GLOBALS_LEVEL);
	reach->referents.spans.miss = NULL;
	reach->referents.gone = NULL;
	named = reach->n_order;
	reach->now = REACH_OTHER;
	reach->skip_interned = true;
	reach_refill(reach);
	add_interned(reach);
	follow(reach, named, 0);
	reach->skip_interned = false;
	reach->referents.ahead = false;
	reach->unread += reach->referents.spans.unread;
	reach->referents.spans.unread = 0;
	reach->search_s += clock_now_s() - begin;
	return 0;
}

/* ---- the rest ------------------------------------------------------------------------------- */

/*
 * For what no root reaches, parent[] is the reference count, less the references to it that are
 * found. Those can only be in others that no root reaches either.
 */
static void count(void *context, const struct ref *ref)
{
	struct reach *reach = context;

	if (reach->how[ref->to] == REACH_NOT || reach->how[ref->to] >= REACH_HELD)
		reach->parent[ref->to]--;
}

/*
 * An object's reference count; false: it is immortal, or (without a GIL) not counted in one place:
 * types, functions and their like have counts in each thread, and none for references on the stack.
 */
static bool read_refcount(const struct py_layout *layout, const uint8_t *bytes, uint32_t *refcount)
{
	int64_t shared;

	memcpy(refcount, bytes + layout->object.refcount, sizeof(*refcount));
	if (!layout->free_threaded)
		return !(*refcount & IMMORTAL);
	if (*refcount == UINT32_MAX || bytes[layout->object.gc_bits] & PY_GC_BITS_DEFERRED)
		return false;
	/* what its own thread has, and what all others have taken less what they gave back */
	memcpy(&shared, bytes + layout->object.refcount + 4, sizeof(shared));
	*refcount += (uint32_t)(shared >> SHARED_FLAGS);
	return true;
}

/* A root holds it, and no word of it is known. */
static void take_of_root(struct reach *reach, uint32_t object, enum reach_how how, size_t root)
{
	const struct ref ref = {
		.from = REACH_ROOT | (uint32_t)root, .to = object, .place = REF_WORD};

	reach->now = how;
	take(reach, &ref);
}

static void begin_count(void *context, uint32_t object, const uint8_t *bytes)
{
	struct reach *reach = context;
	const struct py_layout *layout = &census_runtime(reach->census)->layout;
	uint32_t refcount;

	if (!read_refcount(layout, bytes, &refcount)) {
		take_of_root(reach, object, REACH_OTHER, reach->n_roots - 2);
		return;
	}
	reach->parent[object] += refcount;
	reach->how[object] = REACH_GARBAGE; /* unless something is found */
}

static void walk_rest(struct reach *reach)
{
	uint32_t batch[BATCH];
	size_t n = 0;

	for (size_t i = 0; i < reach->objects.n; i++) {
		/* a late one that nothing leads to has only the place of what is gone */
		if (reach->how[i] || late_is(&reach->late, (uint32_t)i))
			continue;
		batch[n++] = (uint32_t)i;
		if (n == BATCH) {
			referents_walk(&reach->referents, batch, n);
			census_report_progress(reach->census, CENSUS_FOLLOWS, reach->n_order,
					       reach->objects.n);
			n = 0;
		}
	}
	referents_walk(&reach->referents, batch, n);
	for (size_t i = 0; i < reach->objects.n; i++)
		if (!reach->how[i])
			reach->how[i] = REACH_GONE;
}

static void see_rest(void *context, const struct ref *ref)
{
	struct reach *reach = context;

	if (reach->how[ref->to] == REACH_GARBAGE)
		take(reach, ref);
}

/* A word that may have been left behind holds only what has more references than are found. */
static void see_claim(void *context, const struct ref *ref)
{
	struct reach *reach = context;

	if ((int32_t)reach->parent[ref->to] > 0)
		see_rest(reach, ref);
}

static void follow_from(struct reach *reach, enum reach_how how, size_t begin)
{
	reach->now = how;
	reach_refill(reach);
	follow(reach, begin, 0);
}

void reach_rest(struct reach *reach)
{
	size_t begin = reach->n_order;
	double start = clock_now_s();

	reach_refill(reach);
	reach->referents.begin = begin_count;
	reach->referents.spans.see = count;
	walk_rest(reach);
	reach->referents.begin = NULL;
	reach->referents.spans.see = see_rest;
	follow_from(reach, REACH_OTHER, begin); /* what immortal objects hold */
	begin = reach->n_order;
	reach->referents.spans.see = see_claim;
	/* its free lists have words that were left behind (3.10) */
	add_roots(reach, ROOT_INTERPRETER, ROOT_INTERPRETER);
	reach->referents.spans.whole_frames = true;
	add_roots(reach, ROOT_FRAME, ROOT_FRAME);
	add_roots(reach, ROOT_DATA, ROOT_DATA);
	reach->referents.spans.see = see_rest;
	follow_from(reach, REACH_OTHER, begin);
	begin = reach->n_order;
	for (size_t i = 0; i < reach->objects.n; i++) {
		if (reach->how[i] != REACH_GARBAGE || (int32_t)reach->parent[i] <= 0)
			continue;
		take_of_root(reach, (uint32_t)i, REACH_HELD, reach->n_roots - 1);
	}
	follow_from(reach, REACH_HELD, begin);
	reach->referents.spans.see = see;
	census_report_progress(reach->census, CENSUS_RESTS, 0, 0);
	reach->unread += reach->referents.spans.unread;
	reach->referents.spans.unread = 0;
	reach->search_s += clock_now_s() - start;
}
