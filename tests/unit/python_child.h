/* SPDX-License-Identifier: BSD-2-Clause
 *
 * python_child: real interpreters as targets of unit tests. A script prints facts about its own
 * objects, one a line, then "ready", and waits for the end of its input; the test reads the same
 * facts from outside.
 *
 * Place      tests/unit only. Interpreters looked for: ~/.pyenv/versions, /usr/bin,
 *            build/pythons/bin, build/nogil (free-threaded).
 * Shapes     the first line of every script is "runtime" with id(type), id(type(code)), id(None),
 *            minor version, 1 when free-threaded; numbers of it are hexadecimal where they are
 *            addresses.
 */
#ifndef PYLEAKTRACE_TESTS_UNIT_PYTHON_CHILD_H
#define PYLEAKTRACE_TESTS_UNIT_PYTHON_CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/wait.h>
#include <unistd.h>

#include "python/layout.h"
#include "python/runtime.h"

struct python_child {
	pid_t pid;
	FILE *facts;
	int input;                 /* closed: the script ends */
	struct py_runtime runtime; /* only ids that the script printed, and the layout's row */
};

static inline char *child_read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 16);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 16) - 1, file) > 0);
	fclose(file);
	return text;
}

/* environment: one "NAME=value" or NULL */
static inline void child_start(struct python_child *child, const char *python, const char *script,
			       const char *environment)
{
	char *text = child_read_file(script);
	int input[2], output[2];

	memset(child, 0, sizeof(*child));
	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	child->pid = fork();
	assert_true(child->pid >= 0);
	if (!child->pid) {
		dup2(input[0], 0);
		dup2(output[1], 1);
		if (environment)
			putenv((char *)environment);
		unsetenv("LD_PRELOAD");
		execl(python, python, "-c", text, (char *)NULL);
		_exit(127);
	}
	close(input[0]);
	close(output[1]);
	free(text);
	child->input = input[1];
	child->facts = fdopen(output[0], "r");
	assert_non_null(child->facts);
}

/* The next fact, without its line break; false after "ready". */
static inline bool child_fact(struct python_child *child, char **line, size_t *size)
{
	ssize_t length = getline(line, size, child->facts);

	assert_true(length > 0);
	(*line)[length - 1] = '\0';
	return strcmp(*line, "ready") != 0;
}

/*
 * Read all facts into one NULL-terminated array, so that the script waits while they are compared.
 */
static inline char **child_facts(struct python_child *child)
{
	char **facts = NULL, *line = NULL;
	size_t n = 0, room = 0, size = 0;

	while (child_fact(child, &line, &size)) {
		if (n + 1 >= room) {
			room = room ? room * 2 : 1024;
			facts = realloc(facts, room * sizeof(*facts));
			assert_non_null(facts);
		}
		facts[n++] = strdup(line);
	}
	free(line);
	assert_true(n > 0);
	facts[n] = NULL;
	return facts;
}

static inline void child_facts_free(char **facts)
{
	for (size_t i = 0; facts[i]; i++)
		free(facts[i]);
	free(facts);
}

/* Take the first fact into the runtime. */
static inline void child_runtime(struct python_child *child, const char *fact)
{
	unsigned minor, free_threaded;
	const struct py_layout *row;

	assert_int_equal(sscanf(fact, "runtime %lx %lx %lx %u %u", &child->runtime.type_type,
				&child->runtime.code_type, &child->runtime.none, &minor,
				&free_threaded),
			 5);
	row = layout_find(minor, free_threaded);
	assert_non_null(row);
	child->runtime.layout = *row;
}

/* After its last word the script has still to reach its read: then it sleeps. */
static inline void child_sleeps(const struct python_child *child)
{
	char path[32], text[512], *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)child->pid);
	do {
		file = fopen(path, "r");
		assert_non_null(file);
		assert_non_null(fgets(text, sizeof(text), file));
		fclose(file);
		state = strrchr(text, ')');
		assert_non_null(state);
		assert_int_not_equal(state[2], 'Z');
	} while (state[2] != 'S');
}

static inline void child_end(struct python_child *child)
{
	int status;

	close(child->input);
	fclose(child->facts);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_int_equal(status, 0);
}

static inline bool python_starts(const char *python)
{
	char command[4200];

	snprintf(command, sizeof(command), "'%s' -c 0 >/dev/null 2>&1", python);
	return system(command) == 0;
}

/* By its name: python3.14t has no GIL. */
static inline bool python_is_free_threaded(const char *python)
{
	return python[strlen(python) - 1] == 't';
}

/*
 * Run a check on every interpreter of this minor version; skip the test when there is none.
 */
static inline void with_pythons(unsigned minor, void (*check)(const char *python))
{
	const char *home = getenv("HOME");
	char patterns[4][4096];
	unsigned checked = 0;

	snprintf(patterns[0], sizeof(patterns[0]), "%s/.pyenv/versions/3.*/bin/python3.%u",
		 home ? home : "", minor);
	snprintf(patterns[1], sizeof(patterns[1]), "/usr/bin/python3.%u", minor);
	snprintf(patterns[2], sizeof(patterns[2]), "build/pythons/bin/python3.%u", minor);
	snprintf(patterns[3], sizeof(patterns[3]), "build/nogil/*/bin/python3.%ut", minor);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		glob_t found;

		if (glob(patterns[i], 0, NULL, &found) == 0) {
			for (size_t j = 0; j < found.gl_pathc; j++) {
				if (!python_starts(found.gl_pathv[j]))
					continue;
				check(found.gl_pathv[j]);
				checked++;
			}
		}
		globfree(&found);
	}
	if (!checked) {
		print_message("skip: no CPython 3.%u was found that starts\n", minor);
		skip();
	}
}

#endif
