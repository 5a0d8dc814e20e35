/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/shapes.h"

#include <math.h>

#include "model/heap_types.h"
#include "model/heap_watch.h"
#include "model/retention.h"
#include "model/trend.h"
#include "model/verdict.h"

/* ---- how rows are written ------------------------------------------------------------------- */

#define MEMBER(type, member) (((struct type *)0)->member)
#define AT(type, member)     offsetof(struct type, member)
#define TIMES(type, member)  (sizeof(MEMBER(type, member)) / sizeof(MEMBER(type, member)[0]))

/* one value */
#define ONE(type, member, k)                                                       \
	{                                                                          \
#member, FIELD_##k, AT(type, member), sizeof(MEMBER(type, member)) \
	}
/* the same under another name */
#define AS(called, type, member, k)                                               \
	{                                                                         \
		called, FIELD_##k, AT(type, member), sizeof(MEMBER(type, member)) \
	}
#define SCALED(called, type, member, parts)                                       \
	{                                                                         \
		.name = called, .kind = FIELD_SCALED, .offset = AT(type, member), \
		.size = sizeof(double), .scale = parts                            \
	}
#define NAMED(type, member, table)                                               \
	{                                                                        \
		.name = #member, .kind = FIELD_NAME, .offset = AT(type, member), \
		.size = sizeof(MEMBER(type, member)), .names = table             \
	}
#define SET(type, member, table)                                                \
	{                                                                       \
		.name = #member, .kind = FIELD_SET, .offset = AT(type, member), \
		.size = sizeof(MEMBER(type, member)), .names = table            \
	}
/* a struct inside, or behind a pointer */
#define SUB(type, member, shape)                                                   \
	{                                                                          \
		.name = #member, .kind = FIELD_STRUCT, .offset = AT(type, member), \
		.size = sizeof(MEMBER(type, member)), .of = shape                  \
	}
#define POINTER(type, member, shape)                                                \
	{                                                                           \
		.name = #member, .kind = FIELD_POINTER, .offset = AT(type, member), \
		.size = sizeof(void *), .of = shape                                 \
	}
/* an array inside the struct: all of it, or as many as `count` says */
#define INSIDE(type, member, k, shape)                                                             \
	{                                                                                          \
		.name = #member, .kind = FIELD_##k, .offset = AT(type, member),                    \
		.size = sizeof(MEMBER(type, member)[0]), .times = TIMES(type, member), .of = shape \
	}
#define INSIDE_COUNTED(type, member, count, k, shape)                                  \
	{                                                                              \
		.name = #member, .kind = FIELD_##k, .offset = AT(type, member),        \
		.size = sizeof(MEMBER(type, member)[0]), .times = TIMES(type, member), \
		.counted = true, .count_at = AT(type, count), .of = shape              \
	}
/* an array behind a pointer */
#define BEHIND(type, member, count, k, shape, most)                                      \
	{                                                                                \
		.name = #member, .kind = FIELD_##k, .offset = AT(type, member),          \
		.size = sizeof(MEMBER(type, member)[0]), .times = most, .counted = true, \
		.behind = true, .count_at = AT(type, count), .of = shape                 \
	}

/* ---- names of enums: those in files stay as they are ----------------------------------------- */

#define ALL_NAMED(table, n) \
	_Static_assert(sizeof(table) / sizeof((table)[0]) == (n) + 1, "a name for each")

static const char *const domains[] = {
	[DOMAIN_MALLOC] = "malloc", [DOMAIN_OBJECT] = "object", [DOMAIN_MMAP] = "mmap", NULL};
ALL_NAMED(domains, DOMAIN_COUNT);

static const char *const frame_kinds[] = {[FRAME_PYTHON] = "python",
					  [FRAME_NATIVE] = "native",
					  [FRAME_GAP] = "gap",
					  [FRAME_GROUP] = "group",
					  NULL};
ALL_NAMED(frame_kinds, FRAME_GROUP + 1);

static const char *const hows[] = {[TRACE_ALL] = "all",
				   [TRACE_SAMPLED] = "sampled",
				   [TRACE_WINDOWS] = "windows",
				   [TRACE_NONE] = "none",
				   NULL};
ALL_NAMED(hows, TRACE_NONE + 1);

