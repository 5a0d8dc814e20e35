/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The shape is checked against the schema in tests/page/test_schema.py; here is what a schema
 * cannot say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>

#include "golden/golden.h"

#include "export/formats.h"

static json_t *exported(const struct profile *profile)
{
	char *text = golden_text(export_json, profile, NULL);
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("line %d: %s", error.line, error.text);
	free(text);
	return root;
}

static void all_made_profiles_are_json(void **state)
{
	(void)state;
	for (const char *const *name = made_names; *name; name++) {
		struct profile *profile = made_profile(*name);
		json_t *root = exported(profile);

		assert_int_equal(json_array_size(json_object_get(root, "stacks")),
				 profile->n_stacks);
		assert_string_equal(json_string_value(json_object_get(root, "schema")),
				    "pyleaktrace/2");
		json_decref(root);
		profile_free(profile);
	}
}

/* Titles, places, packages and threads are names of the target's as well. */
static void groups_of_hostile_names_are_json(void **state)
{
	(void)state;
	for (int by = GROUP_LINE; by < GROUP_BY_COUNT; by++) {
		struct profile *profile = made_profile("hostile");
		json_t *root;

		for (size_t i = 0; i < profile->n_stacks; i++) {
			profile->stacks[i].thread_id = (uint32_t)i + 1;
			profile->stacks[i].thread = made_hostile_names[i];
		}
		profile_select(profile, made_hostile_names, 11);
		profile_group(profile, by, ORDER_SIZE);
		root = exported(profile);
		assert_int_equal(json_array_size(json_object_get(root, "groups")),
				 profile->grouping->n_groups);
		assert_true(profile->grouping->n_groups > 0);
		assert_string_equal(json_string_value(json_object_get(root, "group_by")),
				    group_by_name(by));
		json_decref(root);
		profile_free(profile);
	}
}

static void numbers_at_their_ends(void **state)
{
	struct profile *profile = profile_new();
	struct stack *stack = profile_alloc(profile, sizeof(*stack));
	json_t *root, *got;

	(void)state;
	stack->outstanding_bytes = UINT64_MAX;
	stack->outstanding_count = INT64_MAX;
	stack->oldest_s = -3; /* a clock that was set back */
	stack->growth_bytes_per_s = -1.0 / 0.0;
	stack->domain = (enum domain)77;
	profile->stacks = stack;
	profile->n_stacks = 1;
	profile->time.tv_sec = INT64_MAX;
	profile->duration_s = 0.1;
	profile->mode.max_size = 0;
	root = exported(profile);
	got = json_array_get(json_object_get(root, "stacks"), 0);
	assert_true(json_integer_value(json_object_get(got, "outstanding_bytes")) == INT64_MAX);
	assert_true(json_integer_value(json_object_get(got, "outstanding_count")) == INT64_MAX);
	assert_true(json_real_value(json_object_get(got, "oldest_s")) == 0);
	assert_true(json_real_value(json_object_get(got, "growth_bytes_per_s")) == 0);
	assert_string_equal(json_string_value(json_object_get(got, "domain")), "unknown");
	assert_string_equal(json_string_value(json_object_get(root, "time")),
			    "1970-01-01T00:00:00.000Z");
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(root, "mode"), "max_size_bytes")),
			 0);
	json_decref(root);
	profile_free(profile);
}

/* 0.1 is written as 0.1, not as 0.10000000000000001 */
static void reals_are_short(void **state)
{
	struct profile *profile = made_profile("service");
	char *text = golden_text(export_json, profile, NULL);

	(void)state;
	assert_non_null(strstr(text, "\"duration_s\": 61.7,\n"));
	assert_non_null(strstr(text, "\"target_cpu_fraction\":0.38,"));
	free(text);
	profile_free(profile);
}

static void equal_profiles_give_equal_bytes(void **state)
{
	struct profile *a = made_profile("hostile"), *b = made_profile("hostile");
	char *x = golden_text(export_json, a, NULL), *y = golden_text(export_json, b, NULL);

	(void)state;
	assert_string_equal(x, y);
	free(x);
	free(y);
	profile_free(a);
	profile_free(b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_made_profiles_are_json),
		cmocka_unit_test(groups_of_hostile_names_are_json),
		cmocka_unit_test(numbers_at_their_ends),
		cmocka_unit_test(reals_are_short),
		cmocka_unit_test(equal_profiles_give_equal_bytes),
	};

	if (golden_write_all(argc, argv, "json", export_json))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
