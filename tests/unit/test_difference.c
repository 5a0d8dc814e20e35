/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What grew from one report to another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>

#include "golden/golden.h"

#include "export/formats.h"
#include "model/difference.h"
#include "model/retention.h"
#include "view/difference_text.h"

/* Five minutes later: the first stack has doubled, the second has shrunk, the last is gone. */
static struct profile *made_later(void)
{
	struct profile *later = made_profile("answered");
	struct finding *findings = profile_alloc(later, 3 * sizeof(*findings));
	struct verdict *verdict = profile_alloc(later, sizeof(*verdict));

	later->time.tv_sec += 300;
	later->target.rss_bytes += 12 << 20;
	later->stacks[0].outstanding_bytes *= 2;
	later->stacks[0].outstanding_count += 1000;
	later->stacks[1].outstanding_bytes -= 1000;
	later->n_stacks--;
	*verdict = *later->verdict;
	memcpy(findings, verdict->findings, 3 * sizeof(*findings));
	findings[2].path = "app.other.RECORDS";
	verdict->findings = findings;
	later->verdict = verdict;
	return later;
}

static char *text_of(const struct difference *difference)
{
	const struct difference_text_options options = {.top = 5};
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	difference_text(out, difference, &options);
	fclose(out);
	return text;
}

static void assert_has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("no \"%s\" in: %s", words, text);
}

static void the_answer_is_first_and_what_grew_follows(void **state)
{
	struct profile *before = made_profile("answered"), *after = made_later();
	const struct difference *difference = difference_make(before, after);
	char *text = text_of(difference);

	(void)state;
	assert_true(difference->span_s == 300);
	assert_int_equal(difference->n_stacks, 1);
	assert_int_equal(difference->stacks[0].bytes_after, 2 * 12582912);
	assert_int_equal(difference->n_findings, 3);
	assert_ptr_equal(difference->findings[0].before, &before->verdict->findings[0]);
	assert_null(difference->findings[2].before);
	assert_true(!strncmp(text, "+12.0 MiB of memory (RSS) between ", 34));
	assert_has(text, " (5 min): 700.0 MiB became 712.0 MiB.\n");
	assert_has(text, "+40.1 MiB/min (+40.1 MiB/min before)  container  app.cache.SESSIONS");
	assert_has(text, "(new)  reference");
	assert_has(text, "\t+12582912 bytes in +1000 allocations from stack  to 24.0 MiB\n"
			 "\t\tremember (/srv/app/cache.py:41)\n");
	free(text);
	profile_free(before);
	profile_free(after);
}

static void what_is_the_same_has_not_grown(void **state)
{
	(void)state;
	for (const char *const *name = made_names; *name; name++) {
		struct profile *before = made_profile(*name), *after = made_profile(*name);
		const struct difference *difference = difference_make(before, after);
		char *text = text_of(difference);

		assert_int_equal(difference->n_stacks, 0);
		assert_int_equal(difference->n_types, 0);
		assert_int_equal(difference->n_memory, 0);
		assert_null(strchr(text, '\033'));
		assert_has(text, "No stack has more");
		free(text);
		profile_free(before);
		profile_free(after);
	}
}

/* Threads of two runs have other numbers; their stacks add up. */
static void stacks_are_the_same_in_any_thread_and_process(void **state)
{
	struct profile *before = made_profile("wheels"), *after = made_profile("wheels");
	const struct difference *difference;

	(void)state;
	for (size_t i = 0; i < after->n_stacks; i++) {
		after->stacks[i].thread_id += 1000;
		after->stacks[i].pid = 7;
	}
	after->target.pid++;
	difference = difference_make(before, after);
	assert_int_equal(difference->n_stacks, 0);
	profile_free(before);
	profile_free(after);
}

static void types_containers_and_memory(void **state)
{
	struct profile *before = made_profile("untraced"), *after = made_profile("untraced");
	struct heap_growth_row *types = (struct heap_growth_row *)after->growing_types->rows;
	struct retention rows[2] = {{.path = (char *)"app.cache.SESSIONS",
				     .type = (char *)"dict",
				     .items = 100,
				     .bytes = 1 << 20},
				    {.path = (char *)"app.cache.SESSIONS",
				     .type = (char *)"dict",
				     .items = 150,
				     .bytes = 3 << 20}};
	const struct profile_retention held[2] = {{&rows[0], 1, 9}, {&rows[1], 1, 9}};
	struct trend *trends[2];
	char *text;

	(void)state;
	types[0].count += 4000;
	types[0].bytes += 400000;
	before->retention = &held[0];
	after->retention = &held[1];
	for (int i = 0; i < 2; i++) {
		struct profile *profile = i ? after : before;

		trends[i] = profile_alloc(profile, sizeof(*trends[i]));
		trends[i]->rows[TREND_RSS].last = (100 + 50 * (uint64_t)i) << 20;
		trends[i]->rows[TREND_PART_MALLOC].n = 2;
		trends[i]->rows[TREND_PART_MALLOC].last = (30 + 20 * (uint64_t)i) << 20;
		profile->target.rss_bytes = 0; /* it has ended: the trend has the last */
		profile->trend = trends[i];
	}
	text = text_of(difference_make(before, after));
	assert_true(!strncmp(text, "+50.0 MiB of memory (RSS)", 25));
	assert_has(text, "  +4,000 to 16,345  app.Session  +390.6 KiB\n");
	assert_has(text, "  +50 to 150  app.cache.SESSIONS (dict)  +2.0 MiB\n");
	assert_has(text, "  +20.0 MiB to 50.0 MiB  other blocks of malloc (C code)\n");
	free(text);
	profile_free(before);
	profile_free(after);
}

static void as_json_and_as_folded_stacks(void **state)
{
	struct profile *before = made_profile("answered"), *after = made_later();
	const struct difference *difference = difference_make(before, after);
	struct profile *growth = difference_growth(difference);
	const struct document document = {
		.kind = DOCUMENT_DIFF, .profile = growth, .difference = difference};
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	json_t *root, *part;

	(void)state;
	assert_int_equal(export_json(out, &document, &err), 0);
	fclose(out);
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	part = json_object_get(root, "difference");
	assert_non_null(part);
	assert_true(json_number_value(json_object_get(part, "span_s")) == 300);
	assert_int_equal(json_array_size(json_object_get(part, "stacks")), 1);
	assert_int_equal(json_array_size(json_object_get(part, "findings")), 3);
	json_decref(root);
	free(text);

	text = golden_text(export_folded, growth, NULL);
	assert_has(text, "remember (/srv/app/cache.py:41) 12582912\n");
	free(text);
	profile_free(growth);
	profile_free(before);
	profile_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_is_first_and_what_grew_follows),
		cmocka_unit_test(what_is_the_same_has_not_grown),
		cmocka_unit_test(stacks_are_the_same_in_any_thread_and_process),
		cmocka_unit_test(types_containers_and_memory),
		cmocka_unit_test(as_json_and_as_folded_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
