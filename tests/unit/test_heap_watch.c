/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What `pyleaktrace watch` says: stacks that are put together, text, JSON; hostile names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "export/exporter.h"
#include "model/unpaired.h"
#include "view/watch_text.h"

static const struct frame thread_start = {
	.kind = FRAME_NATIVE, .function = "start_thread", .module = "libc.so.6"};
static const struct frame work = {
	.kind = FRAME_PYTHON, .function = "work", .file = "/srv/jobs.py", .line = 9};
static const struct frame other = {
	.kind = FRAME_PYTHON, .function = "other", .file = "/srv/jobs.py", .line = 20};
static const struct frame insert_dict = {
	.kind = FRAME_NATIVE, .function = "insertdict", .module = "python3.11"};
static const struct frame resize = {
	.kind = FRAME_NATIVE, .function = "insertion_resize", .module = "python3.11"};
static const struct frame extension = {
	.kind = FRAME_NATIVE, .function = "fill", .module = "_fill.so", .path = "/srv/_fill.so"};

/* A stack of up to four frames, root first. */
static struct heap_watch_stack make(struct profile *about, uint64_t in, uint64_t out,
				    const struct frame *const *frames)
{
	struct heap_watch_stack stack = {
		.inserted = in, .removed = out, .insertions = in, .removals = out != 0};
	struct frame *copies = profile_alloc(about, 4 * sizeof(*copies));

	while (stack.stack.n_frames < 4 && frames[stack.stack.n_frames]) {
		copies[stack.stack.n_frames] = *frames[stack.stack.n_frames];
		stack.stack.n_frames++;
	}
	stack.stack.frames = copies;
	return stack;
}

#define MAKE(in, out, ...) \
	make(about, in, out, (const struct frame *const[]){__VA_ARGS__, NULL, NULL, NULL})

static struct heap_watch *make_watch(enum heap_watch_fate fate, enum heap_watch_end end)
{
	struct profile *about = profile_new();
	struct heap_watch *watch = heap_watch_new(about, 1);
	struct heap_watch_stack *stacks = profile_alloc(about, 6 * sizeof(*stacks));
	struct heap_watch_row *row = &watch->rows[0];

	about->target.pid = 42;
	about->target.python = "3.11.2";
	about->target.python_module = "python3.11";
	about->duration_s = 5;
	watch->end = end;
	watch->max_overhead = 0.05;
	watch->hits = 353;
	watch->ns_per_hit = 11000;
	watch->trap_ns = 10000;
	*row = (struct heap_watch_row){.path = "app.\033[31mS",
				       .type = "dict",
				       .address = 0x7f00,
				       .items_after = 1328,
				       .fate = fate,
				       .now_type = "list",
				       .now_address = 0x8f00};
	stacks[0] = MAKE(40, 0, &thread_start, &work, &resize);
	stacks[1] = MAKE(0, 12, &thread_start, &other);
	stacks[2] = MAKE(200, 0, &thread_start, &work, &insert_dict);
	stacks[3] = MAKE(100, 0, &thread_start, &work, &insert_dict);
	stacks[4] = MAKE(5, 0, &thread_start, &work, &extension);
	heap_watch_merge_stacks(row, stacks, 5);
	return watch;
}

static void rows_are_the_sums_of_their_stacks(void **state)
{
	struct heap_watch *watch = make_watch(WATCH_SAME, WATCH_TIME);
	const struct heap_watch_row *row = &watch->rows[0];

	(void)state;
	assert_int_equal(row->inserted, 345);
	assert_int_equal(row->insertions, 345);
	assert_int_equal(row->removed, 12);
	assert_int_equal(row->removals, 1);
	assert_int_equal(row->n_stacks, 4);
	assert_int_equal(row->stacks[0].inserted, 300);
	assert_int_equal(row->stacks[1].inserted, 40);
	assert_int_equal(row->stacks[2].inserted, 5);
	assert_int_equal(row->stacks[3].removed, 12);
	profile_free(watch->about);
}

static char *text_of(const struct heap_watch *watch, const struct watch_text_options *options)
{
	static char *text;
	static size_t length;
	FILE *out = open_memstream(&text, &length);

	watch_text(out, watch, options);
	fclose(out);
	return text;
}

