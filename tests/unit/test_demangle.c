/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names of C++ and Rust symbols, of symbols with versions; names that are damaged, or made to grow
 * without end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "symbol/demangle.h"

static void each_scheme_gives_the_name_that_was_written(void **state)
{
	static const char *const cases[][2] = {
		{"malloc", "malloc"},
		{"memcpy@@GLIBC_2.14", "memcpy"},
		{"memcpy@GLIBC_2.2.5", "memcpy"},
		{"@odd", "@odd"},
		{"_Znwm", "operator new"},
		{"_ZN4shop5ShelfIcE4fillEPKc", "shop::Shelf<char>::fill"},
		{"_ZN12_GLOBAL__N_16hiddenEi", "(anonymous namespace)::hidden"},
		{"_ZNSt6vectorIiSaIiEE9push_backERKi@@GLIBCXX_3.4",
		 "std::vector<int, std::allocator<int> >::push_back"},
		/* Rust: legacy, v0 (generic arguments, a closure, an identifier that is not
		 * ASCII) */
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
		{"_RNvCs4fqI2P2rA04_4name3foo", "name::foo"},
		{"_RINvCs4fqI2P2rA04_4name3fooReE", "name::foo::<&str>"},
		{"_RNCNvCs4fqI2P2rA04_4name3foo0B3_", "name::foo::{closure#0}"},
		{"_RNvCs4fqI2P2rA04_4nameu8gdel_5qa", "name::g\xc3\xb6"
						      "del"},
		/* none of these */
		{"", ""},
		{"_", "_"},
		{"_Z", "_Z"},
		{"_R", "_R"},
		{"_ZN", "_ZN"},
		{"_ZN4shop", "_ZN4shop"},
		{"_ZN99999999999999999999xE", "_ZN99999999999999999999xE"},
		{"_PyObject_Malloc", "_PyObject_Malloc"},
		{"\x1b[31m", "\x1b[31m"},
	};
	char text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(demangle(cases[i][0], text, sizeof(text)), cases[i][1]);
}

/* What does not fit ends in "...", whichever way it comes. */
static void a_name_that_does_not_fit_ends_in_dots(void **state)
{
	char text[16], *name = malloc(3 * DEMANGLE_MAX);

	(void)state;
	assert_string_equal(demangle("_ZN4shop5ShelfIcE4fillEPKc", text, sizeof(text)),
			    "shop::Shelf<...");
	assert_string_equal(demangle("exactly15_bytes", text, sizeof(text)), "exactly15_bytes");
	assert_string_equal(demangle("one_more_than_15", text, sizeof(text)), "one_more_tha...");
	assert_string_equal(demangle("_ZN15exactly15_bytesE", text, sizeof(text)),
			    "exactly15_bytes");
	assert_string_equal(demangle("_ZN16one_more_than_15E", text, sizeof(text)),
			    "one_more_tha...");
	memset(name, 'x', 3 * DEMANGLE_MAX - 1);
	name[3 * DEMANGLE_MAX - 1] = '\0';
	assert_string_equal(demangle(name, text, sizeof(text)), "xxxxxxxxxxxx...");
	free(name);
}

/* A number as the schemes count what came before: "" for the first, then 0, 1, ... in base 36 or
 * 62. */
static const char *counted(unsigned n, unsigned base, bool capitals_first)
{
	static const char cxx[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char rust[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static char text[2][8];
	static unsigned next;
	char *at = text[next++ % 2] + 7;

	*at = '\0';
	if (n-- == 0)
		return at;
	do
		*--at = capitals_first ? cxx[n % base] : rust[n % base];
	while (n /= base);
	return at;
}

static void assert_cut(const char *name)
{
	char text[4096];

	demangle(name, text, sizeof(text));
	assert_int_equal(strlen(text), sizeof(text) - 1);
	assert_string_equal(text + sizeof(text) - sizeof("..."), "...");
}

/* Pairs of the pair before: 50 of them in 600 bytes stand for a text of 2^50 pieces. */
static void names_that_grow_are_cut(void **state)
{
	char name[DEMANGLE_MAX] = "_Z1fI1pI1aE"; /* S_: f, S0_: p, S1_: a, S2_: p<a> */
	size_t used = strlen(name);
	unsigned before;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		used += (size_t)snprintf(name + used, sizeof(name) - used, "S0_IS%s_S%s_E",
					 counted(i + 3, 36, true), counted(i + 3, 36, true));
	snprintf(name + used, sizeof(name) - used, "Evv");
	assert_cut(name);
	used = (size_t)snprintf(name, sizeof(name), "_RINvC1a1f");
	before = (unsigned)used - 2; /* places count from behind _R */
	used += (size_t)snprintf(name + used, sizeof(name) - used, "TuuE");
	for (int i = 0; i < 50; i++) {
		unsigned here = (unsigned)used - 2;

		used += (size_t)snprintf(name + used, sizeof(name) - used, "TB%s_B%s_E",
					 counted(before, 62, false), counted(before, 62, false));
		before = here;
	}
	snprintf(name + used, sizeof(name) - used, "E");
	assert_cut(name);
}

/* As deep as a name can be. */
static void names_as_deep_as_can_be_come_to_their_end(void **state)
{
	static const char *const forms[] = {"P", "N1a", "I1a", "RK", "F", "A_", "T", "Y", "B_"};
	char name[DEMANGLE_MAX + 1], text[4096];

	(void)state;
	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++)
		for (int rust = 0; rust < 2; rust++) {
			size_t used =
				(size_t)snprintf(name, sizeof(name), rust ? "_RINvC1a1f" : "_Z1f");

			while (used + 4 < sizeof(name))
				used += (size_t)snprintf(name + used, sizeof(name) - used, "%s",
							 forms[f]);
			demangle(name, text, sizeof(text));
			assert_in_range(strlen(text), 1, sizeof(text) - 1);
		}
}

/* Names of real symbols with bytes changed. */
static void damaged_names_do_no_harm(void **state)
{
	static const char *const names[] = {
		"_ZNSt6vectorIN4shop4ItemESaIS1_EE17_M_realloc_insertIJRKS1_EEEvN9__gnu_cxx17__"
		"normal_"
		"iteratorIPS1_S3_EEDpOT_",
		"_RINvNtCs4fqI2P2rA04_4core3fmt3fooReNtB2_3BarTNtB4_3BazjEE",
		"_ZNK4shop5ShelfINSt7__cxx1112basic_stringIcSt11char_"
		"traitsIcESaIcEEELi3EE4eachIZNS_3runEPKc"
		"EUlRKS6_E_EEmOT_",
		"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"};
	static const char bytes[] = "_0123456789EINSTZRBDpLXKOFAPUYCtJ$.u\xff\x01";
	uint32_t seed = 7;
	char name[512], text[512];

	(void)state;
	for (int i = 0; i < 40000; i++) {
		size_t length, n = 1 + (size_t)i % 4;

		snprintf(name, sizeof(name), "%s", names[i / 4 % 4]);
		length = strlen(name);
		while (n--) {
			seed = seed * 1664525 + 1013904223;
			name[2 + (seed >> 8) % (length - 2)] =
				bytes[(seed >> 20) % (sizeof(bytes) - 1)];
		}
		demangle(name, text, sizeof(text));
		assert_in_range(strlen(text), 1, sizeof(text) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_scheme_gives_the_name_that_was_written),
		cmocka_unit_test(a_name_that_does_not_fit_ends_in_dots),
		cmocka_unit_test(names_that_grow_are_cut),
		cmocka_unit_test(names_as_deep_as_can_be_come_to_their_end),
		cmocka_unit_test(damaged_names_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
