/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Places for probes and aliases of functions, in machine code that stands in this very program: it
 * is loaded as a module from the test's own maps. (x86-64; elsewhere there is nothing to decode
 * yet.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/place.h"

#ifdef __x86_64__

/*
 * The functions are never called. Each begins at a multiple of 16 behind int3, which is no padding
 * that an alias could use; names of places in them are local labels.
 */
#define FUNCTION(name) ".balign 16, 0xcc\n.type " #name ", @function\n" #name ":\n"
#define END(name)      ".size " #name ", . - " #name "\n"

/* clang-format off */
__asm__(".pushsection .text\n"
	"int3\n"
	FUNCTION(code_push)
	"push %rbx\n"
	"mov %rdi, %rbx\n"
	"pop %rbx\n"
	"ret\n"
	END(code_push)

	FUNCTION(code_endbr)
	"endbr64\n"
	"push %rbp\n"
	"mov %rsp, %rbp\n"
	"pop %rbp\n"
	"ret\n"
	END(code_endbr)

	/* glibc 2.36's free */
	FUNCTION(code_free)
	"test %rdi, %rdi\n"
	"je 1f\n"
	"push %rbp\n"
	"push %rbx\n"
	"pop %rbx\n"
	"pop %rbp\n"
	"1: ret\n"
	END(code_free)

	/* the same with the test the other way round: behind the branch is the way of NULL */
	FUNCTION(code_free_not)
	"test %rdi, %rdi\n"
	"jne 1f\n"
	"push %rax\n"
	"pop %rax\n"
	"ret\n"
	"1: push %rbx\n"
	"pop %rbx\n"
	"ret\n"
	END(code_free_not)

	/* a test of something else before the branch */
	FUNCTION(code_free_other)
	"test %rsi, %rsi\n"
	"je 1f\n"
	"push %rbp\n"
	"pop %rbp\n"
	"1: ret\n"
	END(code_free_other)

	/* CPython's free(ctx, p): the second argument is tested */
	FUNCTION(code_py_free)
	"test %rsi, %rsi\n"
	"je 1f\n"
	"push %r12\n"
	"mov %rsi, %r12\n"
	"pop %r12\n"
	"1: ret\n"
	END(code_py_free)

	FUNCTION(code_overwrites_first)
	"mov %rsi, %rdi\n"
	"push %rbx\n"
	"pop %rbx\n"
	"ret\n"
	END(code_overwrites_first)

	FUNCTION(code_sub)
	"sub $24, %rsp\n"
	"push %rbx\n"
	"pop %rbx\n"
	"add $24, %rsp\n"
	"ret\n"
	END(code_sub)

	FUNCTION(code_sub_register)
	"sub %rax, %rsp\n"
	"push %rbx\n"
	"pop %rbx\n"
	"add %rax, %rsp\n"
	"ret\n"
	END(code_sub_register)

	/* free-threaded CPython's free(ctx, p) */
	FUNCTION(code_wrapper)
	"sub $8, %rsp\n"
	"mov %rsi, %rdi\n"
	"call code_free\n"
	"add $8, %rsp\n"
	"ret\n"
	END(code_wrapper)

	/* a cheap place behind a push that is none */
	FUNCTION(code_late_push)
	"mov %rdi, %rax\n"
	"pushq $0\n"
	"push %rbx\n"
	"pop %rbx\n"
	"pop %rcx\n"
	"ret\n"
	END(code_late_push)

	FUNCTION(code_nop5)
	".byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
	"mov %rdi, %rax\n"
	"ret\n"
	END(code_nop5)

	/* the push is the head of a loop */
	FUNCTION(code_loop)
	"test %rdx, %rdx\n"
	"1: push %rbx\n"
	"pop %rbx\n"
	"dec %rdx\n"
	"jnz 1b\n"
	"ret\n"
	END(code_loop)

	FUNCTION(code_no_loop)
	"test %rdx, %rdx\n"
	"push %rbx\n"
	"pop %rbx\n"
	"dec %rdx\n"
	"jnz 2f\n"
	"2: ret\n"
	END(code_no_loop)

	FUNCTION(code_calls)
	"mov %rdi, %rax\n"
	"call code_push\n"
	"push %rbx\n"
	"pop %rbx\n"
	"ret\n"
	END(code_calls)

	/* jumps on into another function, where a probe would see calls of others */
	FUNCTION(code_jumps_on)
	"mov %rdi, %rax\n"
	"jmp code_free\n"
	END(code_jumps_on)

	/* nothing but a jump: a landing on the way to the function */
	FUNCTION(code_landing)
	".byte 0xe9\n"
	".long code_free - (. + 4)\n"
	END(code_landing)

	FUNCTION(code_indirect)
	"jmp *%rax\n"
	END(code_indirect)

	FUNCTION(code_invalid)
	".byte 0x06, 0x06, 0x06\n"
	END(code_invalid)

	/* real padding: a 9-byte nop up to the next multiple of 16 */
	FUNCTION(code_before_padding)
	"mov $1, %eax\n"
	"nop\n"
	"ret\n"
	".byte 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00\n"
	END(code_before_padding)
	".type code_padded, @function\n"
	"code_padded:\n"
	"push %rbx\n"
	"pop %rbx\n"
	"ret\n"
	END(code_padded)

	/* what reads as a nop before this entry is the last byte of a jump */
	FUNCTION(code_before_jump)
	".skip 13, 0x50\n"
	"ret\n"
	".byte 0xeb, 0x90\n"
	END(code_before_jump)
	".type code_unpadded, @function\n"
	"code_unpadded:\n"
	"push %rbx\n"
	"pop %rbx\n"
	"ret\n"
	END(code_unpadded)

	/* one jump to a function that is one, and one that is only a part of a constant */
	FUNCTION(code_target)
	"mov %rdi, %rax\n"
	"ret\n"
	END(code_target)

	FUNCTION(code_constant)
	".byte 0x48, 0xb8, 0xe9\n" /* movabs $..., %rax */
	".long code_target - (. + 4)\n"
	".byte 0, 0, 0\n"
	"ret\n"
	END(code_constant)

	FUNCTION(code_tail_call)
	"xor %eax, %eax\n"
	".type code_tail_jump, @notype\n"
	"code_tail_jump: .byte 0xe9\n"
	".long code_target - (. + 4)\n"
	END(code_tail_call)

	/* three copies of code_target behind their guards, and one comparison that is none */
	FUNCTION(code_guards)
	"lea code_target(%rip), %rax\n"
	"cmp %rax, (%rdi)\n"
	"lea code_target(%rip), %r15\n"
	"cmp %r15, (%rdi)\n"
	"lea code_target(%rip), %rdx\n"
	"lea code_push(%rip), %rdx\n"
	"ret\n"
	END(code_guards)
	".balign 16, 0xcc\n"
	".popsection\n");
