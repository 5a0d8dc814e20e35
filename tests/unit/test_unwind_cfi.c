/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Made unwind information -> rules: each call frame instruction, each form of a rule, each kind of damage.
 */
#include <stdlib.h>

#include "cfi_image.h"

/* what compilers write */
#define PCREL4 (DW_EH_PE_pcrel | DW_EH_PE_sdata4)

/* rows of the one function of cfi_one(), for looking at */
static struct cfi_image image;
static struct unwind_table table;

static const struct abi_unwind_rule *rule_at(uint64_t offset)
{
	return unwind_table_find(&table, IMAGE_TEXT + offset);
}

static void compile_one(void)
{
	cfi_end(&image);
	assert_int_equal(cfi_compile(&image, &table), 0);
	assert_int_equal(table.damaged, 0);
	assert_int_equal(table.n_functions, 1);
	assert_int_equal(rule_at(0x100)->kind, ABI_RULE_NONE);
}

static void assert_cfa(uint64_t at, enum abi_unwind_reg reg, int32_t offset)
{
	assert_int_equal(rule_at(at)->kind, ABI_RULE_CFA);
	assert_int_equal(rule_at(at)->reg, reg);
	assert_int_equal(rule_at(at)->offset, offset);
	assert_int_equal(rule_at(at)->ra, -1);
}

static void assert_saved(uint64_t at, enum abi_unwind_reg reg, enum abi_saved saved, int where)
{
	assert_int_equal(ABI_RULE_SAVED(rule_at(at), reg), saved);
	assert_int_equal(rule_at(at)->at[reg - 1], where);
}

/* ---- instructions ---------------------------------------------------------------------------------- */

static void test_cfa(void **state)
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

static void test_advance(void **state)
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

static void test_code_alignment(void **state)
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

static void test_registers(void **state)
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
static void test_lost_registers(void **state)
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

/* ---- forms ----------------------------------------------------------------------------------------- */

static void test_realigned_stack(void **state)
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

static void test_plt(void **state)
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

static void test_expression_limits(void **state)
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
static void test_return_address(void **state)
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
	/* the caller's stack pointer is the CFA, and may be said to be; anything else is not known */
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

static void test_signal_frame(void **state)
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
	/* a signal's frame whose registers are saved as a function's: the caller's address is not that of a call */
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

/* ---- damage ---------------------------------------------------------------------------------------- */

/* A function with these instructions is left out, and the next one is read. */
static void assert_entries_damaged(const char *what, unsigned count)
{
	cfi_end(&image);
	cfi_fde(&image, IMAGE_TEXT + 0x200, 0x10);
	cfi_end(&image);
	if (cfi_compile(&image, &table))
		fail_msg("%s: refused as a whole", what);
	if (table.damaged != count || table.n_functions != 1)
		fail_msg("%s: %u damaged, %u read", what, table.damaged, table.n_functions);
	assert_int_equal(rule_at(0)->kind, ABI_RULE_NONE);
	assert_int_equal(rule_at(0xff)->kind, ABI_RULE_NONE);
	assert_int_equal(rule_at(0x1ff)->kind, ABI_RULE_NONE);
	assert_cfa(0x200, ABI_REG_SP, 8);
	assert_cfa(0x20f, ABI_REG_SP, 8);
	assert_int_equal(rule_at(0x210)->kind, ABI_RULE_NONE);
	unwind_table_fini(&table);
}

static void assert_damaged(const char *what)
{
	assert_entries_damaged(what, 1);
}

#define DAMAGED(...)                                                                \
	do {                                                                        \
		cfi_one(&image);                                                    \
		cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16); \
		cfi_ops(&image, DW_CFA_advance_loc | 1, __VA_ARGS__);               \
		assert_damaged(#__VA_ARGS__);                                       \
	} while (0)

