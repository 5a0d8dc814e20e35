/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is recorded is what was shown; what a file of it costs. Damage is in
 * test_recording_damage.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "unit/recorded.h"
#include "unit/recorded_fill.h"

#include "model/trend.h"
#include "record/encode.h"
#include "record/format.h"

/* ---- round trips ---------------------------------------------------------------------------- */

static void assert_same(const struct profile *a, const struct profile *b, const char *name)
{
	for (size_t i = 0; i < RECORDED_WRITERS; i++) {
		char *x = golden_text(recorded_writers[i], a, NULL);
		char *y = golden_text(recorded_writers[i], b, NULL);

		if (strcmp(x, y)) {
			size_t at = 0;

			while (x[at] == y[at])
				at++;
			fail_msg("%s, writer %zu: \"%.60s\", \"%.60s\"", name, i, x + at, y + at);
		}
		free(x);
		free(y);
	}
}

/* Groups are made from the stacks when they are shown; what was selected is shown from the whole.
 */
static void every_report_of_a_recording_is_that_of_its_profile(void **state)
{
	(void)state;
	for (const char *const *name = made_names; *name; name++) {
		struct profile *profile = made_profile(*name), *read;

		profile->selection = (struct selection){0};
		read = recorded(profile);
		if (profile->grouping) {
			profile_group(profile, profile->grouping->by, ORDER_SIZE);
			profile_group(read, profile->grouping->by, ORDER_SIZE);
		}
		assert_same(profile, read, *name);
		profile_free(profile);
		profile_free(read);
	}
}

static void many_stacks_of_hostile_names(void **state)
{
	struct profile *profile = made_large(), *read = recorded(profile);

	(void)state;
	assert_same(profile, read, "large");
	profile_free(profile);
	profile_free(read);
}

/* ---- each field ----------------------------------------------------------------------------- */

/* As JSON, with all names. */
static char *encoded(const struct profile *profile)
{
	struct names_out names = {0};
	char *lines = NULL, *body, *all = NULL;
	size_t length = 0;
	json_t *value;

	names.lines = open_memstream(&lines, &length);
	value = encode(&names, &shape_profile, profile);
	assert_false(names.failed);
	fclose(names.lines);
	body = names_text(value);
	assert_true(asprintf(&all, "%s%s", lines, body) > 0);
	json_decref(value);
	names_out_clear(&names);
	free(body);
	free(lines);
	return all;
}

static void each_field_comes_back(void **state)
{
	struct profile *profile = filled(), *read = recorded(profile);
	char *a = encoded(profile), *b = encoded(read);

	(void)state;
	assert_string_equal(a, b);
	assert_true(strlen(a) > 10000);
	assert_same(profile, read, "filled");
	assert_ptr_equal(read->verdict->findings[0].where,
			 &read->verdict->findings[0].stack->frames[1]);
	free(a);
	free(b);
	profile_free(profile);
	profile_free(read);
}

/* The bytes of a struct that the fields of a shape are in. */
static void mark(char *used, const struct shape *shape)
{
	for (const struct field *field = shape->fields; field->name; field++) {
		size_t times = field->times ? field->times : 1;

		if (field->kind == FIELD_STRUCT && field->of->named && !field->behind)
			mark(used, field->of); /* a part of the same struct */
		else if (field->kind == FIELD_FEW)
			memset(used + field->offset, 1, field->size * TREND_KINDS);
		else
			memset(used + field->offset, 1,
			       field->behind ? sizeof(void *) : field->size * times);
		if (field->counted || field->kind == FIELD_FEW)
			memset(used + field->count_at, 1,
			       field->counted ? sizeof(size_t) : sizeof(uint32_t));
	}
}

/* What belongs to no field is padding: else a member is new, and shapes.c has no row for it. */
static void check_covered(const struct shape *shape)
{
	char *used = calloc(1, shape->size);

	mark(used, shape);
	for (size_t i = 0, run = 0; i < shape->size; i++) {
		run = used[i] ? 0 : run + 1;
		if (run >= sizeof(void *))
			fail_msg("%s: no field of shapes.c has byte %zu", shape->name, i);
	}
	free(used);
	for (const struct field *field = shape->fields; field->name; field++)
		if (field->of && (!field->of->named || field->behind))
			check_covered(field->of);
}