/* clang-format on */

static struct module module;
static const char in_data[] = "\x55\x53\xc3";

static int load_this_program(void **state)
{
	struct err err = ERR_INIT;
	struct maps maps;

	(void)state;
	assert_int_equal(maps_read(&maps, getpid(), &err), 0);
	assert_int_equal(
		module_load(&module, &maps, maps_find(&maps, (uint64_t)(uintptr_t)in_data), &err),
		0);
	maps_fini(&maps);
	return 0;
}

static int unload_this_program(void **state)
{
	(void)state;
	module_unload(&module);
	return 0;
}

static uint64_t function(const char *name)
{
	uint64_t address = module_symbol(&module, name);

	assert_true(address != 0);
	return address;
}

#define A0 INSN_ARG(0)
#define A1 INSN_ARG(1)

static const struct place_need need_malloc = {A0, true, -1, 0};
static const struct place_need need_free = {A0, false, 0, 0};
static const struct place_need need_py_free = {A1, false, 1, 0};

/* The place found for a function: its distance from the entry and its price. */
static struct place check_place(const char *name, const struct place_need *need, int distance,
				enum insn_cost cost)
{
	struct place place;
	uint64_t offset;

	assert_true(place_find(&place, &module, function(name), need));
	assert_int_equal(place.address - function(name), distance);
	assert_int_equal(place.cost, cost);
	assert_true(module_offset(&module, place.address, &offset));
	assert_int_equal(place.offset, offset);
	return place;
}

