/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/slips.h"

static void each_slip_counts_once(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned slips;
	} rows[] = {{"", "", 0},
		    {"", "abc", 3},
		    {"Session", "Session", 0},
		    {"Sesion", "Session", 1},
		    {"Sessions", "Session", 1},
		    {"Sessoin", "Session", 1},
		    {"Dict", "dict", 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(slips_between(rows[i].a, rows[i].b), rows[i].slips);
		assert_int_equal(slips_between(rows[i].b, rows[i].a), rows[i].slips);
	}
}

static void long_words_are_near_nothing(void **state)
{
	char word[1000];

	(void)state;
	memset(word, 'x', sizeof(word));
	word[SLIPS_WORD_MAX + 1] = '\0';
	assert_int_equal(slips_between(word, word), UINT_MAX);
	word[SLIPS_WORD_MAX] = '\0';
	assert_int_equal(slips_between(word, word), 0);
}

static void long_words_may_have_two(void **state)
{
	(void)state;
	assert_int_equal(slips_forgiven("heap"), 1);
	assert_int_equal(slips_forgiven("Session"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_slip_counts_once),
		cmocka_unit_test(long_words_are_near_nothing),
		cmocka_unit_test(long_words_may_have_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
