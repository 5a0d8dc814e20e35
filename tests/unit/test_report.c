/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "golden/golden.h"

#include "base/escape.h"
#include "model/nameless.h"
#include "view/frames_text.h"
#include "view/growing_text.h"
#include "view/live_line.h"
#include "view/report.h"

static int plain(FILE *out, const struct document *document, struct err *err)
{
	const struct report_options options = {.top = 10, .whole = true};

	(void)err;
	report_text(out, document->profile, &options);
	return 0;
}

/* As a user sees it who asks for nothing else, on no terminal. */
static const struct report_options brief_options = {
	.top = 5, .frames = REPORT_FRAMES, .lines = REPORT_LINES};

static int brief(FILE *out, const struct document *document, struct err *err)
{
	(void)err;
	report_text(out, document->profile, &brief_options);
	return 0;
}

/* ... at the end of the trace */
static int last(FILE *out, const struct document *document, struct err *err)
{
	struct report_options options = brief_options;

	(void)err;
	options.last = true;
	report_text(out, document->profile, &options);
	return 0;
}

static int on_terminal(FILE *out, const struct document *document, struct err *err)
{
	struct report_options options = brief_options;

	options.color = true;
	options.width = 100;

	(void)err;
	report_text(out, document->profile, &options);
	return 0;
}

static int quiet(FILE *out, const struct document *document, struct err *err)
{
	const struct report_options options = {.whole = true, .quiet = true};

	(void)err;
	report_text(out, document->profile, &options);
	return 0;
}

static int verbose(FILE *out, const struct document *document, struct err *err)
{
	const struct report_options options = {.top = 2, .whole = true, .all_frames = true};

	(void)err;
	report_text(out, document->profile, &options);
	return 0;
}

static void golden_files(void **state)
{
	(void)state;
	for (const char *const *name = made_names; *name; name++)
		golden_check(*name, "expected.txt", plain);
	for (const char *const *name = made_names; *name; name++)
		golden_check(*name, "expected-brief.txt", brief);
	golden_check("causes", "expected-last.txt", last);
	golden_check("causes", "expected-terminal.txt", on_terminal);
	golden_check("answered", "expected-last.txt", last);
	golden_check("estimated", "expected-quiet.txt", quiet);
	golden_check("by-module", "expected-quiet.txt", quiet);
	golden_check("selected", "expected-quiet.txt", quiet);
	golden_check("by-module", "expected-terminal.txt", on_terminal);
	golden_check("wheels", "expected-verbose.txt", verbose);
}

/* What scripts made for bcc's memleak look for. */
static void lines_of_memleak_are_kept(void **state)
{
	struct profile *profile = made_profile("service");
	char *text = golden_text(plain, profile, NULL);

	(void)state;
	assert_int_equal(
		strncmp(text, "[14:03:07] Top 10 stacks with outstanding allocations:\n", 55), 0);
	assert_non_null(strstr(text, "\n\t12582912 bytes in 120031 allocations from stack  +204.1 "
				     "KiB/s  dict 81% str 17%"));
	assert_non_null(strstr(
		text,
		"\n\t\tremember (/srv/app/cache.py:41)\n\t\tServer.handle (/srv/app/web.py:88)\n"));
	free(text);
	profile_free(profile);
}

static void nothing_reaches_the_terminal_unescaped(void **state)
{
	struct profile *profile = made_profile("hostile");
	char *text = golden_text(plain, profile, NULL);
	size_t lines = 0;

	(void)state;
	for (const char *at = text; *at;) {
		int32_t c = escape_next(&at);

		assert_true(c >= 0x20 || c == '\n' || c == '\t');
		assert_true(c < 0x7f || (c > 0xa0 && c != 0x202e && c != 0x2028));
		lines += c == '\n';
	}
	/* head; three stacks with 37, 1 and 0 frames; totals, seen, coverage, one loss */
	assert_int_equal(lines, 1 + 3 + 38 + 4);
	free(text);
	profile_free(profile);
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
		n++;
	return n;
}