static void a_place_lies_where_the_arguments_still_are(void **state)
{
	struct place place;

	(void)state;
	check_place("code_push", &need_malloc, 0, COST_EMULATED);
	place = check_place("code_endbr", &need_malloc, 4, COST_EMULATED);
	assert_int_equal(place.pushed, 0);
	assert_string_equal(place.text, "+4 emulated");
	assert_string_equal(place.why, "");
	/* the call itself is the last instruction with the arguments in their registers */
	check_place("code_calls", &need_malloc, 3, COST_EMULATED);
	place = check_place("code_indirect", &need_malloc, 0, COST_STEPPED);
	assert_string_equal(place.why, "the function ends, or jumps to a computed address");
}

static void frees_are_probed_behind_their_test_for_null(void **state)
{
	struct place place = check_place("code_free", &need_free, 5, COST_EMULATED);

	(void)state;
	assert_true(place.skips_null);
	assert_int_equal(place.pushed, 0);
	/* who must see every call stays before the branch */
	place = check_place("code_free", &need_malloc, 3, COST_EMULATED);
	assert_false(place.skips_null);
	place = check_place("code_py_free", &need_py_free, 5, COST_EMULATED);
	assert_true(place.skips_null);
	/* a test of another register is no test for NULL */
	place = check_place("code_free_other", &need_free, 3, COST_EMULATED);
	assert_false(place.skips_null);
	place = check_place("code_py_free", &need_free, 3, COST_EMULATED);
	assert_false(place.skips_null);
	/* behind jne only NULL goes on: a probe there would see no block at all */
	place = check_place("code_free_not", &need_free, 3, COST_EMULATED);
	assert_false(place.skips_null);
}

static void a_place_has_the_arguments_that_are_needed(void **state)
{
	struct place place = check_place("code_overwrites_first", &need_malloc, 0, COST_STEPPED);

	(void)state;
	assert_string_equal(place.why, "an argument is overwritten");
	check_place("code_overwrites_first", &need_py_free, 3, COST_EMULATED);
}

static void a_place_behind_pushes_knows_their_bytes(void **state)
{
	const struct place_need entry_only = {A0, false, -1, 0};
	const struct place_need need_entry_of_second = {A1, false, -1, 0};
	struct place place;

	(void)state;
	check_place("code_sub", &need_malloc, 0, COST_STEPPED);
	place = check_place("code_sub", &entry_only, 4, COST_EMULATED);
	assert_int_equal(place.pushed, 24);
	/* not known by how much */
	check_place("code_sub_register", &entry_only, 0, COST_STEPPED);
	/* a wrapper: the call is a place, with the arguments behind it still there */
	place = check_place("code_wrapper", &need_entry_of_second, 7, COST_EMULATED);
	assert_int_equal(place.pushed, 8);
	/* a return probe must find the return address; an entry probe gets what was pushed */
	check_place("code_late_push", &need_malloc, 0, COST_STEPPED);
	place = check_place("code_late_push", &entry_only, 5, COST_EMULATED);
	assert_int_equal(place.pushed, 8);
}

/* The cheapest of all is never chosen: insn.h says why. */
static void a_nop_of_five_bytes_is_never_chosen(void **state)
{
	(void)state;
	check_place("code_nop5", &need_malloc, 5, COST_STEPPED);
}

static void no_place_is_in_a_loop(void **state)
{
	(void)state;
	check_place("code_no_loop", &need_malloc, 3, COST_EMULATED);
	check_place("code_loop", &need_malloc, 0, COST_STEPPED);
}

static void jumps_are_followed(void **state)
{
	struct place place;

	(void)state;
	check_place("code_jumps_on", &need_free, 3, COST_EMULATED);
	/* from a landing the way goes on into the function, to its better place */
	assert_true(place_find(&place, &module, function("code_landing"), &need_free));
	assert_int_equal(place.address, function("code_free") + 5);
	assert_true(place.skips_null);
	assert_true(place_find(&place, &module, function("code_landing"), &need_malloc));
	assert_int_equal(place.address, function("code_landing"));
	assert_true(place_find(&place, &module, function("code_padded") - 9, &need_malloc));
	assert_int_equal(place.address, function("code_padded"));
	assert_string_equal(place.text, "+9 emulated");
}

