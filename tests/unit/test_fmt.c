/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"

static void bytes_are_binary(void **state)
{
	(void)state;
	assert_string_equal(fmt_bytes(0).text, "0 B");
	assert_string_equal(fmt_bytes(1023).text, "1023 B");
	assert_string_equal(fmt_bytes(1024).text, "1.0 KiB");
	assert_string_equal(fmt_bytes(12582912).text, "12.0 MiB");
	assert_string_equal(fmt_bytes(1024 * 1024 - 1).text, "1.0 MiB"); /* never "1024.0 KiB" */
	assert_string_equal(fmt_bytes(UINT64_MAX).text, "16.0 EiB");
}

static void counts_have_commas(void **state)
{
	(void)state;
	assert_string_equal(fmt_things(0, "item").text, "0 items");
	assert_string_equal(fmt_things(1, "item").text, "1 item");
	assert_string_equal(fmt_things(5030, "item").text, "5,030 items");
	assert_string_equal(fmt_things(UINT64_MAX, "item").text,
			    "18,446,744,073,709,551,615 items");
	assert_string_equal(fmt_count(0).text, "0");
	assert_string_equal(fmt_count(999).text, "999");
	assert_string_equal(fmt_count(1000).text, "1,000");
	assert_string_equal(fmt_count(120031).text, "120,031");
	assert_string_equal(fmt_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

static void rates_have_signs(void **state)
{
	(void)state;
	assert_string_equal(fmt_rate(209000).text, "+204.1 KiB/s");
	assert_string_equal(fmt_rate(-3145728).text, "-3.0 MiB/s");
	assert_string_equal(fmt_rate(0).text, "+0 B/s");
	assert_string_equal(fmt_rate(-0.4).text, "+0 B/s");
	assert_string_equal(fmt_rate(NAN).text, "+0 B/s");
	assert_string_equal(fmt_rate(INFINITY).text, "+888.2 PiB/s");
	assert_string_equal(fmt_per_second(0).text, "0");
	assert_string_equal(fmt_per_second(0.44).text, "0.4");
	assert_string_equal(fmt_per_second(12.4).text, "12");
	assert_string_equal(fmt_per_second(812345.6).text, "812,000");
	assert_string_equal(fmt_per_second(999999).text, "1,000,000");
	assert_string_equal(fmt_per_second(-5).text, "0");
	assert_string_equal(fmt_per_second(NAN).text, "0");
}

static void durations_have_two_parts_at_most(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {
		{0, "0 s"},          {-1, "0 s"},         {NAN, "0 s"},     {2.6e-7, "260 ns"},
		{1.9e-6, "1.9 us"},  {0.5, "500 ms"},     {0.9996, "1 s"},  {1, "1 s"},
		{3.2, "3.2 s"},      {48.4, "48 s"},      {59.7, "1 min"},  {60, "1 min"},
		{61.7, "1 min 2 s"}, {312, "5 min 12 s"}, {3599.6, "1 h"},  {7500, "2 h 5 min"},
		{273600, "3 d 4 h"}, {9.96, "10 s"},      {INFINITY, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fmt got = fmt_duration(cases[i].seconds);

		if (cases[i].text)
			assert_string_equal(got.text, cases[i].text);
		assert_true(strlen(got.text) < sizeof(got.text));
	}
}

static void percents_are_short(void **state)
{
	(void)state;
	assert_string_equal(fmt_percent(0).text, "0 %");
	assert_string_equal(fmt_percent(0.0004).text, "<0.1 %");
	assert_string_equal(fmt_percent(0.004).text, "0.4 %");
	assert_string_equal(fmt_percent(0.38).text, "38 %");
	assert_string_equal(fmt_percent(4.12).text, "412 %");
	assert_string_equal(fmt_percent(NAN).text, "0 %");
}

static void times_are_parsed(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{"90", 90000000000},
		{"90s", 90000000000},
		{"5m", 300000000000},
		{"2h", 7200000000000},
		{"500ms", 500000000},
		{"0", 0},
		{"1.5s", 1500000000},
		{".5", 0},
		{"0.5", 500000000},
		{"1.25m", 75000000000},
		{"3us", 3000},
		{"7ns", 7},
		{"366d", FMT_TIME_MAX_NS},
		{"0.0000000001s", 0},
		{"00000000000000000000000001", 1000000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		uint64_t ns = 77;
		int result = fmt_parse_time(cases[i].text, &ns, &err);

		if (*cases[i].text == '.') { /* digits come first */
			assert_int_equal(result, -ERR_USAGE);
			continue;
		}
		assert_int_equal(result, 0);
		assert_true(ns == cases[i].ns);
	}
}

static void sizes_are_parsed(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"0", 0},
		{"512", 512},
		{"4k", 4096},
		{"4K", 4096},
		{"64KiB", 65536},
		{"1m", 1048576},
		{"2gb", 2147483648},
		{"1T", 1099511627776},
		{"9223372036854775807", INT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 77;

		assert_int_equal(fmt_parse_size(cases[i].text, &bytes, NULL), 0);
		assert_true(bytes == cases[i].bytes);
	}
}

static void wrong_values_are_refused(void **state)
{
	static const char *const times[] = {"",
					    " 5",
					    "5 ",
					    "-1",
					    "+1",
					    "1.",
					    "1.s",
					    "5x",
					    "5mm",
					    "1e3",
					    "0x10",
					    "s",
					    "1,5",
					    "5M",
					    "367d",
					    "99999999999999999999h",
					    "18446744073709551616",
					    "5\n",
					    "٣"};
	static const char *const sizes[] = {"",         "k",
					    "-1",       "4kk",
					    "4.5k",     "1e",
					    "4 k",      "9223372036854775808",
					    "8388608t", "99999999999999999999999",
					    "4@",       "4K B",
					    "4ki"};
	uint64_t value = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(fmt_parse_time(times[i], &value, &err), -ERR_USAGE);
		assert_int_equal(err.code, ERR_USAGE);
		assert_true(value == 77 && *err.text);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(fmt_parse_size(sizes[i], &value, NULL), -ERR_USAGE);
	assert_true(value == 77);
}

static void messages_are_exact_and_safe(void **state)
{
	struct err err = ERR_INIT;
	char *huge = calloc(1, 100001);
	uint64_t value;

	(void)state;
	fmt_parse_time("5x", &value, &err);
	assert_string_equal(
		err.text,
		"\"5x\" is not understood; write a time like 90, 90s, 1.5s, 5m, 2h, 1d or 500ms");
	fmt_parse_time("400d", &value, &err);
	assert_string_equal(err.text, "\"400d\" is out of range; a time is at most 366d");
	fmt_parse_size("", &value, &err);
	assert_string_equal(err.text, "the value is empty; write a size like 512, 4k, 1m or 2g");
	fmt_parse_size("4\033[2J", &value, &err);
	assert_string_equal(err.text,
			    "\"4\\x1b[2J\" is not understood; write a size like 512, 4k, 1m or 2g");
	memset(huge, '9', 100000);
	assert_int_equal(fmt_parse_size(huge, &value, &err), -ERR_USAGE);
	assert_non_null(strstr(err.text, "999...\" is out of range"));
	free(huge);
}

static void numbers_have_limits(void **state)
{
	struct err err = ERR_INIT;
	uint64_t value = 77;

	(void)state;
	assert_int_equal(fmt_parse_number("10", 1, 100, &value, &err), 0);
	assert_true(value == 10);
	assert_int_equal(fmt_parse_number("0", 1, 100, &value, &err), -ERR_USAGE);
	assert_string_equal(err.text, "\"0\" is out of range; write a whole number from 1 to 100");
	assert_int_equal(fmt_parse_number("101", 1, 100, &value, &err), -ERR_USAGE);
	assert_int_equal(fmt_parse_number("ten", 1, 100, &value, &err), -ERR_USAGE);
	assert_int_equal(fmt_parse_number("1k", 1, 100, &value, &err), -ERR_USAGE);
	assert_true(value == 10);
	assert_int_equal(fmt_parse_number("18446744073709551615", 0, UINT64_MAX, &value, &err), 0);
	assert_true(value == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_binary),
		cmocka_unit_test(counts_have_commas),
		cmocka_unit_test(rates_have_signs),
		cmocka_unit_test(durations_have_two_parts_at_most),
		cmocka_unit_test(percents_are_short),
		cmocka_unit_test(times_are_parsed),
		cmocka_unit_test(sizes_are_parsed),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(messages_are_exact_and_safe),
		cmocka_unit_test(numbers_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