/* From the stack `first` on they are estimates from two blocks each. */
static char *text_with_guesses(size_t first, golden_writer *report, size_t *n)
{
	struct profile *profile = made_profile("service");
	char *text;

	for (size_t i = first; i < profile->n_stacks; i++) {
		profile->stacks[i].estimated = true;
		profile->stacks[i].seen = 2;
		profile->stacks[i].bytes_error = 1.4 * (double)profile->stacks[i].outstanding_bytes;
	}
	profile_sort(profile, ORDER_SIZE);
	*n = 0;
	while (*n < profile->n_stacks && stack_is_outstanding(&profile->stacks[*n]))
		++*n;
	text = golden_text(report, profile, NULL);
	profile_free(profile);
	return text;
}

/* What may be nothing does not stand next to what is known: but in the whole report, and to who
 * asks for all. */
static void guesses_are_one_line(void **state)
{
	char *text, line[80];
	size_t n;

	(void)state;
	text = text_with_guesses(1, brief, &n);
	assert_true(n >= 3);
	snprintf(line, sizeof(line), "\nNot enough data yet on %zu more: ", n - 1);
	assert_int_equal(count(text, "from stack"), 1);
	assert_non_null(strstr(text, line));
	free(text);
	text = text_with_guesses(0, brief, &n);
	snprintf(line, sizeof(line), "\nNot enough data yet on %zu: ", n);
	assert_int_equal(count(text, "from stack"), 0);
	assert_non_null(strstr(text, line));
	free(text);
	text = text_with_guesses(1, quiet, &n);
	assert_int_equal(count(text, "from stack"), n);
	snprintf(line, sizeof(line), "\nNot enough data yet to be sure of %zu of these ", n - 1);
	assert_non_null(strstr(text, line));
	free(text);
}

/* Before the first window nobody knows what is outstanding; after one that found nothing it is
 * nothing. */
static void what_was_not_traced_is_not_called_nothing(void **state)
{
	struct trace_part parts[] = {{.how = TRACE_WINDOWS}, {.how = TRACE_NONE}};
	struct profile *profile = made_profile("empty");
	char *text;

	(void)state;
	profile->mode.parts = parts;
	profile->mode.n_parts = 2;
	text = golden_text(plain, profile, NULL);
	assert_non_null(strstr(text, "\nNothing has been traced yet: what is outstanding is not "
				     "known.\n"));
	assert_null(strstr(text, "Nothing is outstanding"));
	free(text);
	parts[0].windows = 1;
	text = golden_text(plain, profile, NULL);
	assert_non_null(strstr(text, "\nNothing is outstanding"));
	assert_null(strstr(text, "has been traced yet"));
	free(text);
	profile_free(profile);
}

/* That nothing came for a while is said: what grows has young blocks. */
static void the_newest_is_said_when_it_is_old(void **state)
{
	struct profile *profile = made_profile("service");
	char *text;

	(void)state;
	profile->stacks[0].oldest_s = 60;
	profile->stacks[0].newest_s = 40;
	profile->stacks[1].oldest_s = 60;
	profile->stacks[1].newest_s = 4;
	text = golden_text(plain, profile, NULL);
	assert_int_equal(count(text, "  oldest 1 min, newest 40 s\n"), 1);
	assert_int_equal(count(text, "newest"), 1);
	free(text);
	profile_free(profile);
}

/* Titles of groups are made of names too: of frames, packages, threads, command lines. */
static void titles_are_escaped(void **state)
{
	(void)state;
	for (int by = GROUP_LINE; by < GROUP_BY_COUNT; by++) {
		struct profile *profile = made_profile("hostile");
		char *text;

		for (size_t i = 0; i < profile->n_stacks; i++) {
			profile->stacks[i].thread_id = (uint32_t)i + 1;
			profile->stacks[i].thread = made_hostile_names[i];
		}
		profile_select(profile, made_hostile_names, 11);
		profile_group(profile, by, ORDER_SIZE);
		text = golden_text(plain, profile, NULL);
		for (const char *at = text; *at;) {
			int32_t c = escape_next(&at);

			assert_true(c >= 0x20 || c == '\n' || c == '\t');
			assert_true(c < 0x7f || (c > 0xa0 && c != 0x202e && c != 0x2028));
		}
		free(text);
		profile_free(profile);
	}
}

