/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Trends from made looks: rows, the account of RSS, what is reported and what is not; their text
 * and JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "export/trend_json.h"
#include "trend/series.h"
#include "view/trend_text.h"

#define MIB (1ull << 20)

/* A look after t seconds of a process of 100 MiB, of which 60 are objects and 30 free. */
static struct trend_look make_look(double t)
{
	struct trend_look look = {.at_s = 1000 + t};
	const struct proc_memory memory = {.rss = 100 * MIB,
					   .pss = 99 * MIB,
					   .anonymous = 95 * MIB,
					   .heap = 94 * MIB,
					   .stack = MIB / 4,
					   .data = MIB,
					   .files = 4 * MIB,
					   .shared = MIB / 2,
					   .other = MIB / 4};
	const struct heap_usage room = {.objects_bytes = 60 * MIB,
					.pymalloc_bytes = MIB,
					.malloc_bytes = 2 * MIB,
					.pools_free_bytes = 20 * MIB,
					.malloc_free_bytes = 10 * MIB,
					.stacks_bytes = MIB / 4,
					.data_bytes = MIB / 4,
					.other_bytes = MIB / 4,
					.arenas = 85};

	trend_set_memory(&look, &memory, &room);
	trend_set(&look, TREND_OBJECTS, 500000);
	trend_set(&look, TREND_FDS, 10);
	trend_set(&look, TREND_THREADS, 4);
	return look;
}

static struct trend *make_trend(size_t n, void (*change)(struct trend_look *look, double t))
{
	struct trend *trend = trend_new();

	assert_non_null(trend);
	trend->have_room = true;
	trend->room.pools_bytes = 80 * MIB;
	trend->room.pools_used_bytes = 60 * MIB;
	for (size_t i = 0; i < n; i++) {
		struct trend_look look = make_look((double)i);

		if (change)
			change(&look, (double)i);
		trend_add(trend, &look);
	}
	return trend;
}

static void evaluate(struct trend *trend)
{
	trend_measure(trend);
	trend_find(trend);
}

/* ---- rows and the account ------------------------------------------------------------------- */

static void grow(struct trend_look *look, double t)
{
	look->value[TREND_RSS] += (uint64_t)t * MIB;
	look->value[TREND_PART_OBJECTS] += (uint64_t)t * MIB * 9 / 10;
}

static void each_row_has_its_rate_and_the_account_its_rest(void **state)
{
	struct trend *trend = make_trend(7, grow);

	(void)state;
	evaluate(trend);
	assert_float_equal(trend_span_s(trend), 6, 1e-9);
	assert_int_equal(trend->rows[TREND_RSS].first, 100 * MIB);
	assert_int_equal(trend->rows[TREND_RSS].last, 106 * MIB);
	assert_float_equal(trend->rows[TREND_RSS].per_s, (double)MIB, 1);
	assert_int_equal(trend->rows[TREND_RSS].shape, FIT_STEADY);
	assert_int_equal(trend->rows[TREND_PSS].shape, FIT_STILL);
	assert_int_equal(trend->rows[TREND_CGROUP].n, 0);
	/* 100 less 60 1 2 20 10 1/2 1/4 1.25 4 1/2 1/4, and 1/10 of what it grew by */
	assert_true(trend->have_account);
	assert_int_equal(trend->unexplained_bytes,
			 (int64_t)(106 * MIB - (99 * MIB + 3 * MIB / 4) - 6 * MIB * 9 / 10));
	trend_free(trend);
}

/* Without a scan there is no account; a look that has less leaves holes, not zeros. */
static void no_scan(struct trend_look *look, double t)
{
	if (t >= 3)
		look->have &= ~(((1u << TREND_KINDS) - 1) & ~(1u << TREND_RSS));
}

static void looks_without_a_scan_leave_no_account(void **state)
{
	struct trend *trend = make_trend(7, no_scan);

	(void)state;
	evaluate(trend);
	assert_int_equal(trend->rows[TREND_RSS].n, 7);
	assert_int_equal(trend->rows[TREND_PSS].n, 3);
	assert_int_equal(trend->rows[TREND_PSS].last, 99 * MIB);
	assert_false(trend->have_account);
	assert_null(trend_finding(trend, "fragmentation"));
	trend_free(trend);
}