static const char *const ends[] = {[TARGET_RUNS] = "runs",
				   [TARGET_EXITED] = "exited",
				   [TARGET_KILLED] = "killed",
				   [TARGET_EXECED] = "execed",
				   NULL};
ALL_NAMED(ends, TARGET_EXECED + 1);

static const char *const fit_shapes[] = {
	[FIT_UNKNOWN] = "unknown", [FIT_STILL] = "still",     [FIT_STEADY] = "steady",
	[FIT_SLOWING] = "slowing", [FIT_STEP] = "step",       [FIT_SAWTOOTH] = "sawtooth",
	[FIT_FALLING] = "falling", [FIT_UNCLEAR] = "unclear", NULL};
ALL_NAMED(fit_shapes, FIT_UNCLEAR + 1);

static const char *const fates[] = {[WATCH_SAME] = "same",
				    [WATCH_REPLACED] = "replaced",
				    [WATCH_GONE] = "gone",
				    [WATCH_UNKNOWN] = "unknown",
				    NULL};
ALL_NAMED(fates, WATCH_UNKNOWN + 1);

static const char *const retentions[] = {[RETENTION_CONTAINER] = "container",
					 [RETENTION_HELD] = "held",
					 [RETENTION_GARBAGE] = "garbage",
					 [RETENTION_MOVING] = "moving",
					 [RETENTION_FIXED] = "fixed",
					 [RETENTION_OTHER] = "other",
					 [RETENTION_INTERPRETERS] = "interpreters",
					 NULL};
ALL_NAMED(retentions, RETENTION_INTERPRETERS + 1);

static const char *const states[] = {[VERDICT_TOO_EARLY] = "too early",
				     [VERDICT_NO_LEAK] = "no leak",
				     [VERDICT_GROWING] = "growing",
				     [VERDICT_LEAK] = "leak",
				     [VERDICT_FRAGMENTATION] = "fragmentation",
				     NULL};
ALL_NAMED(states, VERDICT_FRAGMENTATION + 1);

static const char *const causes[] = {[CAUSE_CONTAINER] = "container",
				     [CAUSE_REFERENCE] = "reference",
				     [CAUSE_CYCLE] = "cycle",
				     [CAUSE_C_MEMORY] = "c memory",
				     [CAUSE_PYMALLOC] = "pymalloc",
				     [CAUSE_MAPPING] = "mapping",
				     [CAUSE_THREAD] = "thread",
				     [CAUSE_INTERPRETER] = "interpreter",
				     NULL};
ALL_NAMED(causes, CAUSE_COUNT);

static const char *const trend_kinds[] = {[TREND_RSS] = "rss",
					  [TREND_PSS] = "pss",
					  [TREND_ANONYMOUS] = "anonymous",
					  [TREND_PRIVATE] = "private",
					  [TREND_COMMON] = "common",
					  [TREND_SWAP] = "swap",
					  [TREND_CGROUP] = "cgroup",
					  [TREND_OBJECTS] = "objects",
					  [TREND_PART_OBJECTS] = "part_objects",
					  [TREND_PART_PYMALLOC] = "part_pymalloc",
					  [TREND_PART_MALLOC] = "part_malloc",
					  [TREND_PART_POOLS_FREE] = "part_pools_free",
					  [TREND_PART_MALLOC_FREE] = "part_malloc_free",
					  [TREND_PART_STACKS] = "part_stacks",
					  [TREND_PART_MAPPINGS] = "part_mappings",
					  [TREND_PART_DATA] = "part_data",
					  [TREND_PART_FILES] = "part_files",
					  [TREND_PART_SHARED] = "part_shared",
					  [TREND_PART_OTHER] = "part_other",
					  [TREND_ARENAS] = "arenas",
					  [TREND_FDS] = "fds",
					  [TREND_THREADS] = "threads",
					  [TREND_INTERPRETERS] = "interpreters",
					  [TREND_FULL_COLLECTIONS] = "full_collections",
					  [TREND_SINCE_FULL] = "since_full",
					  NULL};
ALL_NAMED(trend_kinds, TREND_KINDS);

/* ---- stacks --------------------------------------------------------------------------------- */

