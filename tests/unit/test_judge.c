/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The verdict on made profiles: each state, each cause, and that findings never claim more than
 * grew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "leak/judge.h"
#include "model/heap_watch.h"
#include "model/retention.h"
#include "model/trend.h"
#include "trend/series.h"

#define LOOKS  20
#define STEP_S 5.0

struct made {
	struct profile *profile;
	struct trend *trend;
	struct profile_retention part;
	struct retention rows[4];
};

/* LOOKS looks, in which the objects and C's blocks grow by so much a second. */
static void make(struct made *made, unsigned looks, double objects_per_s, double malloc_per_s)
{
	static const enum trend_kind parts[] = {TREND_PART_OBJECTS, TREND_PART_PYMALLOC,
						TREND_PART_MALLOC, TREND_PART_STACKS,
						TREND_PART_MAPPINGS};

	memset(made, 0, sizeof(*made));
	made->profile = profile_new();
	made->trend = trend_new();
	for (unsigned i = 0; i < looks; i++) {
		struct trend_look look = {.at_s = i * STEP_S};

		for (size_t part = 0; part < sizeof(parts) / sizeof(parts[0]); part++)
			trend_set(&look, parts[part], 10u << 20);
		look.value[TREND_PART_OBJECTS] += (uint64_t)(objects_per_s * i * STEP_S);
		look.value[TREND_PART_MALLOC] += (uint64_t)(malloc_per_s * i * STEP_S);
		trend_set(&look, TREND_THREADS, 1);
		trend_add(made->trend, &look);
	}
	trend_measure(made->trend);
	made->trend->have_room = true;
	made->trend->gc.have_enabled = made->trend->gc.enabled = true;
	made->trend->gc.have_generations = true;
	made->trend->gc.thresholds[0] = 700;
	made->trend->gc.thresholds[1] = made->trend->gc.thresholds[2] = 10;
	made->part.rows = made->rows;
	made->part.n_looks = looks;
	made->profile->trend = made->trend;
	made->profile->retention = &made->part;
	made->profile->target.pid = 42;
}

static void add_row(struct made *made, enum retention_kind kind, double bytes_per_s)
{
	made->rows[made->part.n_rows++] = (struct retention){.kind = kind,
							     .path = (char *)"app.CACHE",
							     .type = (char *)"dict",
							     .containers = 1,
							     .addresses = {0x1000},
							     .item_type = (char *)"app.Item",
							     .items = 1000,
							     .items_per_s = 10,
							     .bytes_per_s = bytes_per_s,
							     .least_bytes_per_s = bytes_per_s * 0.9,
							     .most_bytes_per_s = bytes_per_s * 1.1,
							     .confidence = 0.9999};
}

static const struct verdict *verdict_of(struct made *made)
{
	judge(made->profile);
	assert_non_null(made->profile->verdict);
	assert_true(made->profile->verdict->least_per_s <= made->profile->verdict->growth_per_s);
	assert_true(made->profile->verdict->most_per_s >= made->profile->verdict->growth_per_s);
	return made->profile->verdict;
}

static void end(struct made *made)
{
	made->profile->trend = NULL;
	trend_free(made->trend);
	profile_free(made->profile);
}

static void without_looks_there_is_no_verdict(void **state)
{
	struct profile *profile = profile_new();

	(void)state;
	judge(profile);
	assert_null(profile->verdict);
	profile_free(profile);
}

static void few_looks_are_too_early(void **state)
{
	struct made made;

	(void)state;
	make(&made, JUDGE_LOOKS - 1, 1e6, 0);
	add_row(&made, RETENTION_CONTAINER, 1e6);
	assert_int_equal(verdict_of(&made)->state, VERDICT_TOO_EARLY);
	assert_int_equal(made.profile->verdict->n_findings, 0);
	assert_true(made.profile->verdict->look_again_s > 0);
	end(&made);
}

static void what_does_not_grow_is_no_leak(void **state)
{
	struct made made;

	(void)state;
	make(&made, LOOKS, 0, 0);
	assert_int_equal(verdict_of(&made)->state, VERDICT_NO_LEAK);
	assert_int_equal(made.profile->verdict->n_findings, 0);
	end(&made);
}

