/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One instruction: its length, price, flow, what it writes. The bytes are what compilers put
 * at the heads of allocator functions, and such as they never write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/insn.h"

#define AT 0x401000ull

static struct insn decode(const char *bytes, size_t n)
{
	struct insn insn;

	assert_true(insn_decode(&insn, (const uint8_t *)bytes, n, AT));
	assert_int_equal(insn.length, n);
	return insn;
}

#define DECODE(bytes) decode(bytes, sizeof(bytes) - 1)

static void each_instruction_has_its_price(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum insn_cost cost;
	} rows[] = {
#define ROW(bytes, cost) {bytes, sizeof(bytes) - 1, cost}
		ROW("\x0f\x1f\x44\x00\x00", COST_UNSAFE),
		ROW("\x50", COST_EMULATED),                     /* push %rax */
		ROW("\x57", COST_EMULATED),                     /* push %rdi */
		ROW("\x41\x57", COST_EMULATED),                 /* push %r15 */
		ROW("\x90", COST_EMULATED),                     /* nop */
		ROW("\x66\x90", COST_EMULATED),                 /* xchg %ax,%ax */
		ROW("\xeb\x10", COST_EMULATED),                 /* jmp */
		ROW("\xe9\x10\x00\x00\x00", COST_EMULATED),     /* jmp */
		ROW("\xe8\x10\x00\x00\x00", COST_EMULATED),     /* call */
		ROW("\x74\x10", COST_EMULATED),                 /* je */
		ROW("\x7f\xf0", COST_EMULATED),                 /* jg */
		ROW("\x0f\x84\x10\x00\x00\x00", COST_EMULATED), /* je */
		ROW("\x0f\x8f\x10\x00\x00\x00", COST_EMULATED), /* jg */
		ROW("\xf3\x0f\x1e\xfa", COST_STEPPED),          /* endbr64 */
		ROW("\x48\x85\xff", COST_STEPPED),              /* test %rdi,%rdi */
		ROW("\x48\x89\xf8", COST_STEPPED),              /* mov %rdi,%rax */
		ROW("\x48\x83\xec\x08", COST_STEPPED),          /* sub $8,%rsp */
		ROW("\xc3", COST_STEPPED),                      /* ret */
		ROW("\x0f\x1f\x40\x00", COST_STEPPED),          /* nop of 4 bytes */
		ROW("\x66\x0f\x1f\x44\x00\x00", COST_STEPPED),  /* nop of 6 bytes */
		ROW("\xff\x35\x00\x00\x00\x00", COST_STEPPED),  /* push x(%rip) */
		ROW("\xff\xe0", COST_STEPPED),                  /* jmp *%rax */
		ROW("\xf3\x90", COST_STEPPED),                  /* pause */
		ROW("\xe3\x05", COST_STEPPED),                  /* jrcxz */
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(decode(rows[i].bytes, rows[i].n).cost, rows[i].cost);
}

static void nops_are_known_in_all_their_forms(void **state)
{
	(void)state;
	assert_true(DECODE("\x90").is_nop);
	assert_true(DECODE("\x66\x90").is_nop);
	assert_true(DECODE("\x0f\x1f\x00").is_nop);
	assert_true(DECODE("\x0f\x1f\x44\x00\x00").is_nop);
	assert_true(DECODE("\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00").is_nop);
	assert_true(DECODE("\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00").is_nop);
	assert_true(DECODE("\xf3\x0f\x1e\xfa").is_nop);
	assert_true(DECODE("\xf3\x0f\x1e\xfa").is_endbr);
	assert_false(DECODE("\x90").is_endbr);
	/* xchg %r8,%rax is not one, though its opcode is 90 */
	assert_false(DECODE("\x49\x90").is_nop);
	assert_false(DECODE("\x48\x89\xff").is_nop);
	assert_false(DECODE("\xcc").is_nop);
}