static const struct shape frame_shape = {
	.name = "frames",
	.size = sizeof(struct frame),
	.fields =
		{
			NAMED(frame, kind, frame_kinds),
			ONE(frame, function, TEXT),
			ONE(frame, file, TEXT),
			ONE(frame, line, U32),
			ONE(frame, module, TEXT),
			ONE(frame, path, TEXT),
			ONE(frame, offset, U64),
			ONE(frame, address, U64),
			ONE(frame, start, U64),
			ONE(frame, inlined, BOOL),
			ONE(frame, stripped, BOOL),
		},
};

/* What does not change: where it allocates. */
static const struct shape site_shape = {
	.name = "site",
	.size = sizeof(struct stack),
	.named = "stack",
	.fields =
		{
			NAMED(stack, domain, domains),
			ONE(stack, thread_id, U32),
			ONE(stack, thread, TEXT),
			ONE(stack, pid, I32),
			BEHIND(stack, frames, n_frames, STRUCT, &frame_shape, 0),
		},
};

static const struct shape type_share_shape = {
	.name = "types",
	.size = sizeof(struct type_share),
	.fields =
		{
			ONE(type_share, name, TEXT),
			ONE(type_share, count, U64),
			ONE(type_share, bytes, U64),
		},
};

static const struct shape stack_shape = {
	.name = "stacks",
	.size = sizeof(struct stack),
	.fields =
		{
			{.name = "site",
			 .kind = FIELD_STRUCT,
			 .size = sizeof(struct stack),
			 .of = &site_shape},
			ONE(stack, outstanding_bytes, U64),
			ONE(stack, outstanding_count, U64),
			SCALED("oldest_ms", stack, oldest_s, 1000),
			SCALED("newest_ms", stack, newest_s, 1000),
			SCALED("growth_bytes_per_s", stack, growth_bytes_per_s, 1),
			ONE(stack, estimated, BOOL),
			SCALED("bytes_error", stack, bytes_error, 1),
			SCALED("count_error", stack, count_error, 1),
			ONE(stack, seen, U64),
			ONE(stack, allocated_bytes, U64),
			ONE(stack, allocated_count, U64),
			ONE(stack, freed_count, U64),
			ONE(stack, types_sampled, U64),
			BEHIND(stack, types, n_types, STRUCT, &type_share_shape, 0),
		},
};

/* ---- how it was traced ---------------------------------------------------------------------- */

const struct shape shape_target = {
	.name = "targets",
	.size = sizeof(struct profile_target),
	.fields =
		{
			ONE(profile_target, pid, I32),
			ONE(profile_target, exe, TEXT),
			BEHIND(profile_target, cmdline, n_cmdline, STRING, NULL, 0),
			ONE(profile_target, python, TEXT),
			ONE(profile_target, implementation, TEXT),
			ONE(profile_target, python_module, TEXT),
			ONE(profile_target, threads, U32),
			ONE(profile_target, rss_bytes, U64),
			NAMED(profile_target, end, ends),
			ONE(profile_target, end_detail, I32),
			ONE(profile_target, stopped, BOOL),
		},
};

static const struct shape note_shape = {
	.name = "notes",
	.size = sizeof(struct note),
	.fields =
		{
			ONE(note, name, STRING),
			ONE(note, sentence, STRING),
			ONE(note, pid, I32),
		},
};

static const struct shape part_shape = {
	.name = "parts",
	.size = sizeof(struct trace_part),
	.fields =
		{
			SET(trace_part, domains, domains),
			NAMED(trace_part, how, hows),
			ONE(trace_part, since_s, REAL),
			ONE(trace_part, sample_bytes, U64),
			ONE(trace_part, windows, U64),
			ONE(trace_part, windows_s, REAL),
			ONE(trace_part, longest_s, REAL),
			ONE(trace_part, survivors, U64),
			ONE(trace_part, long_enough, BOOL),
			ONE(trace_part, demand, REAL),
			ONE(trace_part, idle, BOOL),
			ONE(trace_part, trouble, TEXT),
			ONE(trace_part, pid, I32),
		},
};

static const struct shape loss_shape = {
	.name = "losses",
	.size = sizeof(struct loss),
	.fields =
		{
			ONE(loss, name, STRING),
			ONE(loss, sentence, STRING),
			ONE(loss, count, U64),
		},
};

