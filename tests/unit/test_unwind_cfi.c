/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Made unwind information -> rules: each call frame instruction, each form of a rule.
 */
#include <stdlib.h>

#include "cfi_image.h"

static void assert_saved(uint64_t at, enum abi_unwind_reg reg, enum abi_saved saved, int where)
{
	assert_int_equal(ABI_RULE_SAVED(rule_at(at), reg), saved);
	assert_int_equal(rule_at(at)->at[reg - 1], where);
}

/* ---- instructions --------------------------------------------------------------------------- */

static void every_form_of_the_cfa_is_compiled(void **state)
{
	(void)state;
	cfi_one(&image);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16);
	cfi_ops(&image, DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6);
	cfi_ops(&image, DW_CFA_advance_loc | 4, DW_CFA_def_cfa, 12, 0x80, 0x01);
	cfi_ops(&image, DW_CFA_advance_loc | 4, DW_CFA_def_cfa_sf, 3, 0x7e); /* -2 * -8 */
	cfi_ops(&image, DW_CFA_advance_loc | 4, DW_CFA_def_cfa_offset_sf, 2);
	cfi_ops(&image, DW_CFA_advance_loc | 4, DW_CFA_def_cfa, 10, 8); /* r10 is not followed */
	cfi_ops(&image, DW_CFA_advance_loc | 4, DW_CFA_def_cfa, 0xff, 0xff, 0xff, 0xff, 0x7f, 8);
	compile_one();
	assert_cfa(0, ABI_REG_SP, 8);
	assert_cfa(1, ABI_REG_SP, 16);
	assert_cfa(3, ABI_REG_SP, 16);
	assert_cfa(4, ABI_REG_BP, 16);
	assert_cfa(8, ABI_REG_R12, 128);
	assert_cfa(12, ABI_REG_BX, 16);
	assert_cfa(16, ABI_REG_BX, -16);
	assert_int_equal(rule_at(20)->kind, ABI_RULE_UNSUPPORTED);
	assert_int_equal(rule_at(24)->kind, ABI_RULE_UNSUPPORTED);
	assert_int_equal(rule_at(0xff)->kind, ABI_RULE_UNSUPPORTED);
	assert_int_equal(table.unsupported, 1); /* the two are one row */
	unwind_table_fini(&table);
}

static void every_form_of_advance_moves_the_address(void **state)
{
	(void)state;
	cfi_one(&image);
	cfi_ops(&image, DW_CFA_nop, DW_CFA_advance_loc1, 0x10, DW_CFA_def_cfa_offset, 16);
	cfi_ops(&image, DW_CFA_advance_loc2, 0x10, 0, DW_CFA_def_cfa_offset, 24);
	cfi_ops(&image, DW_CFA_advance_loc4, 0x10, 0, 0, 0, DW_CFA_def_cfa_offset, 32);
	cfi_ops(&image, DW_CFA_MIPS_advance_loc8, 0x10, 0, 0, 0, 0, 0, 0, 0, DW_CFA_def_cfa_offset,
		40);
	/* nowhere further: what was said holds from the same address on */
	cfi_ops(&image, DW_CFA_advance_loc, DW_CFA_def_cfa_offset, 48, DW_CFA_GNU_args_size, 0x80,
		2);
	cfi_ops(&image, DW_CFA_set_loc);
	cfi_put(&image, IMAGE_TEXT + 0x50 - (IMAGE_FRAME + image.size), 4);
	cfi_ops(&image, DW_CFA_def_cfa_offset, 56);
	/* behind the end of the function: not its own */
	cfi_ops(&image, DW_CFA_advance_loc2, 0xaf, 0, DW_CFA_def_cfa_offset, 64);
	cfi_ops(&image, DW_CFA_advance_loc | 2, DW_CFA_def_cfa_offset, 72);
	compile_one();
	assert_cfa(0xf, ABI_REG_SP, 8);
	assert_cfa(0x10, ABI_REG_SP, 16);
	assert_cfa(0x20, ABI_REG_SP, 24);
	assert_cfa(0x30, ABI_REG_SP, 32);
	assert_cfa(0x40, ABI_REG_SP, 48);
	assert_cfa(0x4f, ABI_REG_SP, 48);
	assert_cfa(0x50, ABI_REG_SP, 56);
	assert_cfa(0xfe, ABI_REG_SP, 56);
	assert_cfa(0xff, ABI_REG_SP, 64);
	unwind_table_fini(&table);
}

