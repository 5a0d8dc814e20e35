/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command_words.h"

static void only_whole_words_are_commands(void **state)
{
	(void)state;
	assert_true(command_word_is("heap"));
	assert_true(command_word_is("doctor"));
	assert_false(command_word_is("hea"));
	assert_false(command_word_is(""));
	assert_false(command_word_is("-p"));
}

static void a_mistyped_word_is_near_its_command(void **state)
{
	static const struct {
		const char *word, *meant;
	} rows[] = {
		{"heap", "heap"},     {"hea", "heap"},      {"heapp", "heap"},
		{"haep", "heap"},     {"heep", "heap"},     {"Heap", "heap"},
		{"eap", "heap"},      {"docter", "doctor"}, {"doctr", "doctor"},
		{"dcotor", "doctor"}, {"doktor", "doctor"}, {"doc", NULL},
		{"", NULL},           {"cheese", NULL},     {"help", NULL},
		{"5", NULL},          {"4242", NULL},       {"nonsense", NULL},
		{"python3", NULL},    {"-heap", "heap"},    {"top", NULL},
		{"map", NULL},        {"ap", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *near = command_word_near(rows[i].word);

		if (!near != !rows[i].meant || (near && strcmp(near, rows[i].meant) != 0))
			fail_msg("%s: %s", rows[i].word, near ? near : "none");
	}
}

static void a_word_too_long_is_near_none(void **state)
{
	char word[4096];

	(void)state;
	memset(word, 'h', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(command_word_near(word));
	word[COMMAND_WORD_MAX + 1] = '\0';
	assert_null(command_word_near(word));
	word[COMMAND_WORD_MAX] = '\0';
	assert_null(command_word_near(word));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whole_words_are_commands),
		cmocka_unit_test(a_mistyped_word_is_near_its_command),
		cmocka_unit_test(a_word_too_long_is_near_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