/* A run of any length is kept whole, thinned out. */
static void a_long_watch_is_kept_whole(void **state)
{
	struct trend *trend = make_trend(5000, grow);

	(void)state;
	evaluate(trend);
	assert_int_equal(trend->n_made, 5000);
	assert_in_range(trend->n_looks, TREND_LOOKS_MAX / 2, TREND_LOOKS_MAX);
	for (size_t i = 1; i < trend->n_looks; i++)
		assert_true(trend->looks[i].at_s - trend->looks[i - 1].at_s < 5000 / 16);
	assert_float_equal(trend_span_s(trend), 4999, 1e-9);
	assert_float_equal(trend->rows[TREND_RSS].per_s, (double)MIB, 1);
	trend_forget(trend);
	evaluate(trend);
	assert_int_equal(trend->n_looks, 1);
	assert_int_equal(trend->rows[TREND_RSS].first, trend->rows[TREND_RSS].last);
	trend_free(trend);
}

/* ---- what is reported ----------------------------------------------------------------------- */

static void steady_growth_is_said_with_its_cause(void **state)
{
	struct trend *trend = make_trend(7, grow);

	(void)state;
	evaluate(trend);
	assert_string_equal(
		trend_finding(trend, "growth"),
		"RSS grows steadily, +60.0 MiB/min; 90 % of it is Python objects and their "
		"buffers.");
	assert_non_null(strstr(trend_finding(trend, "fragmentation"), "grows all the same"));
	trend_free(trend);
	/* four looks are too few to say so */
	trend = make_trend(4, grow);
	evaluate(trend);
	assert_null(trend_finding(trend, "growth"));
	assert_non_null(strstr(trend_finding(trend, "fragmentation"), "five looks are needed"));
	trend_free(trend);
}

static void no_collection(struct trend_look *look, double t)
{
	grow(look, t);
	trend_set(look, TREND_FULL_COLLECTIONS, 12);
}

static void one_collection(struct trend_look *look, double t)
{
	grow(look, t);
	trend_set(look, TREND_FULL_COLLECTIONS, 12 + (t >= 3));
}

static void no_objects(struct trend_look *look, double t)
{
	no_collection(look, t);
	look->value[TREND_PART_MALLOC] += (uint64_t)t * 2 * MIB;
}

