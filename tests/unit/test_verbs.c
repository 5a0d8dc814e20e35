/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/verbs.h"

static void every_row_is_found_by_its_name(void **state)
{
	(void)state;
	for (int i = VERB_TRACE + 1; i < VERB_COUNT; i++) {
		assert_ptr_equal(verb_by_name(verbs[i].name), &verbs[i]);
		assert_true(strlen(verbs[i].name) <= VERB_WORD_MAX);
		assert_non_null(verbs[i].run);
		/* one line of the list of commands */
		assert_true(strlen(verbs[i].summary) <= 66);
	}
	assert_null(verb_by_name("hea"));
	assert_null(verb_by_name(""));
	assert_null(verb_by_name("-p"));
}

static void a_word_that_is_one_slip_away_is_near(void **state)
{
	static const struct {
		const char *word, *meant;
	} rows[] = {
		{"heap", "heap"},     {"hea", "heap"},
		{"heapp", "heap"},    {"haep", "heap"},
		{"heep", "heap"},     {"Heap", "heap"},
		{"eap", "heap"},      {"docter", "doctor"},
		{"doctr", "doctor"},  {"dcotor", "doctor"},
		{"doktor", "doctor"}, {"doc", NULL},
		{"", NULL},           {"cheese", NULL},
		{"help", NULL},       {"5", NULL},
		{"4242", NULL},       {"nonsense", NULL},
		{"python3", NULL},    {"-heap", "heap"},
		{"top", NULL},        {"growht", "growth"},
		{"grwoth", "growth"}, {"holder", "holders"},
		{"tred", "trend"},    {"match", "watch"},
		{"ref", "refs"},      {"object", "objects"},
		{"map", NULL},        {"ap", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *near = verb_near(rows[i].word) ? verb_near(rows[i].word)->name : NULL;

		if (!near != !rows[i].meant || (near && strcmp(near, rows[i].meant) != 0))
			fail_msg("%s: %s", rows[i].word, near ? near : "none");
	}
}

static void long_words_are_near_nothing(void **state)
{
	char word[4096];

	(void)state;
	memset(word, 'h', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(verb_near(word));
	word[VERB_WORD_MAX + 1] = '\0';
	assert_null(verb_near(word));
	word[VERB_WORD_MAX] = '\0';
	assert_null(verb_near(word));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_its_name),
		cmocka_unit_test(a_word_that_is_one_slip_away_is_near),
		cmocka_unit_test(long_words_are_near_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