static void frames_fit_the_terminal(void **state)
{
	static const unsigned widths[] = {1, 40, 41, 60, 100};
	struct profile *profile = made_profile("service");

	(void)state;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		const struct report_options options = {.whole = true, .width = widths[i]};
		size_t most = (widths[i] < 40 ? 40 : widths[i]) - 16, size;
		char *text = NULL, *rest, *line;
		FILE *out = open_memstream(&text, &size);

		report_text(out, profile, &options);
		assert_int_equal(fclose(out), 0);
		for (rest = text; (line = strsep(&rest, "\n"));)
			if (!strncmp(line, "\t\t", 2))
				assert_true(escape_columns(line + 2) <= most);
		free(text);
	}
	profile_free(profile);
}

static size_t columns_of(const char *line)
{
	size_t columns = 0;

	while (*line) {
		columns = *line == '\t' ? (columns / 8 + 1) * 8 : columns + 1;
		escape_next(&line);
	}
	return columns;
}

/* Whatever the target is like, and however narrow the screen. */
static void check_fits(const struct profile *profile, unsigned width, bool is_last)
{
	struct report_options options = brief_options;
	size_t targets = profile->n_targets ? profile->n_targets : 1, lines = 0, size;
	char *text = NULL, *rest, *line;
	FILE *out = open_memstream(&text, &size);

	options.width = width;
	options.last = is_last;
	report_text(out, profile, &options);
	assert_int_equal(fclose(out), 0);
	for (rest = text; (line = strsep(&rest, "\n"));) {
		lines += *line || rest;
		assert_true(columns_of(line) <=
			    (width && width < 100 ? width < 40 ? 40 : width : 100));
		for (const char *at = line; *at;) {
			int32_t c = escape_next(&at);

			assert_true((c >= 0x20 && c < 0x7f) || c == '\t' || c > 0xa0);
		}
	}
	assert_true(lines <= REPORT_LINES * targets);
	free(text);
}

/* As if the files of all C functions were stripped. */
static void strip_all(struct profile *profile)
{
	for (size_t i = 0; i < profile->n_stacks; i++) {
		struct stack *stack = &profile->stacks[i];
		struct frame *frames =
			profile_alloc(profile, (stack->n_frames + 1) * sizeof(*frames));

		for (size_t f = 0; f < stack->n_frames; f++) {
			frames[f] = stack->frames[f];
			if (frames[f].kind != FRAME_NATIVE)
				continue;
			frames[f].function = NULL;
			frames[f].stripped = true;
		}
		stack->frames = frames;
	}
}

static const char *written(const struct profile *profile, const struct report_options *options)
{
	static char *text;
	size_t size;
	FILE *out;

	free(text);
	out = open_memstream(&text, &size);
	report_text(out, profile, options);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Once: in the last report, and in each that has all. */
static void where_names_are_is_said_once(void **state)
{
	struct report_options options = brief_options;
	struct profile *profile = made_profile("wheels");
	char sentence[512];

	(void)state;
	assert_null(strstr(written(profile, &(struct report_options){.whole = true}), "no names"));
	assert_false(nameless_sentence(profile, sentence, sizeof(sentence)));
	assert_string_equal(sentence, "");
	strip_all(profile);
	assert_true(nameless_sentence(profile, sentence, sizeof(sentence)));
	assert_string_equal(
		sentence, "Some C functions of _multiarray_umath.cpython-312-x86_64-linux-gnu.so, "
			  "libc.so.6, python3.12 and more have no names: install debug symbols "
			  "(python3.12-dbg), or set DEBUGINFOD_URLS.");
	assert_null(strstr(written(profile, &options), "no names"));
	options.last = true;
	assert_non_null(strstr(written(profile, &options), "no names: install debug symbols"));
	assert_non_null(
		strstr(written(profile, &(struct report_options){.whole = true}), sentence));
	options.quiet = true;
	assert_null(strstr(written(profile, &options), "no names"));
	profile_free(profile);
}

static void reports_fit_the_screen(void **state)
{
	static const unsigned widths[] = {0, 1, 40, 57, 100, 300};

	(void)state;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		struct profile *profile = made_large();

		check_fits(profile, widths[i], false);
		check_fits(profile, widths[i], true);
		profile->verdict = NULL;
		check_fits(profile, widths[i], true);
		profile_free(profile);
		for (const char *const *name = made_names; *name; name++) {
			profile = made_profile(*name);
			check_fits(profile, widths[i], false);
			check_fits(profile, widths[i], true);
			strip_all(profile);
			check_fits(profile, widths[i], true);
			profile_free(profile);
		}
	}
}

