/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The shape is checked against speedscope's schema in tests/page/test_readers.py; here is what a
 * schema cannot say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>

#include "golden/golden.h"

#include "export/formats.h"

/* As the tool writes it: with groups and findings at the roots. */
static int rooted(FILE *out, const struct document *document, struct err *err)
{
	return exporter_write(exporter_by_name("speedscope", document->kind, err), out, document,
			      err);
}

static json_t *exported(const struct profile *profile)
{
	char *text = golden_text(rooted, profile, NULL);
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("line %d: %s", error.line, error.text);
	free(text);
	return root;
}

static json_t *profile_at(json_t *root, size_t i)
{
	return json_array_get(json_object_get(root, "profiles"), i);
}

/* The name of a frame of a sample. */
static const char *name_at(json_t *root, json_t *sample, size_t i)
{
	json_t *frames = json_object_get(json_object_get(root, "shared"), "frames");
	json_int_t number = json_integer_value(json_array_get(sample, i));

	return json_string_value(json_object_get(json_array_get(frames, (size_t)number), "name"));
}

static void check_profile(json_t *root, json_t *profile)
{
	json_t *frames = json_object_get(json_object_get(root, "shared"), "frames"),
	       *samples = json_object_get(profile, "samples"),
	       *weights = json_object_get(profile, "weights"), *sample, *frame, *weight;
	json_int_t sum = 0;
	size_t i, j;

	assert_int_equal(json_array_size(samples), json_array_size(weights));
	json_array_foreach(samples, i, sample)
	{
		assert_true(json_array_size(sample) > 0);
		json_array_foreach(sample, j, frame)
			assert_in_range(json_integer_value(frame), 0, json_array_size(frames) - 1);
	}
	json_array_foreach(weights, i, weight)
	{
		assert_true(json_integer_value(weight) > 0);
		sum += json_integer_value(weight);
	}
	assert_int_equal(json_integer_value(json_object_get(profile, "endValue")), sum);
}

static void all_made_profiles_add_up(void **state)
{
	(void)state;
	for (const char *const *name = made_names; *name; name++) {
		struct profile *profile = made_profile(*name);
		json_t *root = exported(profile);
		json_int_t bytes = 0, count = 0;

		for (size_t i = 0; i < profile->n_stacks; i++) {
			bytes += (json_int_t)profile->stacks[i].outstanding_bytes;
			count += (json_int_t)profile->stacks[i].outstanding_count;
		}
		for (size_t i = 0; profile_at(root, i); i++)
			check_profile(root, profile_at(root, i));
		assert_int_equal(
			json_integer_value(json_object_get(profile_at(root, 0), "endValue")),
			bytes);
		assert_int_equal(
			json_integer_value(json_object_get(profile_at(root, 1), "endValue")),
			count);
		assert_true(!profile_at(root, 2) ==
			    !(profile->verdict && profile->verdict->n_findings));
		json_decref(root);
		profile_free(profile);
	}
}

static void findings_are_roots(void **state)
{
	struct profile *profile = made_profile("answered");
	json_t *root = exported(profile), *growth = profile_at(root, 2), *samples;

	(void)state;
	/* of the stack that makes it */
	samples = json_object_get(profile_at(root, 0), "samples");
	assert_string_equal(name_at(root, json_array_get(samples, 0), 0),
			    "container app.cache.SESSIONS");
	assert_string_equal(name_at(root, json_array_get(samples, 0), 1), "<module>");
	assert_string_equal(name_at(root, json_array_get(samples, 1), 0), "<module>");
	/* and of its growth, which others have without a stack */
	samples = json_object_get(growth, "samples");
	assert_int_equal(json_array_size(samples), 3);
	assert_string_equal(name_at(root, json_array_get(samples, 0), 0),
			    "container app.cache.SESSIONS");
	assert_string_equal(name_at(root, json_array_get(samples, 1), 0), "C memory");
	assert_int_equal(json_array_size(json_array_get(samples, 1)), 1);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(growth, "weights"), 0)),
			 42000000);
	assert_int_equal(json_integer_value(json_object_get(root, "activeProfileIndex")), 0);
	json_decref(root);
	/* where nothing was traced it is what a reader sees first */
	profile->n_stacks = 0;
	root = exported(profile);
	assert_int_equal(json_integer_value(json_object_get(root, "activeProfileIndex")), 2);
	json_decref(root);
	profile_free(profile);
}

static void nothing_of_the_target_is_a_control(void **state)
{
	struct profile *profile = made_profile("hostile");
	char *text = golden_text(rooted, profile, NULL);

	(void)state;
	for (const char *at = text; *at; at++)
		assert_true((unsigned char)*at >= 0x20 || *at == '\n');
	assert_null(strstr(text, "\\u001b"));
	assert_null(strstr(text, "\xe2\x80\xae"));
	free(text);
	profile_free(profile);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_made_profiles_add_up),
		cmocka_unit_test(findings_are_roots),
		cmocka_unit_test(nothing_of_the_target_is_a_control),
	};

	if (golden_write_all(argc, argv, "speedscope.json", rooted))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