static void addresses_are_in_units_of_the_code_alignment(void **state)
{
	(void)state;
	memset(&image, 0, sizeof(image));
	cfi_cie_head(&image, "zR", 4);
	cfi_ops(&image, 1, PCREL4, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
	cfi_end(&image);
	image.encoding = PCREL4;
	cfi_fde(&image, IMAGE_TEXT, 0x100);
	cfi_ops(&image, DW_CFA_advance_loc | 2, DW_CFA_def_cfa_offset, 16);
	compile_one();
	assert_cfa(7, ABI_REG_SP, 8);
	assert_cfa(8, ABI_REG_SP, 16);
	unwind_table_fini(&table);
}

static void saved_registers_are_followed(void **state)
{
	(void)state;
	cfi_one(&image);
	cfi_ops(&image, DW_CFA_offset | 6, 2, DW_CFA_offset_extended, 3, 0x83, 0);
	cfi_ops(&image, DW_CFA_offset_extended_sf, 12, 0x7c); /* -4 * -8 = +32 */
	cfi_ops(&image, DW_CFA_GNU_negative_offset_extended, 13, 5);
	cfi_ops(&image, DW_CFA_undefined, 14, DW_CFA_same_value, 15);
	/* what is not followed */
	cfi_ops(&image, DW_CFA_offset | 0, 9, DW_CFA_undefined, 17, DW_CFA_register, 40, 41);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_remember_state);
	cfi_ops(&image, DW_CFA_restore | 6, DW_CFA_restore_extended, 3, DW_CFA_same_value, 12);
	cfi_ops(&image, DW_CFA_def_cfa_offset, 80);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_restore_state);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_restore | 16, DW_CFA_restore | 14);
	compile_one();
	for (unsigned at = 0; at < 3; at += 2) {
		assert_cfa(at, ABI_REG_SP, 8);
		assert_saved(at, ABI_REG_BP, ABI_SAVED_CFA, -2);
		assert_saved(at, ABI_REG_BX, ABI_SAVED_CFA, -3);
		assert_saved(at, ABI_REG_R12, ABI_SAVED_CFA, 4);
		assert_saved(at, ABI_REG_R13, ABI_SAVED_CFA, 5);
		assert_saved(at, ABI_REG_R14, ABI_SAVED_LOST, 0);
		assert_saved(at, ABI_REG_R15, ABI_SAVED_SAME, 0);
	}
	assert_cfa(1, ABI_REG_SP, 80);
	for (unsigned reg = ABI_REG_BP; reg <= ABI_REG_R12; reg++)
		assert_saved(1, reg, ABI_SAVED_SAME, 0);
	assert_saved(1, ABI_REG_R14, ABI_SAVED_LOST, 0);
	/* the return address goes back to what the CIE said, r14 to what it did not say */
	assert_cfa(3, ABI_REG_SP, 8);
	assert_saved(3, ABI_REG_R14, ABI_SAVED_SAME, 0);
	unwind_table_fini(&table);
}

