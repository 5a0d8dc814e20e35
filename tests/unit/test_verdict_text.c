/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a verdict is written: the answer in the first line, a finding in one line and who did it in
 * the next, nothing that breaks a terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/escape.h"
#include "view/verdict_text.h"

static char *text_of(const struct verdict *verdict)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const struct pen pen = {.out = out};

	verdict_text(&pen, verdict, NULL, 12);
	fclose(out);
	return text;
}

static const struct frame frames[] = {
	{.kind = FRAME_PYTHON, .function = "handle", .file = "/app/web.py", .line = 88},
	{.kind = FRAME_PYTHON, .function = "remember", .file = "/app/cache.py", .line = 41},
	{.kind = FRAME_NATIVE, .module = "_own.so", .offset = 30},
	{.kind = FRAME_NATIVE, .function = "strdup", .module = "libc.so.6", .offset = 10},
};

static void the_answer_is_first_and_each_finding_is_followed_by_who_did_it(void **state)
{
	const struct stack stack = {.frames = frames, .n_frames = 4};
	const struct finding findings[] = {
		{.cause = CAUSE_CONTAINER,
		 .sentence = "app.CACHE (dict, 7 app.Item, +60/min) only grows",
		 .bytes_per_s = 1 << 20,
		 .by = "filled by",
		 .stack = &stack,
		 .next = {"pyleaktrace", "chain", "-p", "42", "app.Item"}},
		{.cause = CAUSE_C_MEMORY,
		 .sentence = "memory is lost",
		 .bytes_per_s = 1 << 10,
		 .by = "called by",
		 .stack = &stack},
	};
	const struct verdict verdict = {.state = VERDICT_LEAK,
					.sentence = "+60.1 MiB/min; 99 % of it explained.",
					.findings = findings,
					.n_findings = 2,
					.unexplained_per_s = 1000,
					.look_again_s = 30};
	char *text = text_of(&verdict);

	(void)state;
	assert_string_equal(
		text, "LEAK  +60.1 MiB/min; 99 % of it explained.\n"
		      "  1. +60.0 MiB/min  container   app.CACHE (dict, 7 app.Item, +60/min) only "
		      "grows\n"
		      "                    filled by   remember (app/cache.py:41) < handle "
		      "(app/web.py:88)\n"
		      "  2. +60.0 KiB/min  C memory    memory is lost\n"
		      "                    called by   libc.strdup < remember (app/cache.py:41) < "
		      "handle (app/web.py:88)\n"
		      "     +58.6 KiB/min  not explained yet; look again in 30 s\n"
		      "Next: pyleaktrace chain -p 42 app.Item\n");
	free(text);
}

#define PYTHON(name, path)                                                      \
	{                                                                       \
		.kind = FRAME_PYTHON, .function = name, .file = path, .line = 3 \
	}

/* One finding, with this stack; root first. */
static char *text_with(enum finding_cause cause, const struct frame *of_it, size_t n,
		       const struct stack *other)
{
	const struct stack stack = {.frames = of_it, .n_frames = n};
	const struct finding findings[] = {{.cause = cause,
					    .sentence = "x",
					    .bytes_per_s = 1 << 20,
					    .by = "called by",
					    .stack = &stack},
					   {.sentence = "y", .by = "by", .stack = other}};
	const struct verdict verdict = {.state = VERDICT_LEAK,
					.sentence = "It grows.",
					.findings = findings,
					.n_findings = other ? 2 : 1};

	return text_of(&verdict);
}

static void own_code_is_first(void **state)
{
	static const struct frame server[] = {
		PYTHON("run", "/usr/lib/python3.11/threading.py"),
		PYTHON("handle", "/usr/lib/python3.11/http/server.py"),
		PYTHON("main", "/srv/app/main.py"),
		PYTHON("call", "/v/lib/python3.11/site-packages/flask/app.py"),
		PYTHON("view", "/srv/app/views.py"),
		PYTHON("loads", "/usr/lib/python3.11/json/__init__.py"),
		PYTHON("decode", "/usr/lib/python3.11/json/decoder.py"),
	};
	static const struct frame same[] = {PYTHON("f", "/opt/app/views.py")};
	const struct stack other = {.frames = same, .n_frames = 1};
	char *text = text_with(CAUSE_CONTAINER, server, 7, NULL);

	(void)state;
	/* what it called, where there is room; "..." for what was between */
	assert_non_null(strstr(text, "  json.loads < view (app/views.py:3)"));
	free(text);
	text = text_with(CAUSE_CONTAINER, server, 5, NULL);
	assert_non_null(
		strstr(text, "  view (app/views.py:3) < ... < main (app/main.py:3) < 2 more\n"));
	free(text);
	/* paths that would look alike do not */
	text = text_with(CAUSE_CONTAINER, server, 5, &other);
	assert_non_null(strstr(text, "  view (srv/app/views.py:3) <"));
	assert_non_null(strstr(text, "  f (opt/app/views.py:3)\n"));
	free(text);
	/* others' code alone is better than nothing */
	text = text_with(CAUSE_CONTAINER, server, 2, NULL);
	assert_non_null(
		strstr(text, "  handle (http/server.py:3) < run (python3.11/threading.py:3)\n"));
	free(text);
}

static void what_has_no_room_is_counted(void **state)
{
	struct finding findings[8] = {{0}};
	struct verdict verdict = {.state = VERDICT_LEAK,
				  .sentence = "It grows.",
				  .findings = findings,
				  .n_findings = 8};
	char *text;
	size_t lines = 0;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		findings[i] = (struct finding){.sentence = "x", .bytes_per_s = 9 - (double)i};
	text = text_of(&verdict);
	assert_null(strstr(text, "more cause"));
	free(text);
	for (size_t i = 0; i < 8; i++)
		findings[i].sentence =
			"a sentence that is so long that it takes the second line as well, as the "
			"sentences about containers do";
	text = text_of(&verdict);
	assert_non_null(strstr(text, "     ... 4 more causes (-v)\n"));
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 1 + 4 * 2 + 1);
	free(text);
}

static void hostile_names_break_no_terminal(void **state)
{
	const struct finding finding = {
		.cause = CAUSE_CONTAINER,
		.sentence = "app.\033[2J\n\xff grows",
		.bytes_per_s = 1,
		.next = {"pyleaktrace", "chain", "-p", "42", "\033]0;x'y\007"}};
	const struct verdict verdict = {.state = VERDICT_GROWING,
					.sentence = "\033[1m.",
					.findings = &finding,
					.n_findings = 1};
	char *text = text_of(&verdict);

	(void)state;
	for (const char *at = text; *at; at++)
		assert_true(*at == '\n' || (unsigned char)*at >= 0x20);
	assert_null(strchr(text, '\x7f'));
	assert_non_null(strstr(text, "-p 42 '\\x1b]0;x'\\''y\\x07'\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_is_first_and_each_finding_is_followed_by_who_did_it),
		cmocka_unit_test(own_code_is_first),
		cmocka_unit_test(what_has_no_room_is_counted),
		cmocka_unit_test(hostile_names_break_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