/* A place on the way to a function, and not in it: calls that enter there are not seen. */
static void a_place_on_the_way_to_a_function_is_none_in_it(void **state)
{
	uint64_t entry = function("code_padded"), target = function("code_free");
	const struct place_need own = {A0, true, -1, entry}, by_jump = {A0, false, -1, target};
	struct place place;

	(void)state;
	assert_true(place_find(&place, &module, entry - 9, &own));
	assert_int_equal(place.address, entry - 9);
	assert_int_equal(place.cost, COST_STEPPED);
	assert_int_equal(place.pushed, 0);
	assert_true(place_find(&place, &module, function("code_landing"), &by_jump));
	assert_int_equal(place.address, function("code_landing"));
	assert_int_equal(place.cost, COST_EMULATED);
	/* the entry itself is no way to it */
	assert_false(place_find(&place, &module, entry, &own));
}

static void where_there_is_no_code_there_is_no_place(void **state)
{
	struct place place;

	(void)state;
	assert_false(place_find(&place, &module, function("code_invalid"), &need_malloc));
	/* data is no text, whatever it looks like; nor is what belongs to another file */
	assert_false(place_find(&place, &module, (uint64_t)(uintptr_t)in_data, &need_malloc));
	assert_false(place_find(&place, &module, 0, &need_malloc));
	assert_false(place_find(&place, &module, ~0ull, &need_malloc));
	assert_false(place_find(&place, &module, module.end + 4096, &need_malloc));
}

/* ---- aliases -------------------------------------------------------------------------------- */

/*
 * Is this distance from the entry among the aliases? Each of them must lead back to the
 * function.
 */
static bool has_alias(const char *name, int64_t distance)
{
	uint64_t entry = function(name), alias;
	bool found = false;
	unsigned n = 0;

	while ((alias = place_alias(&module, entry, n)) != 0) {
		assert_true(alias != entry);
		assert_int_equal(place_alias_entry(&module, alias), entry);
		found |= alias == entry + (uint64_t)distance;
		assert_true(++n < 64);
	}
	return found;
}

static unsigned count_aliases(const char *name)
{
	unsigned n = 0;

	while (place_alias(&module, function(name), n))
		n++;
	return n;
}

static void an_alias_lies_behind_an_endbr(void **state)
{
	(void)state;
	assert_true(has_alias("code_endbr", 4));
	assert_int_equal(count_aliases("code_endbr"), 1);
	assert_int_equal(count_aliases("code_push"), 0);
}

static void an_alias_lies_in_the_padding(void **state)
{
	(void)state;
	/* the whole nop, and without its prefix; nops of other lengths end there only by chance */
	assert_true(has_alias("code_padded", -9));
	assert_true(has_alias("code_padded", -8));
	assert_false(has_alias("code_padded", -7));
	/* ret is before it */
	assert_false(has_alias("code_padded", -10));
}

/* A probe on the last byte of eb 90 would make another jump of it. */
static void no_alias_lies_in_an_instruction(void **state)
{
	(void)state;
	assert_false(has_alias("code_unpadded", -1));
	assert_int_equal(count_aliases("code_unpadded"), 0);
}

static void a_jump_to_a_function_is_an_alias(void **state)
{
	int64_t jump = (int64_t)(function("code_tail_jump") - function("code_target"));
	int64_t constant = (int64_t)(function("code_constant") + 2 - function("code_target"));

	(void)state;
	assert_true(has_alias("code_target", jump));
	assert_false(has_alias("code_target", constant));
	assert_int_equal(count_aliases("code_target"), 1);
	assert_true(has_alias("code_free",
			      (int64_t)(function("code_landing") - function("code_free"))));
}