/* What rules cannot say of one register is lost; the frame itself is found. */
static void a_register_without_a_rule_is_lost_alone(void **state)
{
	(void)state;
	cfi_one(&image);
	cfi_ops(&image, DW_CFA_val_offset, 3, 2, DW_CFA_val_offset_sf, 6, 2, DW_CFA_register, 12,
		10);
	cfi_ops(&image, DW_CFA_val_expression, 13, 2, DW_OP_breg6, 8);
	cfi_ops(&image, DW_CFA_expression, 14, 2, DW_OP_breg7, 8);         /* not of rbp */
	cfi_ops(&image, DW_CFA_expression, 15, 2, DW_OP_breg6, 4);         /* no multiple of 8 */
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_expression, 15, 0); /* empty */
	cfi_ops(&image, DW_CFA_expression, 14, 3, DW_OP_breg6, 8, DW_OP_deref);
	/* further from the CFA than 2^15 words */
	cfi_ops(&image, DW_CFA_offset_extended_sf, 13, 0x80, 0x80, 0x02);
	cfi_ops(&image, DW_CFA_offset_extended_sf, 12, 0x80, 0x80, 0x7e);
	compile_one();
	assert_cfa(0, ABI_REG_SP, 8);
	for (unsigned reg = ABI_REG_BP; reg < ABI_UNWIND_REGS; reg++)
		assert_saved(0, reg, ABI_SAVED_LOST, 0);
	assert_saved(1, ABI_REG_R15, ABI_SAVED_LOST, 0);
	assert_saved(1, ABI_REG_R14, ABI_SAVED_LOST, 0);
	assert_saved(1, ABI_REG_R13, ABI_SAVED_CFA, -32768);
	assert_saved(1, ABI_REG_R12, ABI_SAVED_LOST, 0);
	unwind_table_fini(&table);
}

/* ---- forms ---------------------------------------------------------------------------------- */

static void a_realigned_stack_is_followed(void **state)
{
	(void)state;
	cfi_one(&image);
	cfi_ops(&image, DW_CFA_expression, 6, 2, DW_OP_breg6, 0);
	cfi_ops(&image, DW_CFA_expression, 3, 4, DW_OP_bregx, 6, 0x60, DW_OP_nop);
	cfi_ops(&image, DW_CFA_def_cfa_expression, 3, DW_OP_breg6, 0x78, DW_OP_deref);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_expression, 6, DW_OP_breg7, 0x98, 4,
		DW_OP_deref, DW_OP_plus_uconst, 56);
	/* a register and offset, in the form of an expression */
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_expression, 4, DW_OP_breg3, 8,
		DW_OP_plus_uconst, 8);
	/* half of a CFA over an expression: gcc and gdb go back to the other half from before */
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_register, 6);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_expression, 1, DW_OP_lit0);
	compile_one();
	assert_int_equal(rule_at(0)->kind, ABI_RULE_DEREF);
	assert_int_equal(rule_at(0)->reg, ABI_REG_BP);
	assert_int_equal(rule_at(0)->offset, -8);
	assert_int_equal(rule_at(0)->add, 0);
	assert_saved(0, ABI_REG_BP, ABI_SAVED_BP, 0);
	assert_saved(0, ABI_REG_BX, ABI_SAVED_BP, -4);
	assert_int_equal(rule_at(1)->kind, ABI_RULE_DEREF);
	assert_int_equal(rule_at(1)->reg, ABI_REG_SP);
	assert_int_equal(rule_at(1)->offset, 536);
	assert_int_equal(rule_at(1)->add, 56);
	assert_cfa(2, ABI_REG_BX, 16);
	assert_cfa(3, ABI_REG_BP, 8);
	assert_int_equal(rule_at(4)->kind, ABI_RULE_UNSUPPORTED);
	unwind_table_fini(&table);
}

static const uint8_t plt[] = {DW_OP_breg7, 8,         DW_OP_breg16, 0,
			      DW_OP_lit15, DW_OP_and, DW_OP_lit11,  DW_OP_ge,
			      DW_OP_lit3,  DW_OP_shl, DW_OP_plus};

/* An expression for the CFA; the kind of rule that it gives. */
static enum abi_rule_kind kind_of(const uint8_t *expression, size_t size)
{
	enum abi_rule_kind kind;

