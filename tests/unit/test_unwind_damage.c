/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Damaged unwind information: what is damaged is left out and counted, what is not is read, nothing
 * else happens.
 */
#include <stdlib.h>

#include "cfi_image.h"

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

static void damaged_instructions_are_damage(void **state)
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
	/* impossible numbers: lengths, an offset of 65 bits, one that is negative, products that
	 * overflow */
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

static void states_are_put_aside_up_to_a_bound(void **state)
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
static void a_damaged_cie_takes_its_functions_with_it(void **state)
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
static void a_pointer_to_no_cie_is_damage(void **state)
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

static void functions_outside_their_segment_are_damage(void **state)
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

/* Cut at any byte, with any length changed, with any byte changed: a table or an error, nothing
 * else. */
static void damage_at_any_byte_gives_a_table_or_an_error(void **state)
{
	static struct cfi_image whole;
	unsigned tables = 0, tried = 0;

	(void)state;
	cfi_one(&image);
	cfi_ops(&image, DW_CFA_expression, 6, 2, DW_OP_breg6, 0, DW_CFA_def_cfa_expression, 3,
		DW_OP_breg6, 0x78, DW_OP_deref);
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
		cmocka_unit_test(damaged_instructions_are_damage),
		cmocka_unit_test(states_are_put_aside_up_to_a_bound),
		cmocka_unit_test(a_damaged_cie_takes_its_functions_with_it),
		cmocka_unit_test(a_pointer_to_no_cie_is_damage),
		cmocka_unit_test(functions_outside_their_segment_are_damage),
		cmocka_unit_test(damage_at_any_byte_gives_a_table_or_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
