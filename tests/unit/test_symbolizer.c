/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames as BPF records them, of code objects of running interpreters: names, the places of frames
 * that have none and why, what is left out, what is remembered.
 */
#include "unit/each_minor.h"

#include "model/profile.h"
#include "symbol/symbolizer.h"
#include "target/remote_mem.h"

#define SHIFTED 0x5500u /* of a signature that is not the code object's */

static uint64_t read_field(const struct python_child *child, uint64_t address, int32_t offset,
			   size_t size)
{
	uint64_t value = 0;

	assert_int_equal(remote_read(child->pid, address + (uint64_t)offset, &value, size), 0);
	return value;
}

/* What BPF would record. */
static struct abi_frame frame_of(const struct python_child *child, uint64_t address, uint32_t unit)
{
	const struct py_layout *layout = &child->runtime.layout;
	uint32_t signature = abi_code_signature(
		(uint32_t)read_field(child, address, layout->code.firstlineno, 4),
		read_field(child, address, layout->code.filename, 8),
		read_field(child, address, layout->code.name, 8));

	return (struct abi_frame){address, unit, ABI_FRAME_PYTHON | signature << 8};
}

struct known_fact {
	uint64_t address;
	char name[128], file[256];
	uint32_t first_line, n_lines, *lines;
};

static void unhex(const char *hex, char *text, size_t size)
{
	size_t n = 0;

	for (; hex[0] && hex[0] != '-' && n + 1 < size; hex += 2) {
		char digits[3] = {hex[0], hex[1], '\0'};

		text[n++] = (char)strtoul(digits, NULL, 16);
	}
	text[n] = '\0';
}

/* Facts of codes whose names are whole in this struct; false: not this one. */
static bool take_fact(struct known_fact *fact, char *line)
{
	char *save, *word;

	memset(fact, 0, sizeof(*fact));
	strtok_r(line, " ", &save);
	fact->address = strtoull(strtok_r(NULL, " ", &save), NULL, 16);
	unhex(strtok_r(NULL, " ", &save), fact->name, sizeof(fact->name));
	unhex(strtok_r(NULL, " ", &save), fact->file, sizeof(fact->file));
	fact->first_line = (uint32_t)strtoul(strtok_r(NULL, " ", &save), NULL, 10);
	if (!fact->name[0] || strlen(fact->name) + 1 >= sizeof(fact->name) ||
	    strlen(fact->file) + 1 >= sizeof(fact->file))
		return false;
	fact->lines = calloc(5000, sizeof(uint32_t));
	assert_non_null(fact->lines);
	while ((word = strtok_r(NULL, ",", &save)) && *word != '-')
		fact->lines[fact->n_lines++] = (uint32_t)strtoul(word, NULL, 10);
	return true;
}

static void assert_named(const struct frame *frame, const struct known_fact *fact, uint32_t unit)
{
	uint32_t line = unit < fact->n_lines ? fact->lines[unit] : 0;

	assert_int_equal(frame->kind, FRAME_PYTHON);
	assert_string_equal(frame->function, fact->name);
	assert_string_equal(frame->file, fact->file);
	assert_int_equal(frame->line, line ? line : fact->first_line);
	assert_null(frame->module);
}

static void assert_gap(const struct frame *frame, const char *why)
{
	assert_int_equal(frame->kind, FRAME_GAP);
	assert_string_equal(frame->function, why);
	assert_null(frame->file);
	assert_int_equal(frame->line, 0);
}

/* Begin and end of the code, and frames that are being set up. */
static void compare_code(struct python_child *child, struct symbolizer *symbolizer,
			 struct profile *profile, const struct known_fact *fact)
{
	const struct py_layout *layout = &child->runtime.layout;
	uint32_t last = fact->n_lines - 1, start = 0;
	struct abi_frame frames[6];
	struct frame out[6];

	if (layout->code.firsttraceable != LAYOUT_NONE)
		start = (uint32_t)read_field(child, fact->address, layout->code.firsttraceable, 4);
	for (int i = 0; i < 6; i++)
		frames[i] = frame_of(child, fact->address, last);
	frames[1].unit = ABI_UNIT_NONE;
	frames[2].unit = ABI_UNIT_NONE;
	frames[2].tag |= ABI_FRAME_GENERATOR;
	frames[3].unit = start ? start - 1 : ABI_UNIT_NONE;
	frames[4].unit = start;
	frames[5].unit = 0;
	frames[5].tag |= ABI_FRAME_GENERATOR;
	symbolizer_learn(symbolizer, frames, 6);
	assert_int_equal(symbolizer_name(symbolizer, profile, frames, 6, out), 4);
	assert_named(&out[0], fact, last);
	assert_named(&out[1], fact, UINT32_MAX);
	assert_named(&out[2], fact, start);
	assert_named(&out[3], fact, 0);
}

static void test_gaps_and_native(struct symbolizer *symbolizer, struct profile *profile,
				 struct abi_frame python)
{
	struct abi_frame frames[] = {
		{0x1234, 0, ABI_FRAME_NATIVE},
		python,
		{python.where, 0, python.tag ^ SHIFTED},
		{0, ABI_GAP_DEPTH, ABI_FRAME_GAP},
		{0, ABI_GAP_NO_THREAD, ABI_FRAME_GAP},
		{0, ABI_GAP_READ, ABI_FRAME_GAP},
		{0, ABI_GAP_STACKS_FULL, ABI_FRAME_GAP},
		{0, 99, ABI_FRAME_GAP},
		{0, ABI_GAP_READ, 77},
		{8, 0, ABI_FRAME_PYTHON},
	};
	struct symbolizer_losses before = symbolizer_losses(symbolizer), after;
	struct frame out[sizeof(frames) / sizeof(frames[0]) + 1];
	size_t n = sizeof(frames) / sizeof(frames[0]);