static void the_flow_goes_on_jumps_or_branches(void **state)
{
	struct insn insn;

	(void)state;
	assert_int_equal(DECODE("\x50").flow, FLOW_NEXT);
	insn = DECODE("\xeb\x10");
	assert_int_equal(insn.flow, FLOW_JUMP);
	assert_int_equal(insn.target, AT + 2 + 0x10);
	insn = DECODE("\xe9\x00\xff\xff\xff");
	assert_int_equal(insn.flow, FLOW_JUMP);
	assert_int_equal(insn.target, AT + 5 - 0x100);
	insn = DECODE("\x74\x10");
	assert_int_equal(insn.flow, FLOW_BRANCH);
	assert_int_equal(insn.target, AT + 2 + 0x10);
	assert_true(insn.jumps_if_zero);
	insn = DECODE("\x0f\x84\xfa\xff\xff\xff");
	assert_int_equal(insn.target, AT);
	assert_true(insn.jumps_if_zero);
	assert_false(DECODE("\x75\x10").jumps_if_zero);
	assert_false(DECODE("\x78\x10").jumps_if_zero);
	assert_int_equal(DECODE("\xe3\x05").flow, FLOW_BRANCH);
	assert_false(DECODE("\xe3\x05").jumps_if_zero);
	insn = DECODE("\xe8\x10\x00\x00\x00");
	assert_int_equal(insn.flow, FLOW_CALL);
	assert_int_equal(insn.target, AT + 5 + 0x10);
	assert_int_equal(insn.writes_args, INSN_ARG(0) | INSN_ARG(1) | INSN_ARG(2) | INSN_ARG(3));
	assert_int_equal(DECODE("\xff\xd0").flow, FLOW_CALL);
	assert_int_equal(DECODE("\xff\xe0").flow, FLOW_STOP);
	assert_int_equal(DECODE("\xff\x25\x00\x00\x00\x00").flow, FLOW_STOP); /* as in a PLT */
	assert_int_equal(DECODE("\xc3").flow, FLOW_STOP);
	assert_int_equal(DECODE("\xcc").flow, FLOW_STOP);
	assert_int_equal(DECODE("\x0f\x0b").flow, FLOW_STOP);
	assert_int_equal(DECODE("\xf4").flow, FLOW_STOP);
	assert_int_equal(DECODE("\x0f\x05").flow, FLOW_STOP);
}

/* Where a way ends: back to the caller, at an address that stands somewhere, or not at all. */
static void the_ways_that_end_are_known(void **state)
{
	(void)state;
	assert_true(DECODE("\xc3").is_ret);
	assert_true(DECODE("\xf3\xc3").is_ret);
	assert_false(DECODE("\x90").is_ret || DECODE("\xff\xe0").is_ret ||
		     DECODE("\x0f\x0b").is_ret);
	assert_true(DECODE("\x0f\x0b").is_trap); /* ud2 */
	assert_true(DECODE("\xf4").is_trap);     /* hlt */
	assert_true(DECODE("\xcc").is_trap);     /* int3 */
	assert_false(DECODE("\xc3").is_trap || DECODE("\x0f\x05").is_trap);
	assert_int_equal(DECODE("\xff\x25\x10\x00\x00\x00").slot,
			 AT + 6 + 0x10); /* jmp *0x10(%rip) */
	assert_int_equal(DECODE("\xf2\xff\x25\x10\x00\x00\x00").slot, AT + 7 + 0x10); /* bnd */
	assert_int_equal(DECODE("\xff\xe0").slot, 0);                 /* jmp *%rax */
	assert_int_equal(DECODE("\xff\x60\x10").slot, 0);             /* jmp *0x10(%rax) */
	assert_int_equal(DECODE("\xff\x15\x10\x00\x00\x00").slot, 0); /* call *0x10(%rip) */
}

static void written_argument_registers_are_known(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\x48\x89\xf7").writes_args, INSN_ARG(0)); /* mov %rsi,%rdi */
	assert_int_equal(DECODE("\x48\x89\xfe").writes_args, INSN_ARG(1)); /* mov %rdi,%rsi */
	assert_int_equal(DECODE("\x31\xd2").writes_args, INSN_ARG(2));     /* xor %edx,%edx */
	assert_int_equal(DECODE("\xb9\x01\x00\x00\x00").writes_args, INSN_ARG(3)); /* mov $1,%ecx */
	assert_int_equal(DECODE("\x40\xb7\x01").writes_args, INSN_ARG(0));         /* mov $1,%dil */
	assert_int_equal(DECODE("\x48\x87\xf7").writes_args, INSN_ARG(0) | INSN_ARG(1)); /* xchg */
	assert_int_equal(DECODE("\x48\xf7\xe2").writes_args, INSN_ARG(2)); /* mul %rdx: rdx:rax */
	assert_int_equal(DECODE("\x5f").writes_args, INSN_ARG(0));         /* pop %rdi */
	assert_int_equal(DECODE("\x48\x89\xf8").writes_args, 0);           /* mov %rdi,%rax */
	assert_int_equal(DECODE("\x48\x39\xfe").writes_args, 0);           /* cmp */
	assert_int_equal(DECODE("\x48\x89\x3e").writes_args, 0);           /* mov %rdi,(%rsi) */
	assert_int_equal(DECODE("\xf3\xa4").writes_args,
			 INSN_ARG(0) | INSN_ARG(1) | INSN_ARG(3)); /* rep movsb */
}

