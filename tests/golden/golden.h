/* SPDX-License-Identifier: BSD-2-Clause
 *
 * golden: what a view or an export writes, as a string or against a stored file.
 *
 * The stored files are tests/golden/CASE/FILE, seen from the root of the sources, where tests are
 * run. With UPDATE_GOLDEN=1 in the environment they are written instead of compared: look at `git
 * diff` then.
 */
#ifndef PYLEAKTRACE_GOLDEN_GOLDEN_H
#define PYLEAKTRACE_GOLDEN_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "export/exporter.h"
#include "golden/made_profile.h"

typedef int golden_writer(FILE *out, const struct document *document, struct err *err);

/* All that the writer writes; to be freed. *size (may be NULL) is without the final NUL. */
static inline char *golden_text(golden_writer *writer, const struct profile *profile, size_t *size)
{
	const struct document document = {.kind = DOCUMENT_TRACE, .profile = profile};
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	assert_int_equal(writer(out, &document, &err), 0);
	assert_int_equal(fclose(out), 0);
	if (size)
		*size = n;
	return text;
}

static inline char *golden_read(const char *path)
{
	FILE *in = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;
	ssize_t n;

	if (!in)
		fail_msg("%s is missing; run from the root of the sources", path);
	n = getdelim(&text, &room, '\0', in);
	fclose(in);
	if (n < 0) { /* an empty file */
		free(text);
		return strdup("");
	}
	return text;
}

/* Compare with, or with UPDATE_GOLDEN=1 write, tests/golden/CASE/FILE. */
static inline void golden_check(const char *name, const char *file, golden_writer *writer)
{
	struct profile *profile = made_profile(name);
	char path[256], *text = golden_text(writer, profile, NULL), *expected;

	snprintf(path, sizeof(path), "tests/golden/%s/%s", name, file);
	if (getenv("UPDATE_GOLDEN")) {
		FILE *out = fopen(path, "w");

		assert_non_null(out);
		fputs(text, out);
		assert_int_equal(fclose(out), 0);
	}
	expected = golden_read(path);
	assert_string_equal(text, expected);
	free(expected);
	free(text);
	profile_free(profile);
}

/*
 * The second use of a test program: `test_html --write FOLDER` writes CASE.SUFFIX for all made
 * profiles, for tests that look at the files from outside (tests/page). Returns whether that was
 * asked for.
 */
static inline int golden_write_all(int argc, char **argv, const char *suffix, golden_writer *writer)
{
	if (argc != 3 || strcmp(argv[1], "--write"))
		return 0;
	for (const char *const *name = made_names; *name; name++) {
		struct profile *profile = made_profile(*name);
		const struct document document = {.kind = DOCUMENT_TRACE, .profile = profile};
		struct err err = ERR_INIT;
		char path[4096];
		FILE *out;

		snprintf(path, sizeof(path), "%s/%s.%s", argv[2], *name, suffix);
		out = fopen(path, "w");
		if (!out || writer(out, &document, &err) || fclose(out)) {
			fprintf(stderr, "%s: cannot be written: %s\n", path, err.text);
			exit(1);
		}
		profile_free(profile);
	}
	return 1;
}

#endif