static void a_container_that_grows_is_a_leak_after_a_while(void **state)
{
	const struct verdict *verdict;
	struct made made;

	(void)state;
	make(&made, LOOKS, 10000, 0);
	add_row(&made, RETENTION_CONTAINER, 9900);
	verdict = verdict_of(&made);
	assert_int_equal(verdict->state, VERDICT_LEAK);
	assert_int_equal(verdict->n_findings, 1);
	assert_int_equal(verdict->findings[0].cause, CAUSE_CONTAINER);
	assert_non_null(
		strstr(verdict->findings[0].sentence, "app.CACHE (dict, 1,000 app.Item, +600"));
	assert_string_equal(verdict->findings[0].next[1], "watch");
	assert_string_equal(verdict->findings[0].next[3], "42");
	assert_string_equal(verdict->findings[0].next[4], "0x1000");
	assert_null(verdict->findings[0].next[5]);
	assert_true(verdict->explained > 0.98 && verdict->explained <= 1);
	assert_true(verdict->unexplained_per_s == 0);
	end(&made);

	/* sooner it may be a warm-up */
	make(&made, JUDGE_LOOKS, 10000, 0);
	add_row(&made, RETENTION_CONTAINER, 9900);
	assert_int_equal(verdict_of(&made)->state, VERDICT_GROWING);
	end(&made);
}

static void lost_references_are_a_leak_at_once(void **state)
{
	struct made made;

	(void)state;
	make(&made, JUDGE_LOOKS, 10000, 0);
	add_row(&made, RETENTION_HELD, 9900);
	assert_int_equal(verdict_of(&made)->state, VERDICT_LEAK);
	assert_int_equal(made.profile->verdict->findings[0].cause, CAUSE_REFERENCE);
	end(&made);
}

static void garbage_is_a_leak_only_where_nobody_collects_it(void **state)
{
	struct made made;

	(void)state;
	make(&made, LOOKS, 10000, 0);
	add_row(&made, RETENTION_GARBAGE, 9900);
	assert_int_equal(verdict_of(&made)->state, VERDICT_NO_LEAK);
	assert_int_equal(made.profile->verdict->n_findings, 0);
	assert_non_null(strstr(made.profile->verdict->sentence, "apart from garbage"));
	end(&made);
	/* nearly all of it is; both are measured well, and not in the same way */
	make(&made, LOOKS, 40000, 0);
	add_row(&made, RETENTION_GARBAGE, 37000);
	made.rows[0].most_bytes_per_s = 37100;
	assert_int_equal(verdict_of(&made)->state, VERDICT_NO_LEAK);
	end(&made);
	make(&made, LOOKS, 40000, 0);
	add_row(&made, RETENTION_GARBAGE, 20000);
	assert_int_not_equal(verdict_of(&made)->state, VERDICT_NO_LEAK);
	end(&made);
	/* a threshold that is never reached */
	make(&made, LOOKS, 10000, 0);
	made.trend->gc.thresholds[2] = 1000000;
	add_row(&made, RETENTION_GARBAGE, 9900);
	assert_int_equal(verdict_of(&made)->state, VERDICT_GROWING);
	assert_int_equal(made.profile->verdict->findings[0].cause, CAUSE_CYCLE);
	end(&made);
	/* what hangs on them is part of them */
	make(&made, LOOKS, 10000, 0);
	made.trend->gc.enabled = false;
	add_row(&made, RETENTION_GARBAGE, 100);
	made.rows[0].item_type = (char *)"str";
	made.rows[0].least_bytes_per_s = 200;
	add_row(&made, RETENTION_GARBAGE, 9900);
	assert_int_equal(verdict_of(&made)->state, VERDICT_LEAK);
	assert_int_equal(made.profile->verdict->n_findings, 1);
	assert_int_equal(made.profile->verdict->findings[0].cause, CAUSE_CYCLE);
	assert_non_null(
		strstr(made.profile->verdict->findings[0].sentence, "cycles of app.Item are"));
	end(&made);
}