/* What is left of a stack whose C frames have these names; "!" before one: of another file than the
 * interpreter. */
static void check_some_frames(const char *const *functions, const char *interpreter, size_t most,
			      const char *expected)
{
	struct frame frames[16] = {{0}};
	struct stack stack = {.frames = frames};
	char *text = NULL;
	size_t size;
	struct pen pen = {.out = open_memstream(&text, &size)};

	for (; *functions; functions++) {
		struct frame *frame = &frames[stack.n_frames++];
		bool foreign = **functions == '!';

		frame->kind = **functions == '(' ? FRAME_PYTHON : FRAME_NATIVE;
		frame->function = !strcmp(*functions, "?") ? NULL : *functions + foreign;
		if (frame->kind == FRAME_NATIVE)
			frame->module = foreign ? "libc.so.6" : "python3.12";
	}
	if (most)
		frames_text_short(&pen, &stack, interpreter, most);
	else
		frames_text(&pen, &stack, interpreter, false);
	assert_int_equal(fclose(pen.out), 0);
	assert_string_equal(text, expected);
	free(text);
}

static void check_frames(const char *const *functions, const char *interpreter,
			 const char *expected)
{
	check_some_frames(functions, interpreter, 0, expected);
}

#define FUNCTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void frames_that_pass_calls_on_are_one_line(void **state)
{
	(void)state;
	/* root first: two and more in a row, named or not, with what compilers put behind names */
	check_frames(FUNCTIONS("(f)", "PyObject_Vectorcall", "type_call.part.0", "?",
			       "slot_tp_init", "(g)"),
		     NULL, "\t\t(g)\n\t\t... 4 C frames of the interpreter\n\t\t(f)\n");
	/* in a file without symbols */
	check_frames(FUNCTIONS("(f)", "type.tp_call", "generator.tp_iternext", "(g)", "type.tp_new",
			       "method.tp_call"),
		     NULL,
		     "\t\tmethod.tp_call+0x0 [python3.12]\n\t\ttype.tp_new+0x0 [python3.12]\n"
		     "\t\t(g)\n\t\t... 2 C frames of the interpreter\n\t\t(f)\n");
	/* one alone stays, and so does the leaf */
	check_frames(FUNCTIONS("(f)", "_PyObject_MakeTpCall", "(g)", "type_call", "?"), NULL,
		     "\t\t0x0 [python3.12]\n\t\ttype_call+0x0 [python3.12]\n\t\t(g)\n"
		     "\t\t_PyObject_MakeTpCall+0x0 [python3.12]\n\t\t(f)\n");
	/* what does something interrupts a row */
	check_frames(FUNCTIONS("(f)", "type_call", "cfunction_call", "list_sort", "call_functional",
			       "type_calls", "(g)"),
		     NULL,
		     "\t\t(g)\n\t\ttype_calls+0x0 [python3.12]\n"
		     "\t\tcall_functional+0x0 [python3.12]\n\t\tlist_sort+0x0 [python3.12]\n"
		     "\t\t... 2 C frames of the interpreter\n\t\t(f)\n");
	/* others' frames stay, whatever their names */
	check_frames(FUNCTIONS("(f)", "!type_call", "!?", "!cfunction_call", "(g)"), NULL,
		     "\t\t(g)\n\t\tcfunction_call+0x0 [libc.so.6]\n\t\t?+0x0 [libc.so.6]\n"
		     "\t\ttype_call+0x0 [libc.so.6]\n\t\t(f)\n");
	/* the start is the only place for frames of libc */
	check_frames(FUNCTIONS("_start", "!__libc_start_main@@GLIBC_2.34", "Py_BytesMain",
			       "run_mod", "(f)"),
		     NULL, "\t\t(f)\n\t\t... 4 C frames that start the thread\n");
	check_frames(FUNCTIONS("!clone3", "!start_thread", "thread_run", "(f)", "!clone"), NULL,
		     "\t\tclone+0x0 [libc.so.6]\n\t\t(f)\n"
		     "\t\t... 3 C frames that start the thread\n");
	/* an interpreter inside a program of another name */
	check_frames(FUNCTIONS("(f)", "!type_call", "!method_call", "(g)"), "libc.so.6",
		     "\t\t(g)\n\t\t... 2 C frames of the interpreter\n\t\t(f)\n");
}

