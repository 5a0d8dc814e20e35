/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A census of running interpreters, object by object: exactly what the collector tracks, all
 * others that the script keeps, none that it dropped.
 */
#include "unit/each_minor.h"

#include <stdbool.h>

#include <uthash.h>

#include "census/scan.h"

struct seen {
	uint64_t address;
	char letter; /* of the script; '?': not announced */
	bool found, tracked;
	UT_hash_handle hh;
};

static struct seen *find(struct seen **all, uint64_t address, bool make)
{
	struct seen *one;

	HASH_FIND(hh, *all, &address, sizeof(address), one);
	if (!one && make) {
		one = calloc(1, sizeof(*one));
		assert_non_null(one);
		one->address = address;
		one->letter = '?';
		HASH_ADD(hh, *all, address, sizeof(one->address), one);
	}
	return one;
}

static void see(void *context, const struct found *found)
{
	struct seen **all = context, *one = find(all, found->address, true);

	if (one->found)
		fail_msg("0x%lx was found twice", found->address);
	one->found = true;
	one->tracked = found->tracked;
	if (one->letter == '?' && found->tracked)
		fail_msg("a %s at 0x%lx is not tracked in truth", found->type->py->name,
			 found->address);
	if (one->letter == 'f')
		assert_string_equal(found->type->py->name, "float");
	if (one->letter == 'b')
		assert_string_equal(found->type->py->name, "bytes");
	if (one->letter == 's')
		assert_string_equal(found->type->py->name, "str");
	if (one->letter == 'i')
		assert_string_equal(found->type->py->name, "int");
}

static const char *environment;

static void check_python(const char *python)
{
	struct python_child child;
	struct seen *all = NULL, *one, *next;
	struct err err = ERR_INIT;
	struct census *census;
	struct heap_scan *scan;
	size_t n_tracked = 0, n_dead = 0;
	char **facts;

	child_start(&child, python, "tests/unit/print_heap.py", environment);
	facts = child_facts(&child);
	child_runtime(&child, facts[0]);
	for (size_t i = 1; facts[i]; i++) {
		uint64_t address = strtoull(facts[i] + 2, NULL, 16);

		one = find(&all, address, true);
		/* what was dropped may be something else by now */
		if (one->letter == '?' || one->letter == 'x')
			one->letter = facts[i][0];
	}
	census = census_new(child.pid, &child.runtime, &err);
	assert_non_null(census);
	census_set_object_cb(census, see, &all);
	child_sleeps(&child);
	scan = census_scan(census, &err);
	if (!scan)
		fail_msg("%s: %s", python, err.text);
	HASH_ITER (hh, all, one, next) {
		if (one->letter != '?' && one->letter != 'x' && !one->found)
			fail_msg("%s: '%c' at 0x%lx was not found", python, one->letter,
				 one->address);
		if (one->letter == 't')
			assert_true(one->tracked);
		n_tracked += one->letter == 't';
		n_dead += one->letter == 'x' && !one->found;
		HASH_DEL(all, one);
		free(one);
	}
	assert_true(n_tracked > 3000);
	assert_int_equal(scan->tracked, n_tracked);
	assert_true(n_dead > 1000);
	assert_int_equal(scan->torn_pools, 0);
	assert_int_equal(scan->lost_chains, 0);
	heap_scan_free(scan);
	census_free(census);
	child_facts_free(facts);
	child_end(&child);
}

static bool has_mimalloc;

static void check_all(const char *python)
{
	environment = NULL;
	check_python(python);
	environment = "PYTHONMALLOC=debug";
	check_python(python);
	if (!python_is_free_threaded(python)) { /* that one has mimalloc alone */
		environment = "PYTHONMALLOC=malloc";
		check_python(python);
	}
	if (has_mimalloc) {
		environment = "PYTHONMALLOC=mimalloc";
		check_python(python);
		environment = "PYTHONMALLOC=mimalloc_debug";
		check_python(python);
	}
}

static void the_census_counts_what_the_script_counts(void **state)
{
	has_mimalloc = minor_of(state) >= 13;
	with_pythons(minor_of(state), check_all);
}

/* This process is no Python: said so, not counted. */
static void a_process_that_is_no_python_is_said_so(void **state)
{
	struct py_runtime runtime = {.layout = *layout_find(11, false)};
	struct err err = ERR_INIT;
	struct census *census = census_new(getpid(), &runtime, &err);

	(void)state;
	assert_non_null(census);
	assert_null(census_scan(census, &err));
	assert_int_equal(err.code, ERR_TARGET);
	census_free(census);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EACH_MINOR(the_census_counts_what_the_script_counts),
		cmocka_unit_test(a_process_that_is_no_python_is_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