static void no_member_of_the_model_is_missed(void **state)
{
	struct shape profile = shape_profile;
	size_t n = 0;

	(void)state;
	while (profile.fields[n].name)
		n++;
	/* what is made when it is shown, the verdicts of several, and what is private */
	profile.fields[n++] = (struct field){.name = "selection",
					     .kind = FIELD_BOOL,
					     .offset = offsetof(struct profile, selection),
					     .size = sizeof(struct selection)};
	profile.fields[n++] = (struct field){.name = "grouping",
					     .kind = FIELD_BOOL,
					     .offset = offsetof(struct profile, grouping),
					     .size = sizeof(void *)};
	profile.fields[n++] = (struct field){.name = "verdicts",
					     .kind = FIELD_BOOL,
					     .offset = offsetof(struct profile, verdicts),
					     .size = 2 * sizeof(void *)};
	profile.fields[n++] = (struct field){.name = "arena",
					     .kind = FIELD_BOOL,
					     .offset = offsetof(struct profile, arena),
					     .size = sizeof(void *)};
	/* texts of the program's files stay with it */
	profile.fields[n++] = (struct field){.name = "sources",
					     .kind = FIELD_BOOL,
					     .offset = offsetof(struct profile, sources),
					     .size = sizeof(void *)};
	assert_true(n < SHAPE_FIELDS);
	check_covered(&profile);
}

/* ---- spans ---------------------------------------------------------------------------------- */

static struct profile *made_service_of(unsigned n_stacks, unsigned n_frames)
{
	struct profile *profile = profile_new();

	made_target(profile);
	profile->stacks = profile_alloc(profile, n_stacks * sizeof(*profile->stacks));
	profile->n_stacks = n_stacks;
	for (unsigned i = 0; i < n_stacks; i++) {
		struct frame *frames = profile_alloc(profile, n_frames * sizeof(*frames));

		for (unsigned j = 0; j < n_frames; j++)
			frames[j] = made_python(
				profile, profile_format(profile, "Handler%u.method%u", i / 7, j),
				profile_format(profile, "/srv/app/package%u/module%u.py", j % 9,
					       i / 5 + j),
				10 * i + j);
		profile->stacks[i] = (struct stack){
			.domain = i % DOMAIN_COUNT, .frames = frames, .n_frames = n_frames};
	}
	return profile;
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* A busy service's next report: every stack's every figure is another. */
static void change_figures(struct profile *profile, double at_s)
{
	profile->time.tv_sec = 1770127387 + (time_t)at_s;
	profile->duration_s = at_s;
	profile->totals.outstanding_bytes = 0;
	for (size_t i = 0; i < profile->n_stacks; i++) {
		struct stack *stack = &profile->stacks[i];

		stack->estimated = i % 3 != 0;
		stack->outstanding_bytes = 10000 + next_random() % 5000000;
		stack->outstanding_count = 100 + next_random() % 30000;
		stack->bytes_error = stack->estimated ? (double)(next_random() % 500000) / 7 : 0;
		stack->count_error = stack->estimated ? (double)(next_random() % 3000) / 7 : 0;
		stack->seen = stack->estimated ? next_random() % 1000 : 0;
		stack->oldest_s = at_s + (double)(next_random() % 1000000) / 1e6;
		stack->newest_s = (double)(next_random() % 5000000) / 1e6;
		stack->growth_bytes_per_s = (double)(next_random() % 100000) / 7;
		sum_add(&profile->totals.outstanding_bytes, stack->outstanding_bytes);
	}
}

static struct trend *hourly_trend(struct profile *profile)
{
	struct trend *trend = profile_alloc(profile, sizeof(*trend));

