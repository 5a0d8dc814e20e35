/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "golden/made_profile.h"

static void strings_are_interned_and_bounded(void **state)
{
	struct profile *profile = profile_new();
	char text[] = "name", *huge = malloc(10001);
	const char *a = profile_str(profile, text, -1), *cut;

	(void)state;
	assert_ptr_not_equal(a, text);
	assert_ptr_equal(profile_str(profile, "name", -1), a);
	assert_ptr_equal(profile_str(profile, "names", 4), a);
	assert_ptr_equal(profile_str(profile, "name\0rest", 9), a);
	assert_ptr_not_equal(profile_str(profile, "nam", -1), a);
	assert_string_equal(profile_str(profile, "", -1), "");
	assert_string_equal(profile_str(profile, "x", 0), "");
	assert_null(profile_str(profile, NULL, -1));
	assert_string_equal(profile_str(profile, "\xff", -1), "\xff");
	memset(huge, 'A', 10000);
	huge[10000] = '\0';
	assert_int_equal(strlen(profile_str(profile, huge, -1)), PROFILE_STRING_MAX - 1);
	assert_int_equal(strlen(profile_str(profile, huge, 10000)), PROFILE_STRING_MAX - 1);
	memcpy(huge + PROFILE_STRING_MAX - 2, "\xe2\x82\xac",
	       3); /* the cut does not go through a character */
	cut = profile_str(profile, huge, -1);
	assert_int_equal(strlen(cut), PROFILE_STRING_MAX - 2);
	assert_int_equal(cut[PROFILE_STRING_MAX - 3], 'A');
	free(huge);
	profile_free(profile);
	profile_free(NULL);
}

static void memory_is_zeroed_aligned_and_separate(void **state)
{
	struct profile *profile = profile_new();
	size_t sizes[] = {1, 7, 16, 64, 5000, 65536, 20000, 1000000, 3, 0};
	unsigned char *blocks[10];

	(void)state;
	for (int i = 0; i < 10; i++) {
		blocks[i] = profile_alloc(profile, sizes[i]);
		assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
		for (size_t b = 0; b < sizes[i]; b++)
			assert_int_equal(blocks[i][b], 0);
		memset(blocks[i], i + 1, sizes[i]);
	}
	for (int i = 0; i < 10; i++)
		for (size_t b = 0; b < sizes[i]; b++)
			assert_int_equal(blocks[i][b], i + 1);
	profile_free(profile);
}

static void frames_are_written_one_way(void **state)
{
	static const struct {
		struct frame frame;
		const char *text;
	} cases[] = {
		{{.kind = FRAME_PYTHON, .function = "f", .file = "/a.py", .line = 3},
		 "f (/a.py:3)"},
		{{.kind = FRAME_PYTHON, .function = "f", .file = "/a.py"}, "f (/a.py)"},
		{{.kind = FRAME_PYTHON, .function = "f", .line = 3}, "f"},
		{{.kind = FRAME_PYTHON}, "?"},
		{{.kind = FRAME_NATIVE, .function = "malloc", .module = "libc.so.6", .offset = 16},
		 "malloc+0x10 [libc.so.6]"},
		{{.kind = FRAME_NATIVE,
		  .function = "g",
		  .file = "g.c",
		  .line = 7,
		  .module = "m",
		  .offset = 1},
		 "g+0x1 (g.c:7)"},
		{{.kind = FRAME_NATIVE, .module = "m.so", .offset = 0xabc}, "0xabc [m.so]"},
		{{.kind = FRAME_NATIVE, .offset = UINT64_MAX}, "0xffffffffffffffff"},
		{{.kind = FRAME_NATIVE,
		  .function = "h",
		  .file = "/build/src/h.h",
		  .line = 9,
		  .module = "m.so",
		  .inlined = true},
		 "h (h.h:9)"},
		{{.kind = FRAME_NATIVE, .function = "h", .module = "m.so", .inlined = true},
		 "h [m.so]"},
		{{.kind = FRAME_NATIVE, .function = "g", .file = "src/", .line = 2},
		 "g+0x0 (src/:2)"},
		{{.kind = FRAME_NATIVE,
		  .module = "m.so",
		  .path = "/l/m.so",
		  .offset = 0xabc,
		  .start = 0xab0},
		 "m.so+0xabc"},
		{{.kind = FRAME_NATIVE, .function = "g", .module = "m.so", .path = "/l/m.so"},
		 "g+0x0 [m.so]"},
		{{.kind = FRAME_NATIVE,
		  .function = "clock_gettime",
		  .module = "[vdso]",
		  .offset = 7},
		 "clock_gettime+0x7 [vdso]"},
		{{.kind = FRAME_NATIVE, .module = "[vdso]", .path = "[vdso]", .offset = 7},
		 "[vdso]+0x7"},
		{{.kind = FRAME_NATIVE, .module = "generated code", .offset = 0x7f0012340010},
		 "0x7f0012340010 [generated code]"},
		{{.kind = FRAME_GAP, .function = "no thread"}, "[no thread]"},
		{{.kind = FRAME_GAP, .function = "[gone]"}, "[gone]"},
		{{.kind = FRAME_GAP}, "[unknown]"},
	};
	char text[FRAME_TEXT_MAX], small[4];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(frame_text(&cases[i].frame, text, sizeof(text)), cases[i].text);
	assert_string_equal(frame_text(&cases[0].frame, small, sizeof(small)), "f (");
	assert_string_equal(frame_kind_name(FRAME_GAP), "gap");
	assert_string_equal(frame_kind_name((enum frame_kind)9), "gap");
	assert_string_equal(domain_name(DOMAIN_MMAP), "mmap");
	assert_string_equal(domain_name((enum domain)9), "unknown");
}

