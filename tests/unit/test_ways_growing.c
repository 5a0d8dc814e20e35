/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What retains more and more in running interpreters, found from outside: one container, many
 * alike, a linked list, a closure, callbacks of atexit, lost references, cycles; and nothing else.
 * And interpreters in a process that makes more and more of them.
 */
#include "unit/each_minor.h"

#include "census/heap_target.h"
#include "census/ways_growing.h"

#define STEPS 6

struct subject {
	struct python_child child;
	struct heap_target target;
	struct retained *retained;
	struct retention rows[WAYS_GROWING_MAX];
	size_t n;
	uint64_t bytes[STEPS]; /* of all objects */
};

static void wait_for_step(struct subject *subject)
{
	child_facts_free(child_facts(&subject->child));
	child_sleeps(&subject->child);
}

/* One look; the steps are its clock. */
static void look(struct subject *subject, unsigned step)
{
	struct reach reach = {0};
	struct edges edges;
	struct err err = ERR_INIT;

	assert_int_equal(reach_scan(&reach, subject->target.census, &err), 0);
	assert_int_equal(retained_begin(subject->retained, &reach, &err), 0);
	reach.retained = subject->retained;
	assert_int_equal(reach_search(&reach, &err), 0);
	reach_rest(&reach);
	reach.scan->at_s = step;
	subject->bytes[step] = reach.scan->bytes;
	assert_int_equal(retained_end(subject->retained, &err), 0);
	assert_int_equal(edges_init(&edges, &reach, &err), 0);
	for (size_t i = 0; i < subject->n; i++)
		retention_fini(&subject->rows[i]);
	assert_int_equal(ways_growing(subject->rows, &subject->n, subject->retained, &edges, &err),
			 0);
	edges_fini(&edges);
	retained_abandon(subject->retained);
	reach_fini(&reach);
}

static bool begin(struct subject *subject, const char *python, const char *script)
{
	struct err err = ERR_INIT;

	memset(subject, 0, sizeof(*subject));
	child_start(&subject->child, python, script, NULL);
	wait_for_step(subject);
	if (heap_target_open(&subject->target, subject->child.pid, &err)) {
		child_end(&subject->child);
		if (err.code != ERR_PERMISSION)
			fail_msg("%s: %s", python, err.text);
		print_message("skip: no process may read its child here: %s\n", err.text);
		skip();
	}
	subject->retained = retained_new();
	assert_non_null(subject->retained);
	for (unsigned step = 0; step < STEPS; step++) {
		if (step) {
			assert_int_equal(write(subject->child.input, "g", 1), 1);
			wait_for_step(subject);
		}
		look(subject, step);
	}
	return true;
}

static void end(struct subject *subject)
{
	for (size_t i = 0; i < subject->n; i++)
		retention_fini(&subject->rows[i]);
	retained_free(subject->retained);
	heap_target_close(&subject->target);
	child_end(&subject->child);
}

static const struct retention *find(const struct subject *subject, enum retention_kind kind,
				    const char *item_type)
{
	for (size_t i = 0; i < subject->n; i++)
		if (subject->rows[i].kind == kind && !strcmp(subject->rows[i].item_type, item_type))
			return &subject->rows[i];
	return NULL;
}

static void fail_row(const struct subject *subject, const char *python, const char *what)
{
	for (size_t i = 0; i < subject->n; i++)
		print_message("%d %s (%s) %s %ld\n", subject->rows[i].kind, subject->rows[i].path,
			      subject->rows[i].type, subject->rows[i].item_type,
			      (long)subject->rows[i].items_delta);
	fail_msg("%s: %s does not grow", python, what);
}

/* What a container of the program says of its own bound */
static void check_bounds(const struct subject *subject, const char *python)
{
	static const struct {
		const char *path;
		int64_t bound;
	} bounds[] = {
		{"app.forever", -1}, {"app.up_to", 5000}, {"app.LINES", 7000}, {"app.CACHE", 0}};

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		const struct retention *row = NULL;

		for (size_t j = 0; j < subject->n; j++)
			if (!strncmp(subject->rows[j].path, bounds[i].path, strlen(bounds[i].path)))
				row = &subject->rows[j];
		if (!row)
			fail_row(subject, python, bounds[i].path);
		if (row->bound != bounds[i].bound)
			fail_msg("%s: %s (%s) has the bound %ld", python, row->path, row->type,
				 (long)row->bound);
	}
}