static void expect_text(enum heap_watch_fate fate, enum heap_watch_end end,
			const struct watch_text_options *options, const char *expected)
{
	struct heap_watch *watch = make_watch(fate, end);
	char *text = text_of(watch, options);

	assert_string_equal(strchr(text, '\n') + 1, expected);
	free(text);
	profile_free(watch->about);
}

/* What else than hits it has cost, and what ended it. */
static void the_cost_of_bytes_in_bulk_is_said(void **state)
{
	struct heap_watch *watch = make_watch(WATCH_SAME, WATCH_OVERHEAD);
	const struct watch_text_options options = {.top = 1};
	char *text;

	(void)state;
	watch->slow = true;
	watch->switches = 2000;
	watch->ns_per_switch = 2500;
	watch->hits_fraction = 0.0008;
	watch->switches_fraction = 0.001;
	watch->strings_fraction = 0.04;
	watch->target_cpu_fraction = 0.0418;
	text = text_of(watch, &options);
	assert_non_null(strstr(text, "\nEnded early: while a watchpoint is set the processor moves "
				     "and fills memory byte by "
				     "byte, and the target does much of that: it lost 4.2 % of a "
				     "core, and may lose 5.0 % "
				     "(--max-overhead).\n"));
	assert_non_null(strstr(
		text, "\ncost: 353 hits x 11 us (10 us of it the trap) + 2,000 thread switches x "
		      "2.5 us + 200 ms "
		      "in which memory was moved or filled byte by byte = 4.2 % of a core\n"));
	free(text);
	profile_free(watch->about);
}

static void stacks_that_look_the_same_are_one(void **state)
{
	(void)state;
	/* stacks that differ in the interpreter's C frames only are one */
	expect_text(WATCH_SAME, WATCH_TIME, &(struct watch_text_options){0},
		    "app.\\x1b[31mS dict, 1328 items: +345 inserted, -12 removed in 5 s "
		    "(+67/s)\n"
		    "        +340 inserted by:\n"
		    "\t\twork (/srv/jobs.py:9)\n"
		    "          +5 inserted by:\n"
		    "\t\tfill+0x0 [_fill.so]\n"
		    "\t\twork (/srv/jobs.py:9)\n"
		    "         -12 removed, in 1 change, by:\n"
		    "\t\tother (/srv/jobs.py:20)\n"
		    "Nothing was lost.\n"
		    "cost: 353 hits x 11 us (10 us of it the trap) = 0 % of a core\n");
	expect_text(
		WATCH_REPLACED, WATCH_LOST,
		&(struct watch_text_options){.top = 1, .quiet = true, .all_frames = true},
		"app.\\x1b[31mS dict, 1328 items: +345 inserted, -12 removed in 5 s "
		"(+67/s)\n"
		"        +300 inserted by:\n"
		"\t\tinsertdict+0x0 [python3.11]\n"
		"\t\twork (/srv/jobs.py:9)\n"
		"\t\tstart_thread+0x0 [libc.so.6]\n"
		"        and 2 more stacks that insert (-T 0 shows all)\n"
		"         -12 removed, in 1 change, by:\n"
		"\t\tother (/srv/jobs.py:20)\n"
		"\t\tstart_thread+0x0 [libc.so.6]\n"
		"        It was replaced: the path now leads to list at 0x8f00, and led to 0x7f00 "
		"at the start; these figures are for the old one.\n"
		"Ended early: a container is not there any more.\n");
}

static void expect_part(enum heap_watch_fate fate, enum heap_watch_end end, const char *part)
{
	struct heap_watch *watch = make_watch(fate, end);
	char *text = text_of(watch, &(struct watch_text_options){.top = 1});

	if (!strstr(text, part))
		assert_string_equal(text, part);
	free(text);
	profile_free(watch->about);
}

static void each_end_and_fate_is_said(void **state)
{
	(void)state;
	expect_part(WATCH_GONE, WATCH_LOST, "It is gone: nothing has that name any more");
	expect_part(WATCH_UNKNOWN, WATCH_TARGET, "Whether it was there until the end is not known");
	expect_part(WATCH_UNKNOWN, WATCH_TARGET, "Ended early: the target has ended");
	expect_part(
		WATCH_SAME, WATCH_OVERHEAD,
		"faster than 5.0 % of a core can follow (--max-overhead); the first 353 of them");
}

/* main calls work (takes 5, drops 5), which calls other (3 more taken) and the extension (one
 * dropped too often) */
