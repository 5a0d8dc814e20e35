/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/heard.h"

#include <stdlib.h>
#include <string.h>

#include "cli/arg_parse.h"

static void what_is_wrong_is_said_with_its_option(void **state)
{
	(void)state;
	assert_int_equal(arg_wrong("--top", "%d is too many", 7), EINVAL);
	assert_string_equal(heard(), "pyleaktrace: --top: 7 is too many\n");
	assert_int_equal(arg_wrong("", "who?"), EINVAL);
	assert_string_equal(heard(), "pyleaktrace: who?\n");
}

/* In range: the value. Else it stays as it was, and a line says what is expected. */
static void numbers_out_of_range_change_nothing(void **state)
{
	uint64_t number = 1;
	uint32_t small = 1;

	(void)state;
	assert_int_equal(arg_number("COUNT", "4294967296", 1, UINT64_MAX, &number), 0);
	assert_int_equal(number, 4294967296);
	assert_int_equal(arg_u32("--top", "4294967295", 0, UINT32_MAX, &small), 0);
	assert_int_equal(small, UINT32_MAX);
	assert_string_equal(heard(), "");
	assert_int_equal(arg_u32("--top", "8", 0, 7, &small), EINVAL);
	assert_int_equal(small, UINT32_MAX);
	assert_non_null(strstr(heard(), "--top: \"8\" is out of range"));
	assert_int_equal(arg_number("COUNT", "-1", 0, 7, &number), EINVAL);
	assert_int_equal(number, 4294967296);
	assert_non_null(strstr(heard(), "COUNT: \"-1\" is negative"));
}

static void sizes_and_times_are_bounded(void **state)
{
	uint64_t bytes = 1, ns = 1;

	(void)state;
	assert_int_equal(arg_size("--sample", "1k", 256, 1024, &bytes), 0);
	assert_int_equal(bytes, 1024);
	assert_int_equal(arg_time("--older", "10ms", 10000000, &ns), 0);
	assert_int_equal(ns, 10000000);
	assert_string_equal(heard(), "");
	assert_int_equal(arg_size("--sample", "1025", 256, 1024, &bytes), EINVAL);
	assert_string_equal(heard(),
			    "pyleaktrace: --sample: expected a size from 256 B to 1.0 KiB\n");
	assert_int_equal(arg_size("--sample", "255", 256, 1024, &bytes), EINVAL);
	assert_int_equal(arg_time("--older", "9ms", 10000000, &ns), EINVAL);
	assert_non_null(strstr(heard(), "--older: expected at least 10 ms"));
	assert_int_equal(arg_time("--older", "soon", 10000000, &ns), EINVAL);
	heard();
	assert_int_equal(bytes, 1024);
	assert_int_equal(ns, 10000000);
}

static void shares_are_percentages_within_bounds(void **state)
{
	static const char *const wrong[] = {"",    "%",    "0",   "0.09", "100.1", "nan",
					    "inf", "-inf", "5 %", "5%x",  "5%%",   "five"};
	double share = -1;

	(void)state;
	assert_int_equal(arg_share("--max-overhead", "5", 0.1, &share), 0);
	assert_float_equal(share, 0.05, 1e-12);
	assert_int_equal(arg_share("--max-overhead", "0.1%", 0.1, &share), 0);
	assert_float_equal(share, 0.001, 1e-12);
	assert_int_equal(arg_share("--max-overhead", "100", 0.1, &share), 0);
	assert_float_equal(share, 1, 1e-12);
	assert_string_equal(heard(), "");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(arg_share("--max-overhead", wrong[i], 0.1, &share), EINVAL);
		assert_string_equal(heard(),
				    "pyleaktrace: --max-overhead: expected a percentage from 0.1 "
				    "to 100\n");
	}
	assert_float_equal(share, 1, 1e-12);
}

static void a_rate_is_a_size_in_a_time(void **state)
{
	static const char *const wrong[] = {"",    "10MiB", "10MiB/", "/h",    "10MiB/0s",
					    "x/h", "1/2/3", "-1/h",   "10/MiB"};
	double per_s = -1;

	(void)state;
	assert_int_equal(arg_rate("--fail-above", "10MiB/h", &per_s), 0);
	assert_float_equal(per_s, (10 << 20) / 3600.0, 1e-6);
	assert_int_equal(arg_rate("--fail-above", "3k/30s", &per_s), 0);
	assert_float_equal(per_s, 102.4, 1e-9);
	assert_int_equal(arg_rate("--fail-above", "0/s", &per_s), 0);
	assert_float_equal(per_s, 0, 1e-9);
	assert_string_equal(heard(), "");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(arg_rate("--fail-above", wrong[i], &per_s), EINVAL);
		assert_non_null(strstr(heard(), "expected a size in a time"));
	}
}

static void choices_are_whole_words(void **state)
{
	static const char *const names[] = {"size", "count", "age"};
	unsigned choice = 9;

	(void)state;
	assert_int_equal(arg_choice("--sort", "size", names, 3, &choice), 0);
	assert_int_equal(choice, 0);
	assert_int_equal(arg_choice("--sort", "age", names, 3, &choice), 0);
	assert_int_equal(choice, 2);
	assert_string_equal(heard(), "");
	assert_int_equal(arg_choice("--sort", "ag", names, 3, &choice), EINVAL);
	assert_string_equal(heard(), "pyleaktrace: --sort: expected size, count or age\n");
	assert_int_equal(arg_choice("--sort", "", names, 2, &choice), EINVAL);
	assert_string_equal(heard(), "pyleaktrace: --sort: expected size or count\n");
	assert_int_equal(choice, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_wrong_is_said_with_its_option, heard_begin,
						heard_end),
		cmocka_unit_test_setup_teardown(numbers_out_of_range_change_nothing, heard_begin,
						heard_end),
		cmocka_unit_test_setup_teardown(sizes_and_times_are_bounded, heard_begin,
						heard_end),
		cmocka_unit_test_setup_teardown(shares_are_percentages_within_bounds, heard_begin,
						heard_end),
		cmocka_unit_test_setup_teardown(a_rate_is_a_size_in_a_time, heard_begin, heard_end),
		cmocka_unit_test_setup_teardown(choices_are_whole_words, heard_begin, heard_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
