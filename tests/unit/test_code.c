/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Code objects: names and the line of every code unit as the interpreters themselves state them,
 * and tables that no compiler writes.
 */
#include "unit/each_minor.h"

#include <errno.h>

#include "python/code.h"
#include "target/remote_mem.h"

/* ---- against running interpreters ----------------------------------------------------------- */

static void unhex(const char *hex, char *text, size_t size)
{
	size_t n = 0;

	for (; hex[0] && hex[0] != '-' && n + 1 < size; hex += 2) {
		char digits[3] = {hex[0], hex[1], '\0'};

		text[n++] = (char)strtoul(digits, NULL, 16);
	}
	text[n] = '\0';
}

/* `text` is `whole`, or its start where that is longer than names are kept */
static void assert_text(const char *text, const char *whole)
{
	size_t length = strlen(text);

	if (strlen(whole) <= PY_CODE_NAME_MAX) {
		assert_string_equal(text, whole);
	} else {
		assert_in_range(length, PY_CODE_NAME_MAX - 3, PY_CODE_NAME_MAX);
		assert_memory_equal(text, whole, length);
	}
}

static void compare_code(struct python_child *child, char *fact)
{
	char name[8192], filename[8192];
	struct py_code code;
	uint64_t address;
	uint32_t unit = 0;
	char *save, *word;

	assert_string_equal(strtok_r(fact, " ", &save), "code");
	address = strtoull(strtok_r(NULL, " ", &save), NULL, 16);
	unhex(strtok_r(NULL, " ", &save), name, sizeof(name));
	unhex(strtok_r(NULL, " ", &save), filename, sizeof(filename));
	assert_int_equal(py_code_read(&code, child->pid, &child->runtime, address), 0);
	assert_text(code.name, name);
	assert_text(code.filename, filename);
	assert_int_equal(code.first_line, atoi(strtok_r(NULL, " ", &save)));
	for (word = strtok_r(NULL, ",", &save); word && *word != '-';
	     word = strtok_r(NULL, ",", &save)) {
		uint32_t line = py_code_line(&code, unit);

		if (line != strtoul(word, NULL, 10))
			fail_msg("%s (%s): unit %u: line %u, should be %s", code.name,
				 code.filename, unit, line, word);
		unit++;
	}
	py_code_fini(&code);
}

static void compare_codes(const char *python)
{
	struct python_child child;
	struct py_code code;
	char **facts;
	size_t n;

	child_start(&child, python, "tests/unit/print_code.py", NULL);
	facts = child_facts(&child);
	child_runtime(&child, facts[0]);
	for (n = 1; facts[n]; n++)
		compare_code(&child, facts[n]);
	assert_true(n > 1000);
	/* what is no code object is refused */
	assert_int_equal(py_code_read(&code, child.pid, &child.runtime, child.runtime.type_type),
			 -EINVAL);
	assert_int_equal(py_code_read(&code, child.pid, &child.runtime, child.runtime.none),
			 -EINVAL);
	assert_int_equal(py_code_read(&code, child.pid, &child.runtime, 8), -EFAULT);
	assert_int_equal(py_code_read(&code, child.pid, &child.runtime, UINT64_MAX - 7), -EFAULT);
	assert_null(code.name);
	child_facts_free(facts);
	child_end(&child);
}

static void code_objects_are_read_as_the_script_states_them(void **state)
{
	with_pythons(minor_of(state), compare_codes);
}

/* ---- tables by hand ------------------------------------------------------------------------- */

#define CODE_OF(table, first, ...)                                                               \
	(struct py_code)                                                                         \
	{                                                                                        \
		.first_line = (first), .line_table = (table), .lines = (uint8_t[]){__VA_ARGS__}, \
		.n_lines = sizeof((uint8_t[]){__VA_ARGS__})                                      \
	}

static void lines_of_lnotab_are_those_of_the_interpreter(void **state)
{
	/* 6 bytes of line 10, 255 + 1 bytes of line 11, then back by 3 */
	struct py_code code = CODE_OF(LINES_LNOTAB, 10, 6, 1, 255, 0, 1, 0xfd, 7);

	(void)state;
	assert_int_equal(py_code_line(&code, 0), 10);
	assert_int_equal(py_code_line(&code, 2), 10);
	assert_int_equal(py_code_line(&code, 3), 11);
	assert_int_equal(py_code_line(&code, 130), 11);
	assert_int_equal(py_code_line(&code, 131), 8);
	assert_int_equal(py_code_line(&code, 0x7fffffff), 8);
	code.n_lines = 0;
	assert_int_equal(py_code_line(&code, 5), 10);
}

