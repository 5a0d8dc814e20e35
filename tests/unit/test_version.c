/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "python/version.h"

static void versions_are_parsed_or_refused(void **state)
{
	static const struct {
		const char *text;
		uint32_t hex;
		const char *shown;
	} good[] = {
		{"3.9.18 (main, Jan  1 2024, 00:00:00) \n[GCC 12.2.0]", 0x030912f0, "3.9.18"},
		{"3.15.0b1", 0x030f00b1, "3.15.0b1"},
		{"3.13.0rc2+", 0x030d00c2, "3.13.0rc2"},
		{"3.12.0a7", 0x030c00a7, "3.12.0a7"},
		{"3.6.15", 0x03060ff0, "3.6.15"},
		{"3.11.2+ (heads/3.11)", 0x030b02f0, "3.11.2"},
		{"2.7.18", 0x020712f0, "2.7.18"},
		{"3.9", 0x03090000, "3.9"},
	};
	static const char *const bad[] = {
		"",       "3",       "3.",      "3.x",      "4.1.0", "1.5.2",   "3.9.18x",
		"3.9.",   "3.9.1.2", "3.999.1", "3.9.9999", "3.9a1", "3.9.1rc", "3.9.1a99",
		"python", " 3.9.1",  "-3.9.1",  "3.9.-1",   "\xff",  "33.9.1",
	};
	struct py_version version;

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		version = (struct py_version){0};
		assert_true(py_version_parse(&version, good[i].text));
		assert_int_equal(version.hex, good[i].hex);
		assert_string_equal(version.text, good[i].shown);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (py_version_parse(&version, bad[i]))
			fail_msg("\"%s\" was taken for a version", bad[i]);
	}
}

/* A free-threaded build is distinguished, whatever is known of its version. */
static void a_free_threaded_build_is_told_apart(void **state)
{
	static const struct {
		uint32_t hex;
		const char *text;
	} versions[] = {{0x030d05f0, "3.13.5t"}, {0x030f00c1, "3.15.0rc1t"}, {0x030e0000, "3.14t"}};

	(void)state;
	for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		struct py_version version = {.hex = versions[i].hex, .free_threaded = true};

		py_version_format(&version);
		assert_string_equal(version.text, versions[i].text);
	}
}

static void the_supported_versions_are_those_of_the_table(void **state)
{
	char text[PY_VERSION_RANGE_BYTES];

	(void)state;
	py_version_supported(text, sizeof(text));
	assert_string_equal(text, "3.6 to 3.15 and 3.13t to 3.15t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_parsed_or_refused),
		cmocka_unit_test(a_free_threaded_build_is_told_apart),
		cmocka_unit_test(the_supported_versions_are_those_of_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