static void recursions_are_one_line(void **state)
{
	(void)state;
	check_some_frames(FUNCTIONS("(main)", "(f)", "(f)", "(f)", "(f)", "(g)"), NULL, 5,
			  "\t\t(g)\n\t\t(f)\n\t\t... the same 3 times more\n\t\t(main)\n");
	/* of two functions, with C frames between */
	check_some_frames(FUNCTIONS("(main)", "(f)", "list_sort", "(g)", "(f)", "list_sort", "(g)",
				    "(f)", "list_sort", "(g)"),
			  NULL, 5,
			  "\t\t(g)\n\t\tlist_sort+0x0 [python3.12]\n\t\t(f)\n"
			  "\t\t... the same 2 times more\n\t\t(main)\n");
	/* twice is no recursion */
	check_some_frames(FUNCTIONS("(main)", "(f)", "(f)"), NULL, 5,
			  "\t\t(f)\n\t\t(f)\n\t\t(main)\n");
}

/* What watchpoints saw of classes, and of pools of a size. */
static void makers_of_what_stays_are_shown(void **state)
{
	static const struct frame frame = {
		.kind = FRAME_PYTHON, .function = "keep", .file = "/srv/shop/app.py", .line = 7};
	static const struct heap_watch_stack stacks[] = {
		{.stack = {.frames = &frame, .n_frames = 1}, .inserted = 1200, .removed = 200},
		{.stack = {.frames = &frame, .n_frames = 1}, .inserted = 5, .removed = 5}};
	static const struct heap_watch_instances counted = {.known = true, .followed_s = 4.5},
						 sampled = {.known = true,
							    .sampled = true,
							    .followed_s = 1.5};
	struct growing_class rows[] = {
		{.name = "app.\033[31mOrder",
		 .per_s = 250,
		 .row = {.instances = &counted,
			 .stacks = stacks,
			 .n_stacks = 2,
			 .inserted = 1205,
			 .removed = 205}},
		{.name = "str", .per_s = 50, .row = {.instances = &sampled}}};
	const struct profile_growing_classes growing = {rows, 2};
	const struct profile profile = {.growing_classes = &growing};
	char *text = NULL;
	size_t size;
	struct pen pen = {.out = open_memstream(&text, &size)};

	(void)state;
	growing_text_classes(&pen, &profile);
	assert_int_equal(fclose(pen.out), 0);
	assert_string_equal(
		text, "Growing classes and sizes, and who makes what stays:\n"
		      "app.\\x1b[31mOrder +15,000/min; of 1,205 made in 4.5 s, 205 are gone:\n"
		      "\t1,000 by keep (shop/app.py:7)\n"
		      "str +3,000/min of its size; of some pools, in 1.5 s, these stay:\n"
		      "\tnone that stay were seen\n");
	free(text);
}

