/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory that an object has in blocks of its own, by its words: the frame that a code object keeps
 * up to 3.10, and what is no such thing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "census/owned.h"

#define KEPT 0x7f0000001000u

static uint64_t kept_bytes(unsigned minor, int gc_head_size, size_t length, uint32_t locals)
{
	static const struct {
		unsigned zombie, nlocals, stacksize;
	} at[] = {[6] = {120, 24, 28}, [8] = {128, 28, 32}, [11] = {128, 28, 32}};
	const struct owned *code = owned_find("code", false);
	struct py_layout layout = {.minor = (uint8_t)minor, .gc_head_size = (uint8_t)gc_head_size};
	uint8_t bytes[256] = {0};
	const struct owned_object object = {&layout, bytes, length};
	uint64_t frame = KEPT;
	uint32_t stack = 4;

	memcpy(bytes + at[minor].zombie, &frame, sizeof(frame));
	memcpy(bytes + at[minor].nlocals, &locals, sizeof(locals));
	memcpy(bytes + at[minor].stacksize, &stack, sizeof(stack));
	assert_non_null(code);
	if (code->parts[0].count(&object))
		assert_true(code->parts[0].array(&object) == KEPT);
	return code->parts[0].count(&object) * code->parts[0].size;
}

static void code_owns_the_frame_of_its_next_call(void **state)
{
	(void)state;
	assert_int_equal(kept_bytes(6, 32, 256, 3), 384 + 32 + 7 * 8);
	assert_int_equal(kept_bytes(8, 16, 256, 3), 368 + 16 + 7 * 8);
	/* later versions keep none */
	assert_int_equal(kept_bytes(11, 16, 256, 3), 0);
	/* what is not read, or no count */
	assert_int_equal(kept_bytes(8, 16, 120, 3), 0);
	assert_int_equal(kept_bytes(8, 16, 256, UINT32_MAX), 0);
}

static void other_types_own_what_is_known_of_them(void **state)
{
	(void)state;
	assert_non_null(owned_find("collections.deque", true));
	assert_null(owned_find("collections.OrderedDict", true));
	assert_null(owned_find("code", true));
	assert_null(owned_find("app.Deque", false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_owns_the_frame_of_its_next_call),
		cmocka_unit_test(other_types_own_what_is_known_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
