/* SPDX-License-Identifier: BSD-2-Clause
 *
 * C frames and Python frames of one stack, put together. A frame is a letter: lower case is C, `e`
 * the evaluation loop, `s` what switches greenlets, upper case Python, `!` behind it the end of a
 * run, `-` a gap among the C frames, `_` one among the Python frames, `t` the thread, `?` and `=`
 * the gaps that interleave() itself puts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "symbol/interleave.h"

static struct abi_frame frame_of(char letter)
{
	if (letter == '-')
		return (struct abi_frame){.unit = ABI_GAP_STACK, .tag = ABI_FRAME_GAP};
	if (letter == '_')
		return (struct abi_frame){.unit = ABI_GAP_DEPTH, .tag = ABI_FRAME_GAP};
	if (letter == 't')
		return (struct abi_frame){.unit = 4711, .tag = ABI_FRAME_THREAD};
	return (struct abi_frame){
		.where = (unsigned char)letter,
		.tag = letter >= 'a' ? ABI_FRAME_NATIVE : ABI_FRAME_PYTHON,
	};
}

static char letter_of(const struct abi_frame *frame)
{
	if (ABI_FRAME_KIND(frame->tag) != ABI_FRAME_GAP)
		return (char)frame->where;
	return frame->unit == INTERLEAVE_GAP_OTHER_STACK ? '?'
	       : frame->unit == INTERLEAVE_GAP_UNPAIRED  ? '='
	       : frame->unit >= ABI_GAP_NATIVE_FIRST     ? '-'
							 : '_';
}

static enum interleave_role role_of(void *context, const struct abi_frame *frame)
{
	assert_ptr_equal(context, &role_of);
	assert_int_equal(ABI_FRAME_KIND(frame->tag), ABI_FRAME_NATIVE);
	return frame->where == 'e'   ? INTERLEAVE_LOOP
	       : frame->where == 's' ? INTERLEAVE_SWITCH
				     : INTERLEAVE_PLAIN;
}

static void check(const char *recorded, const char *wanted)
{
	struct abi_frame frames[64], out[65];
	char text[66];
	size_t n = 0, m;

	for (const char *c = recorded; *c; c++) {
		if (*c == '!')
			frames[n - 1].tag |= ABI_FRAME_RUN_END;
		else
			frames[n++] = frame_of(*c);
	}
	m = interleave(frames, n, role_of, (void *)&role_of, out);
	assert_true(m <= n + 1);
	for (size_t i = 0; i < m; i++)
		text[i] = letter_of(&out[i]);
	text[m] = '\0';
	assert_string_equal(text, wanted);
}

static void runs_of_python_replace_the_loop(void **state)
{
	(void)state;
	check("kceqem"
	      "AB!C!",
	      "kcABqCm");
	check("e"
	      "A!",
	      "A");
	check("aeb"
	      "A!",
	      "aAb");
	check("aeebec"
	      "A!B!C!",
	      "aABbCc");
	/* the last run may have no mark: it is the last */
	check("aebec"
	      "ABC!DE",
	      "aABCbDEc");
}

static void without_python_frames_c_frames_stay(void **state)
{
	(void)state;
	check("abc", "abc");
	/* a thread of C code that an interpreter runs in, of which nothing is known */
	check("abec", "abec");
	check("abc-", "abc-");
	check("", "");
}

static void without_c_frames_python_frames_stay(void **state)
{
	(void)state;
	check("AB!C!", "ABC");
	check("_", "_");
	check("AB_", "AB_");
}

static void python_frames_follow_where_c_frames_end(void **state)
{
	(void)state;
	check("a-"
	      "A!B!",
	      "a-AB");
	check("aeb-"
	      "A!BC!D!",
	      "aAb-BCD");
	/* a return address 0 where there is none: unwind information that is wrong */
	check("aebc"
	      "A!B!",
	      "aAbc=B");
	check("abc"
	      "A_",
	      "abc=A_");
	check("-"
	      "A!",
	      "-A");
}

static void c_frames_follow_where_python_frames_end(void **state)
{
	(void)state;
	check("aebecd"
	      "A!B_",
	      "aAbB_cd");
	check("aebecedm"
	      "A!B_",
	      "aAbB_c");
}

static void frames_of_another_stack_are_joined(void **state)
{
	(void)state;
	check("aebgcedem"
	      "A!",
	      "aAbgc?");
	check("aebecem"
	      "A!B!",
	      "aAbBc?");
}

static void a_greenlets_frames_are_joined_where_it_began(void **state)
{
	(void)state;
	/* what began the greenlet is the last frame of its own */
	check("aebsscedem"
	      "A!",
	      "aAbs?");
	check("aebsccd-"
	      "A!",
	      "aAbs?");
	check("aebecsm"
	      "A!B!",
	      "aAbBcs?");
	/* a switch on the way to the leaf lies on the greenlet's own stack */
	check("asebsecd"
	      "A!B!",
	      "asAbsBcd");
	/* one without Python code, such as gevent's hub */
	check("abscedem", "abs?");
	check("aebsc"
	      "A_",
	      "aA_bs");
}

static void the_start_of_a_thread_is_left_out(void **state)
{
	(void)state;
	check("aeb"
	      "A!"
	      "t",
	      "aAb");
	check("ab"
	      "t",
	      "ab");
	check("t", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_of_python_replace_the_loop),
		cmocka_unit_test(without_python_frames_c_frames_stay),
		cmocka_unit_test(without_c_frames_python_frames_stay),
		cmocka_unit_test(python_frames_follow_where_c_frames_end),
		cmocka_unit_test(c_frames_follow_where_python_frames_end),
		cmocka_unit_test(frames_of_another_stack_are_joined),
		cmocka_unit_test(a_greenlets_frames_are_joined_where_it_began),
		cmocka_unit_test(the_start_of_a_thread_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
