/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heard: what the code under test writes to standard output and standard error. heard_begin() and
 * heard_end() are setup and teardown of a test; between them both go to files.
 *
 * Place      tests/unit only.
 */
#ifndef PYLEAKTRACE_TESTS_UNIT_HEARD_H
#define PYLEAKTRACE_TESTS_UNIT_HEARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <unistd.h>

/* [0]: standard output, [1]: standard error */
static struct {
	FILE *file;
	int usual;
	char text[1 << 15];
} heard_from[2];

static inline int heard_begin(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		FILE *stream = i ? stderr : stdout;

		fflush(stream);
		heard_from[i].file = tmpfile();
		heard_from[i].usual = dup(fileno(stream));
		if (!heard_from[i].file || heard_from[i].usual < 0 ||
		    dup2(fileno(heard_from[i].file), fileno(stream)) < 0)
			return -1;
	}
	return 0;
}

static inline int heard_end(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		FILE *stream = i ? stderr : stdout;

		fflush(stream);
		dup2(heard_from[i].usual, fileno(stream));
		close(heard_from[i].usual);
		fclose(heard_from[i].file);
	}
	return 0;
}

static inline const char *heard_since(int which)
{
	FILE *file = heard_from[which].file;
	char *text = heard_from[which].text;
	size_t n;

	fflush(which ? stderr : stdout);
	rewind(file);
	n = fread(text, 1, sizeof(heard_from[which].text) - 1, file);
	text[n] = '\0';
	rewind(file);
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	return text;
}

/* What was said on standard error since the last time. */
static inline const char *heard(void)
{
	return heard_since(1);
}

/* The same of standard output. */
static inline const char *heard_out(void)
{
	return heard_since(0);
}

/* A command line for a parser, which may write into its words. */
struct heard_words {
	char *argv[80];
	int argc;
	char text[1 << 12];
};

/* words: the first one is not the program's name; NULL ends them */
static inline void heard_words(struct heard_words *line, const char *const *words)
{
	size_t used = 0;

	line->argc = 0;
	for (const char *word = "pyleaktrace"; word; word = *words++) {
		assert_true(line->argc + 1 < (int)(sizeof(line->argv) / sizeof(line->argv[0])));
		line->argv[line->argc++] = line->text + used;
		used += (size_t)snprintf(line->text + used, sizeof(line->text) - used, "%s", word) +
			1;
		assert_true(used < sizeof(line->text));
	}
	line->argv[line->argc] = NULL;
}

#endif
