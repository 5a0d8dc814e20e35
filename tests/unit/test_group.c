/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "golden/made_profile.h"

#include "model/join.h"

/* What is expected of a group; title NULL ends a list. */
struct expected {
	const char *title;
	uint64_t bytes, count;
	size_t stacks;
	unsigned domains;
};

#define MALLOC (1u << DOMAIN_MALLOC)
#define OBJECT (1u << DOMAIN_OBJECT)

static void check_groups(const struct profile *profile, const struct expected *expected)
{
	const struct grouping *grouping = profile->grouping;
	size_t n = 0;

	assert_non_null(grouping);
	for (; expected[n].title; n++) {
		const struct group *group = &grouping->groups[n];

		assert_true(n < grouping->n_groups);
		assert_string_equal(group->title, expected[n].title);
		assert_int_equal(group->sum.outstanding_bytes, expected[n].bytes);
		assert_int_equal(group->sum.outstanding_count, expected[n].count);
		assert_int_equal(group->n_stacks, expected[n].stacks);
		assert_int_equal(group->domains, expected[n].domains);
	}
	assert_int_equal(grouping->n_groups, n);
}

/* Every stack is in one group, and the figures of the groups are those of their stacks. */
static void check_sums(const struct profile *profile)
{
	const struct grouping *grouping = profile->grouping;
	double shares = 0;

	for (size_t g = 0; g < grouping->n_groups; g++) {
		const struct stack *sum = &grouping->groups[g].sum;
		uint64_t bytes = 0, allocated = 0, freed = 0, sampled = 0, types = 0;
		size_t n = 0, first = SIZE_MAX;
		double oldest = 0;

		for (size_t i = 0; i < profile->n_stacks; i++) {
			const struct stack *stack = &profile->stacks[i];

			assert_true(grouping->of_stack[i] < grouping->n_groups);
			if (grouping->of_stack[i] != g)
				continue;
			first = first == SIZE_MAX ? i : first;
			bytes += stack->outstanding_bytes;
			allocated += stack->allocated_bytes;
			freed += stack->freed_count;
			sampled += stack->types_sampled;
			oldest = stack->oldest_s > oldest ? stack->oldest_s : oldest;
			n += stack_is_outstanding(stack);
		}
		for (size_t i = 0; i < sum->n_types; i++)
			types += sum->types[i].count;
		assert_int_equal(sum->outstanding_bytes, bytes);
		assert_int_equal(sum->allocated_bytes, allocated);
		assert_int_equal(sum->freed_count, freed);
		assert_int_equal(sum->types_sampled, sampled);
		assert_int_equal(types, sampled);
		assert_true(sum->oldest_s == oldest);
		assert_int_equal(grouping->groups[g].n_stacks, n);
		assert_int_equal(grouping->groups[g].largest, first);
		assert_ptr_equal(sum->frames, profile->stacks[first].frames);
		shares += grouping->groups[g].share;
	}
	assert_true(shares > 0.999999 && shares < 1.000001);
}

static void check_made(const char *name, const struct expected *expected)
{
	struct profile *profile = made_profile(name);

	check_groups(profile, expected);
	check_sums(profile);
	profile_free(profile);
}

#define SITE "/opt/venv/lib/python3.12/site-packages/"