/* What comes with each thread is the thread's: its guard page, what libc and threading keep. */
static void what_comes_with_threads_is_no_finding_of_its_own(void **state)
{
	const struct verdict *verdict;
	struct made made;

	(void)state;
	make(&made, LOOKS, 4000, 6000);
	for (unsigned i = 0; i < made.trend->n_looks; i++) {
		made.trend->looks[i].value[TREND_THREADS] = 1 + i * 10;
		made.trend->looks[i].value[TREND_PART_STACKS] += (uint64_t)i * 80000;
	}
	trend_measure(made.trend);
	add_row(&made, RETENTION_OTHER, 4000);
	made.rows[0].path = (char *)"";
	made.rows[0].items_per_s = 2;
	made.rows[0].span_s = 95;
	/* and one that has nothing to do with them */
	add_row(&made, RETENTION_CONTAINER, 3000);
	verdict = verdict_of(&made);
	assert_int_equal(verdict->n_findings, 2);
	assert_int_equal(verdict->findings[0].cause, CAUSE_THREAD);
	assert_true(verdict->findings[0].bytes_per_s > 25000 &&
		    verdict->findings[0].bytes_per_s < 27000);
	assert_string_equal(verdict->findings[1].path, "app.CACHE");
	assert_null(verdict->findings[0].where);
	end(&made);
}

/* The one that runs Python; what a thread does at its end runs none. */
static void threads_are_started_by_what_made_those_that_stay(void **state)
{
	struct frame frames[] = {
		{.kind = FRAME_PYTHON, .function = "rare", .file = "app.py", .line = 7},
		{.kind = FRAME_PYTHON, .function = "serve", .file = "app.py", .line = 14},
		{.kind = FRAME_NATIVE, .function = "PyThreadState_DeleteCurrent"},
		{.kind = FRAME_PYTHON, .function = "at_end", .file = "app.py", .line = 21}};
	const struct heap_watch_stack stacks[] = {
		{.stack = {.frames = &frames[2], .n_frames = 1}, .inserted = 50},
		{.stack = {.frames = &frames[0], .n_frames = 1}, .inserted = 3},
		{.stack = {.frames = &frames[1], .n_frames = 1}, .inserted = 20}};
	const struct heap_watch_stack callbacks = {.stack = {.frames = &frames[3], .n_frames = 1},
						   .inserted = 9};
	const struct heap_watch_row row = {.stacks = stacks, .n_stacks = 3},
				    callback_row = {.stacks = &callbacks, .n_stacks = 1};
	const struct profile_lists lists = {
		.rows = {[LISTED_THREADS] = &row, [LISTED_CALLBACKS] = &callback_row}};
	const struct verdict *verdict;
	struct made made;

	(void)state;
	make(&made, LOOKS, 4000, 6000);
	for (unsigned i = 0; i < made.trend->n_looks; i++)
		made.trend->looks[i].value[TREND_THREADS] = 1 + i * 10;
	trend_measure(made.trend);
	made.profile->lists = &lists;
	add_row(&made, RETENTION_CONTAINER, 3000);
	made.rows[0].callbacks = true;
	made.rows[0].path = (char *)"atexit callbacks";
	verdict = verdict_of(&made);
	assert_int_equal(verdict->findings[0].cause, CAUSE_THREAD);
	assert_int_equal(verdict->findings[0].where->line, 14);
	assert_string_equal(verdict->findings[0].by, "started by");
	assert_string_equal(verdict->findings[1].path, "atexit callbacks");
	assert_int_equal(verdict->findings[1].where->line, 21);
	assert_string_equal(verdict->findings[1].by, "filled by");
	end(&made);
}

/*
 * A sub-interpreter brings its modules, memory of C code, and what data of CPython keeps of its
 * types. That a stack has made one is sure, however little of it was seen.
 */