static void what_is_taken_and_dropped_together_is_no_finding(void **state)
{
	struct profile *about = profile_new();
	struct heap_watch_stack stacks[] = {
		MAKE(5, 0, &thread_start, &work),
		MAKE(0, 5, &thread_start, &work),
		MAKE(3, 0, &thread_start, &work, &other),
		MAKE(200, 150, &thread_start, &extension),
		MAKE(0, 50, &thread_start, &extension, &insert_dict),
	};
	struct unpaired found[8];

	(void)state;
	/* what the extension took, what it called dropped */
	assert_int_equal(unpaired_find(found, stacks, 5), 1);
	assert_int_equal(found[0].net, 3);
	assert_int_equal(found[0].stack.n_frames, 3);
	assert_string_equal(found[0].stack.frames[2].function, "other");
	/* one drops what another took: it may be that they belong together */
	stacks[0] = MAKE(0, 1, &thread_start, &work, &extension);
	stacks[1] = MAKE(3, 0, &thread_start, &work, &other);
	assert_int_equal(unpaired_find(found, stacks, 2), 1);
	assert_int_equal(found[0].net, 2);
	assert_int_equal(found[0].stack.n_frames, 2);
	stacks[0] = MAKE(4, 4, &thread_start, &work, &extension);
	assert_int_equal(unpaired_find(found, stacks, 1), 0);
	profile_free(about);
}

/* What the head says of the target, and of what is watched. */
static void the_head_says_what_hinders(void **state)
{
	struct heap_watch *watch = make_watch(WATCH_SAME, WATCH_TIME);
	char *text = text_of(watch, &(struct watch_text_options){.top = 1});

	(void)state;
	assert_non_null(strstr(text, "): 1 container watched for 5 s\n"));
	assert_null(strstr(text, "stopped"));
	assert_null(strstr(text, "Also traced"));
	free(text);
	watch->rows[0].refs = true;
	watch->traced_by = 77;
	watch->about->target.stopped = true;
	text = text_of(watch, &(struct watch_text_options){.top = 1});
	assert_non_null(strstr(text, "): 1 object watched for 5 s\nThe target is stopped "));
	assert_non_null(strstr(text, "\nAlso traced by pyleaktrace (pid 77).\n"));
	free(text);
	profile_free(watch->about);
}

static void the_json_has_every_stack_whole(void **state)
{
	struct heap_watch *watch = make_watch(WATCH_REPLACED, WATCH_LOST);
	const struct document document = {
		.kind = DOCUMENT_WATCH, .profile = watch->about, .watch = watch};
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	json_t *report, *row, *stacks;

	(void)state;
	assert_int_equal(exporter_write(exporter_by_name("json", DOCUMENT_WATCH, &err), out,
					&document, &err),
			 0);
	fclose(out);
	report = json_loads(text, 0, NULL);
	assert_non_null(report);
	row = json_array_get(json_object_get(json_object_get(report, "watch"), "containers"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "path")), "app.\033[31mS");
	assert_string_equal(json_string_value(json_object_get(row, "fate")), "replaced");
	assert_string_equal(json_string_value(json_object_get(row, "now_address")), "0x8f00");
	assert_int_equal(json_integer_value(json_object_get(row, "inserted")), 345);
	/* all frames, each stack by itself */
	stacks = json_object_get(row, "stacks");
	assert_int_equal(json_array_size(stacks), 4);
	assert_int_equal(json_array_size(json_object_get(json_array_get(stacks, 0), "frames")), 3);
	json_decref(report);
	free(text);
	profile_free(watch->about);
}

/* What the watch of a whole process lists is what the watch of one container does. */
static void losses_are_those_of_all_rows(void **state)
{
	const struct heap_watch_row one = {.unseen = 3, .unexplained = -2},
				    more = {.unseen = 4, .unread = 1, .unexplained = 5};
	const struct loss before = {"blocks_full", "blocks", 9};
	struct profile *profile = profile_new();
	struct heap_watch_losses losses;

	(void)state;
	profile_add_losses(profile, &before, 1);
	heap_watch_losses_init(&losses);
	profile_add_losses(profile, losses.kinds, HEAP_WATCH_LOSSES);
	assert_int_equal(profile->n_losses, 1);
	heap_watch_losses_add(&losses, &one);
	heap_watch_losses_add(&losses, &more);
	profile_add_losses(profile, losses.kinds, HEAP_WATCH_LOSSES);
	assert_int_equal(profile->n_losses, 4);
	assert_string_equal(profile->losses[0].name, "blocks_full");
	assert_string_equal(profile->losses[1].name, "hits_unseen");
	assert_int_equal(profile->losses[1].count, 7);
	assert_string_equal(profile->losses[2].name, "hits_unread");
	assert_int_equal(profile->losses[2].count, 1);
	assert_string_equal(profile->losses[3].name, "items_unexplained");
	assert_int_equal(profile->losses[3].count, 7);
	profile_free(profile);
}