static void live_line_is_whole_parts(void **state)
{
	struct live_state live = {.seconds = 12.4,
				  .left_s = 48,
				  .outstanding_bytes = 3565158,
				  .growth_bytes_per_s = 209000,
				  .hits_per_s = 812345,
				  .target_cpu_fraction = 0.38,
				  .lost = 1200};
	char line[LIVE_LINE_MAX];

	(void)state;
	assert_string_equal(live_line(&live, 200, line, sizeof(line)),
			    "tracing, 12 s (48 s left)  3.4 MiB outstanding +204.1 KiB/s  38 % of "
			    "a core  1,200 lost");
	assert_string_equal(live_line(&live, 70, line, sizeof(line)),
			    "tracing, 12 s (48 s left)  3.4 MiB outstanding +204.1 KiB/s");
	live.looking = true;
	assert_string_equal(live_line(&live, 60, line, sizeof(line)),
			    "looking at what grows, 12 s (48 s left)  38 % of a core");
	live.verdict = "LEAK";
	live.in_use_growth_per_s = 5.0 * (1 << 20) / 60;
	assert_string_equal(live_line(&live, 60, line, sizeof(line)),
			    "LEAK +5.0 MiB/min, 12 s (48 s left)  38 % of a core");
	/* nothing is outstanding where nothing needs to be traced */
	live.outstanding_bytes = 0;
	assert_string_equal(live_line(&live, 200, line, sizeof(line)),
			    "LEAK +5.0 MiB/min, 12 s (48 s left)  38 % of a core  1,200 lost");
	live.verdict = "NO LEAK";
	live.in_use_growth_per_s = 0;
	assert_string_equal(live_line(&live, 36, line, sizeof(line)), "NO LEAK, 12 s (48 s left)");
	for (unsigned width = 1; width < 120; width++)
		assert_true(strlen(live_line(&live, width, line, sizeof(line))) < width);
	assert_true(strlen(live_line(&live, 0, line, sizeof(line))) < 80);
	/* figures that there are none of are not zero */
	live = (struct live_state){.seconds = 3, .left_s = -1, .untraced = true};
	assert_string_equal(live_line(&live, 200, line, sizeof(line)),
			    "allocations are not traced, 3 s");
}

/* A target that has not run since the start, and no hit yet: neither a share of 0 % nor hits of 0
 * ns. */
static void what_is_not_known_is_left_out(void **state)
{
	struct profile *profile = made_profile("below");
	char *text;

	(void)state;
	profile->cost.own_share = -1;
	profile->cost.ns_per_hit = 0;
	text = golden_text(plain, profile, NULL);
	assert_non_null(strstr(text, "\ncost: 0 hits/s; ceiling 5.0 %; tool 0.7 s CPU, "));
	free(text);
	profile->have_cost = false;
	text = golden_text(plain, profile, NULL);
	assert_null(strstr(text, "\ncost: "));
	free(text);
	profile_free(profile);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_files),
		cmocka_unit_test(lines_of_memleak_are_kept),
		cmocka_unit_test(nothing_reaches_the_terminal_unescaped),
		cmocka_unit_test(guesses_are_one_line),
		cmocka_unit_test(what_was_not_traced_is_not_called_nothing),
		cmocka_unit_test(the_newest_is_said_when_it_is_old),
		cmocka_unit_test(titles_are_escaped),
		cmocka_unit_test(frames_fit_the_terminal),
		cmocka_unit_test(where_names_are_is_said_once),
		cmocka_unit_test(reports_fit_the_screen),
		cmocka_unit_test(frames_that_pass_calls_on_are_one_line),
		cmocka_unit_test(recursions_are_one_line),
		cmocka_unit_test(makers_of_what_stays_are_shown),
		cmocka_unit_test(live_line_is_whole_parts),
		cmocka_unit_test(what_is_not_known_is_left_out),
	};

	setenv("TZ", "UTC", 1);
	if (golden_write_all(argc, argv, "txt", plain))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
