/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The program's own files, line by line: what each line has outstanding, whatever the file has
 * become, and nothing of another's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/sources.h"
#include "trace/source_file.h"
#include "view/source_text.h"

#define APP "/srv/shop/app.py"

static const struct frame main_py = {
	.kind = FRAME_PYTHON, .function = "main", .file = "/srv/shop/main.py", .line = 3};
static const struct frame step = {.kind = FRAME_PYTHON, .function = "step", .file = APP, .line = 4};
static const struct frame keep = {.kind = FRAME_PYTHON, .function = "keep", .file = APP, .line = 9};
static const struct frame dumps = {.kind = FRAME_PYTHON,
				   .function = "dumps",
				   .file = "/usr/lib/python3.11/json/__init__.py",
				   .line = 231};

/* Two stacks, one of them with a recursion. */
static struct profile *make(void)
{
	struct profile *profile = profile_new();
	struct stack *stacks = profile_alloc(profile, 3 * sizeof(*stacks));
	struct frame *frames = profile_alloc(profile, 4 * sizeof(*frames));
	struct frame *others = profile_alloc(profile, 3 * sizeof(*others));

	memcpy(frames, (struct frame[]){main_py, step, step, keep}, 4 * sizeof(*frames));
	memcpy(others, (struct frame[]){main_py, step, dumps}, 3 * sizeof(*others));
	stacks[0] = (struct stack){.frames = frames,
				   .n_frames = 4,
				   .outstanding_bytes = 3072,
				   .outstanding_count = 30,
				   .growth_bytes_per_s = 2048};
	stacks[1] = (struct stack){.frames = others,
				   .n_frames = 3,
				   .estimated = true,
				   .outstanding_bytes = 1024,
				   .outstanding_count = 2};
	stacks[2] = (struct stack){.frames = frames, .n_frames = 4};
	profile->stacks = stacks;
	profile->n_stacks = 3;
	return profile;
}

static void each_line_has_what_it_called(void **state)
{
	struct profile *profile = make();
	const struct profile_sources *sources = sources_collect(profile);
	const struct source_file *app = &sources->files[0];

	(void)state;
	assert_ptr_equal(profile->sources, sources);
	assert_int_equal(sources->n_files, 2);
	assert_string_equal(app->path, APP);
	assert_int_equal(app->n_lines, 2);
	/* once for each stack, though one has it twice */
	assert_int_equal(app->lines[0].number, 4);
	assert_int_equal(app->lines[0].outstanding_bytes, 4096);
	assert_int_equal(app->lines[0].outstanding_count, 32);
	assert_true(app->lines[0].estimated);
	assert_int_equal(app->lines[1].number, 9);
	assert_int_equal(app->lines[1].outstanding_bytes, 3072);
	assert_false(app->lines[1].estimated);
	assert_string_equal(sources->files[1].path, main_py.file);
	profile_free(profile);
}

static void check(const struct profile *profile, const char *expected)
{
	char *text = NULL;
	size_t size;
	const struct pen pen = {.out = open_memstream(&text, &size)};

	source_text(&pen, profile);
	fclose(pen.out);
	assert_string_equal(text, expected);
	free(text);
}

/* The file has a line less than there was, and text that is no text. */
static void lines_are_shown_with_what_is_around_them(void **state)
{
	static const char *const text[] = {"import x", "",  "def step():", "\tgo()",
					   "",         "#", "#\033[31m",   "def keep():"};
	struct profile *profile = make();
	struct profile_sources *sources = sources_collect(profile);

	(void)state;
	sources->n_files = 1;
	sources->files[0].text = text;
	sources->files[0].n_text = 8;
	check(profile, "\n" APP ":\n"
		       " outstanding     blocks        growth   line\n"
		       "                                          2  \n"
		       "                                          3  def step():\n"
		       "    ~4.0 KiB         32    +2.0 KiB/s     4          go()\n"
		       "                                          5  \n"
		       "                                          6  #\n"
		       "                                          7  #\\x1b[31m\n"
		       "                                          8  def keep():\n"
		       "     3.0 KiB         30    +2.0 KiB/s     9  \n");
	sources->files[0].text = NULL;
	sources->files[0].n_text = 0;
	check(profile, "\n" APP " (cannot be read):\n"
		       " outstanding     blocks        growth   line\n"
		       "    ~4.0 KiB         32    +2.0 KiB/s     4  \n"
		       "     3.0 KiB         30    +2.0 KiB/s     9  \n");
	profile_free(profile);
}

/* Below the process's root and current directory, and regular files only. */
static void files_are_read_as_the_target_sees_them(void **state)
{
	char folder[] = "/tmp/sources.XXXXXX", path[64], *whole;
	struct profile *profile = profile_new();
	struct source_file files[4] = {{.path = "code.py"}, {0}, {.path = "/dev/zero"}, {0}};
	struct profile_sources sources = {.files = files, .n_files = 4};
	char *before = getcwd(NULL, 0);
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	file = fopen("code.py", "w");
	fputs("one\ntwo\n\nfour", file);
	fclose(file);
	whole = realpath("code.py", NULL);
	files[1].path = whole;
	files[3].path = "missing.py";
	source_files_read(profile, &sources, getpid());
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(files[i].n_text, 4);
		assert_string_equal(files[i].text[0], "one");
		assert_string_equal(files[i].text[2], "");
		assert_string_equal(files[i].text[3], "four");
	}
	assert_null(files[2].text);
	assert_null(files[3].text);
	snprintf(path, sizeof(path), "%s/code.py", folder);
	unlink(path);
	assert_int_equal(chdir(before), 0);
	rmdir(folder);
	free(before);
	free(whole);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_has_what_it_called),
		cmocka_unit_test(lines_are_shown_with_what_is_around_them),
		cmocka_unit_test(files_are_read_as_the_target_sees_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