	cfi_one(&image);
	cfi_ops(&image, DW_CFA_def_cfa_expression);
	cfi_put(&image, size, 1);
	for (size_t i = 0; i < size; i++)
		cfi_put(&image, expression[i], 1);
	compile_one();
	kind = rule_at(0)->kind;
	if (kind == ABI_RULE_PLT) {
		assert_int_equal(rule_at(0)->offset, 8);
		assert_int_equal(rule_at(0)->add, expression[6] - DW_OP_lit0);
		assert_int_equal(rule_at(0)->ra, -1);
	}
	unwind_table_fini(&table);
	return kind;
}

static void only_the_expression_of_a_plt_is_one(void **state)
{
	uint8_t changed[sizeof(plt) + 1] = {0};

	(void)state;
	assert_int_equal(kind_of(plt, sizeof(plt)), ABI_RULE_PLT);
	/* cut anywhere it is none; its first operation alone is a register and an offset */
	for (size_t n = 0; n < sizeof(plt); n++)
		assert_int_equal(kind_of(plt, n), n == 2 ? ABI_RULE_CFA : ABI_RULE_UNSUPPORTED);
	/* nor with another byte anywhere, or one more, but for the two that vary */
	for (size_t n = 0; n < sizeof(changed); n++) {
		memcpy(changed, plt, sizeof(plt));
		changed[n] ^= 1;
		assert_int_equal(kind_of(changed, n == sizeof(plt) ? sizeof(changed) : sizeof(plt)),
				 n == 6 ? ABI_RULE_PLT : ABI_RULE_UNSUPPORTED);
		n += n == 0; /* the second byte is the offset: 9 would be as good */
	}
}

static void expressions_beyond_the_limits_are_unsupported(void **state)
{
	static const uint8_t far[] = {DW_OP_breg7, 0x80, 0x80, 0x80, 0x80, 0x08},
			     unfinished[] = {DW_OP_breg7, 0x80}, other_reg[] = {DW_OP_breg0, 8},
			     twice[] = {DW_OP_breg7, 8, DW_OP_deref, DW_OP_deref};
	uint8_t padded[40];

	(void)state;
	assert_int_equal(kind_of(far, sizeof(far)), ABI_RULE_UNSUPPORTED);
	assert_int_equal(kind_of(unfinished, sizeof(unfinished)), ABI_RULE_UNSUPPORTED);
	assert_int_equal(kind_of(other_reg, sizeof(other_reg)), ABI_RULE_UNSUPPORTED);
	assert_int_equal(kind_of(twice, sizeof(twice)), ABI_RULE_UNSUPPORTED);
	memset(padded, DW_OP_nop, sizeof(padded));
	memcpy(padded, plt, 2);
	assert_int_equal(kind_of(padded, 32), ABI_RULE_CFA);
	assert_int_equal(kind_of(padded, 33), ABI_RULE_UNSUPPORTED);
}

/* The end of the stack; return addresses that are in another place than usual. */
static void the_return_address_may_be_elsewhere(void **state)
{
	(void)state;
	cfi_one(&image);
	cfi_ops(&image, DW_CFA_undefined, 16);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_offset | 16, 3);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_register, 16, 1);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_same_value, 16);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_offset_extended_sf, 16, 0xff, 0xff, 0xff,
		0x7f);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_offset | 16, 1);
	/* the caller's stack pointer is the CFA, and may be said to be; anything else is not
	 * known */
	cfi_ops(&image, DW_CFA_val_offset, 7, 0);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_val_offset, 7, 1);
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_offset | 7, 2);
	compile_one();
	assert_int_equal(rule_at(0)->kind, ABI_RULE_END);
	assert_int_equal(rule_at(1)->kind, ABI_RULE_CFA);
	assert_int_equal(rule_at(1)->ra, -3);
	assert_int_equal(rule_at(2)->kind, ABI_RULE_UNSUPPORTED);
	assert_int_equal(rule_at(3)->kind, ABI_RULE_UNSUPPORTED);
	assert_int_equal(rule_at(4)->ra, 1);
	assert_cfa(5, ABI_REG_SP, 8);
	assert_int_equal(rule_at(6)->kind, ABI_RULE_UNSUPPORTED);
	assert_int_equal(rule_at(7)->kind, ABI_RULE_UNSUPPORTED);
	unwind_table_fini(&table);
}