static void what_comes_with_interpreters_is_theirs(void **state)
{
	struct frame frames[] = {
		{.kind = FRAME_PYTHON, .function = "tenant", .file = "app.py", .line = 14},
		{.kind = FRAME_NATIVE, .function = "_Py_NewInterpreter"},
		{.kind = FRAME_NATIVE, .function = "PyInterpreterState_New"}};
	struct stack stacks[] = {{.domain = DOMAIN_MALLOC,
				  .frames = frames,
				  .n_frames = 1,
				  .outstanding_bytes = 200000,
				  .outstanding_count = 2},
				 {.domain = DOMAIN_MALLOC,
				  .frames = frames,
				  .n_frames = 3,
				  .estimated = true,
				  .seen = 1,
				  .outstanding_bytes = 100000,
				  .bytes_error = 200000,
				  .outstanding_count = 1}};
	const struct verdict *verdict;
	struct made made;

	(void)state;
	make(&made, LOOKS, 1000000, 200000);
	for (unsigned i = 0; i < made.trend->n_looks; i++)
		trend_set(&made.trend->looks[i], TREND_INTERPRETERS, 1 + i * 5);
	trend_measure(made.trend);
	add_row(&made, RETENTION_INTERPRETERS, 900000);
	add_row(&made, RETENTION_OTHER, 5000);
	made.rows[1].path = (char *)"";
	made.rows[1].items_per_s = 4;
	made.rows[1].span_s = 95;
	add_row(&made, RETENTION_CONTAINER, 2000);
	made.rows[2].path = (char *)"posix state.__base__.__subclasses__";
	/* and one that has nothing to do with them */
	add_row(&made, RETENTION_CONTAINER, 30000);
	made.profile->stacks = stacks;
	made.profile->n_stacks = 2;
	verdict = verdict_of(&made);
	assert_int_equal(verdict->n_findings, 2);
	assert_int_equal(verdict->findings[0].cause, CAUSE_INTERPRETER);
	assert_string_equal(verdict->findings[0].sentence,
			    "sub-interpreters do not end: 0 became 95 (+60/min)");
	assert_true(verdict->findings[0].bytes_per_s > 1106000 &&
		    verdict->findings[0].bytes_per_s < 1108000);
	assert_int_equal(verdict->findings[0].where->line, 14);
	assert_int_equal(verdict->findings[0].stack->outstanding_count, 1);
	assert_string_equal(verdict->findings[1].path, "app.CACHE");
	made.profile->stacks = NULL;
	made.profile->n_stacks = 0;
	end(&made);
}

/* What has a bound ends there. */
/* CPython's cache of attributes fills up, and then no more. */
static void tables_of_the_interpreter_are_no_leak(void **state)
{
	struct made made;

	(void)state;
	make(&made, LOOKS, 1000, 0);
	add_row(&made, RETENTION_FIXED, 1000);
	made.rows[0].path = (char *)"";
	assert_int_equal(verdict_of(&made)->state, VERDICT_NO_LEAK);
	assert_int_equal(made.profile->verdict->n_findings, 0);
	end(&made);
}

static void a_container_with_a_bound_is_no_leak(void **state)
{
	const struct verdict *verdict;
	struct made made;

	(void)state;
	make(&made, LOOKS, 10000, 0);
	add_row(&made, RETENTION_CONTAINER, 9900);
	made.rows[0].bound = 4096;
	verdict = verdict_of(&made);
	assert_int_equal(verdict->state, VERDICT_GROWING);
	assert_non_null(strstr(verdict->sentence, "it ends at the bound"));
	assert_non_null(strstr(verdict->findings[0].sentence, "fills up to its bound of 4,096"));
	end(&made);
}

/* Objects, C's blocks, and what neither explains. */
static void findings_and_the_rest_add_up_to_the_growth(void **state)
{
	const struct verdict *verdict;
	struct made made;
	double sum = 0;

	(void)state;
	make(&made, LOOKS, 20000, 30000);
	add_row(&made, RETENTION_CONTAINER, 10000);
	verdict = verdict_of(&made);
	assert_int_equal(verdict->state, VERDICT_LEAK);
	assert_int_equal(verdict->n_findings, 2);
	assert_int_equal(verdict->findings[0].cause, CAUSE_C_MEMORY);
	for (size_t i = 0; i < verdict->n_findings; i++)
		sum += verdict->findings[i].bytes_per_s;
	assert_true(verdict->growth_per_s > 49000 && verdict->growth_per_s < 51000);
	assert_float_equal(sum + verdict->unexplained_per_s, verdict->growth_per_s, 1);
	assert_true(verdict->explained > 0.75 && verdict->explained < 0.85);
	end(&made);
}