static void lines_of_pep_626_are_those_of_the_interpreter(void **state)
{
	struct py_code code = CODE_OF(LINES_PEP626, 10, 4, 1, 2, 0x80, 0, 100, 2, 0xff, 9);

	(void)state;
	assert_int_equal(py_code_line(&code, 0), 11);
	assert_int_equal(py_code_line(&code, 1), 11);
	assert_int_equal(py_code_line(&code, 2), 0); /* -128: no line */
	assert_int_equal(py_code_line(&code, 3),
			 110); /* an empty range moves the line all the same */
	assert_int_equal(py_code_line(&code, 4), 0);
}

static void lines_of_location_tables_are_those_of_the_interpreter(void **state)
{
	/* one line form +2, short form, no column +(-3), none, long form +64 */
	struct py_code code =
		CODE_OF(LINES_LOCATION, 10, 0x80 | 12 << 3, 0, 0, 0x80 | 3 << 3 | 1, 0,
			0x80 | 13 << 3, 7, 0x80 | 15 << 3, 0x80 | 14 << 3 | 7, 0x40, 2, 0, 0, 0);

	(void)state;
	assert_int_equal(py_code_line(&code, 0), 12);
	assert_int_equal(py_code_line(&code, 1), 12);
	assert_int_equal(py_code_line(&code, 2), 12);
	assert_int_equal(py_code_line(&code, 3), 9);
	assert_int_equal(py_code_line(&code, 4), 0);
	assert_int_equal(py_code_line(&code, 5), 73);
	assert_int_equal(py_code_line(&code, 12), 73);
	assert_int_equal(py_code_line(&code, 13), 0);
}

static void damaged_tables_have_no_lines(void **state)
{
	/*
	 * ends within a number; a number that never ends; out of step; sums that leave the range of
	 * lines
	 */
	struct py_code cut = CODE_OF(LINES_LOCATION, 10, 0x80 | 14 << 3, 2, 0, 0x40);
	struct py_code endless = CODE_OF(LINES_LOCATION, 10, 0x80 | 13 << 3, 0x7f, 0x7f, 0x7f, 0x7f,
					 0x7f, 0x7f, 0x7f, 0x7f);
	struct py_code step = CODE_OF(LINES_LOCATION, 10, 0x80 | 10 << 3, 0, 0, 0x10, 0);
	struct py_code down = CODE_OF(LINES_LOCATION, 10, 0x80 | 13 << 3, 0x7f, 0x3f);
	struct py_code up = CODE_OF(LINES_PEP626, INT32_MAX, 2, 127);
	struct py_code missing = CODE_OF(LINES_LOCATION, 10, 0x80 | 10 << 3, 0);

	(void)state;
	assert_int_equal(py_code_line(&cut, 0), 0);
	assert_int_equal(py_code_line(&endless, 0), 0);
	assert_int_equal(py_code_line(&step, 0), 10);
	assert_int_equal(py_code_line(&step, 1), 0);
	assert_int_equal(py_code_line(&down, 0), 0);
	assert_int_equal(py_code_line(&up, 0), 0);
	assert_int_equal(py_code_line(&missing, 0), 0);
}

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Random tables in memory of exactly their size: a sanitizer sees any byte read beyond. */
static void random_tables_are_not_read_beyond(void **state)
{
	uint64_t seed = 20261124;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct py_code code = {
			.first_line = (int32_t)(random_next(&seed) & INT32_MAX),
			.line_table = (enum line_table)(round % 3),
			.n_lines = random_next(&seed) % 200,
		};

		code.lines = malloc(code.n_lines ? code.n_lines : 1);
		assert_non_null(code.lines);
		for (size_t i = 0; i < code.n_lines; i++)
			code.lines[i] =
				(uint8_t)(random_next(&seed) >> 11 | (round & 4 ? 0x80 : 0));
		for (int i = 0; i < 20; i++)
			assert_true(py_code_line(&code, (uint32_t)(random_next(&seed) >>
								   (random_next(&seed) % 40))) <=
				    INT32_MAX);
		free(code.lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_lnotab_are_those_of_the_interpreter),
		cmocka_unit_test(lines_of_pep_626_are_those_of_the_interpreter),
		cmocka_unit_test(lines_of_location_tables_are_those_of_the_interpreter),
		cmocka_unit_test(damaged_tables_have_no_lines),
		cmocka_unit_test(random_tables_are_not_read_beyond),
		ON_EACH_MINOR(code_objects_are_read_as_the_script_states_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