struct class_case {
	uint64_t kept, kept_died, dropped, dropped_died;
	double per_s; /* by the census; 2 s are followed */
	bool known, is_sure;
};

static struct growing_class make_class(struct profile *about, const struct class_case *from)
{
	struct heap_watch_instances *instances = profile_alloc(about, sizeof(*instances));
	struct heap_watch_stack *stacks = profile_alloc(about, 3 * sizeof(*stacks));
	struct growing_class class = {.name = "app.Session", .per_s = from->per_s};

	*instances = (struct heap_watch_instances){.known = from->known, .followed_s = 2};
	class.row.instances = instances;
	class.row.address = 0x1000;
	stacks[0] = MAKE(from->kept, from->kept_died, &work);
	stacks[1] = MAKE(from->dropped, from->dropped_died, &other);
	heap_watch_merge_stacks(&class.row, stacks, 2);
	return class;
}

/* The stack that makes what stays, where all that stayed is as much as the census says. */
static void the_maker_of_what_stays_is_named_where_it_is_sure(void **state)
{
	static const struct class_case cases[] = {
		{100, 0, 20000, 20000, 50, true, true},
		{100, 0, 20000, 20000, 50, false, false},
		/* work in progress: more is there than stays */
		{10, 0, 20000, 19000, 5, true, false},
		{100, 0, 20000, 19000, 50, true, false},
		/* what stays was made while nobody looked */
		{100, 90, 20000, 20000, 50, true, false},
		/* several make it */
		{100, 0, 20000, 19960, 70, true, false},
		{100, 0, 20000, 19980, 60, true, true},
		/* few */
		{9, 0, 0, 0, 4.5, true, false},
		{10, 0, 0, 0, 5, true, true},
		{0, 0, 0, 0, 0, true, false},
		/* by chance more or less */
		{13, 0, 0, 0, 3.5, true, true},
		{300, 0, 0, 0, 50, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *about = profile_new();
		const struct growing_class class = make_class(about, &cases[i]);
		const struct heap_watch_stack *maker = growing_class_maker(&class);

		if (!maker != !cases[i].is_sure)
			fail_msg("case %zu", i);
		if (maker)
			assert_string_equal(maker->stack.frames[0].function, "work");
		profile_free(about);
	}
}

/* Rounds are added up, stack by stack. */
static void births_of_two_rounds_are_added_up(void **state)
{
	static const struct class_case from = {5, 0, 100, 98, 50, true, false};
	struct profile *one = profile_new(), *two = profile_new();
	struct growing_class first = make_class(one, &from), second = make_class(two, &from);

	(void)state;
	heap_watch_add_births(two, &second.row, &first.row);
	profile_free(one);
	assert_int_equal(second.row.n_stacks, 2);
	assert_int_equal(second.row.inserted, 210);
	assert_int_equal(second.row.removed, 196);
	assert_int_equal(second.row.stacks[1].inserted, 10);
	assert_string_equal(second.row.stacks[1].stack.frames[0].function, "work");
	assert_true(second.row.instances->followed_s == 4);
	profile_free(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_the_sums_of_their_stacks),
		cmocka_unit_test(the_cost_of_bytes_in_bulk_is_said),
		cmocka_unit_test(stacks_that_look_the_same_are_one),
		cmocka_unit_test(each_end_and_fate_is_said),
		cmocka_unit_test(what_is_taken_and_dropped_together_is_no_finding),
		cmocka_unit_test(the_head_says_what_hinders),
		cmocka_unit_test(the_json_has_every_stack_whole),
		cmocka_unit_test(losses_are_those_of_all_rows),
		cmocka_unit_test(the_maker_of_what_stays_is_named_where_it_is_sure),
		cmocka_unit_test(births_of_two_rounds_are_added_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
