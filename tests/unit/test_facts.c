/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The facts for the BPF program, from every row of the layout table: each window holds its fields
 * where the program will look for them, and no more than it has room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/facts.h"

static struct py_runtime *runtime;

static int setup(void **state)
{
	(void)state;
	runtime = calloc(1, sizeof(*runtime));
	return runtime == NULL;
}

static int teardown(void **state)
{
	(void)state;
	free(runtime);
	return 0;
}

static void fill(struct abi_python *facts, const struct py_layout *layout)
{
	struct err err = ERR_INIT;

	runtime->layout = *layout;
	if (facts_fill(facts, runtime, &err))
		fail_msg("3.%u: %s", layout->minor, err.text);
}

/*
 * The field of `width` bytes at `offset` of the struct is in the window, aligned, where the
 * facts say.
 */
static void check_field(const struct abi_window *window, uint32_t fact, int32_t offset,
			uint32_t width)
{
	assert_true(offset >= 0);
	assert_int_equal(window->start + fact, offset);
	assert_true(fact + width <= window->size);
	assert_int_equal(fact % width, 0);
}

static void check_window(const struct abi_window *window, uint32_t most)
{
	assert_int_equal(window->start % 8, 0);
	assert_int_equal(window->size % 8, 0);
	assert_in_range(window->size, 8, most);
}

static void check_tstate(const struct abi_python *facts, const struct py_layout *layout)
{
	int32_t first = layout->tstate.frame;

	if (layout->tstate.cframe >= 0)
		first = layout->tstate.cframe;
	if (layout->tstate.current_frame >= 0)
		first = layout->tstate.current_frame;
	check_window(&facts->tstate, ABI_TSTATE_WINDOW);
	check_field(&facts->tstate, facts->tstate_thread_id, layout->tstate.thread_id, 8);
	check_field(&facts->tstate, facts->tstate_frame, first, 8);
	assert_int_equal(facts->use_cframe, layout->tstate.cframe >= 0);
	if (facts->use_cframe)
		assert_int_equal(facts->cframe_frame, layout->cframe_current_frame);
}

static void check_frame(const struct abi_python *facts, const struct py_layout *layout)
{
	bool number = layout->frame.lasti >= 0;

	check_window(&facts->frame, ABI_FRAME_WINDOW);
	check_field(&facts->frame, facts->frame_previous, layout->frame.previous, 8);
	check_field(&facts->frame, facts->frame_code, layout->frame.code, 8);
	check_field(&facts->frame, facts->frame_position,
		    number ? layout->frame.lasti : layout->frame.instr_ptr, number ? 4 : 8);
	assert_int_equal(facts->use_lasti, number);
	/* frames lie side by side since they are no objects of their own */
	assert_int_equal(facts->adjacent, !number);
	/* 3.10 counts in code units of two bytes, before it was bytes */
	if (number)
		assert_int_equal(facts->lasti_shift, layout->minor < 10 ? 1 : 0);
	assert_int_equal(facts->has_owner, layout->minor >= 11);
	if (facts->has_owner)
		check_field(&facts->frame, facts->frame_owner, layout->frame.owner, 1);
	assert_true(facts->code_mask == layout->frame.code_mask);
	assert_int_equal(facts->owner_shim, layout->frame.owner_shim);
	assert_int_equal(facts->owner_generator, layout->frame.owner_generator);
}

static void check_code(const struct abi_python *facts, const struct py_layout *layout)
{
	check_window(&facts->code, ABI_CODE_WINDOW);
	check_field(&facts->code, facts->code_first_line, layout->code.firstlineno, 4);
	check_field(&facts->code, facts->code_filename, layout->code.filename, 8);
	check_field(&facts->code, facts->code_name, layout->code.name, 8);
	/* never read beyond the object */
	assert_true(facts->code.start + facts->code.size <= (uint32_t)layout->code.size);
	assert_int_equal(facts->code_bytecode, layout->code.code >= 0 ? layout->code.code : 0);
}

static void every_layout_becomes_facts(void **state)
{
	const struct py_layout *layout;
	unsigned n;

	(void)state;
	for (n = 0; (layout = layout_row(n)) != NULL; n++) {
		struct abi_python facts;

		fill(&facts, layout);
		check_tstate(&facts, layout);
		check_frame(&facts, layout);
		check_code(&facts, layout);
		assert_int_equal(facts.ways[0].kind, ABI_WAY_NONE);
	}
	assert_true(n >= 10);
}

static void ways_to_the_thread_state_become_offsets(void **state)
{
	struct abi_python facts;

	(void)state;
	runtime->n_ways = 3;
	runtime->ways[0] =
		(struct py_tstate_way){.kind = PY_TSTATE_TSS, .offset = 0x310, .key = 37};
	runtime->ways[1] = (struct py_tstate_way){.kind = PY_TSTATE_TLS, .offset = -72};
	runtime->ways[2] =
		(struct py_tstate_way){.kind = PY_TSTATE_DTV, .offset = 0x48, .module_id = 3};
	fill(&facts, layout_row(0));
	/* the second block of 32 keys, its sixth entry of 16 bytes, whose second word is the
	 * value */
	assert_int_equal(facts.ways[0].kind, ABI_WAY_TSS);
	assert_int_equal(facts.ways[0].a, 0x310 + 8);
	assert_int_equal(facts.ways[0].b, 5 * 16 + 8);
	assert_int_equal(facts.ways[1].kind, ABI_WAY_TLS);
	assert_true(facts.ways[1].a == -72);
	/* entries of the vector are of 16 bytes; entry 0 is its generation */
	assert_int_equal(facts.ways[2].kind, ABI_WAY_DTV);
	assert_int_equal(facts.ways[2].a, 3 * 16);
	assert_int_equal(facts.ways[2].b, 0x48);

	runtime->n_ways = 1;
	runtime->ways[0] =
		(struct py_tstate_way){.kind = PY_TSTATE_GLOBAL, .offset = 0x7f0000001234};
	fill(&facts, layout_row(0));
	assert_int_equal(facts.ways[0].kind, ABI_WAY_GLOBAL);
	assert_true(facts.ways[0].a == 0x7f0000001234);
	assert_int_equal(facts.ways[1].kind, ABI_WAY_NONE);
	runtime->n_ways = 0;
}

/* A layout whose fields are too far apart is refused with its version, and not cut. */
static void a_layout_that_does_not_fit_is_refused(void **state)
{
	struct {
		const char *what;
		int32_t *field;
	} fields[] = {
		{"thread state", &runtime->layout.tstate.thread_id},
		{"frame", &runtime->layout.frame.code},
		{"owner", &runtime->layout.frame.owner},
		{"code", &runtime->layout.code.name},
	};
	struct abi_python facts;

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct err err = ERR_INIT;

		runtime->layout = *layout_find(13, false);
		*fields[i].field = 4096;
		assert_int_equal(facts_fill(&facts, runtime, &err), -ERR_TARGET);
		assert_non_null(strstr(err.text, "3.13"));
	}
	/* no way to the frames at all; no position */
	runtime->layout = *layout_find(13, false);
	runtime->layout.tstate.current_frame = LAYOUT_NONE;
	assert_int_equal(facts_fill(&facts, runtime, NULL), -ERR_TARGET);
	runtime->layout = *layout_find(13, false);
	runtime->layout.frame.instr_ptr = LAYOUT_NONE;
	assert_int_equal(facts_fill(&facts, runtime, NULL), -ERR_TARGET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layout_becomes_facts),
		cmocka_unit_test(ways_to_the_thread_state_become_offsets),
		cmocka_unit_test(a_layout_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