static void the_entry_is_no_alias(void **state)
{
	static const char *const names[] = {"code_push", "code_endbr", "code_padded",
					    "code_unpadded", "code_target"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(place_alias_entry(&module, function(names[i])),
				 function(names[i]));
	assert_int_equal(place_alias_entry(&module, 1), 0);
	assert_int_equal(place_alias_entry(&module, ~0ull), 0);
}

/* ---- guards --------------------------------------------------------------------------------- */

static void guards_of_a_function_are_counted(void **state)
{
	(void)state;
	assert_int_equal(place_count_guards(&module, function("code_target")), 3);
	assert_int_equal(place_count_guards(&module, function("code_push")), 1);
	assert_int_equal(place_count_guards(&module, function("code_endbr")), 0);
}

/* In a program at a fixed address the address itself is the operand. */
static void guards_at_a_fixed_address_are_counted(void **state)
{
	char directory[] = "/tmp/test_place_XXXXXX", source[64], program[64], command[256];
	struct module fixed = {0};
	struct err err = ERR_INIT;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(source, sizeof(source), "%s/fixed.s", directory);
	snprintf(program, sizeof(program), "%s/fixed", directory);
	file = fopen(source, "w");
	assert_non_null(file);
	fputs(".text\n.globl _start\n.type _start, @function\n_start: ret\n.balign 16\n"
	      ".globl wanted\n.type wanted, @function\nwanted: push %rbx\nret\n"
	      "guards: cmpq $wanted, (%rdi)\nmov $wanted, %eax\nlea wanted(%rip), %rax\nmov "
	      "$_start, %eax\n",
	      file);
	fclose(file);
	snprintf(command, sizeof(command), "gcc -nostdlib -static -no-pie -o %s %s", program,
		 source);
	if (system(command) != 0) {
		print_message("skip: no assembler here\n");
		skip();
	}
	fixed.elf = elf_file_open(program, &err);
	assert_non_null(fixed.elf);
	assert_int_equal(place_count_guards(&fixed, module_symbol(&fixed, "wanted")), 3);
	assert_int_equal(place_count_guards(&fixed, module_symbol(&fixed, "_start")), 1);
	module_unload(&fixed);
	unlink(source);
	unlink(program);
	rmdir(directory);
}

/* Every byte of the text as an entry: nothing may be read beyond the file, no loop may hang. */
static void every_address_as_an_entry_does_no_harm(void **state)
{
	uint64_t first = function("code_push"), last = function("code_guards");

	(void)state;
	for (uint64_t at = first - 64; at < last + 64; at++) {
		struct place place;

		if (place_find(&place, &module, at, &need_free)) {
			assert_in_range(place.address, module.start, module.end);
			assert_in_range(place.pushed, 0, INSN_SUB_MAX * PLACE_MAX_INSNS);
		}
		place_alias_entry(&module, at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_lies_where_the_arguments_still_are),
		cmocka_unit_test(frees_are_probed_behind_their_test_for_null),
		cmocka_unit_test(a_place_has_the_arguments_that_are_needed),
		cmocka_unit_test(a_place_behind_pushes_knows_their_bytes),
		cmocka_unit_test(a_nop_of_five_bytes_is_never_chosen),
		cmocka_unit_test(no_place_is_in_a_loop),
		cmocka_unit_test(jumps_are_followed),
		cmocka_unit_test(a_place_on_the_way_to_a_function_is_none_in_it),
		cmocka_unit_test(where_there_is_no_code_there_is_no_place),
		cmocka_unit_test(an_alias_lies_behind_an_endbr),
		cmocka_unit_test(an_alias_lies_in_the_padding),
		cmocka_unit_test(no_alias_lies_in_an_instruction),
		cmocka_unit_test(a_jump_to_a_function_is_an_alias),
		cmocka_unit_test(the_entry_is_no_alias),
		cmocka_unit_test(guards_of_a_function_are_counted),
		cmocka_unit_test(guards_at_a_fixed_address_are_counted),
		cmocka_unit_test(every_address_as_an_entry_does_no_harm),
	};

	return cmocka_run_group_tests(tests, load_this_program, unload_this_program);
}

#else

int main(void)
{
	puts("SKIP: place.c decodes x86-64 only");
	return 0;
}

#endif
