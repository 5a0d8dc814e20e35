/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "golden/golden.h"

#include "export/exporter.h"
#include "export/formats.h"

/* As the tool writes it: with groups at the roots. */
static int grouped(FILE *out, const struct document *document, struct err *err)
{
	return exporter_write(exporter_by_name("folded", document->kind, err), out, document, err);
}

static void golden_files(void **state)
{
	(void)state;
	golden_check("service", "expected.folded", export_folded);
	golden_check("empty", "expected.folded", export_folded);
	golden_check("hostile", "expected.folded", export_folded);
	golden_check("by-module", "expected.folded", grouped);
	golden_check("by-line", "expected.folded", grouped);
}

/*
 * What readers of the format rely on: one line a stack, frames between `;`, a number behind the
 * last space.
 */
static void every_line_is_frames_and_a_number(void **state)
{
	struct profile *profile = made_profile("hostile");
	char *text = golden_text(export_folded, profile, NULL), *rest = text, *line;
	size_t i = 0;

	(void)state;
	while ((line = strsep(&rest, "\n")) && *line) {
		char *number = strrchr(line, ' '), *end, *frame;
		size_t n = 0;

		assert_true(i < profile->n_stacks);
		assert_non_null(number);
		*number++ = '\0';
		assert_true(strtoull(number, &end, 10) == profile->stacks[i].outstanding_bytes);
		assert_int_equal(*end, '\0');
		while ((frame = strsep(&line, ";"))) {
			assert_true(*frame != '\0');
			n++;
			for (; *frame; frame++)
				assert_true((unsigned char)*frame >= 0x20 && *frame != 0x7f);
		}
		assert_int_equal(n, profile->stacks[i].n_frames ? profile->stacks[i].n_frames : 1);
		i++;
	}
	assert_int_equal(i, profile->n_stacks);
	free(text);
	profile_free(profile);
}

/* A group at the root changes nothing but that; where there is none, the bytes are the same. */
static void groups_are_roots(void **state)
{
	static const char *const names[] = {"wheels",    "by-line",   "by-function",
					    "by-module", "by-thread", "by-pid"};
	struct profile *plain = made_profile("wheels");
	char *expected = golden_text(export_folded, plain, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct profile *profile = made_profile(names[i]);
		char *text = golden_text(grouped, profile, NULL), *rest = text, *line;
		const char *at = expected;
		size_t n = 0;

		while ((line = strsep(&rest, "\n")) && *line) {
			if (i >= 3) {
				const struct grouping *grouping = profile->grouping;
				const struct group *group =
					&grouping->groups[grouping->of_stack[n]];
				char root[128];

				snprintf(root, sizeof(root), "%s %s;", group_by_name(grouping->by),
					 group->title);
				assert_int_equal(strncmp(line, root, strlen(root)), 0);
				line += strlen(root);
			}
			assert_int_equal(strncmp(at, line, strlen(line)), 0);
			at += strlen(line);
			assert_int_equal(*at++, '\n');
			n++;
		}
		assert_int_equal(n, 7);
		assert_int_equal(*at, '\0');
		free(text);
		profile_free(profile);
	}
	free(expected);
	profile_free(plain);
}

/* Of a finding's stack, and of no other; inside of the group, where there are groups. */
static void findings_are_roots(void **state)
{
	struct profile *profile = made_profile("answered");
	char *plain = golden_text(export_folded, profile, NULL),
	     *text = golden_text(grouped, profile, NULL);
	const char root[] = "container app.cache.SESSIONS;";

	(void)state;
	assert_memory_equal(text, root, strlen(root));
	assert_string_equal(text + strlen(root), plain);
	free(text);
	profile_group(profile, GROUP_MODULE, ORDER_SIZE);
	text = golden_text(grouped, profile, NULL);
	assert_non_null(strstr(text, "module /srv/app;container app.cache.SESSIONS;<module> ("));
	free(text);
	/* where the stack that makes it was not traced there is none */
	profile_group(profile, GROUP_STACK, ORDER_SIZE);
	profile->stacks++;
	profile->n_stacks--;
	text = golden_text(grouped, profile, NULL);
	assert_string_equal(text, strchr(plain, '\n') + 1);
	free(text);
	free(plain);
	profile_free(profile);
}

static void formats_are_found(void **state)
{
	static const char *const names[] = {"text",       "json",  "folded", "svg", "html",
					    "speedscope", "pprof", "otlp",   NULL};
	static const char *const suffixes[] = {".txt",   ".json",   ".folded",
					       ".svg",   ".html",   ".speedscope.json",
					       ".pb.gz", ".otlp.pb"};
	struct err err = ERR_INIT;

	(void)state;
	for (int i = 0; names[i]; i++) {
		const struct exporter *row = exporter_by_name(names[i], DOCUMENT_TRACE, &err);
		char file[64];

		assert_non_null(row);
		assert_string_equal(row->suffix, suffixes[i]);
		snprintf(file, sizeof(file), "/tmp/a.b/out%s", row->suffix);
		assert_ptr_equal(exporter_by_file(file, DOCUMENT_TRACE, &err), row);
		assert_true(row->write || !strcmp(row->name, "text"));
	}
	assert_string_equal(exporter_by_file("REPORT.JSON", DOCUMENT_HEAP, &err)->name, "json");
	/* two pictures of one name, each of what it can draw */
	assert_ptr_not_equal(exporter_by_name("svg", DOCUMENT_TRACE, &err),
			     exporter_by_name("svg", DOCUMENT_GRAPH, &err));
	assert_int_equal(err.code, ERR_NONE);
}

static void wrong_formats_say_what_there_is(void **state)
{
	static const char *const files[] = {"out",   ".json",  "a/.svg", "json",
					    "x.plt", ".pb.gz", "x.svg/", "a.json/b",
					    "x.gz",  "x.pb",   ""};
	struct err err = ERR_INIT;

	(void)state;
	assert_null(exporter_by_name("plot", DOCUMENT_TRACE, &err));
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(err.text,
			    "unknown format \"plot\"; use one of text, json, folded, svg, html, "
			    "speedscope, pprof, otlp");
	/* no JSON of another kind under the name of this one */
	assert_null(exporter_by_name("speedscope", DOCUMENT_HEAP, &err));
	assert_null(exporter_by_file("x.speedscope.json", DOCUMENT_HEAP, &err));
	assert_null(exporter_by_name("\033[2Jx", DOCUMENT_GRAPH, &err));
	assert_string_equal(err.text,
			    "unknown format \"\\x1b[2Jx\"; use one of text, json, dot, svg");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		err.code = ERR_NONE;
		assert_null(exporter_by_file(files[i], DOCUMENT_TRACE, &err));
		assert_int_equal(err.code, ERR_USAGE);
		assert_non_null(strstr(err.text, ".otlp.pb, or give -f"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_files),
		cmocka_unit_test(every_line_is_frames_and_a_number),
		cmocka_unit_test(groups_are_roots),
		cmocka_unit_test(findings_are_roots),
		cmocka_unit_test(formats_are_found),
		cmocka_unit_test(wrong_formats_say_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