static const struct shape gap_shape = {
	.name = "native_gaps",
	.size = sizeof(struct native_gap),
	.fields =
		{
			ONE(native_gap, reason, STRING),
			ONE(native_gap, count, U64),
		},
};

static const struct shape cost_shape = {
	.name = "cost",
	.size = sizeof(struct cost),
	.fields =
		{
			ONE(cost, hits_per_s, REAL),
			ONE(cost, ns_per_hit, REAL),
			ONE(cost, target_cpu_fraction, REAL),
			ONE(cost, target_cpu_used, REAL),
			ONE(cost, tool_cpu_s, REAL),
			ONE(cost, tool_rss_bytes, U64),
			ONE(cost, maps_bytes, U64),
			ONE(cost, ceiling, REAL),
			ONE(cost, floor, REAL),
			ONE(cost, own_share, REAL),
			ONE(cost, own_share_most, REAL),
			ONE(cost, syscall_ns, REAL),
			ONE(cost, syscalls_counted, BOOL),
			ONE(cost, syscalls_per_s, REAL),
			ONE(cost, other_syscalls_per_s, REAL),
		},
};

/* ---- what grows in the heap ------------------------------------------------------------------ */

static const struct shape growth_row_shape = {
	.name = "growing_types",
	.size = sizeof(struct heap_growth_row),
	.fields =
		{
			ONE(heap_growth_row, name, STRING),
			ONE(heap_growth_row, count, U64),
			ONE(heap_growth_row, bytes, U64),
			ONE(heap_growth_row, count_delta, I64),
			ONE(heap_growth_row, bytes_delta, I64),
			ONE(heap_growth_row, count_per_min, REAL),
			ONE(heap_growth_row, bytes_per_min, REAL),
			ONE(heap_growth_row, least_count_per_min, REAL),
			ONE(heap_growth_row, least_bytes_per_min, REAL),
			ONE(heap_growth_row, confidence, REAL),
			NAMED(heap_growth_row, shape, fit_shapes),
		},
};

static const struct shape growing_types_shape = {
	.name = "heap",
	.size = sizeof(struct profile_growing_types),
	.fields =
		{
			BEHIND(profile_growing_types, rows, n_rows, STRUCT, &growth_row_shape, 0),
			ONE(profile_growing_types, span_s, REAL),
			ONE(profile_growing_types, n_scans, SIZE),
			ONE(profile_growing_types, no_full_collection, BOOL),
			ONE(profile_growing_types, cpu_fraction, REAL),
		},
};

static const struct shape retention_row_shape = {
	.name = "retention",
	.size = sizeof(struct retention),
	.fields =
		{
			NAMED(retention, kind, retentions),
			ONE(retention, path, STRING),
			ONE(retention, type, STRING),
			ONE(retention, callbacks, BOOL),
			ONE(retention, containers, U64),
			ONE(retention, bound, I64),
			INSIDE(retention, addresses, U64, NULL),
			ONE(retention, item_type, STRING),
			ONE(retention, item_class, U64),
			ONE(retention, items, U64),
			ONE(retention, items_delta, I64),
			ONE(retention, span_s, REAL),
			ONE(retention, items_per_s, REAL),
			ONE(retention, least_items_per_s, REAL),
			ONE(retention, bytes_per_s, REAL),
			ONE(retention, least_bytes_per_s, REAL),
			ONE(retention, most_bytes_per_s, REAL),
			ONE(retention, bytes, U64),
			ONE(retention, confidence, REAL),
		},
};

static const struct shape retention_shape = {
	.name = "retained",
	.size = sizeof(struct profile_retention),
	.fields =
		{
			BEHIND(profile_retention, rows, n_rows, STRUCT, &retention_row_shape, 0),
			ONE(profile_retention, n_looks, SIZE),
		},
};

/* ---- what watchpoints saw -------------------------------------------------------------------- */

static const struct shape instances_shape = {
	.name = "instances",
	.size = sizeof(struct heap_watch_instances),
	.fields =
		{
			ONE(heap_watch_instances, known, BOOL),
			ONE(heap_watch_instances, sampled, BOOL),
			ONE(heap_watch_instances, made, U64),
			ONE(heap_watch_instances, died, U64),
			ONE(heap_watch_instances, others, I64),
			ONE(heap_watch_instances, followed_s, REAL),
		},
};