/* What old garbage leaves behind rises as a leak does, until it is collected. */
static void growth_that_may_be_garbage_is_said_so(void **state)
{
	static const struct {
		void (*change)(struct trend_look *look, double t);
		bool enabled, may_be;
	} cases[] = {
		{no_collection, true, true},
		{one_collection, true, false},
		{grow, true, false},           /* not known */
		{no_collection, false, false}, /* that the collector is off is reported by itself */
		{no_objects, true, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct trend *trend = make_trend(7, cases[i].change);
		const char *text;

		trend->gc.have_enabled = true;
		trend->gc.enabled = cases[i].enabled;
		evaluate(trend);
		text = trend_finding(trend, "growth");
		assert_non_null(text);
		assert_int_equal(strstr(text, " No full collection ran meanwhile") != NULL,
				 cases[i].may_be);
		trend_free(trend);
	}
}

static void fill_up(struct trend_look *look, double t)
{
	uint64_t more = (uint64_t)(t < 3 ? t : 3) * 10 * MIB;

	look->value[TREND_RSS] += more;
	look->value[TREND_PART_OBJECTS] += more;
}

static void growth_that_slows_is_no_finding(void **state)
{
	struct trend *trend = make_trend(9, fill_up);

	(void)state;
	evaluate(trend);
	assert_int_equal(trend->rows[TREND_RSS].shape, FIT_SLOWING);
	assert_null(trend_finding(trend, "growth"));
	trend_free(trend);
}

/* 2 MiB a look become private of what was shared. */
static void copy(struct trend_look *look, double t)
{
	trend_set(look, TREND_PRIVATE, 20 * MIB + (uint64_t)t * 2 * MIB);
	trend_set(look, TREND_COMMON, 80 * MIB - (uint64_t)t * 2 * MIB);
}

/* The same growth of private memory, made of new memory. */
static void grow_private(struct trend_look *look, double t)
{
	copy(look, t);
	look->value[TREND_COMMON] = 80 * MIB;
	look->value[TREND_RSS] += (uint64_t)t * 2 * MIB;
}

/* Another process that ran the same program has ended: its files are this one's alone. */
static void end_other(struct trend_look *look, double t)
{
	trend_set(look, TREND_PRIVATE, 20 * MIB + (t >= 3 ? 5 * MIB : 0));
	trend_set(look, TREND_COMMON, 80 * MIB - (t >= 3 ? 5 * MIB : 0));
}

static void copy_little(struct trend_look *look, double t)
{
	trend_set(look, TREND_PRIVATE, 20 * MIB + (uint64_t)t * 8192);
	trend_set(look, TREND_COMMON, 80 * MIB - (uint64_t)t * 8192);
}

/* A leak, while as many shared file pages are evicted: RSS is flat, and TREND_COMMON does not count
 * those. */
static void leak_for_files(struct trend_look *look, double t)
{
	trend_set(look, TREND_PRIVATE, 20 * MIB + (uint64_t)t * 2 * MIB);
	trend_set(look, TREND_COMMON, 60 * MIB);
	look->value[TREND_ANONYMOUS] += (uint64_t)t * 2 * MIB;
}

/* The same in a worker whose parent writes to what they share: its pages become the worker's
 * alone. */
static void leak_and_lose(struct trend_look *look, double t)
{
	copy(look, t);
	look->value[TREND_ANONYMOUS] += (uint64_t)t * MIB;
}

/* Of what becomes private two thirds are copies, and a third is a leak. */
static void copy_and_leak(struct trend_look *look, double t)
{
	copy(look, t);
	look->value[TREND_PRIVATE] += (uint64_t)t * MIB;
	look->value[TREND_ANONYMOUS] += (uint64_t)t * MIB;
	look->value[TREND_RSS] += (uint64_t)t * MIB;
}

/* A leak of a twentieth: it is a finding. */
static void leak_little(struct trend_look *look, double t)
{
	copy(look, t);
	look->value[TREND_ANONYMOUS] += (uint64_t)t * MIB / 10;
	look->value[TREND_RSS] += (uint64_t)t * MIB / 10;
}

/* As much is swapped out as leaks. */
static void leak_and_swap(struct trend_look *look, double t)
{
	copy(look, t);
	look->value[TREND_SWAP] += (uint64_t)t * 2 * MIB;
}

static void private_copies_are_no_leak(void **state)
{
	void (*const others[])(struct trend_look * look, double t) = {
		NULL,           grow,          grow_private,  end_other,   copy_little,
		leak_for_files, leak_and_lose, copy_and_leak, leak_little, leak_and_swap};
	struct trend *trend = make_trend(7, copy);
	const char *text;

	(void)state;
	evaluate(trend);
	assert_null(trend_finding(trend, "growth"));
	text = trend_finding(trend, "copy_on_write");
	assert_non_null(text);
	assert_non_null(strstr(text, "Private memory grows, +120.0 MiB/min, while RSS does not"));
	assert_non_null(strstr(text, "not a leak"));
	assert_non_null(strstr(text, "after 68.0 MiB more at most. gc.freeze() before the fork"));
	assert_true(strlen(text) < TREND_SENTENCE_MAX - 1);
	trend->gc.have_frozen = true;
	trend->gc.frozen = 1000;
	evaluate(trend);
	/* it was called: that is no advice any more */
	assert_null(strstr(trend_finding(trend, "copy_on_write"), "gc.freeze()"));
	trend_free(trend);
	/* four looks are too few to say so */
	trend = make_trend(4, copy);
	evaluate(trend);
	assert_null(trend_finding(trend, "copy_on_write"));
	trend_free(trend);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		trend = make_trend(7, others[i]);
		evaluate(trend);
		assert_null(trend_finding(trend, "copy_on_write"));
		for (size_t j = 0; j < trend->n_findings; j++)
			if (strcmp(trend->findings[j].name, "fragmentation") != 0)
				assert_null(strstr(trend->findings[j].sentence, "not a leak"));
		trend_free(trend);
	}
	trend = make_trend(7, copy_and_leak);
	evaluate(trend);
	assert_non_null(trend_finding(trend, "growth"));
	trend_free(trend);
}