static void the_limit_of_a_control_group_is_foreseen(void **state)
{
	struct made made;

	(void)state;
	make(&made, LOOKS, 1 << 20, 0);
	add_row(&made, RETENTION_CONTAINER, 1 << 20);
	made.trend->cgroup = (struct trend_cgroup){.have = true,
						   .have_limit = true,
						   .limit_bytes = 1ull << 30,
						   .usage_bytes = 1ull << 29};
	verdict_of(&made);
	assert_true(made.profile->verdict->limit_in_s > 500 &&
		    made.profile->verdict->limit_in_s < 525);
	assert_non_null(strstr(made.profile->verdict->sentence, "is reached in about 8 min"));
	end(&made);
}

struct maker_case {
	struct type_share share; /* of the stack's blocks */
	const char *item_type;
	uint64_t count, seen;
	bool is_named;
	const char *python; /* NULL: it does not matter */
};

/*
 * An estimate names a line when it comes from enough blocks; never of a type with a free list,
 * whose blocks another line has made, but of the buffers of its objects.
 */
static void estimates_name_lines_that_they_can_prove(void **state)
{
	static const struct maker_case cases[] = {
		{{"app.Item", 1000, 9000}, "app.Item", 1000, 9, true, NULL},
		{{"app.Item", 1000, 9000}, "app.Item", 1000, 4, false, NULL},
		{{"str", 1000, 9000}, "str", 1000, 9, true, NULL},
		{{"app.Other", 1000, 9000}, "app.Item", 1000, 9, false, NULL},
		{{"dict", 1000, 9000}, "dict", 1000, 9, false, NULL},
		{{"[buffer]", 1000, 9000}, "dict", 1000, 9, false, NULL},
		{{"[buffer]", 1000, 9000}, "list", 1000, 9, true, NULL},
		{{"[buffer]", 1000, 9000}, "list", 9000, 9, false, NULL},
		/* what each holds: one or more */
		{{"str", 1000, 9000}, "dict", 1000, 9, true, NULL},
		{{"str", 1000, 9000}, "dict", 500, 9, false, NULL},
		{{"int", 1000, 9000}, "dict", 1000, 9, false, NULL},
		/* in some versions these have none */
		{{"method", 1000, 9000}, "method", 1000, 9, false, "3.8.18"},
		{{"method", 1000, 9000}, "method", 1000, 9, true, "3.11.2"},
		{{"method", 1000, 9000}, "method", 1000, 9, false, "3.14.0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stack stack = {.domain = DOMAIN_OBJECT,
				      .estimated = true,
				      .outstanding_bytes = 9000,
				      .outstanding_count = cases[i].count,
				      .bytes_error = 90,
				      .count_error = 1,
				      .seen = cases[i].seen,
				      .types = &cases[i].share,
				      .n_types = 1};
		struct made made;
		const struct finding *finding;

		make(&made, LOOKS, 10000, 0);
		add_row(&made, RETENTION_HELD, 9900);
		made.rows[0].item_type = (char *)cases[i].item_type;
		made.rows[0].items_delta = 1000;
		made.profile->target.python = cases[i].python;
		made.profile->stacks = &stack;
		made.profile->n_stacks = 1;
		verdict_of(&made);
		finding = &made.profile->verdict->findings[0];
		/* a copy: rows are selected and sorted later */
		assert_ptr_not_equal(finding->stack, &stack);
		if (!finding->stack != !cases[i].is_named)
			fail_msg("case %zu", i);
		made.profile->stacks = NULL;
		made.profile->n_stacks = 0;
		end(&made);
	}
}

/*
 * Large buffers of objects are malloc'ed by the interpreter: C memory that leaks is not theirs
 * while anybody else mallocs.
 */