static const struct shape watch_stack_shape = {
	.name = "changes",
	.size = sizeof(struct heap_watch_stack),
	.fields =
		{
			SUB(heap_watch_stack, stack, &stack_shape),
			ONE(heap_watch_stack, inserted, U64),
			ONE(heap_watch_stack, removed, U64),
			ONE(heap_watch_stack, insertions, U64),
			ONE(heap_watch_stack, removals, U64),
		},
};

static const struct shape watch_row_shape = {
	.name = "watched",
	.size = sizeof(struct heap_watch_row),
	.fields =
		{
			ONE(heap_watch_row, path, STRING),
			ONE(heap_watch_row, refs, BOOL),
			POINTER(heap_watch_row, instances, &instances_shape),
			ONE(heap_watch_row, type, STRING),
			ONE(heap_watch_row, address, U64),
			ONE(heap_watch_row, items_before, U64),
			ONE(heap_watch_row, items_after, U64),
			ONE(heap_watch_row, inserted, U64),
			ONE(heap_watch_row, removed, U64),
			ONE(heap_watch_row, insertions, U64),
			ONE(heap_watch_row, removals, U64),
			BEHIND(heap_watch_row, stacks, n_stacks, STRUCT, &watch_stack_shape, 0),
			NAMED(heap_watch_row, fate, fates),
			ONE(heap_watch_row, now_type, TEXT),
			ONE(heap_watch_row, now_address, U64),
			ONE(heap_watch_row, unseen, U64),
			ONE(heap_watch_row, foreign, U64),
			ONE(heap_watch_row, unread, U64),
			ONE(heap_watch_row, unexplained, I64),
		},
};

static const struct shape container_shape = {
	.name = "growing_containers",
	.size = sizeof(struct growing_container),
	.fields =
		{
			SUB(growing_container, row, &watch_row_shape),
			ONE(growing_container, watched_s, REAL),
			ONE(growing_container, ago_s, REAL),
			ONE(growing_container, items_per_s, REAL),
			ONE(growing_container, least_per_s, REAL),
			ONE(growing_container, cut, BOOL),
			ONE(growing_container, lost, REAL),
			ONE(growing_container, pid, I32),
		},
};

static const struct shape containers_shape = {
	.name = "containers",
	.size = sizeof(struct profile_growing_containers),
	.fields =
		{
			BEHIND(profile_growing_containers, rows, n_rows, STRUCT, &container_shape,
			       0),
			ONE(profile_growing_containers, why_not, TEXT),
		},
};

static const struct shape class_shape = {
	.name = "growing_classes",
	.size = sizeof(struct growing_class),
	.fields =
		{
			SUB(growing_class, row, &watch_row_shape),
			ONE(growing_class, name, STRING),
			ONE(growing_class, per_s, REAL),
			ONE(growing_class, ago_s, REAL),
			ONE(growing_class, cut, BOOL),
			ONE(growing_class, pid, I32),
		},
};

static const struct shape classes_shape = {
	.name = "classes",
	.size = sizeof(struct profile_growing_classes),
	.fields =
		{
			BEHIND(profile_growing_classes, rows, n_rows, STRUCT, &class_shape, 0),
		},
};

static const struct shape lists_shape = {
	.name = "lists",
	.size = sizeof(struct profile_lists),
	.fields =
		{
			{.name = "threads",
			 .kind = FIELD_POINTER,
			 .offset = AT(profile_lists, rows[LISTED_THREADS]),
			 .size = sizeof(void *),
			 .of = &watch_row_shape},
			{.name = "interpreters",
			 .kind = FIELD_POINTER,
			 .offset = AT(profile_lists, rows[LISTED_INTERPRETERS]),
			 .size = sizeof(void *),
			 .of = &watch_row_shape},
			{.name = "callbacks",
			 .kind = FIELD_POINTER,
			 .offset = AT(profile_lists, rows[LISTED_CALLBACKS]),
			 .size = sizeof(void *),
			 .of = &watch_row_shape},
		},
};
_Static_assert(LISTED == 3, "a row for each");

/* ---- the trend ------------------------------------------------------------------------------ */

