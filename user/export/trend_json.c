/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/trend_json.h"

#include "export/json_parts.h"

/* ---- the collector -------------------------------------------------------------------------- */

static json_t *generations(const int32_t *numbers)
{
	json_t *array = json_array();

	for (int i = 0; i < HEAP_GENERATIONS; i++)
		json_part_append(&array, json_integer(numbers[i]));
	return array;
}

json_t *json_part_gc(const struct heap_gc *gc)
{
	json_t *object = json_object(), *collections;

	if (gc->have_enabled)
		json_part_set(&object, "enabled", json_boolean(gc->enabled));
	if (gc->have_generations) {
		json_part_set(&object, "thresholds", generations(gc->thresholds));
		json_part_set(&object, "counts", generations(gc->counts));
	}
	if (gc->have_garbage)
		json_part_set(&object, "garbage", json_part_count(gc->garbage));
	if (gc->have_frozen)
		json_part_set(&object, "frozen", json_part_count(gc->frozen));
	if (gc->have_collections) {
		collections = json_array();
		for (int i = 0; i < HEAP_GENERATIONS; i++)
			json_part_append(&collections, json_part_count(gc->collections[i]));
		json_part_set(&object, "collections", collections);
		json_part_set(&object, "watched_s", json_part_real(gc->watched_s));
	}
	if (gc->collected)
		json_part_set(&object, "last_collection_s", json_part_real(gc->last_collection_s));
	return object;
}

/* ---- series --------------------------------------------------------------------------------- */

static json_t *points(const struct trend *trend, enum trend_kind kind)
{
	json_t *array = json_array();

	for (size_t i = 0; i < trend->n_looks; i++) {
		const struct trend_look *look = &trend->looks[i];
		json_t *point;

		if (!trend_has(look, kind))
			continue;
		point = json_array();
		json_part_append(&point, json_part_real(look->at_s - trend->looks[0].at_s));
		json_part_append(&point, json_part_count(look->value[kind]));
		json_part_append(&array, point);
	}
	return array;
}

static json_t *series(const struct trend *trend, const struct trend_row *row)
{
	json_t *object = json_object();

	json_part_set(&object, "name", json_part_text(trend_kind_info(row->kind)->name));
	json_part_set(&object, "first", json_part_count(row->first));
	json_part_set(&object, "last", json_part_count(row->last));
	if (row->n > 1) {
		json_part_set(&object, "per_s", json_part_real(row->per_s));
		json_part_set(&object, "least_per_s", json_part_real(row->least_per_s));
	}
	if (row->confidence >= 0)
		json_part_set(&object, "confidence", json_part_real(row->confidence));
	if (row->shape != FIT_UNKNOWN)
		json_part_set(&object, "shape", json_part_text(fit_shape_name(row->shape)));
	json_part_set(&object, "points", points(trend, row->kind));
	return object;
}

static json_t *all_series(const struct trend *trend)
{
	json_t *array = json_array();

	for (int kind = 0; kind < TREND_KINDS; kind++)
		if (trend->rows[kind].n)
			json_part_append(&array, series(trend, &trend->rows[kind]));
	return array;
}

/* ---- the account ---------------------------------------------------------------------------- */

static json_t *account(const struct trend *trend)
{
	json_t *object = json_object();

	for (int kind = TREND_PART_FIRST; kind <= TREND_PART_LAST; kind++)
		json_part_set(&object, trend_kind_info((enum trend_kind)kind)->name,
			      json_part_count(trend->rows[kind].last));
	json_part_set(&object, "unexplained_bytes", json_integer(trend->unexplained_bytes));
	return object;
}

static json_t *pinning(const struct heap_usage *room)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < HEAP_PINNING && room->pinning[i].objects; i++) {
		json_t *row = json_object();

		json_part_set(&row, "type", json_part_text(room->pinning[i].type));
		json_part_set(&row, "objects", json_part_count(room->pinning[i].objects));
		json_part_append(&rows, row);
	}
	return rows;
}

static json_t *allocators(const struct heap_usage *room)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"arenas", room->arenas},
		{"arenas_bytes", room->arenas_bytes},
		{"pools_bytes", room->pools_bytes},
		{"pools_used_bytes", room->pools_used_bytes},
		{"main_heap_bytes", room->main_bytes},
		{"main_heap_free_bytes", room->main_free_bytes},
		{"side_heaps", room->side_heaps},
		{"side_heaps_bytes", room->side_bytes},
		{"side_heaps_free_bytes", room->side_free_bytes},
		{"mapped_blocks", room->mapped},
		{"mapped_blocks_bytes", room->mapped_bytes},
		{"thread_stacks", room->stacks},
	};
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_part_set(&object, rows[i].name, json_part_count(rows[i].value));
	json_part_set(&object, "pinned_by", pinning(room));
	return object;
}