static void test_damaged_instructions(void **state)
{
	(void)state;
	DAMAGED(0x17); /* no instruction */
	DAMAGED(DW_CFA_low_user);
	DAMAGED(DW_CFA_high_user);
	DAMAGED(DW_CFA_GNU_window_save); /* another architecture's */
	DAMAGED(DW_CFA_restore_state);   /* nothing was put aside */
	/* cut off */
	DAMAGED(DW_CFA_advance_loc1);
	DAMAGED(DW_CFA_advance_loc2, 1);
	DAMAGED(DW_CFA_advance_loc4, 1, 0, 0);
	DAMAGED(DW_CFA_MIPS_advance_loc8, 1, 0, 0, 0, 0, 0, 0);
	DAMAGED(DW_CFA_set_loc, 1, 0, 0);
	DAMAGED(DW_CFA_def_cfa);
	DAMAGED(DW_CFA_def_cfa, 7);
	DAMAGED(DW_CFA_def_cfa, 7, 0x80);
	DAMAGED(DW_CFA_offset | 3);
	DAMAGED(DW_CFA_offset | 3, 0xff, 0xff);
	DAMAGED(DW_CFA_expression, 3);
	DAMAGED(DW_CFA_expression, 3, 4, DW_OP_breg6, 8, DW_OP_nop);
	DAMAGED(DW_CFA_def_cfa_expression, 1);
	DAMAGED(DW_CFA_GNU_args_size);
	/* impossible numbers: lengths, an offset of 65 bits, one that is negative, products that overflow */
	DAMAGED(DW_CFA_def_cfa_expression, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
	DAMAGED(DW_CFA_offset | 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3);
	DAMAGED(DW_CFA_def_cfa_offset, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
	DAMAGED(DW_CFA_offset | 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f);
	DAMAGED(DW_CFA_MIPS_advance_loc8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
	/* backwards */
	cfi_one(&image);
	cfi_ops(&image, DW_CFA_advance_loc | 2, DW_CFA_def_cfa_offset, 16, DW_CFA_set_loc);
	cfi_put(&image, IMAGE_TEXT + 1 - (IMAGE_FRAME + image.size), 4);
	assert_damaged("an address that goes backwards");
}

static void test_put_aside(void **state)
{
	(void)state;
	for (unsigned depth = 16; depth <= 17; depth++) {
		cfi_one(&image);
		for (unsigned i = 0; i < depth; i++) {
			cfi_ops(&image, DW_CFA_remember_state, DW_CFA_advance_loc | 1,
				DW_CFA_def_cfa_offset);
			cfi_put(&image, 16 + i, 1);
		}
		for (unsigned i = 0; i < depth; i++)
			cfi_ops(&image, DW_CFA_advance_loc | 1, DW_CFA_restore_state);
		if (depth > 16) {
			assert_damaged("17 states put aside");
			continue;
		}
		compile_one();
		assert_cfa(16, ABI_REG_SP, 31);
		assert_cfa(17, ABI_REG_SP, 30);
		assert_cfa(32, ABI_REG_SP, 8);
		unwind_table_fini(&table);
	}
}

/* A CIE that cannot be used takes its functions with it. */
static void test_damaged_cies(void **state)
{
	static const struct {
		const char *what, *augmentation;
		uint8_t bytes[12];
		size_t n;
		bool refused; /* by libdw */
	} cases[] = {
		{"indirect", "zR", {1, DW_EH_PE_indirect | DW_EH_PE_pcrel}, 2, false},
		{"omitted", "zR", {1, DW_EH_PE_omit}, 2, false},
		{"relative to a function", "zR", {1, DW_EH_PE_funcrel}, 2, false},
		{"unknown format", "zR", {1, 0x0f}, 2, false},
		{"unknown augmentation without a size", "Q", {0}, 0, false},
		{"no room for the encoding", "zR", {0}, 1, true},
		{"no room for the personality", "zPR", {2, DW_EH_PE_udata4, 0}, 3, true},
		{"it advances", "zR", {1, PCREL4, DW_CFA_advance_loc | 1}, 3, false},
		{"it restores", "zR", {1, PCREL4, DW_CFA_restore | 3}, 3, false},
		{"half of a CFA", "zR", {1, PCREL4, DW_CFA_def_cfa_offset, 8}, 4, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&image, 0, sizeof(image));
		cfi_cie_head(&image, cases[i].augmentation, 1);
		for (size_t n = 0; n < cases[i].n; n++)
			cfi_put(&image, cases[i].bytes[n], 1);
		cfi_ops(&image, DW_CFA_nop, DW_CFA_nop);
		cfi_end(&image);
		image.encoding = PCREL4;
		cfi_fde(&image, IMAGE_TEXT, 0x100);
		cfi_end(&image);
		cfi_cie(&image, "zR", PCREL4);
		cfi_fde(&image, IMAGE_TEXT + 0x180, 0x10);
		/* the second pair of functions is added and judged by assert_damaged() */
		image.size = image.entry;
		image.entry = image.cie;
		/* one that libdw refuses counts too: nobody knows what it is */
		assert_entries_damaged(cases[i].what, cases[i].refused ? 2 : 1);
	}
}

/* Functions that point at what is no CIE: themselves, each other, the middle of one, nothing. */
static void test_cie_pointers(void **state)
{
	(void)state;
	for (uint32_t distance = 0; distance < 0x48; distance++) {
		size_t at;

		cfi_one(&image);
		at = image.entry + 4;
		if (image.bytes[at] == distance || distance == 0)
			continue; /* the right one; 0 makes it a CIE itself */
		memcpy(image.bytes + at, &distance, 4);
		assert_damaged("pointer to no CIE");
	}
	/* two that point at each other's start */
	cfi_one(&image);
	cfi_end(&image);
	cfi_fde(&image, IMAGE_TEXT + 0x80, 8);
	cfi_end(&image);
	image.bytes[image.entry + 4] = 4 + 0x15;
	assert_int_equal(cfi_compile(&image, &table), 0);
	assert_int_equal(table.damaged, 1);
	unwind_table_fini(&table);
}

static void test_places(void **state)
{
	static const struct {
		const char *what;
		uint64_t start, length;
	} cases[] = {
		{"before the segment", IMAGE_TEXT - 1, 2},
		{"behind it", IMAGE_TEXT_END, 1},
		{"over its end", IMAGE_TEXT_END - 1, 2},
		{"all of memory", IMAGE_TEXT, UINT64_MAX - IMAGE_TEXT},
		{"around the end of memory", IMAGE_TEXT, UINT64_MAX - 4},
		{"at the end of memory", UINT64_MAX - 4, 4},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&image, 0, sizeof(image));
		cfi_cie(&image, "zR", DW_EH_PE_absptr);
		cfi_fde(&image, cases[i].start, cases[i].length);
		assert_damaged(cases[i].what);
	}
	/* no length: linkers leave that of functions that they throw away */
	cfi_one(&image);
	cfi_end(&image);
	cfi_fde(&image, 0, 0);
	compile_one();
	assert_cfa(0xff, ABI_REG_SP, 8);
	unwind_table_fini(&table);
}

/* Cut at any byte, with any length changed, with any byte changed: a table or an error, nothing else. */
static void test_every_byte(void **state)
{
	static struct cfi_image whole;
	unsigned tables = 0, tried = 0;

	(void)state;
	put_trampoline(0, -1);
	cfi_end(&image);
	cfi_cie(&image, "zPLR", PCREL4);
	cfi_fde(&image, IMAGE_TEXT + 0x200, 0x100);
	cfi_ops(&image, DW_CFA_remember_state, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16,
		DW_CFA_offset | 6, 2, DW_CFA_advance_loc | 1, DW_CFA_restore_state);
	cfi_end(&image);
	whole = image;
	for (size_t size = 0; size <= whole.size; size++) {
		tried++;
		if (cfi_compile_part(&image, size, &table) == 0) {
			tables++;
			unwind_table_fini(&table);
		}
	}
	for (size_t at = 0; at < whole.size; at++)
		for (unsigned value = 0; value < 256; value += 5) {
			image = whole;
			image.bytes[at] = (uint8_t)value;
			tried++;
			if (cfi_compile(&image, &table) == 0) {
				tables++;
				unwind_table_fini(&table);
			}
		}
	assert_true(tables > tried / 2 && tables < tried);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cfa),
		cmocka_unit_test(test_advance),
		cmocka_unit_test(test_code_alignment),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_lost_registers),
		cmocka_unit_test(test_realigned_stack),
		cmocka_unit_test(test_plt),
		cmocka_unit_test(test_expression_limits),
		cmocka_unit_test(test_return_address),
		cmocka_unit_test(test_signal_frame),
		cmocka_unit_test(test_damaged_instructions),
		cmocka_unit_test(test_put_aside),
		cmocka_unit_test(test_damaged_cies),
		cmocka_unit_test(test_cie_pointers),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