static const struct shape moment_shape = {
	.name = "moment",
	.size = sizeof(struct trend_look),
	.named = "moment",
	.fields =
		{
			ONE(trend_look, at_s, REAL),
			{.name = "values",
			 .kind = FIELD_FEW,
			 .offset = AT(trend_look, value),
			 .size = sizeof(uint64_t),
			 .count_at = AT(trend_look, have),
			 .names = trend_kinds},
		},
};
_Static_assert(TREND_KINDS <= 32, "a bit for each");

static const struct shape trend_row_shape = {
	.name = "series",
	.size = sizeof(struct trend_row),
	.fields =
		{
			NAMED(trend_row, kind, trend_kinds),
			ONE(trend_row, n, SIZE),
			ONE(trend_row, first, U64),
			ONE(trend_row, last, U64),
			ONE(trend_row, per_s, REAL),
			ONE(trend_row, least_per_s, REAL),
			ONE(trend_row, confidence, REAL),
			NAMED(trend_row, shape, fit_shapes),
		},
};

static const struct shape pinning_shape = {
	.name = "pinning",
	.size = sizeof(struct heap_pinning),
	.fields =
		{
			ONE(heap_pinning, type, CHARS),
			ONE(heap_pinning, objects, U64),
		},
};

static const struct shape usage_shape = {
	.name = "room",
	.size = sizeof(struct heap_usage),
	.fields =
		{
			ONE(heap_usage, objects_bytes, U64),
			ONE(heap_usage, pymalloc_bytes, U64),
			ONE(heap_usage, malloc_bytes, U64),
			ONE(heap_usage, pools_free_bytes, U64),
			ONE(heap_usage, malloc_free_bytes, U64),
			ONE(heap_usage, stacks_bytes, U64),
			ONE(heap_usage, data_bytes, U64),
			ONE(heap_usage, other_bytes, U64),
			ONE(heap_usage, mimalloc, BOOL),
			ONE(heap_usage, arenas, U64),
			ONE(heap_usage, arenas_bytes, U64),
			ONE(heap_usage, pools_bytes, U64),
			ONE(heap_usage, pools_used_bytes, U64),
			ONE(heap_usage, main_bytes, U64),
			ONE(heap_usage, main_free_bytes, U64),
			ONE(heap_usage, side_heaps, U64),
			ONE(heap_usage, side_bytes, U64),
			ONE(heap_usage, side_free_bytes, U64),
			ONE(heap_usage, mapped, U64),
			ONE(heap_usage, mapped_bytes, U64),
			ONE(heap_usage, stacks, U64),
			INSIDE(heap_usage, pool_blocks, U64, NULL),
			INSIDE(heap_usage, malloc_blocks, U64, NULL),
			ONE(heap_usage, malloc_sized, BOOL),
			INSIDE(heap_usage, pinning, STRUCT, &pinning_shape),
		},
};

static const struct shape gc_shape = {
	.name = "gc",
	.size = sizeof(struct heap_gc),
	.fields =
		{
			ONE(heap_gc, have_enabled, BOOL),
			ONE(heap_gc, enabled, BOOL),
			ONE(heap_gc, have_generations, BOOL),
			INSIDE(heap_gc, thresholds, I32, NULL),
			INSIDE(heap_gc, counts, I32, NULL),
			ONE(heap_gc, have_since_full, BOOL),
			ONE(heap_gc, since_full, REAL),
			ONE(heap_gc, have_garbage, BOOL),
			ONE(heap_gc, garbage, U64),
			ONE(heap_gc, have_frozen, BOOL),
			ONE(heap_gc, frozen, U64),
			ONE(heap_gc, have_collections, BOOL),
			INSIDE(heap_gc, collections, U64, NULL),
			ONE(heap_gc, full_collections, U64),
			ONE(heap_gc, watched_s, REAL),
			ONE(heap_gc, collected, BOOL),
			ONE(heap_gc, last_collection_s, REAL),
		},
};

static const struct shape cgroup_shape = {
	.name = "cgroup",
	.size = sizeof(struct trend_cgroup),
	.fields =
		{
			ONE(trend_cgroup, have, BOOL),
			ONE(trend_cgroup, version, I32),
			ONE(trend_cgroup, path, CHARS),
			ONE(trend_cgroup, usage_bytes, U64),
			ONE(trend_cgroup, cache_bytes, U64),
			ONE(trend_cgroup, have_limit, BOOL),
			ONE(trend_cgroup, limit_bytes, U64),
		},
};