static void little_free(struct trend_look *look, double t)
{
	(void)t;
	look->value[TREND_PART_POOLS_FREE] = 10 * MIB;
	look->value[TREND_PART_OBJECTS] += 10 * MIB;
}

static void memory_that_is_kept_free_is_fragmentation(void **state)
{
	struct trend *trend = make_trend(7, NULL);
	const char *text;

	(void)state;
	evaluate(trend);
	text = trend_finding(trend, "fragmentation");
	assert_non_null(text);
	assert_non_null(strstr(text, "30.0 MiB, 30 % of RSS"));
	assert_non_null(
		strstr(text, "pymalloc 20.0 MiB, its pools are 75 % full; malloc 10.0 MiB"));
	assert_non_null(strstr(text, "fragmentation, not a leak"));
	assert_non_null(strstr(text, "An arena goes back when all of its pools are free"));
	trend_free(trend);
	trend = make_trend(7, little_free);
	evaluate(trend);
	assert_null(trend_finding(trend, "fragmentation"));
	trend_free(trend);
}

static void free_in_heaps(struct trend_look *look, double t)
{
	(void)t;
	look->value[TREND_PART_MALLOC_FREE] += 30 * MIB;
	look->value[TREND_RSS] += 30 * MIB;
}

static void free_in_pools(struct trend_look *look, double t)
{
	(void)t;
	look->value[TREND_PART_POOLS_FREE] += 30 * MIB;
	look->value[TREND_RSS] += 30 * MIB;
}

/* What keeps the pools is said. */
static void pools_are_pinned_by_types(void **state)
{
	struct trend *trend = make_trend(7, free_in_pools);

	(void)state;
	trend->room.pinning[0] = (struct heap_pinning){"str", 10000};
	trend->room.pinning[1] = (struct heap_pinning){"app.Row", 12};
	evaluate(trend);
	assert_non_null(strstr(trend_finding(trend, "fragmentation"),
			       "gives back what is pinned. Pinned by 10,000 str, 12 app.Row."));
	trend_free(trend);
}

/* What gives it back is said by who has most of it. */
static void fragmentation_has_a_remedy(void **state)
{
	struct trend *trend = make_trend(7, free_in_heaps);

	(void)state;
	evaluate(trend);
	assert_non_null(strstr(trend_finding(trend, "fragmentation"), "malloc_trim(0)"));
	trend->room.side_free_bytes = 30 * MIB;
	evaluate(trend);
	assert_non_null(strstr(trend_finding(trend, "fragmentation"), "MALLOC_ARENA_MAX=2"));
	trend_free(trend);
}

static void leak_threads(struct trend_look *look, double t)
{
	look->value[TREND_THREADS] += (uint64_t)t;
	look->value[TREND_FDS] += 5 * (uint64_t)t;
}

static void churn_threads(struct trend_look *look, double t)
{
	look->value[TREND_THREADS] += (uint64_t)t % 3;
}

static void add_threads(struct trend *trend, size_t n)
{
	trend->have_threads = trend->threads.have_flow = true;
	trend->threads.came = 8;
	trend->threads.ended = 2;
	trend->threads.rows = calloc(n, sizeof(*trend->threads.rows));
	trend->threads.n_rows = trend->threads.n_tasks = n;
	for (size_t i = 0; i < n; i++)
		trend->threads.rows[i] = (struct trend_thread){
			.ident = i + 1,
			.tid = i ? (pid_t)i : 0,
			.state = i ? 'S' : 'R',
			.name = i ? strdup("worker\033[31m") : NULL,
			.function = i ? strdup("get") : NULL,
			.file = i ? strdup("/usr/lib/queue.py") : NULL,
			.line = 171,
			.entry = i > 2 ? strdup("pull") : NULL,
			.entry_file = i > 2 ? strdup("/srv/app/jobs.py") : NULL,
			.entry_line = 88};
}