	trend->looks = profile_alloc(profile, TREND_LOOKS_MAX * sizeof(*trend->looks));
	trend->have_room = trend->have_account = trend->have_threads = true;
	trend->threads.rows = profile_alloc(profile, 8 * sizeof(*trend->threads.rows));
	trend->threads.n_rows = 8;
	for (unsigned i = 0; i < 8; i++)
		trend->threads.rows[i] =
			(struct trend_thread){.ident = 0x7f0000000000 + i * 8192,
					      .tid = (pid_t)(4242 + i),
					      .state = 'S',
					      .name = (char *)"worker",
					      .function = (char *)"Queue.get",
					      .file = (char *)"/usr/lib/python3.11/queue.py",
					      .line = 171};
	profile->trend = trend;
	return trend;
}

/* As trend/series.h does: when it is full, every second look goes. */
static void add_moment(struct trend *trend, double at_s)
{
	struct trend_look *look;

	if (trend->n_looks == TREND_LOOKS_MAX) {
		trend->n_looks = TREND_LOOKS_MAX / 2;
		for (size_t i = 0; i < trend->n_looks; i++)
			trend->looks[i] = trend->looks[2 * i];
	}
	look = &trend->looks[trend->n_looks++];
	*look = (struct trend_look){.at_s = 81234.567891 + at_s};
	for (int kind = 0; kind < TREND_KINDS; kind++) {
		trend_set(look, kind, 700000000 + next_random() % 100000000);
		trend->rows[kind] = (struct trend_row){.kind = kind,
						       .n = trend->n_looks,
						       .first = trend->looks[0].value[kind],
						       .last = look->value[kind],
						       .per_s = (double)next_random() / 1e15,
						       .least_per_s = (double)next_random() / 1e16,
						       .confidence = 0.987654321,
						       .shape = FIT_STEADY};
	}
	for (size_t i = 0; i < HEAP_SIZE_CLASSES; i++)
		trend->room.pool_blocks[i] = next_random() % 100000;
}

static void made_growing(struct profile *profile)
{
	struct heap_growth_row *rows = profile_alloc(profile, 10 * sizeof(*rows));

	for (size_t i = 0; i < 10; i++)
		rows[i] = (struct heap_growth_row){
			.name = profile_format(profile, "app.models.Thing%zu", i),
			.count = next_random() % 1000000,
			.bytes = next_random() % 100000000,
			.count_delta = (int64_t)(next_random() % 100000),
			.count_per_min = (double)next_random() / 1e15,
			.bytes_per_min = (double)next_random() / 1e15,
			.confidence = 0.999,
			.shape = FIT_STEADY};
	profile->growing_types = profile_alloc(profile, sizeof(*profile->growing_types));
	*profile->growing_types = (struct profile_growing_types){
		.rows = rows, .n_rows = 10, .span_s = 60, .n_scans = 20};
}

#define LOOKS_OF_AN_HOUR 720

static void an_hour_of_a_busy_service_is_below_5_mb(void **state)
{
	const char *path = recorded_path();
	struct recorder *recorder = recorded_begin(path);
	struct profile *profile = made_service_of(150, 25), *read;
	struct trend *trend = hourly_trend(profile);
	struct recording *recording;
	struct stat about;

	(void)state;
	for (unsigned i = 1; i <= LOOKS_OF_AN_HOUR; i++) {
		change_figures(profile, 5 * i);
		add_moment(trend, 5 * i);
		made_growing(profile);
		recorded_add(recorder, profile, 5 * i);
	}
	recorder_close(recorder);
	assert_int_equal(stat(path, &about), 0);
	print_message("an hour: %lld bytes\n", (long long)about.st_size);
	assert_true(about.st_size < 5000000);

	/* the last, and one in the middle, without what is before their segments */
	recording = recorded_open(path);
	assert_int_equal(recording->n_looks, LOOKS_OF_AN_HOUR);
	assert_true(recording_end_s(recording) == 3600);
	assert_int_equal(recording->looks[300].segment, recording->looks[256].offset);
	read = recorded_read(recording, LOOKS_OF_AN_HOUR - 1);
	assert_same(profile, read, "the last");
	profile_free(read);
	read = recorded_read(recording, 300);
	assert_true(read->duration_s == 5 * 301);
	assert_int_equal(read->n_stacks, 150);
	assert_int_equal(read->stacks[149].n_frames, 25);
	profile_free(read);
	recording_close(recording);
	profile_free(profile);
	recorded_remove(path);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void a_recording_is_not_written_over(void **state)
{
	const char *path = recorded_path();
	struct recorder *recorder = recorded_begin(path);
	struct err err = ERR_INIT;
	struct stat about;

	(void)state;
	assert_null(recorder_open(path, &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.text, "never written over"));
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	assert_null(recording_open(path, &err));
	assert_non_null(strstr(err.text, "empty"));
	recorder_close(recorder);
	assert_int_equal(access(path, F_OK), -1);
	recorded_remove(path);
	assert_null(recorder_open("/nowhere/x.plt", &err));
	assert_int_equal(err.code, ERR_FAILED);
}

/* As on a full disk. */
static void a_write_that_fails_leaves_the_whole_reports(void **state)
{
	const char *path = recorded_path();
	struct recorder *recorder = recorded_begin(path);
	struct profile *profile = made_profile("service");
	struct err err = ERR_INIT;
	struct rlimit before, limit;
	struct recording *recording;
	struct stat about, after;

	(void)state;
	recorded_add(recorder, profile, 1);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){(rlim_t)about.st_size + 100, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(
		recorder_add(recorder, profile, &(struct recorder_moment){.at_s = 2}, &err),
		-ERR_FAILED);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, about.st_size);
	/* there is room again: what was not written is named again */
	recorded_add(recorder, profile, 3);
	recorder_close(recorder);
	recording = recorded_open(path);
	assert_int_equal(recording->n_looks, 2);
	assert_int_equal(recording->n_damages, 0);
	profile_free(recorded_read(recording, 1));
	recording_close(recording);
	profile_free(profile);
	recorded_remove(path);
}

static void what_is_no_recording_is_refused(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_null(recording_open("/nowhere/x.plt", &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_null(recording_open("/tmp", &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_null(recording_open("tests/unit/test_recording.c", &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.text, "no report"));
}

#define OLD_FILE "tests/data/recording-1.plt"

/* The file of version 1 stays as it is. With UPDATE_GOLDEN=1 and without the file it is made. */
static void a_recording_of_version_1_is_read(void **state)
{
	struct profile *profile = made_profile("answered"), *read;
	struct recording *recording;

	(void)state;
	if (getenv("UPDATE_GOLDEN") && access(OLD_FILE, F_OK)) {
		struct recorder *recorder = recorded_begin(OLD_FILE);

		recorded_add(recorder, profile, 5);
		add_moment(hourly_trend(profile), 10);
		made_growing(profile);
		recorded_add(recorder, profile, 10);
		recorder_close(recorder);
	}
	recording = recorded_open(OLD_FILE);
	assert_int_equal(recording->n_looks, 2);
	read = recorded_read(recording, 0);
	shapes_round(profile);
	profile->trend = NULL;
	profile->growing_types = NULL;
	assert_int_equal(read->n_stacks, profile->n_stacks);
	assert_true(read->totals.outstanding_bytes == profile->totals.outstanding_bytes);
	assert_string_equal(read->verdict->findings[0].path, "app.cache.SESSIONS");
	profile_free(read);
	read = recorded_read(recording, 1);
	assert_int_equal(read->trend->n_looks, 1);
	assert_int_equal(read->growing_types->n_rows, 10);
	profile_free(read);
	recording_close(recording);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_report_of_a_recording_is_that_of_its_profile),
		cmocka_unit_test(many_stacks_of_hostile_names),
		cmocka_unit_test(each_field_comes_back),
		cmocka_unit_test(no_member_of_the_model_is_missed),
		cmocka_unit_test(an_hour_of_a_busy_service_is_below_5_mb),
		cmocka_unit_test(a_recording_is_not_written_over),
		cmocka_unit_test(a_write_that_fails_leaves_the_whole_reports),
		cmocka_unit_test(what_is_no_recording_is_refused),
		cmocka_unit_test(a_recording_of_version_1_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