/* glibc's __restore_rt: `uc` bytes above the stack pointer lies the struct ucontext. */
static void put_trampoline(int uc, int wrong_reg)
{
	static const uint8_t where[][2] = {{3, 128}, {6, 120}, {7, 160}, {12, 72},
					   {13, 80}, {14, 88}, {15, 96}, {16, 168}};

	memset(&image, 0, sizeof(image));
	cfi_cie(&image, "zRS", PCREL4);
	cfi_fde(&image, IMAGE_TEXT, 0x100);
	cfi_ops(&image, DW_CFA_def_cfa_expression, 4, DW_OP_breg7);
	cfi_put(&image, 0x80 | ((160 + uc) & 0x7f), 1);
	cfi_put(&image, (160 + uc) >> 7, 1);
	cfi_ops(&image, DW_OP_deref);
	for (unsigned i = 0; i < 8; i++) {
		int offset = where[i][1] + uc + (where[i][0] == wrong_reg ? 8 : 0);

		cfi_ops(&image, DW_CFA_expression);
		cfi_put(&image, where[i][0], 1);
		cfi_ops(&image, 3, DW_OP_breg7);
		cfi_put(&image, 0x80 | (offset & 0x7f), 1);
		cfi_put(&image, offset >> 7, 1);
	}
}

static void a_signals_frame_is_one_as_a_whole(void **state)
{
	static const int regs[] = {3, 6, 7, 12, 13, 14, 15, 16};

	(void)state;
	for (int uc = 0; uc < 64; uc += 8) {
		put_trampoline(uc, -1);
		compile_one();
		assert_int_equal(rule_at(0)->kind, ABI_RULE_SIGNAL);
		assert_int_equal(rule_at(0)->offset, uc);
		unwind_table_fini(&table);
	}
	for (unsigned i = 0; i < 8; i++) {
		put_trampoline(0, regs[i]);
		compile_one();
		assert_int_equal(rule_at(0)->kind, ABI_RULE_UNSUPPORTED);
		unwind_table_fini(&table);
	}
	put_trampoline(0, -1);
	cfi_ops(&image, DW_CFA_same_value, 12);
	/* a signal's frame whose registers are saved as a function's: the caller's address is not
	 * that of a call */
	cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
	compile_one();
	assert_int_equal(rule_at(0)->kind, ABI_RULE_UNSUPPORTED);
	assert_int_equal(rule_at(1)->kind, ABI_RULE_UNSUPPORTED);
	unwind_table_fini(&table);
	/* and a function whose registers are saved as a signal's */
	put_trampoline(0, -1);
	image.bytes[11] = 'B'; /* a letter that changes nothing here */
	compile_one();
	assert_int_equal(rule_at(0)->kind, ABI_RULE_UNSUPPORTED);
	unwind_table_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_the_cfa_is_compiled),
		cmocka_unit_test(every_form_of_advance_moves_the_address),
		cmocka_unit_test(addresses_are_in_units_of_the_code_alignment),
		cmocka_unit_test(saved_registers_are_followed),
		cmocka_unit_test(a_register_without_a_rule_is_lost_alone),
		cmocka_unit_test(a_realigned_stack_is_followed),
		cmocka_unit_test(only_the_expression_of_a_plt_is_one),
		cmocka_unit_test(expressions_beyond_the_limits_are_unsupported),
		cmocka_unit_test(the_return_address_may_be_elsewhere),
		cmocka_unit_test(a_signals_frame_is_one_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