static void c_memory_is_not_what_the_interpreter_mallocs(void **state)
{
	static const struct frame interpreter[] = {
		{.kind = FRAME_PYTHON, .function = "order", .file = "/app/web.py", .line = 7},
		{.kind = FRAME_NATIVE, .module = "python3.11"}};
	static const struct frame library[] = {
		{.kind = FRAME_PYTHON, .function = "stamp", .file = "/app/web.py", .line = 9},
		{.kind = FRAME_NATIVE, .function = "strdup", .module = "libc.so.6"}};
	struct stack stacks[] = {{.domain = DOMAIN_MALLOC,
				  .frames = interpreter,
				  .n_frames = 2,
				  .outstanding_bytes = 90000,
				  .outstanding_count = 1000},
				 {.domain = DOMAIN_MALLOC,
				  .frames = library,
				  .n_frames = 2,
				  .outstanding_bytes = 9000,
				  .outstanding_count = 1000}};

	(void)state;
	for (size_t n = 1; n <= 2; n++) {
		struct made made;
		const struct finding *finding;

		make(&made, LOOKS, 0, 10000);
		made.profile->target.python_module = "python3.11";
		made.profile->stacks = stacks;
		made.profile->n_stacks = n;
		finding = &verdict_of(&made)->findings[0];
		assert_int_equal(finding->cause, CAUSE_C_MEMORY);
		assert_string_equal(finding->where->function, n == 1 ? "order" : "stamp");
		made.profile->stacks = NULL;
		made.profile->n_stacks = 0;
		end(&made);
	}
}

/* Dicts have a free list; the strings in them have none, and were made in pools that were watched.
 */