	for (int round = 0; round < 2; round++)
		assert_int_equal(symbolizer_name(symbolizer, profile, frames, n, out), n + 1);
	assert_int_equal(out[0].kind, FRAME_NATIVE);
	assert_int_equal(out[0].offset, 0x1234);
	assert_null(out[0].function);
	/* no C frame is an activation of the loop: something is missing */
	assert_gap(&out[1], "[C frames end: those of what follows are not known]");
	assert_int_equal(out[2].kind, FRAME_PYTHON);
	assert_gap(&out[3], "[code object was replaced]");
	assert_gap(&out[4], "[deeper stack: outer frames not kept]");
	assert_gap(&out[5], "[not a Python thread]");
	assert_gap(&out[6], "[next frame could not be read]");
	assert_gap(&out[7], "[no stack: the stack maps are full]");
	assert_gap(&out[8], "[frame of an unknown kind]");
	assert_gap(&out[9], "[frame of an unknown kind]");
	assert_gap(&out[10], "[code object was replaced]");
	/* counted once, however often they are named */
	after = symbolizer_losses(symbolizer);
	assert_int_equal(after.replaced, before.replaced + 2);
	assert_int_equal(after.unreadable, before.unreadable);
}

static void compare(const char *python)
{
	struct python_child child;
	struct symbolizer *symbolizer;
	struct profile *profile = profile_new();
	struct known_fact fact, kept = {0};
	struct abi_frame frame, unknown;
	struct frame out;
	unsigned n = 0;
	char **facts;

	child_start(&child, python, "tests/unit/print_code.py", NULL);
	facts = child_facts(&child);
	child_runtime(&child, facts[0]);
	symbolizer = symbolizer_new(child.pid, &child.runtime, NULL);
	assert_non_null(symbolizer);
	for (size_t i = 1; facts[i] && n < 500; i += 3) {
		if (!take_fact(&fact, facts[i]))
			continue;
		compare_code(&child, symbolizer, profile, &fact);
		free(kept.lines);
		kept = fact;
		n++;
	}
	assert_int_equal(n, 500);
	assert_int_equal(symbolizer_losses(symbolizer).replaced, 0);
	assert_int_equal(symbolizer_losses(symbolizer).unreadable, 0);
	frame = frame_of(&child, kept.address, 0);
	frame.tag |= ABI_FRAME_GENERATOR;
	test_gaps_and_native(symbolizer, profile, frame);
	child_facts_free(facts);
	child_end(&child);

	/* the process is gone: what is known stays so, what is not says why */
	assert_int_equal(symbolizer_name(symbolizer, profile, &frame, 1, &out), 1);
	assert_named(&out, &kept, 0);
	unknown = (struct abi_frame){kept.address, 0, frame.tag ^ SHIFTED << 8};
	assert_int_equal(symbolizer_name(symbolizer, profile, &unknown, 1, &out), 1);
	assert_gap(&out, "[not read: the process had ended]");
	assert_int_equal(symbolizer_losses(symbolizer).unreadable, 1);
	symbolizer_free(symbolizer);
	profile_free(profile);
	free(kept.lines);
}

static void frames_have_the_names_that_the_script_states(void **state)
{
	with_pythons(minor_of(state), compare);
}

/*
 * More code objects than are kept: those in use stay, the oldest others go. This process is the
 * target.
 */
static void code_objects_in_use_are_kept_at_the_bound(void **state)
{
	struct py_runtime *runtime = calloc(1, sizeof(*runtime));
	struct abi_frame first = {4096, 0, ABI_FRAME_PYTHON}, used = {8, 0, ABI_FRAME_PYTHON};
	struct symbolizer *symbolizer;
	uint64_t count;

	(void)state;
	assert_non_null(runtime);
	runtime->layout = *layout_find(11, false);
	symbolizer = symbolizer_new(getpid(), runtime, NULL);
	assert_non_null(symbolizer);
	symbolizer_learn(symbolizer, &used, 1);
	for (unsigned i = 0; i <= SYMBOLIZER_MAX_CODES * 3 / 2; i++) {
		/* nothing is mapped at an address that is not canonical */
		struct abi_frame frame = {1ull << 60 | (uint64_t)i << 4, 0, ABI_FRAME_PYTHON};

		symbolizer_learn(symbolizer, &frame, 1);
		if (i == 0)
			first = frame;
		if (i % 1000 == 0)
			symbolizer_learn(symbolizer, &used, 1);
	}
	count = symbolizer_losses(symbolizer).replaced;
	assert_int_equal(count, SYMBOLIZER_MAX_CODES * 3 / 2 + 2);
	symbolizer_learn(symbolizer, &used, 1);
	assert_int_equal(symbolizer_losses(symbolizer).replaced, count);
	symbolizer_learn(symbolizer, &first, 1);
	assert_int_equal(symbolizer_losses(symbolizer).replaced, count + 1);
	symbolizer_free(symbolizer);
	symbolizer_free(NULL);
	free(runtime);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_objects_in_use_are_kept_at_the_bound),
		ON_EACH_MINOR(frames_have_the_names_that_the_script_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