static json_t *cgroup(const struct trend_cgroup *group)
{
	json_t *object = json_object();

	json_part_set(&object, "version", json_integer(group->version));
	json_part_set(&object, "path", json_part_text(group->path));
	json_part_set(&object, "usage_bytes", json_part_count(group->usage_bytes));
	json_part_set(&object, "cache_bytes", json_part_count(group->cache_bytes));
	if (group->have_limit)
		json_part_set(&object, "limit_bytes", json_part_count(group->limit_bytes));
	return object;
}

/* ---- threads -------------------------------------------------------------------------------- */

static json_t *place(const char *function, const char *file, uint32_t line)
{
	json_t *object = json_object();

	json_part_set(&object, "function", json_part_text(function));
	if (file)
		json_part_set(&object, "file", json_part_text(file));
	if (line)
		json_part_set(&object, "line", json_integer(line));
	return object;
}

static json_t *thread(const struct trend_thread *row)
{
	char state[2] = {row->state, '\0'};
	json_t *object = json_object();

	json_part_set(&object, "ident", json_part_count(row->ident));
	if (row->tid)
		json_part_set(&object, "tid", json_integer(row->tid));
	if (row->name)
		json_part_set(&object, "name", json_part_text(row->name));
	if (row->state)
		json_part_set(&object, "state", json_part_text(state));
	if (row->function)
		json_part_set(&object, "at", place(row->function, row->file, row->line));
	if (row->entry)
		json_part_set(&object, "from", place(row->entry, row->entry_file, row->entry_line));
	if (row->starter)
		json_part_set(&object, "started", json_part_frames(row->starter));
	return object;
}

static json_t *thread_flow(const struct trend_threads *threads)
{
	json_t *object = json_object();

	json_part_set(&object, "python", json_part_count(threads->n_rows));
	json_part_set(&object, "all", json_part_count(threads->n_tasks));
	if (threads->have_flow) {
		json_part_set(&object, "came", json_part_count(threads->came));
		json_part_set(&object, "ended", json_part_count(threads->ended));
	}
	return object;
}

static json_t *all_threads(const struct trend_threads *threads)
{
	json_t *array = json_array();

	for (size_t i = 0; i < threads->n_rows; i++)
		json_part_append(&array, thread(&threads->rows[i]));
	return array;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static json_t *findings(const struct trend *trend)
{
	json_t *array = json_array(), *object;

	for (size_t i = 0; i < trend->n_findings; i++) {
		object = json_object();
		json_part_set(&object, "name", json_part_text(trend->findings[i].name));
		json_part_set(&object, "sentence", json_part_text(trend->findings[i].sentence));
		json_part_append(&array, object);
	}
	return array;
}

static json_t *missing(const struct trend *trend)
{
	json_t *array = json_array();

	for (size_t i = 0; i < trend->n_missing; i++)
		json_part_append(&array, json_part_text(trend->missing[i]));
	return array;
}

json_t *json_part_trend(const struct trend *trend)
{
	json_t *object = json_object();

	json_part_set(&object, "looks", json_part_count(trend->n_made));
	json_part_set(&object, "span_s", json_part_real(trend_span_s(trend)));
	if (trend->rows[TREND_RSS].n > 1)
		json_part_set(&object, "rss_bytes_per_s",
			      json_part_real(trend->rows[TREND_RSS].per_s));
	json_part_set(&object, "series", all_series(trend));
	if (trend->have_account)
		json_part_set(&object, "account", account(trend));
	if (trend->have_room)
		json_part_set(&object, "allocators", allocators(&trend->room));
	if (trend->cgroup.have)
		json_part_set(&object, "cgroup", cgroup(&trend->cgroup));
	if (trend->have_threads) {
		json_part_set(&object, "thread_counts", thread_flow(&trend->threads));
		json_part_set(&object, "threads", all_threads(&trend->threads));
	}
	json_part_set(&object, "findings", findings(trend));
	json_part_set(&object, "missing", missing(trend));
	return object;
}

void trend_json_put(FILE *out, const struct trend *trend, bool *failed)
{
	json_t *heap;

	if (trend->have_room) {
		heap = json_object();
		json_part_set(&heap, "gc", json_part_gc(&trend->gc));
		json_part_dump(out, ",\n\"heap\": ", heap, failed);
	}
	json_part_dump(out, ",\n\"trend\": ", json_part_trend(trend), failed);
}