/* Two stacks of equal frames, once interned and once not, and one of another domain. */
static void equal_stacks_are_joined(void **state)
{
	struct profile *profile = profile_new();
	char name[] = "f";
	const struct frame a[] = {made_python(profile, "f", "x.py", 1)},
			   b[] = {{.kind = FRAME_PYTHON,
				   .function = name,
				   .file = "x.py",
				   .line = 1}};
	const struct frame c[] = {made_python(profile, "f", "x.py", 2)};
	const struct type_share of_a[] = {{"dict", 1, 100}, {"str", 2, 20}},
				of_b[] = {{"str", 10, 200}, {"int", 1, 28}};
	struct stack stacks[] = {
		{.domain = DOMAIN_OBJECT,
		 .outstanding_bytes = 10,
		 .outstanding_count = 1,
		 .oldest_s = 3,
		 .newest_s = 1,
		 .growth_bytes_per_s = 1.5,
		 .frames = a,
		 .n_frames = 1,
		 .types = of_a,
		 .n_types = 2,
		 .types_sampled = 3},
		{.domain = DOMAIN_MALLOC, .outstanding_bytes = 5, .frames = a, .n_frames = 1},
		{.domain = DOMAIN_OBJECT,
		 .outstanding_bytes = UINT64_MAX,
		 .outstanding_count = 2,
		 .allocated_count = 9,
		 .freed_count = 7,
		 .oldest_s = 5,
		 .newest_s = 2,
		 .growth_bytes_per_s = 2,
		 .estimated = true,
		 .frames = b,
		 .n_frames = 1,
		 .types = of_b,
		 .n_types = 2,
		 .types_sampled = 11},
		{.domain = DOMAIN_OBJECT, .outstanding_bytes = 1, .frames = c, .n_frames = 1},
		{.domain = DOMAIN_OBJECT, .outstanding_bytes = 2},
	};
	const struct stack *joined = NULL;

	(void)state;
	profile->stacks = stacks;
	profile->n_stacks = 5;
	profile_merge(profile);
	assert_int_equal(profile->n_stacks, 4);
	profile_merge(profile);
	assert_int_equal(profile->n_stacks, 4);
	for (size_t i = 0; i < 4; i++)
		if (profile->stacks[i].outstanding_count)
			joined = &profile->stacks[i];
	assert_non_null(joined);
	assert_true(joined->outstanding_bytes == UINT64_MAX); /* it does not wrap */
	assert_int_equal(joined->outstanding_count, 3);
	assert_true(joined->oldest_s == 5 && joined->newest_s == 1);
	assert_int_equal(joined->allocated_count, 9);
	assert_int_equal(joined->freed_count, 7);
	assert_true(joined->oldest_s == 5 && joined->growth_bytes_per_s == 3.5 &&
		    joined->estimated);
	assert_int_equal(joined->types_sampled, 14);
	assert_int_equal(joined->n_types, 3);
	assert_string_equal(joined->types[0].name, "str");
	assert_int_equal(joined->types[0].bytes, 220);
	assert_int_equal(joined->types[0].count, 12);
	assert_string_equal(joined->types[1].name, "dict");
	assert_string_equal(joined->types[2].name, "int");
	profile_free(profile);
}