static void what_items_hold_is_seen_in_pools(void **state)
{
	static const struct frame frames[] = {
		{.kind = FRAME_PYTHON, .function = "parse", .file = "/app/web.py", .line = 7}};
	static const struct heap_watch_instances instances = {
		.known = true, .sampled = true, .followed_s = 2};
	const struct heap_watch_stack births = {.stack = {.frames = frames, .n_frames = 1},
						.inserted = 12};
	static const struct {
		const char *name;
		double per_s;
		bool is_named;
	} cases[] = {
		{"str", 20, true}, {"str", 5, false}, {"tuple", 20, false}, {"int", 20, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct growing_class class = {.row = {.address = 0x7000,
						      .instances = &instances,
						      .stacks = &births,
						      .n_stacks = 1},
					      .name = cases[i].name,
					      .per_s = cases[i].per_s};
		const struct profile_growing_classes classes = {&class, 1};
		struct made made;

		make(&made, LOOKS, 10000, 0);
		add_row(&made, RETENTION_HELD, 9900);
		made.rows[0].item_type = (char *)"dict";
		made.profile->growing_classes = &classes;
		if (!verdict_of(&made)->findings[0].stack != !cases[i].is_named)
			fail_msg("case %zu", i);
		end(&made);
	}
}

/* Of many containers one that was watched says who fills them: by its address, or by its path. */
static void one_of_many_says_who_fills_them(void **state)
{
	static const struct frame frames[] = {
		{.kind = FRAME_PYTHON, .function = "visit", .file = "/app/web.py", .line = 7}};
	const struct heap_watch_stack stack = {.stack = {.frames = frames, .n_frames = 1},
					       .inserted = 3};
	static const struct {
		const char *path;
		uint64_t address;
		bool is_named;
	} cases[] = {
		{"app.USERS[17].history", 0x9000, true},
		{"app.USERS['a'].history", 0x9000, true},
		{"app.OTHERS", 0x1000, true},
		{"app.USERS[17].histories", 0x9000, false},
		{"app.USERS[17", 0x9000, false},
		{"app.USERS", 0x9000, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct growing_container container = {.row = {.path = cases[i].path,
							      .type = "dict",
							      .address = cases[i].address,
							      .stacks = &stack,
							      .n_stacks = 1}};
		const struct profile_growing_containers containers = {&container, 1, NULL};
		struct made made;

		make(&made, LOOKS, 10000, 0);
		add_row(&made, RETENTION_CONTAINER, 9900);
		made.rows[0].containers = 3000;
		made.rows[0].path = (char *)"app.USERS[*].history";
		made.profile->growing_containers = &containers;
		if (!verdict_of(&made)->findings[0].stack != !cases[i].is_named)
			fail_msg("case %zu", i);
		end(&made);
	}
}

/*
 * A domain is explained when lines that are not in doubt make nearly all of its growth: then it
 * needs no more windows.
 */
static void growth_is_explained_by_lines_without_doubt(void **state)
{
	static const struct {
		double objects_per_s, found_per_s;
		uint64_t seen;
		bool estimated;
		unsigned explained;
	} cases[] = {
		{10000, 9900, 9, true, 0},
		{10000, 9900, 12, true, 1u << DOMAIN_OBJECT},
		{10000, 9900, 0, false, 1u << DOMAIN_OBJECT},
		{10000, 5000, 12, true, 0},
	};
	static const struct type_share share = {"str", 1000, 9000};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stack stack = {.domain = DOMAIN_OBJECT,
				      .estimated = cases[i].estimated,
				      .outstanding_bytes = 9000,
				      .outstanding_count = 1000,
				      .bytes_error = 90,
				      .count_error = 1,
				      .seen = cases[i].seen,
				      .types = &share,
				      .n_types = 1};
		struct made made;

		make(&made, LOOKS, cases[i].objects_per_s, 0);
		add_row(&made, RETENTION_HELD, cases[i].found_per_s);
		made.rows[0].item_type = (char *)"str";
		made.rows[0].items_delta = 1000;
		assert_int_equal(judge_explained(made.profile), 0);
		made.profile->stacks = &stack;
		made.profile->n_stacks = 1;
		verdict_of(&made);
		if (judge_explained(made.profile) != cases[i].explained)
			fail_msg("case %zu: %u", i, judge_explained(made.profile));
		made.profile->stacks = NULL;
		made.profile->n_stacks = 0;
		end(&made);
	}
}

/* What a class's watchpoint has counted goes before an estimate; and only of that class. */
static void a_class_s_watchpoint_goes_before_estimates(void **state)
{
	static const struct frame frames[] = {
		{.kind = FRAME_PYTHON, .function = "login", .file = "/app/web.py", .line = 7}};
	static const struct heap_watch_instances instances = {.known = true, .followed_s = 2};
	const struct heap_watch_stack births = {.stack = {.frames = frames, .n_frames = 1},
						.inserted = 20};
	struct growing_class class = {.row = {.address = 0x7000,
					      .instances = &instances,
					      .stacks = &births,
					      .n_stacks = 1},
				      .per_s = 10};
	const struct profile_growing_classes classes = {&class, 1};
	const struct {
		uint64_t item_class;
		bool is_named;
	} cases[] = {{0x7000, true}, {0x8000, false}, {0, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct finding *finding;
		struct made made;

		make(&made, LOOKS, 10000, 0);
		add_row(&made, RETENTION_HELD, 9900);
		made.rows[0].item_class = cases[i].item_class;
		made.profile->growing_classes = &classes;
		verdict_of(&made);
		finding = &made.profile->verdict->findings[0];
		if (cases[i].is_named) {
			assert_string_equal(finding->by, "made by");
			assert_string_equal(finding->where->function, "login");
		} else {
			assert_null(finding->stack);
		}
		end(&made);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_looks_there_is_no_verdict),
		cmocka_unit_test(few_looks_are_too_early),
		cmocka_unit_test(what_does_not_grow_is_no_leak),
		cmocka_unit_test(a_container_that_grows_is_a_leak_after_a_while),
		cmocka_unit_test(lost_references_are_a_leak_at_once),
		cmocka_unit_test(garbage_is_a_leak_only_where_nobody_collects_it),
		cmocka_unit_test(tables_of_the_interpreter_are_no_leak),
		cmocka_unit_test(a_container_with_a_bound_is_no_leak),
		cmocka_unit_test(what_comes_with_threads_is_no_finding_of_its_own),
		cmocka_unit_test(threads_are_started_by_what_made_those_that_stay),
		cmocka_unit_test(what_comes_with_interpreters_is_theirs),
		cmocka_unit_test(findings_and_the_rest_add_up_to_the_growth),
		cmocka_unit_test(the_limit_of_a_control_group_is_foreseen),
		cmocka_unit_test(estimates_name_lines_that_they_can_prove),
		cmocka_unit_test(c_memory_is_not_what_the_interpreter_mallocs),
		cmocka_unit_test(what_items_hold_is_seen_in_pools),
		cmocka_unit_test(one_of_many_says_who_fills_them),
		cmocka_unit_test(growth_is_explained_by_lines_without_doubt),
		cmocka_unit_test(a_class_s_watchpoint_goes_before_estimates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
