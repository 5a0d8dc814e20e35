/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the page looks like and does in a browser is for tests/page; here is what goes into it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>

#include "golden/golden.h"

#include "export/exporter.h"
#include "export/formats.h"

/* As the tool writes it: with groups at the roots. */
static int grouped(FILE *out, const struct document *document, struct err *err)
{
	return exporter_write(exporter_by_name("html", document->kind, err), out, document, err);
}

/* The text between the tags of the data; it must be JSON. */
static json_t *data_of(char *page, char **start)
{
	static const char tag[] = "<script type=\"application/json\" id=\"data\">";
	char *at = strstr(page, tag), *end;
	json_t *data;

	assert_non_null(at);
	at += strlen(tag);
	end = strstr(at, "</script>");
	assert_non_null(end);
	*end = '\0';
	data = json_loads(at, 0, NULL);
	assert_non_null(data);
	if (start)
		*start = at;
	return data;
}

static json_t *page_data(const char *name)
{
	struct profile *profile = made_profile(name);
	char *page = golden_text(export_html, profile, NULL);
	json_t *data = data_of(page, NULL);

	free(page);
	profile_free(profile);
	return data;
}

static void data_holds_the_profile(void **state)
{
	json_t *data = page_data("service"), *stacks = json_object_get(data, "stacks"), *frames,
	       *first;

	(void)state;
	frames = json_object_get(data, "frames");
	assert_string_equal(json_string_value(json_object_get(data, "title")),
			    "python3.11 (pid 4242): outstanding allocations");
	assert_int_equal(json_array_size(stacks), 4); /* the fifth has nothing outstanding */
	assert_int_equal(json_array_size(frames), 11);
	first = json_array_get(stacks, 0);
	assert_int_equal(json_integer_value(json_array_get(first, 0)), DOMAIN_OBJECT);
	assert_int_equal(json_integer_value(json_array_get(first, 1)), 12582912);
	assert_int_equal(json_integer_value(json_array_get(first, 2)), 120031);
	/* its frames, root first, by their indexes */
	first = json_array_get(first, 7);
	assert_int_equal(json_array_size(first), 4);
	first = json_array_get(frames, (size_t)json_integer_value(json_array_get(first, 3)));
	assert_int_equal(json_integer_value(json_array_get(first, 0)), 0);
	assert_string_equal(json_string_value(json_array_get(first, 1)),
			    "remember (/srv/app/cache.py:41)");
	json_decref(data);
}

static void losses_and_the_end_are_told(void **state)
{
	json_t *data = page_data("estimated"), *notes = json_object_get(data, "notes");

	(void)state;
	assert_int_equal(json_array_size(notes), 3);
	assert_string_equal(json_string_value(json_array_get(notes, 0)),
			    "The target was killed by signal 9 during the trace.");
	assert_string_equal(json_string_value(json_array_get(notes, 2)),
			    "3 blocks freed unseen; the figures were corrected.");
	json_decref(data);
}

static void nothing_breaks_out_of_the_data(void **state)
{
	struct profile *profile = made_profile("hostile");
	char *page = golden_text(export_html, profile, NULL), *start;
	json_t *data = data_of(page, &start);

	(void)state;
	for (const char *at = start; *at; at++)
		assert_true((unsigned char)*at < 0x7f && *at != '<' && *at != '>' && *at != '&' &&
			    ((unsigned char)*at >= 0x20 || *at == '\n'));
	assert_string_equal(json_string_value(json_array_get(json_object_get(data, "notes"), 0)),
			    "line\\nbreak\\r\\ttab");
	json_decref(data);
	free(page);
	profile_free(profile);
}

static void page_is_whole_around_the_data(void **state)
{
	struct profile *profile = made_profile("empty");
	char *page = golden_text(export_html, profile, NULL);
	json_t *data;

	(void)state;
	assert_int_equal(strncmp(page, "<!DOCTYPE html>", 15), 0);
	assert_non_null(strstr(page, "</html>"));
	assert_non_null(strstr(page, "content=\"default-src 'none'; script-src 'sha256-"));
	assert_null(strstr(page, "@DATA@"));
	data = data_of(page, NULL);
	assert_int_equal(json_array_size(json_object_get(data, "stacks")), 0);
	json_decref(data);
	free(page);
	profile_free(profile);
}

static void what_was_found_is_there(void **state)
{
	json_t *data = page_data("whole"), *verdict, *trend;

	(void)state;
	verdict = json_array_get(json_object_get(data, "verdicts"), 0);
	trend = json_object_get(data, "trend");
	assert_string_equal(json_string_value(json_object_get(verdict, "state")), "LEAK");
	assert_true(json_array_size(json_object_get(trend, "series")) > 2);
	assert_int_equal(json_array_size(json_object_get(data, "retained")), 1);
	assert_int_equal(json_array_size(json_object_get(data, "growing")), 1);
	assert_int_equal(json_array_size(json_object_get(data, "growing_classes")), 1);
	assert_non_null(json_object_get(json_object_get(data, "heap"), "growth"));
	json_decref(data);
	data = page_data("service");
	assert_null(json_object_get(data, "verdicts"));
	assert_null(json_object_get(data, "trend"));
	json_decref(data);
}

static void stacks_are_bounded_and_the_rest_is_named(void **state)
{
	const size_t n = EXPORT_HTML_STACKS + 5;
	struct profile *profile = profile_new();
	struct stack *stacks = profile_alloc(profile, n * sizeof(*stacks));
	char *page;
	json_t *data;

	(void)state;
	for (size_t i = 0; i < n; i++)
		stacks[i] = (struct stack){.outstanding_bytes = 2048, .outstanding_count = 1};
	profile->stacks = stacks;
	profile->n_stacks = n;
	page = golden_text(export_html, profile, NULL);
	data = data_of(page, NULL);
	assert_int_equal(json_array_size(json_object_get(data, "stacks")), EXPORT_HTML_STACKS);
	assert_string_equal(json_string_value(json_array_get(json_object_get(data, "notes"), 0)),
			    "The page holds the first 20,000 stacks; 5 more, with 10.0 KiB, are in "
			    "the other formats.");
	json_decref(data);
	free(page);
	profile_free(profile);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_holds_the_profile),
		cmocka_unit_test(losses_and_the_end_are_told),
		cmocka_unit_test(nothing_breaks_out_of_the_data),
		cmocka_unit_test(page_is_whole_around_the_data),
		cmocka_unit_test(what_was_found_is_there),
		cmocka_unit_test(stacks_are_bounded_and_the_rest_is_named),
	};

	if (golden_write_all(argc, argv, "html", grouped))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