static void moves_of_the_stack_pointer_are_known(void **state)
{
	struct insn insn = DECODE("\x55");

	(void)state;
	assert_true(insn.moves_sp);
	assert_int_equal(insn.pushed, 8);
	insn = DECODE("\x41\x54");
	assert_int_equal(insn.pushed, 8);
	insn = DECODE("\x6a\x00"); /* push $0 */
	assert_true(insn.moves_sp);
	assert_int_equal(insn.pushed, 8);
	insn = DECODE("\x66\x50"); /* push %ax: two bytes, not one of ours */
	assert_true(insn.moves_sp);
	assert_int_equal(insn.pushed, 0);
	insn = DECODE("\x48\x83\xec\x08"); /* sub $8,%rsp */
	assert_true(insn.moves_sp);
	assert_int_equal(insn.pushed, 8);
	insn = DECODE("\x48\x81\xec\x00\x04\x00\x00"); /* sub $1024,%rsp */
	assert_int_equal(insn.pushed, 1024);
	insn = DECODE("\x48\x81\xec\x08\x04\x00\x00"); /* more than is followed */
	assert_true(insn.moves_sp);
	assert_int_equal(insn.pushed, 0);
	insn = DECODE("\x48\x83\xec\x80"); /* sub $-128,%rsp */
	assert_int_equal(insn.pushed, 0);
	insn = DECODE("\x48\x29\xc4"); /* sub %rax,%rsp */
	assert_true(insn.moves_sp);
	assert_int_equal(insn.pushed, 0);
	insn = DECODE("\x83\xec\x08"); /* sub $8,%esp */
	assert_int_equal(insn.pushed, 0);
	insn = DECODE("\x58");
	assert_true(insn.moves_sp);
	assert_int_equal(insn.pushed, 0);
	insn = DECODE("\xc9"); /* leave */
	assert_true(insn.moves_sp);
	assert_true(DECODE("\x48\x89\xec").moves_sp);  /* mov %rbp,%rsp */
	assert_false(DECODE("\x48\x89\xe5").moves_sp); /* mov %rsp,%rbp */
}

static void tests_of_an_argument_for_null_are_known(void **state)
{
	(void)state;
	assert_int_equal(DECODE("\x48\x85\xff").test_arg, 0);
	assert_int_equal(DECODE("\x48\x85\xf6").test_arg, 1);
	assert_int_equal(DECODE("\x48\x85\xd2").test_arg, 2);
	assert_int_equal(DECODE("\x48\x85\xc9").test_arg, 3);
	assert_int_equal(DECODE("\x48\x85\xc0").test_arg, -1); /* %rax */
	assert_int_equal(DECODE("\x85\xff").test_arg, -1);     /* %edi: half of it */
	assert_int_equal(DECODE("\x48\x85\xf7").test_arg, -1); /* %rsi,%rdi */
	assert_int_equal(DECODE("\x48\xf7\xc7\x01\x00\x00\x00").test_arg, -1);
	assert_int_equal(DECODE("\x48\x39\xff").test_arg, -1); /* cmp */
}

static void what_is_no_instruction_is_not_decoded(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{"", 0},
		{"\x06", 1},             /* not in 64-bit mode */
		{"\x48", 1},             /* a prefix alone */
		{"\x0f\x1f\x44\x00", 4}, /* its last byte is missing */
		{"\xe9\x00\x00\x00", 4},
		{"\xf0\x48\x85\xff", 4}, /* lock test */
		{"\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90",
		 16}, /* 16 bytes */
	};
	struct insn insn;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(insn_decode(&insn, (const uint8_t *)rows[i].bytes, rows[i].n, AT));
}

/* Any bytes at all: the answer stays within what was given. */
static void random_bytes_are_decoded_within_bounds(void **state)
{
	uint64_t random = 0x9e3779b97f4a7c15ull;
	unsigned valid = 0;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		size_t n = 1 + i % 16;
		uint8_t *bytes = malloc(n); /* exact, for the sanitizer */
		struct insn insn;

		assert_non_null(bytes);
		for (size_t b = 0; b < n; b++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			bytes[b] = (uint8_t)(random >> 56);
		}
		if (insn_decode(&insn, bytes, n, random)) {
			assert_in_range(insn.length, 1, n < 15 ? n : 15);
			assert_in_range(insn.cost, COST_EMULATED, COST_UNSAFE);
			assert_in_range(insn.flow, FLOW_NEXT, FLOW_STOP);
			assert_true(insn.pushed == 0 || insn.moves_sp);
			valid++;
		}
		free(bytes);
	}
	assert_true(valid > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_instruction_has_its_price),
		cmocka_unit_test(nops_are_known_in_all_their_forms),
		cmocka_unit_test(the_flow_goes_on_jumps_or_branches),
		cmocka_unit_test(the_ways_that_end_are_known),
		cmocka_unit_test(written_argument_registers_are_known),
		cmocka_unit_test(moves_of_the_stack_pointer_are_known),
		cmocka_unit_test(tests_of_an_argument_for_null_are_known),
		cmocka_unit_test(what_is_no_instruction_is_not_decoded),
		cmocka_unit_test(random_bytes_are_decoded_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