static void threads_and_files_that_leak_are_said(void **state)
{
	struct trend *trend = make_trend(7, leak_threads);

	(void)state;
	add_threads(trend, 10);
	evaluate(trend);
	assert_string_equal(
		trend_finding(trend, "threads"),
		"Threads leak: 4 became 10 in 6 s; 8 started, 2 ended. 7 of them are in pull "
		"(/srv/app/jobs.py:88).");
	assert_string_equal(trend_finding(trend, "files"),
			    "File descriptors leak: 10 became 40 in 6 s.");
	trend_free(trend);
	trend = make_trend(7, churn_threads);
	evaluate(trend);
	assert_null(trend_finding(trend, "threads"));
	assert_null(trend_finding(trend, "files"));
	trend_free(trend);
}

static void use_cgroup(struct trend_look *look, double t)
{
	trend_set(look, TREND_CGROUP, 400 * MIB + (uint64_t)t * MIB);
}

static void the_time_to_the_limit_is_said(void **state)
{
	struct trend *trend = make_trend(7, use_cgroup);

	(void)state;
	trend->cgroup = (struct trend_cgroup){.have = true,
					      .version = 2,
					      .path = "/shop",
					      .usage_bytes = 406 * MIB,
					      .cache_bytes = 6 * MIB,
					      .have_limit = true,
					      .limit_bytes = 512 * MIB};
	evaluate(trend);
	assert_string_equal(
		trend_finding(trend, "limit"),
		"At this rate the control group reaches its limit of 512.0 MiB in 1 min 46 s "
		"(it uses 406.0 MiB, of it 6.0 MiB cache).");
	/* near it, whatever the rate; but cache is given back */
	trend->n_looks = 3;
	trend->cgroup.usage_bytes = 500 * MIB;
	evaluate(trend);
	assert_string_equal(trend_finding(trend, "limit"),
			    "The control group uses 500.0 MiB of its limit of 512.0 MiB.");
	trend->cgroup.cache_bytes = 100 * MIB;
	evaluate(trend);
	assert_null(trend_finding(trend, "limit"));
	trend_free(trend);
}

static void a_collector_that_is_off_is_said(void **state)
{
	struct trend *trend = make_trend(1, NULL);

	(void)state;
	evaluate(trend);
	assert_null(trend_finding(trend, "collector"));
	trend->gc = (struct heap_gc){.have_enabled = true,
				     .have_generations = true,
				     .counts = {1234, 0, 0},
				     .have_garbage = true};
	evaluate(trend);
	assert_non_null(strstr(trend_finding(trend, "collector"), "is off"));
	assert_non_null(strstr(trend_finding(trend, "collector"), "1234 more tracked objects"));
	trend->gc.enabled = true;
	trend->gc.garbage = 70000;
	evaluate(trend);
	assert_string_equal(trend_finding(trend, "collector"),
			    "gc.garbage keeps 70,000 objects alive.");
	trend_free(trend);
}

/* ---- text and JSON -------------------------------------------------------------------------- */

static struct trend *make_all(struct profile **about)
{
	struct trend *trend = make_trend(7, leak_threads);

	add_threads(trend, 10);
	snprintf(trend->missing[trend->n_missing++], sizeof(trend->missing[0]), "cgroup: none");
	evaluate(trend);
	*about = profile_new();
	(*about)->target.pid = 42;
	(*about)->target.python = "3.11.2";
	return trend;
}

static void threads_left_out_are_counted(void **state)
{
	const struct trend_text_options options = {.top = 1};
	struct profile *about;
	struct trend *trend = make_all(&about);
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	about->target.end = TARGET_EXITED;
	trend_text(out, about, trend, &options);
	fclose(out);
	assert_non_null(strstr(text, "\n           7 threads wait "));
	assert_non_null(strstr(text, "        and 3 more (-T 0 shows all)\n"));
	assert_non_null(strstr(text, "\nEnded early: the target has ended.\n"));
	free(text);
	trend_free(trend);
	profile_free(about);
}