static void groups_add_up(void **state)
{
	static const struct expected by_line[] = {
		{"zeros (" SITE "numpy/core/numeric.py:77)", 7500000, 90, 2, MALLOC},
		{"JSONDecoder.decode (/usr/lib/python3.12/json/decoder.py:337)", 700000, 7000, 1,
		 OBJECT},
		{"load (/srv/app/data.py:20)", 640000, 10, 1, OBJECT},
		{"SSLSocket.send (/usr/lib/python3.12/ssl.py:1180)", 500000, 500, 1, MALLOC},
		{"solve (" SITE "numpy/linalg/linalg.py:12)", 500000, 5, 1, MALLOC},
		{"load (/srv/app/data.py:31)", 160000, 2, 1, OBJECT},
		{NULL, 0, 0, 0, 0},
	};
	static const struct expected by_function[] = {
		{"zeros (" SITE "numpy/core/numeric.py)", 7500000, 90, 2, MALLOC},
		{"load (/srv/app/data.py)", 800000, 12, 2, OBJECT},
		{"JSONDecoder.decode (/usr/lib/python3.12/json/decoder.py)", 700000, 7000, 1,
		 OBJECT},
		{"SSLSocket.send (/usr/lib/python3.12/ssl.py)", 500000, 500, 1, MALLOC},
		{"solve (" SITE "numpy/linalg/linalg.py)", 500000, 5, 1, MALLOC},
		{NULL, 0, 0, 0, 0},
	};
	static const struct expected by_module[] = {
		{"numpy", 8000000, 95, 3, MALLOC},
		{"/srv/app", 800000, 12, 2, OBJECT},
		{"json [stdlib]", 700000, 7000, 1, OBJECT},
		{"libcrypto.so.3", 500000, 500, 1, MALLOC},
		{NULL, 0, 0, 0, 0},
	};
	static const struct expected by_thread[] = {
		{"python3.12 (tid 4242)", 7500000, 7072, 4, MALLOC | OBJECT},
		{"worker-3 (tid 4711)", 2500000, 535, 3, MALLOC},
		{NULL, 0, 0, 0, 0},
	};
	static const struct expected by_pid[] = {
		{"4242 (python3.11 -m app.web --port=8080)", 10000000, 7607, 7, MALLOC | OBJECT},
		{NULL, 0, 0, 0, 0},
	};

	(void)state;
	check_made("by-line", by_line);
	check_made("by-function", by_function);
	check_made("by-module", by_module);
	check_made("by-thread", by_thread);
	check_made("by-pid", by_pid);
}

static void groups_follow_the_order(void **state)
{
	static const struct expected by_count[] = {
		{"json [stdlib]", 700000, 7000, 1, OBJECT},
		{"libcrypto.so.3", 500000, 500, 1, MALLOC},
		{"numpy", 8000000, 95, 3, MALLOC},
		{"/srv/app", 800000, 12, 2, OBJECT},
		{NULL, 0, 0, 0, 0},
	};
	struct profile *profile = made_profile("wheels");

	(void)state;
	profile_sort(profile, ORDER_COUNT);
	profile_group(profile, GROUP_MODULE, ORDER_COUNT);
	check_groups(profile, by_count);
	/* 300, 200, 100, 100 bytes/s: ties by bytes */
	profile_sort(profile, ORDER_GROWTH);
	profile_group(profile, GROUP_MODULE, ORDER_GROWTH);
	assert_string_equal(profile->grouping->groups[0].title, "numpy");
	assert_string_equal(profile->grouping->groups[1].title, "/srv/app");
	assert_string_equal(profile->grouping->groups[2].title, "json [stdlib]");
	profile_sort(profile, ORDER_AGE);
	profile_group(profile, GROUP_MODULE, ORDER_AGE);
	assert_string_equal(profile->grouping->groups[1].title, "libcrypto.so.3");
	check_sums(profile);
	profile_group(profile, GROUP_STACK, ORDER_AGE);
	assert_null(profile->grouping);
	profile_free(profile);
}

static struct frame elf(const char *function, const char *path, uint64_t offset)
{
	return (struct frame){.kind = FRAME_NATIVE,
			      .function = function,
			      .path = path,
			      .module = path ? strrchr(path, '/') + 1 : NULL,
			      .offset = offset};
}