static const struct shape thread_shape = {
	.name = "threads",
	.size = sizeof(struct trend_thread),
	.fields =
		{
			ONE(trend_thread, ident, U64),
			ONE(trend_thread, tid, I32),
			ONE(trend_thread, state, CHAR),
			ONE(trend_thread, name, TEXT),
			ONE(trend_thread, function, TEXT),
			ONE(trend_thread, file, TEXT),
			ONE(trend_thread, line, U32),
			ONE(trend_thread, entry, TEXT),
			ONE(trend_thread, entry_file, TEXT),
			ONE(trend_thread, entry_line, U32),
			ONE(trend_thread, made, U64),
			POINTER(trend_thread, starter, &stack_shape),
		},
};

static const struct shape threads_shape = {
	.name = "all_threads",
	.size = sizeof(struct trend_threads),
	.fields =
		{
			BEHIND(trend_threads, rows, n_rows, STRUCT, &thread_shape, 0),
			ONE(trend_threads, n_tasks, SIZE),
			ONE(trend_threads, cut, BOOL),
			ONE(trend_threads, have_flow, BOOL),
			ONE(trend_threads, begun_with, U64),
			ONE(trend_threads, came, U64),
			ONE(trend_threads, ended, U64),
		},
};

static const struct shape trend_finding_shape = {
	.name = "trend_findings",
	.size = sizeof(struct trend_finding),
	.fields =
		{
			ONE(trend_finding, name, STRING),
			ONE(trend_finding, sentence, CHARS),
		},
};

static const struct shape trend_shape = {
	.name = "trend",
	.size = sizeof(struct trend),
	.fields =
		{
			BEHIND(trend, looks, n_looks, STRUCT, &moment_shape, TREND_LOOKS_MAX),
			ONE(trend, n_made, U64),
			{.name = "series",
			 .kind = FIELD_PLACED,
			 .offset = AT(trend, rows),
			 .size = sizeof(struct trend_row),
			 .times = TREND_KINDS,
			 .of = &trend_row_shape},
			ONE(trend, unexplained_bytes, I64),
			ONE(trend, have_account, BOOL),
			SUB(trend, room, &usage_shape),
			ONE(trend, have_room, BOOL),
			SUB(trend, gc, &gc_shape),
			SUB(trend, cgroup, &cgroup_shape),
			SUB(trend, threads, &threads_shape),
			ONE(trend, have_threads, BOOL),
			INSIDE_COUNTED(trend, findings, n_findings, STRUCT, &trend_finding_shape),
			INSIDE_COUNTED(trend, missing, n_missing, CHARS, NULL),
		},
};

/* ---- the verdict ---------------------------------------------------------------------------- */

static const struct shape evidence_shape = {
	.name = "evidence",
	.size = sizeof(struct evidence),
	.fields =
		{
			ONE(evidence, kind, STRING),
			ONE(evidence, text, STRING),
			ONE(evidence, value, REAL),
		},
};

static const struct shape finding_shape = {
	.name = "findings",
	.size = sizeof(struct finding),
	.fields =
		{
			NAMED(finding, cause, causes),
			ONE(finding, sentence, STRING),
			ONE(finding, bytes_per_s, REAL),
			ONE(finding, least_per_s, REAL),
			ONE(finding, most_per_s, REAL),
			ONE(finding, confidence, REAL),
			ONE(finding, share, REAL),
			ONE(finding, ends, BOOL),
			ONE(finding, path, TEXT),
			ONE(finding, type, TEXT),
			ONE(finding, by, TEXT),
			POINTER(finding, stack, &stack_shape),
			{.name = "where",
			 .kind = FIELD_FRAME,
			 .offset = AT(finding, where),
			 .size = sizeof(void *),
			 .count_at = AT(finding, stack)},
			ONE(finding, c_function, TEXT),
			INSIDE(finding, next, TEXT, NULL),
			INSIDE_COUNTED(finding, evidence, n_evidence, STRUCT, &evidence_shape),
		},
};