static void the_text_has_all_parts(void **state)
{
	const struct trend_text_options options = {.top = 4};
	struct profile *about;
	struct trend *trend = make_all(&about);
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	trend_text(out, about, trend, &options);
	trend_text_look(out, trend, 0);
	trend_text_brief(out, trend, false);
	fclose(out);
	assert_non_null(strstr(text, "pid 42 (CPython 3.11.2): 7 looks in 6 s\n"));
	assert_non_null(strstr(text, "\nThreads leak: 4 became 10"));
	assert_non_null(
		strstr(text, "    60.0 MiB   60 %           0 B  Python objects and their"));
	assert_non_null(strstr(text, "   256.0 KiB  0.2 %                unexplained\n"));
	assert_non_null(strstr(text, "           ? runs   (no name), not in Python\n"));
	/* threads at one place are one line, the most first */
	assert_non_null(strstr(text,
			       "\n           7 threads wait in get (/usr/lib/queue.py:171), from "
			       "pull (/srv/app/jobs.py:88): worker\\x1b[31m, worker\\x1b[31m, "
			       "worker\\x1b[31m, ...\n           2 threads wait in get "
			       "(/usr/lib/queue.py:171): worker\\x1b[31m, worker\\x1b[31m\n"));
	assert_null(strstr(text, "(-T 0 shows all)\n"));
	assert_null(strstr(text, " \n"));
	assert_null(strstr(text, "-0 "));
	assert_non_null(strstr(text, "not known: cgroup: none\n"));
	assert_null(strstr(text, "\ncgroup "));
	assert_non_null(strstr(text,
			       "]  RSS 100.0 MiB  objects 60.0 MiB  C 2.0 MiB  free 30.0 MiB  "
			       "threads 10  files 40\n"));
	assert_non_null(strstr(text, "Memory: RSS 100.0 MiB, PSS 99.0 MiB, anonymous 95.0 MiB, 10 "
				     "threads (+6), 40 file descriptors (+30)\n"));
	free(text);
	profile_free(about);
	trend_free(trend);
}

static void the_json_has_the_same_account(void **state)
{
	struct profile *about;
	struct trend *trend = make_all(&about);
	json_t *value = json_part_trend(trend), *account;
	json_int_t sum = 0;
	const char *name;
	json_t *part;

	(void)state;
	assert_non_null(value);
	assert_int_equal(json_array_size(json_object_get(value, "threads")), 10);
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(value, "thread_counts"), "came")),
			 8);
	account = json_object_get(value, "account");
	json_object_foreach(account, name, part) sum += json_integer_value(part);
	assert_int_equal(sum, 100 * MIB);
	assert_null(json_object_get(value, "cgroup"));
	assert_int_equal(json_array_size(json_object_get(value, "missing")), 1);
	assert_int_equal(json_array_size(json_object_get(value, "findings")), trend->n_findings);
	json_decref(value);
	profile_free(about);
	trend_free(trend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_has_its_rate_and_the_account_its_rest),
		cmocka_unit_test(looks_without_a_scan_leave_no_account),
		cmocka_unit_test(a_long_watch_is_kept_whole),
		cmocka_unit_test(steady_growth_is_said_with_its_cause),
		cmocka_unit_test(growth_that_may_be_garbage_is_said_so),
		cmocka_unit_test(growth_that_slows_is_no_finding),
		cmocka_unit_test(private_copies_are_no_leak),
		cmocka_unit_test(memory_that_is_kept_free_is_fragmentation),
		cmocka_unit_test(fragmentation_has_a_remedy),
		cmocka_unit_test(pools_are_pinned_by_types),
		cmocka_unit_test(threads_and_files_that_leak_are_said),
		cmocka_unit_test(the_time_to_the_limit_is_said),
		cmocka_unit_test(a_collector_that_is_off_is_said),
		cmocka_unit_test(the_text_has_all_parts),
		cmocka_unit_test(threads_left_out_are_counted),
		cmocka_unit_test(the_json_has_the_same_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