/* A profile of stacks of one block each, grouped; its only group's title. */
static const char *title_of(struct profile *profile, enum group_by by, const struct frame *frames,
			    size_t n)
{
	struct stack *stack = profile_alloc(profile, sizeof(*stack));

	*stack = (struct stack){
		.outstanding_bytes = 1, .outstanding_count = 1, .frames = frames, .n_frames = n};
	profile->stacks = stack;
	profile->n_stacks = 1;
	profile_group(profile, by, ORDER_SIZE);
	assert_int_equal(profile->grouping->n_groups, 1);
	assert_true(profile->grouping->groups[0].share == 1);
	return profile->grouping->groups[0].title;
}

/* Without a frame of Python, or of anybody's: what says most. */
static void stacks_without_an_owner_have_a_group(void **state)
{
	const struct frame libc = elf("malloc", "/lib/libc.so.6", 9);
	const struct frame python = elf("PyMem_RawMalloc", "/usr/bin/python3.12", 8);
	const struct frame worker = elf("work", "/opt/libwork.so.1", 7);
	const struct frame unnamed = {.kind = FRAME_NATIVE,
				      .module = "libwork.so.1",
				      .path = "/opt/libwork.so.1",
				      .start = 0x70,
				      .offset = 0x77};
	const struct frame line = {.kind = FRAME_NATIVE,
				   .function = "work",
				   .file = "work.c",
				   .line = 12,
				   .module = "libwork.so.1",
				   .offset = 7};
	const struct frame inlined = {.kind = FRAME_NATIVE,
				      .function = "get",
				      .inlined = true,
				      .module = "libwork.so.1",
				      .offset = 7};
	const struct frame text = {
		.kind = FRAME_PYTHON, .function = "f", .file = "<string>", .line = 1};
	const struct frame gap = {.kind = FRAME_GAP, .function = "why"};
	const struct frame bracketed = {.kind = FRAME_GAP, .function = "[because]"};
	const struct frame ctypes = elf("py_ctypes", "/x/_ctypes.cpython-312.so", 1);
	const struct frame owner = {.kind = FRAME_PYTHON,
				    .function = "f",
				    .file = "/v/site-packages/wheel/x.py",
				    .line = 1};
	const struct {
		enum group_by by;
		size_t n;
		struct frame frames[4]; /* root first */
		const char *title;
	} cases[] = {
		{GROUP_MODULE, 2, {worker, libc}, "libwork.so.1"},
		{GROUP_MODULE, 3, {libc, python, libc}, "python3.12 [interpreter]"},
		{GROUP_MODULE, 1, {libc}, "libc.so.6"},
		{GROUP_MODULE, 2, {gap, libc}, "libc.so.6"},
		{GROUP_MODULE, 2, {text, python}, "<string>"},
		{GROUP_MODULE, 2, {owner, text}, "wheel"},
		{GROUP_MODULE, 4, {owner, python, ctypes, libc}, "wheel"},
		{GROUP_MODULE, 1, {gap}, "[why]"},
		{GROUP_MODULE, 1, {bracketed}, "[because]"},
		{GROUP_MODULE, 0, {gap}, "[no frames]"},
		{GROUP_LINE, 3, {worker, python, libc}, "work+0x7 [libwork.so.1]"},
		{GROUP_LINE, 2, {line, libc}, "work (work.c:12)"},
		{GROUP_LINE, 2, {inlined, libc}, "get [libwork.so.1]"},
		{GROUP_LINE, 1, {unnamed}, "libwork.so.1+0x77"},
		{GROUP_LINE, 2, {gap, python}, "PyMem_RawMalloc+0x8 [python3.12]"},
		{GROUP_LINE, 2, {owner, worker}, "f (/v/site-packages/wheel/x.py:1)"},
		{GROUP_LINE, 1, {gap}, "[why]"},
		{GROUP_LINE, 0, {gap}, "[no frames]"},
		{GROUP_FUNCTION, 2, {worker, libc}, "work [libwork.so.1]"},
		{GROUP_FUNCTION, 2, {line, libc}, "work (work.c)"},
		{GROUP_FUNCTION, 1, {unnamed}, "libwork.so.1+0x70"},
		{GROUP_FUNCTION, 0, {gap}, "[no frames]"},
		{GROUP_THREAD, 1, {owner}, "[not known]"},
		{GROUP_PID, 1, {owner}, "77"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *profile = profile_new();

		profile->target.pid = 77;
		assert_string_equal(title_of(profile, cases[i].by, cases[i].frames, cases[i].n),
				    cases[i].title);
		profile_free(profile);
	}
}

/* One function, one line: whatever the offset of the frame, and however it was inlined. */
static void places_do_not_depend_on_offsets(void **state)
{
	struct frame frames[] = {
		elf("work", "/opt/libwork.so.1", 1), elf("work", "/opt/libwork.so.1", 2),
		elf("work", "/other/libwork.so.1", 2), elf(NULL, "/opt/libwork.so.1", 1),
		elf(NULL, "/opt/libwork.so.1", 2)};
	struct profile *profile = profile_new();
	struct stack stacks[5] = {{0}};

	(void)state;
	for (size_t i = 0; i < 5; i++)
		stacks[i] = (struct stack){.outstanding_bytes = 5 - i,
					   .outstanding_count = 1,
					   .frames = &frames[i],
					   .n_frames = 1};
	profile->stacks = stacks;
	profile->n_stacks = 5;
	profile_group(profile, GROUP_FUNCTION, ORDER_SIZE);
	assert_int_equal(profile->grouping->n_groups, 4);
	assert_int_equal(profile->grouping->groups[0].n_stacks, 2);
	profile_group(profile, GROUP_LINE, ORDER_SIZE);
	assert_int_equal(profile->grouping->n_groups, 5);
	for (size_t i = 0; i < 2; i++) {
		frames[i].file = "work.c";
		frames[i].line = 3;
	}
	frames[1].inlined = true;
	profile_group(profile, GROUP_LINE, ORDER_SIZE);
	assert_int_equal(profile->grouping->n_groups, 4);
	assert_string_equal(profile->grouping->groups[0].title, "work (work.c:3)");
	profile_free(profile);
}

static void sums_stop_at_the_largest_number(void **state)
{
	struct profile *profile = profile_new();
	struct stack stacks[] = {
		{.outstanding_bytes = UINT64_MAX - 1,
		 .outstanding_count = UINT64_MAX,
		 .oldest_s = 1,
		 .newest_s = 0.75,
		 .growth_bytes_per_s = -5},
		{.outstanding_bytes = 7,
		 .outstanding_count = 7,
		 .oldest_s = 3,
		 .newest_s = 0.5,
		 .estimated = true,
		 .growth_bytes_per_s = 2},
		{.allocated_bytes = 9, .freed_count = 1, .domain = DOMAIN_MMAP},
	};

	(void)state;
	profile->stacks = stacks;
	profile->n_stacks = 3;
	profile->totals.outstanding_bytes = UINT64_MAX;
	profile_group(profile, GROUP_PID, ORDER_SIZE);
	assert_int_equal(profile->grouping->n_groups, 1);
	assert_int_equal(profile->grouping->groups[0].sum.outstanding_bytes, UINT64_MAX);
	assert_int_equal(profile->grouping->groups[0].sum.outstanding_count, UINT64_MAX);
	assert_int_equal(profile->grouping->groups[0].sum.allocated_bytes, 9);
	assert_true(profile->grouping->groups[0].sum.oldest_s == 3);
	/* the third has no block that could be the newest */
	assert_true(profile->grouping->groups[0].sum.newest_s == 0.5);
	assert_true(profile->grouping->groups[0].sum.growth_bytes_per_s == -3);
	assert_true(profile->grouping->groups[0].sum.estimated);
	/* the third has nothing outstanding: not a stack of the group's, nor its domain */
	assert_int_equal(profile->grouping->groups[0].n_stacks, 2);
	assert_int_equal(profile->grouping->groups[0].domains, MALLOC);
	profile_free(profile);
}

static void an_empty_profile_has_no_groups(void **state)
{
	struct profile *profile = profile_new();
	static const char *const names[] = {"x"};

	(void)state;
	profile_select(profile, names, 1);
	for (int by = GROUP_LINE; by < GROUP_BY_COUNT; by++) {
		profile_group(profile, by, ORDER_SIZE);
		assert_non_null(profile->grouping);
		assert_int_equal(profile->grouping->n_groups, 0);
		assert_int_equal(profile->grouping->by, by);
	}
	profile_free(profile);
}

static void one_file_is_named_when_it_decides_alone(void **state)
{
	struct profile *profile = made_profile("wheels");
	static const char *const names[] = {"numpy.core"};

	(void)state;
	profile_select(profile, names, 1);
	profile_group(profile, GROUP_MODULE, ORDER_SIZE);
	/* solve: libopenblas decides, but there is a frame of numpy.core in it */
	assert_int_equal(profile->n_stacks, 3);
	assert_null(profile->grouping->groups[0].elf_name);
	profile->n_stacks = 2;
	profile_group(profile, GROUP_MODULE, ORDER_SIZE);
	assert_string_equal(profile->grouping->groups[0].elf_name,
			    "_multiarray_umath.cpython-312-x86_64-linux-gnu.so");
	assert_string_equal(profile->grouping->groups[0].title,
			    "numpy [_multiarray_umath.cpython-312-x86_64-linux-gnu.so]");
	profile_free(profile);
}

static void selection_says_what_it_leaves_out(void **state)
{
	static const struct {
		const char *names[3];
		size_t n, kept, left_out;
		uint64_t bytes, count;
	} cases[] = {
		{{"numpy"}, 1, 3, 4, 2000000, 7512},
		{{"numpy", "json"}, 2, 4, 3, 1300000, 512},
		{{"libcrypto", "_ssl", "ssl"}, 3, 1, 6, 9500000, 7107},
		{{"app.data"}, 1, 6, 1, 500000, 500},
		{{"libc"}, 1, 4, 3, 1500000, 7012},
		{{"nothing"}, 1, 0, 7, 10000000, 7607},
		{{NULL}, 0, 7, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *profile = made_profile("wheels");

		profile_select(profile, cases[i].names, cases[i].n);
		assert_int_equal(profile->n_stacks, cases[i].kept);
		assert_int_equal(profile->selection.n_modules, cases[i].n);
		assert_int_equal(profile->selection.left_out_stacks, cases[i].left_out);
		assert_int_equal(profile->selection.left_out_bytes, cases[i].bytes);
		assert_int_equal(profile->selection.left_out_count, cases[i].count);
		assert_int_equal(profile->totals.outstanding_bytes, 10000000);
		profile_free(profile);
	}
}

/* Threads and processes keep stacks apart that are equal else. */
static void threads_are_not_merged(void **state)
{
	const struct frame frame = {.kind = FRAME_PYTHON, .function = "f"};
	struct profile *profile = profile_new();
	struct stack stacks[5] = {{0}};

	(void)state;
	for (size_t i = 0; i < 5; i++)
		stacks[i] = (struct stack){.outstanding_bytes = 1,
					   .frames = &frame,
					   .n_frames = 1,
					   .thread_id = i < 3 ? 1 : 2,
					   .pid = i == 4 ? 9 : 8};
	profile->stacks = stacks;
	profile->n_stacks = 5;
	profile_merge(profile);
	assert_int_equal(profile->n_stacks, 3);
	profile_sort(profile, ORDER_SIZE);
	assert_int_equal(profile->stacks[0].outstanding_bytes, 3);
	assert_int_equal(profile->stacks[0].thread_id, 1);
	profile_free(profile);
}

static void long_command_lines_are_cut(void **state)
{
	static const char *const words[] = {"/opt/a folder/python3", "-c",
					    "a very long program, with more than "
					    "seventy-two characters in it, so that "
					    "it is not all in the title",
					    "x"};
	struct profile *profile = profile_new();
	const struct frame frame = {.kind = FRAME_PYTHON};

	(void)state;
	profile->target.pid = 5;
	profile->target.cmdline = words;
	profile->target.n_cmdline = 4;
	assert_string_equal(title_of(profile, GROUP_PID, &frame, 1), "5 (python3 -c ...)");
	profile_free(profile);
}

/* ---- several targets ------------------------------------------------------------------------ */

static void targets_are_joined(void **state)
{
	struct profile *a = made_profile("wheels"), *b = made_profile("service"), *all;
	const struct profile *both[] = {a, b};
	static const char *const words[] = {"worker"};

	(void)state;
	b->target.pid = 4243;
	b->target.cmdline = words;
	b->target.n_cmdline = 1;
	b->duration_s = 70;
	all = profile_join(both, 2);
	assert_int_equal(all->n_targets, 2);
	assert_int_equal(all->targets[0].pid, 4242);
	assert_int_equal(all->targets[1].pid, 4243);
	assert_int_equal(all->n_stacks, a->n_stacks + b->n_stacks);
	assert_int_equal(all->totals.outstanding_bytes,
			 a->totals.outstanding_bytes + b->totals.outstanding_bytes);
	assert_int_equal(all->totals.unknown_frees, 2 * 4112);
	assert_true(all->duration_s == 70);
	assert_true(all->mode.exact && all->mode.steered);
	assert_int_equal(all->n_losses, 1);
	assert_true(all->have_cost); /* of the one that has it */
	assert_true(all->cost.hits_per_s == b->cost.hits_per_s);
	profile_sort(all, ORDER_SIZE);
	profile_group(all, GROUP_PID, ORDER_SIZE);
	assert_int_equal(all->grouping->n_groups, 2);
	assert_string_equal(all->grouping->groups[0].title, "4243 (worker)");
	assert_int_equal(all->grouping->groups[0].sum.outstanding_bytes,
			 b->totals.outstanding_bytes);
	assert_string_equal(all->grouping->groups[1].title,
			    "4242 (python3.11 -m app.web --port=8080)");
	check_sums(all);
	profile_free(all);
	profile_free(a);
	profile_free(b);
}

static void how_each_was_traced_stays_its_own(void **state)
{
	struct profile *a = made_profile("wheels"), *b = made_profile("service"), *all;
	const struct profile *both[] = {a, b};
	const struct trace_part of_a[] = {{.how = TRACE_ALL, .since_s = 3}},
				of_b[] = {{.how = TRACE_WINDOWS, .windows = 2},
					  {.how = TRACE_SAMPLED, .sample_bytes = 1024}};

	(void)state;
	b->target.pid = 4243;
	a->mode.parts = of_a;
	a->mode.n_parts = 1;
	b->mode.parts = of_b;
	b->mode.n_parts = 2;
	all = profile_join(both, 2);
	assert_int_equal(all->mode.n_parts, 3);
	assert_int_equal(all->mode.parts[0].pid, 4242);
	assert_int_equal(all->mode.parts[0].how, TRACE_ALL);
	assert_int_equal(all->mode.parts[1].pid, 4243);
	assert_int_equal(all->mode.parts[1].windows, 2);
	assert_int_equal(all->mode.parts[2].pid, 4243);
	assert_int_equal(all->mode.parts[2].sample_bytes, 1024);
	profile_free(all);
	profile_free(a);
	profile_free(b);
}

static void joined_losses_and_costs_add_up(void **state)
{
	struct profile *a = made_profile("service"), *b = made_profile("service"), *all;
	const struct loss losses[] = {{"stacks_cut", "cut", 30}, {"other", "else", 2}};
	const struct native_gap gaps[] = {{"[C frames end: in some way]", 7},
					  {a->native_gaps[0].reason, 3}};
	const struct profile *both[] = {a, b};

	(void)state;
	b->losses = losses;
	b->n_losses = 2;
	b->native_gaps = gaps;
	b->n_native_gaps = 2;
	b->mode.exact = false;
	b->cost = (struct cost){.hits_per_s = 3 * a->cost.hits_per_s,
				.ns_per_hit = 900,
				.target_cpu_fraction = 0.5,
				.tool_cpu_s = 7,
				.maps_bytes = 1};
	all = profile_join(both, 2);
	assert_int_equal(all->n_losses, 2);
	assert_int_equal(all->losses[0].count, 12 + 30);
	assert_int_equal(all->losses[1].count, 2);
	assert_int_equal(all->n_native_gaps, 2);
	assert_int_equal(all->native_gaps[0].count, 1203);
	assert_int_equal(all->native_gaps[1].count, 7);
	assert_false(all->mode.exact);
	assert_true(all->cost.hits_per_s == 4 * a->cost.hits_per_s);
	assert_true(all->cost.ns_per_hit > 1149.9 && all->cost.ns_per_hit < 1150.1);
	assert_true(all->cost.target_cpu_fraction > 0.8799 &&
		    all->cost.target_cpu_fraction < 0.8801);
	assert_true(all->cost.tool_cpu_s == 7);
	assert_int_equal(all->cost.maps_bytes, a->cost.maps_bytes + 1);
	assert_null(all->mode.object_coverage);
	assert_int_equal(all->n_notes, 0);
	profile_free(all);
	/* what is true of one process is said of that one; what is traced of any is traced */
	profile_note(b, "not_traced", "bpf() is denied.");
	b->mode.untraced = true;
	all = profile_join(both, 2);
	assert_int_equal(all->n_notes, 1);
	assert_int_equal(all->notes[0].pid, b->target.pid);
	assert_string_equal(all->notes[0].sentence, "bpf() is denied.");
	assert_false(all->mode.untraced);
	a->mode.untraced = true;
	profile_free(all);
	all = profile_join(both, 2);
	assert_true(all->mode.untraced);
	a->mode.untraced = b->mode.untraced = false;
	profile_free(all);
	/* the answer is for each by itself */
	made_answered(b);
	all = profile_join(both, 2);
	assert_null(all->verdict);
	assert_int_equal(all->n_verdicts, 1);
	assert_int_equal(all->verdicts[0]->pid, b->target.pid);
	assert_int_equal(all->verdicts[0]->n_findings, 3);
	profile_free(all);
	b->target.pid = 9;
	b->mode.object_coverage = "Small objects are not seen.";
	all = profile_join(both, 2);
	assert_string_equal(all->mode.object_coverage, "pid 9: Small objects are not seen.");
	profile_free(all);
	a->mode.object_coverage = b->mode.object_coverage;
	all = profile_join(both, 2);
	assert_string_equal(all->mode.object_coverage, "Small objects are not seen.");
	profile_free(all);
	profile_free(a);
	profile_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_add_up),
		cmocka_unit_test(groups_follow_the_order),
		cmocka_unit_test(stacks_without_an_owner_have_a_group),
		cmocka_unit_test(places_do_not_depend_on_offsets),
		cmocka_unit_test(sums_stop_at_the_largest_number),
		cmocka_unit_test(an_empty_profile_has_no_groups),
		cmocka_unit_test(one_file_is_named_when_it_decides_alone),
		cmocka_unit_test(selection_says_what_it_leaves_out),
		cmocka_unit_test(threads_are_not_merged),
		cmocka_unit_test(long_command_lines_are_cut),
		cmocka_unit_test(targets_are_joined),
		cmocka_unit_test(how_each_was_traced_stays_its_own),
		cmocka_unit_test(joined_losses_and_costs_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