static const struct shape verdict_shape = {
	.name = "verdict",
	.size = sizeof(struct verdict),
	.fields =
		{
			NAMED(verdict, state, states),
			ONE(verdict, pid, I32),
			ONE(verdict, sentence, STRING),
			ONE(verdict, growth_per_s, REAL),
			ONE(verdict, least_per_s, REAL),
			ONE(verdict, most_per_s, REAL),
			ONE(verdict, unexplained_per_s, REAL),
			ONE(verdict, explained, REAL),
			ONE(verdict, limit_in_s, REAL),
			ONE(verdict, look_again_s, REAL),
			BEHIND(verdict, findings, n_findings, STRUCT, &finding_shape, 0),
		},
};

/* ---- the whole ------------------------------------------------------------------------------ */

/* of a struct without a name in struct profile */
#define OF(part, member, k)                                             \
	{                                                               \
		.name = #member, .kind = FIELD_##k,                     \
		.offset = AT(profile, part.member) - AT(profile, part), \
		.size = sizeof(MEMBER(profile, part.member))            \
	}

const struct shape shape_mode = {
	.name = "mode",
	.size = sizeof(MEMBER(profile, mode)),
	.fields =
		{
			OF(mode, untraced, BOOL),
			OF(mode, exact, BOOL),
			{.name = "domains",
			 .kind = FIELD_SET,
			 .offset = AT(profile, mode.domains) - AT(profile, mode),
			 .size = sizeof(MEMBER(profile, mode.domains)),
			 .names = domains},
			OF(mode, steered, BOOL),
			OF(mode, object_coverage, TEXT),
			OF(mode, min_size, U64),
			OF(mode, max_size, U64),
			OF(mode, older_s, REAL),
			{.name = "parts",
			 .kind = FIELD_STRUCT,
			 .offset = AT(profile, mode.parts) - AT(profile, mode),
			 .size = sizeof(struct trace_part),
			 .counted = true,
			 .behind = true,
			 .count_at = AT(profile, mode.n_parts) - AT(profile, mode),
			 .of = &part_shape},
		},
};

static const struct shape totals_shape = {
	.name = "totals",
	.size = sizeof(MEMBER(profile, totals)),
	.fields =
		{
			OF(totals, outstanding_bytes, U64),
			OF(totals, outstanding_count, U64),
			OF(totals, allocated_bytes, U64),
			OF(totals, allocated_count, U64),
			OF(totals, freed_count, U64),
			OF(totals, unknown_frees, U64),
			OF(totals, missed_frees, U64),
			OF(totals, estimated, BOOL),
		},
};

const struct shape shape_profile = {
	.name = "profile",
	.size = sizeof(struct profile),
	.fields =
		{
			AS("time_s", profile, time.tv_sec, I64),
			AS("time_ns", profile, time.tv_nsec, I64),
			ONE(profile, duration_s, REAL),
			SUB(profile, target, &shape_target),
			BEHIND(profile, targets, n_targets, STRUCT, &shape_target, 0),
			BEHIND(profile, notes, n_notes, STRUCT, &note_shape, 0),
			SUB(profile, mode, &shape_mode),
			SUB(profile, totals, &totals_shape),
			BEHIND(profile, stacks, n_stacks, STRUCT, &stack_shape, 0),
			BEHIND(profile, losses, n_losses, STRUCT, &loss_shape, 0),
			BEHIND(profile, native_gaps, n_native_gaps, STRUCT, &gap_shape, 0),
			ONE(profile, have_cost, BOOL),
			SUB(profile, cost, &cost_shape),
			POINTER(profile, growing_types, &growing_types_shape),
			POINTER(profile, retention, &retention_shape),
			POINTER(profile, growing_containers, &containers_shape),
			POINTER(profile, growing_classes, &classes_shape),
			POINTER(profile, lists, &lists_shape),
			POINTER(profile, trend, &trend_shape),
			POINTER(profile, verdict, &verdict_shape),
		},
};

double shapes_rounded(const struct field *field, double value)
{
	double parts = isfinite(value) ? round(value * field->scale) : 0;

	return fabs(parts) < 9e15 ? parts / field->scale : 0;
}

void shapes_round(struct profile *profile)
{
	for (const struct field *field = stack_shape.fields; field->name; field++)
		for (size_t i = 0; field->kind == FIELD_SCALED && i < profile->n_stacks; i++) {
			double *value = (double *)((char *)&profile->stacks[i] + field->offset);

			*value = shapes_rounded(field, *value);
		}
}
