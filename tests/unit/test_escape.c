/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

typedef void escaper(FILE *out, const char *text);

static void check(escaper *escape, const char *text, const char *expected)
{
	char *got = NULL;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	escape(out, text);
	fclose(out);
	assert_string_equal(got, expected);
	free(got);
}

static void plain_text_is_unchanged(void **state)
{
	static const char *const texts[] = {"",
					    "a",
					    "Server.handle (/srv/x.py:1)",
					    "caf\xc3\xa9",
					    "\xe6\x97\xa5\xe6\x9c\xac",
					    "\xf0\x9f\x90\x8d",
					    "back\\slash",
					    "<lambda>"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check(escape_terminal, texts[i], texts[i]);
}

static void terminals_get_no_control(void **state)
{
	(void)state;
	check(escape_terminal, "\033[31m\007\b\177", "\\x1b[31m\\x07\\x08\\x7f");
	check(escape_terminal, "a\nb\rc\td", "a\\nb\\rc\\td");
	check(escape_terminal,
	      "\xc2\x9b"
	      "31m\xc2\x85",
	      "\\u009b31m\\u0085"); /* the 8-bit forms of ESC [ and newline */
	check(escape_terminal, "\xe2\x80\xae\xe2\x80\x8b\xe2\x80\xa8\xef\xbb\xbf",
	      "\\u202e\\u200b\\u2028\\ufeff");
	check(escape_terminal, "\xf3\xa0\x81\x81", "\\U0e0041"); /* a tag character */
}

static void broken_utf8_is_shown_as_bytes(void **state)
{
	(void)state;
	check(escape_terminal, "\xff", "\\xff");
	check(escape_terminal,
	      "\x80"
	      "a",
	      "\\x80a");
	check(escape_terminal, "\xc3", "\\xc3");
	check(escape_terminal, "\xc3(", "\\xc3(");
	check(escape_terminal, "\xe2\x82", "\\xe2\\x82");
	check(escape_terminal, "\xc0\xaf", "\\xc0\\xaf");                   /* '/' the long way */
	check(escape_terminal, "\xe0\x80\xaf", "\\xe0\\x80\\xaf");          /* longer */
	check(escape_terminal, "\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
	check(escape_terminal, "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* U+110000 */
	check(escape_terminal, "\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80");
}

static void xml_has_entities(void **state)
{
	(void)state;
	check(escape_xml, "<a href=\"x\" b='y'>&amp;</a>",
	      "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;");
	check(escape_xml, "]]>\001\n\xff", "]]&gt;\\x01\\n\\xff");
	check(escape_xml, "\xef\xbf\xbe", "\\ufffe"); /* not a character of XML */
}

static void folded_has_no_separator(void **state)
{
	(void)state;
	check(escape_folded, "a;b;", "a:b:");
	check(escape_folded, "a\nb c", "a\\nb c");
	check(escape_folded, "", "?");
}

static void every_byte_pair_is_safe(void **state)
{
	(void)state;
	for (unsigned a = 1; a < 256; a++)
		for (unsigned b = 1; b < 256; b++) {
			const char text[] = {(char)a, (char)b, '\0'}, *at = text;
			char copy[32];

			escape_copy(copy, sizeof(copy), text);
			for (const char *c = copy; *c; c++)
				assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
			while (*at)
				escape_next(&at);
			assert_ptr_equal(at, text + 2);
			assert_int_equal(escape_columns(copy), escape_columns(text));
		}
}

static void utf8_is_repaired(void **state)
{
	char copy[16], small[5];

	(void)state;
	assert_string_equal(escape_utf8(copy, sizeof(copy), "a\xff\xc3\xa9\n"),
			    "a\xef\xbf\xbd\xc3\xa9\n");
	assert_string_equal(escape_utf8(small, sizeof(small), "abc\xc3\xa9"),
			    "abc"); /* not half a character */
	assert_string_equal(escape_utf8(small, 1, "abc"), "");
}

static void copies_are_cut_with_dots(void **state)
{
	char copy[16];

	(void)state;
	assert_string_equal(escape_copy(copy, sizeof(copy), "123456789012345"), "123456789012345");
	assert_string_equal(escape_copy(copy, sizeof(copy), "1234567890123456"), "123456789012...");
	assert_string_equal(escape_copy(copy, sizeof(copy), "12345678901\n\n\n"), "12345678901...");
	assert_string_equal(escape_copy(copy, sizeof(copy), "\xff\xff\xff\xff"),
			    "\\xff\\xff\\xff...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_is_unchanged),
		cmocka_unit_test(terminals_get_no_control),
		cmocka_unit_test(broken_utf8_is_shown_as_bytes),
		cmocka_unit_test(xml_has_entities),
		cmocka_unit_test(folded_has_no_separator),
		cmocka_unit_test(every_byte_pair_is_safe),
		cmocka_unit_test(utf8_is_repaired),
		cmocka_unit_test(copies_are_cut_with_dots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