/* Up to 3.13 they are in an array of C code, then in a list of tuples: one row for all. */
static void check_callbacks(const struct subject *subject, const char *python)
{
	const struct retention *row = NULL;

	for (size_t i = 0; i < subject->n; i++) {
		assert_string_not_equal(subject->rows[i].item_type, "__main__.Closing");
		if (strcmp(subject->rows[i].path, "atexit callbacks") != 0)
			continue;
		assert_null(row);
		row = &subject->rows[i];
	}
	if (!row)
		fail_row(subject, python, "atexit callbacks");
	assert_int_equal(row->kind, RETENTION_CONTAINER);
	assert_int_equal(row->containers, 1);
	assert_int_equal(row->items_delta, 50 * (STEPS - 1));
	assert_string_equal(row->item_type, strcmp(row->type, "array") ? "tuple" : "method");
}

static void check(const char *python)
{
	static const struct {
		enum retention_kind kind;
		const char *path, *type, *item;
		uint64_t containers;
		int64_t each; /* a step */
	} expected[] = {
		{RETENTION_CONTAINER, "app.CACHE", "dict", "__main__.Item", 1, 100},
		{RETENTION_CONTAINER, "app.USERS[*].history", "list", "__main__.Visit", 50, 200},
		{RETENTION_HELD, "", "", "__main__.Lost", 0, 20},
		{RETENTION_GARBAGE, "", "", "__main__.Pair", 0, 40},
	};
	struct subject subject;
	double least = 0;

	begin(&subject, python, "tests/unit/print_growing.py");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct retention *row = find(&subject, expected[i].kind, expected[i].item);

		if (!row) {
			fail_row(&subject, python, expected[i].item);
		}
		assert_string_equal(row->path, expected[i].path);
		assert_string_equal(row->type, expected[i].type);
		assert_int_equal(row->containers, expected[i].containers);
		assert_int_equal(row->items_delta, expected[i].each * (STEPS - 1));
		assert_true(row->confidence > 0.99);
		assert_true(row->item_class);
	}
	check_bounds(&subject, python);
	check_callbacks(&subject, python);
	assert_non_null(find(&subject, RETENTION_CONTAINER, "__main__.Task"));
	assert_null(find(&subject, RETENTION_CONTAINER, "__main__.Scratch"));
	/* all together are not more than what the objects grew by */
	for (size_t i = 0; i < subject.n; i++)
		least += subject.rows[i].least_bytes_per_s;
	assert_true(least <= (double)(subject.bytes[STEPS - 1] - subject.bytes[0]) / (STEPS - 1));
	assert_true(least >=
		    0.8 * (double)(subject.bytes[STEPS - 1] - subject.bytes[0]) / (STEPS - 1));
	end(&subject);
}

/* Each step makes three; nearly all that comes is theirs, and no module's of the main one. */
static void check_interpreters(const char *python)
{
	struct subject subject;
	double sum = 0, all;
	uint64_t n;

	begin(&subject, python, "tests/unit/print_interpreters.py");
	assert_true(
		py_runtime_interpreters(&subject.target.target->runtime, subject.child.pid, &n));
	assert_int_equal(n, 1 + 3 * STEPS);
	for (size_t i = 0; i < subject.n; i++) {
		const struct retention *row = &subject.rows[i];

		if (row->kind == RETENTION_INTERPRETERS)
			sum += row->bytes_per_s;
		else if (row->kind == RETENTION_CONTAINER && !strstr(row->path, "__subclasses__"))
			assert_string_equal(row->path, "__main__.made");
	}
	all = (double)(subject.bytes[STEPS - 1] - subject.bytes[0]) / (STEPS - 1);
	assert_true(sum > 0.8 * all && sum <= all);
	end(&subject);
}

static void interpreters_have_what_grows_with_them(void **state)
{
	if (minor_of(state) >= 8) /* older versions have no way to make one from Python */
		with_pythons(minor_of(state), check_interpreters);
}

static void what_grows_is_named_with_its_exact_growth(void **state)
{
	with_pythons(minor_of(state), check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EACH_MINOR(what_grows_is_named_with_its_exact_growth),
		ON_EACH_MINOR(interpreters_have_what_grows_with_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