static void orders_put_the_greatest_first(void **state)
{
	struct profile *profile = profile_new();
	/* the name is the place in: size, count, growth, age */
	const struct frame frames[] = {{.kind = FRAME_PYTHON, .function = "1423"},
				       {.kind = FRAME_PYTHON, .function = "2314"},
				       {.kind = FRAME_PYTHON, .function = "3142"},
				       {.kind = FRAME_PYTHON, .function = "4231"},
				       {.kind = FRAME_PYTHON, .function = "5555"}};
	struct stack stacks[] = {
		{.growth_bytes_per_s = 1e9, .oldest_s = 1e9, .frames = &frames[4], .n_frames = 1},
		{.outstanding_bytes = 40,
		 .outstanding_count = 1,
		 .growth_bytes_per_s = 3,
		 .oldest_s = 2,
		 .frames = &frames[0],
		 .n_frames = 1},
		{.outstanding_bytes = 30,
		 .outstanding_count = 2,
		 .growth_bytes_per_s = 4,
		 .oldest_s = 1,
		 .frames = &frames[1],
		 .n_frames = 1},
		{.outstanding_bytes = 20,
		 .outstanding_count = 4,
		 .growth_bytes_per_s = -1,
		 .oldest_s = 3,
		 .frames = &frames[2],
		 .n_frames = 1},
		{.outstanding_bytes = 0,
		 .outstanding_count = 3,
		 .growth_bytes_per_s = 0.0 / 0.0,
		 .oldest_s = 4,
		 .frames = &frames[3],
		 .n_frames = 1},
	};

	(void)state;
	profile->stacks = stacks;
	profile->n_stacks = 5;
	for (int order = ORDER_SIZE; order <= ORDER_AGE; order++) {
		profile_sort(profile, (enum profile_order)order);
		for (int i = 0; i < 5; i++)
			assert_int_equal(stacks[i].frames->function[order], '1' + i);
	}
	profile_free(profile);
}

/* An estimate goes where the lower end of its interval has it; two that may be nothing, by what
 * they say. */
static void estimates_stand_where_they_are_sure(void **state)
{
	struct profile *profile = profile_new();
	struct stack stacks[] = {
		{.outstanding_bytes = 900,
		 .outstanding_count = 90,
		 .bytes_error = 1100,
		 .count_error = 110},
		{.outstanding_bytes = 2000,
		 .outstanding_count = 70,
		 .bytes_error = 3000,
		 .count_error = 150},
		{.outstanding_bytes = 10, .outstanding_count = 1},
		{.outstanding_bytes = 300,
		 .outstanding_count = 60,
		 .bytes_error = 100,
		 .count_error = 10},
		{.outstanding_bytes = 250, .outstanding_count = 40},
	};

	(void)state;
	profile->stacks = stacks;
	profile->n_stacks = 5;
	profile_sort(profile, ORDER_SIZE);
	assert_int_equal(stacks[0].outstanding_bytes, 250);
	assert_int_equal(stacks[1].outstanding_bytes, 300);
	assert_int_equal(stacks[2].outstanding_bytes, 10);
	assert_int_equal(stacks[3].outstanding_bytes, 2000);
	assert_int_equal(stacks[4].outstanding_bytes, 900);
	profile_sort(profile, ORDER_COUNT);
	assert_int_equal(stacks[0].outstanding_count, 60);
	assert_int_equal(stacks[1].outstanding_count, 40);
	assert_int_equal(stacks[2].outstanding_count, 1);
	profile_free(profile);
}

static void ties_do_not_depend_on_the_input(void **state)
{
	struct profile *profile = profile_new();
	struct frame frames[3] = {{.kind = FRAME_PYTHON, .function = "a"},
				  {.kind = FRAME_PYTHON, .function = "b"},
				  {.kind = FRAME_NATIVE, .function = "a"}};
	static const int permutations[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	(void)state;
	for (int p = 0; p < 6; p++) {
		struct stack stacks[3];

		for (int i = 0; i < 3; i++)
			stacks[i] = (struct stack){.outstanding_bytes = 1,
						   .frames = &frames[permutations[p][i]],
						   .n_frames = 1};
		profile->stacks = stacks;
		profile->n_stacks = 3;
		profile_sort(profile, ORDER_GROWTH);
		for (int i = 0; i < 3; i++)
			assert_ptr_equal(stacks[i].frames, &frames[i]);
	}
	profile_free(profile);
}

static void nothing_at_all_is_fine(void **state)
{
	struct profile *profile = made_profile("empty");

	(void)state;
	profile_merge(profile);
	profile_sort(profile, ORDER_COUNT);
	assert_int_equal(profile->n_stacks, 0);
	assert_false(profile_has_loss(profile, "blocks_full"));
	assert_true(profile->mode.max_size == UINT64_MAX);
	profile_free(profile);
	profile = made_profile("service");
	assert_true(profile_has_loss(profile, "stacks_cut"));
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_interned_and_bounded),
		cmocka_unit_test(memory_is_zeroed_aligned_and_separate),
		cmocka_unit_test(frames_are_written_one_way),
		cmocka_unit_test(equal_stacks_are_joined),
		cmocka_unit_test(orders_put_the_greatest_first),
		cmocka_unit_test(estimates_stand_where_they_are_sure),
		cmocka_unit_test(ties_do_not_depend_on_the_input),
		cmocka_unit_test(nothing_at_all_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
