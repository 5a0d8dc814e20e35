/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/rules.h"

#include <stdlib.h>
#include <string.h>

#include <dwarf.h>
#include <uthash.h>

#include "unwind/cursor.h"
#include "unwind/table.h"

/* DWARF's numbers of the registers that are followed, by enum abi_unwind_reg */
static const uint8_t dwarf_numbers[ABI_UNWIND_REGS] = {CFI_RSP, CFI_RBP, CFI_RBX, 12, 13, 14, 15};

/* offsets in struct ucontext (uc_mcontext.gregs begins at 40) of these and of the instruction pointer */
static const uint8_t context_offsets[ABI_UNWIND_REGS] = {160, 120, 128, 72, 80, 88, 96};
#define CONTEXT_RSP 160
#define CONTEXT_RIP 168

static bool followed(unsigned number, uint8_t *reg)
{
	for (uint8_t r = 0; r < ABI_UNWIND_REGS; r++) {
		if (dwarf_numbers[r] == number) {
			*reg = r;
			return true;
		}
	}
	return false;
}

/* `DW_OP_bregN offset`: false when the expression does not begin so. */
static bool take_breg(struct cursor *cursor, unsigned *number, int64_t *offset)
{
	uint8_t operation = cursor_u8(cursor);

	if (operation < DW_OP_breg0 || operation > DW_OP_breg31)
		return false;
	*number = operation - DW_OP_breg0;
	*offset = cursor_sleb(cursor);
	return !cursor->failed;
}

/* The whole expression is `DW_OP_bregN offset`. */
static bool is_breg(const struct cfi_rule *rule, unsigned *number, int64_t *offset)
{
	struct cursor cursor = cursor_make(rule->expression, rule->expression_size);

	return take_breg(&cursor, number, offset) && cursor.left == 0;
}

static bool fits_words(int64_t offset)
{
	return offset % 8 == 0 && offset / 8 >= INT16_MIN && offset / 8 <= INT16_MAX;
}

static bool fits_32(int64_t offset)
{
	return offset >= INT32_MIN && offset <= INT32_MAX;
}

/* Of the linker: breg7 8; breg16 0; lit15; and; lit11; ge; lit3; shl; plus. lit11 may be another number. */
static bool make_plt(struct abi_unwind_rule *rule, struct cursor cursor)
{
	unsigned number;
	int64_t offset, zero;
	uint8_t from;

	if (!take_breg(&cursor, &number, &offset) || number != CFI_RSP || !fits_32(offset) ||
	    !take_breg(&cursor, &number, &zero) || number != CFI_RA || zero != 0 ||
	    cursor_u8(&cursor) != DW_OP_lit15 || cursor_u8(&cursor) != DW_OP_and)
		return false;
	from = cursor_u8(&cursor);
	if (from < DW_OP_lit0 || from > DW_OP_lit15 || cursor_u8(&cursor) != DW_OP_ge ||
	    cursor_u8(&cursor) != DW_OP_lit3 || cursor_u8(&cursor) != DW_OP_shl ||
	    cursor_u8(&cursor) != DW_OP_plus || cursor.failed || cursor.left)
		return false;
	rule->kind = ABI_RULE_PLT;
	rule->offset = (int32_t)offset;
	rule->add = from - DW_OP_lit0;
	return true;
}

/* bregN offset [; deref [; plus_uconst add]] */
static bool make_load(struct abi_unwind_rule *rule, struct cursor cursor)
{
	unsigned number;
	int64_t offset;
	uint64_t add = 0;

	if (!take_breg(&cursor, &number, &offset) || !followed(number, &rule->reg) ||
	    !fits_32(offset))
		return false;
	rule->kind = ABI_RULE_CFA;
	rule->offset = (int32_t)offset;
	if (cursor.left == 0)
		return true;
	if (cursor_u8(&cursor) != DW_OP_deref)
		return false;
	if (cursor.left) {
		if (cursor_u8(&cursor) != DW_OP_plus_uconst)
			return false;
		add = cursor_uleb(&cursor);
	}
	if (cursor.failed || cursor.left || add > INT32_MAX)
		return false;
	rule->kind = ABI_RULE_DEREF;
	rule->add = (int32_t)add;
	return true;
}

static bool make_cfa(struct abi_unwind_rule *rule, const struct cfi_state *state)
{
	struct cursor cursor;

	switch (state->cfa.how) {
	case CFI_OFFSET:
		if (!followed(state->cfa_register, &rule->reg) || !fits_32(state->cfa.offset))
			return false;
		rule->kind = ABI_RULE_CFA;
		rule->offset = (int32_t)state->cfa.offset;
		return true;
	case CFI_VALUE_EXPRESSION:
		cursor = cursor_make(state->cfa.expression, state->cfa.expression_size);
		return make_load(rule, cursor) || make_plt(rule, cursor);
	default:
		return false;
	}
}

/* The place of one register; what cannot be said is lost, and a frame that needs it ends the stack. */
static void make_saved(struct abi_unwind_rule *rule, const struct cfi_state *state, unsigned reg)
{
	const struct cfi_rule *from = &state->registers[dwarf_numbers[reg]];
	enum abi_saved saved = ABI_SAVED_LOST;
	int64_t offset = from->offset;
	unsigned base;

	switch (from->how) {
	case CFI_UNSPECIFIED:
	case CFI_SAME:
		return;
	case CFI_OFFSET:
		if (fits_words(offset))
			saved = ABI_SAVED_CFA;
		break;
	case CFI_EXPRESSION:
		if (is_breg(from, &base, &offset) && base == CFI_RBP && fits_words(offset))
			saved = ABI_SAVED_BP;
		break;
	default:
		break;
	}
	rule->saved |= (uint16_t)(saved << 2 * (reg - 1));
	if (saved != ABI_SAVED_LOST)
		rule->at[reg - 1] = (int16_t)(offset / 8);
}

/* A signal trampoline: all registers lie in a ucontext at some distance from the stack pointer. */
static bool make_signal(struct abi_unwind_rule *rule, const struct cfi_state *state)
{
	struct cursor cursor = cursor_make(state->cfa.expression, state->cfa.expression_size);
	int64_t start, offset;
	unsigned base;

	if (state->cfa.how != CFI_VALUE_EXPRESSION || !take_breg(&cursor, &base, &start) ||
	    base != CFI_RSP || cursor_u8(&cursor) != DW_OP_deref || cursor.failed || cursor.left)
		return false;
	start -= CONTEXT_RSP;
	if (!fits_32(start) || state->registers[CFI_RA].how != CFI_EXPRESSION ||
	    !is_breg(&state->registers[CFI_RA], &base, &offset) || base != CFI_RSP ||
	    offset != start + CONTEXT_RIP)
		return false;
	for (unsigned reg = 1; reg < ABI_UNWIND_REGS; reg++) {
		const struct cfi_rule *from = &state->registers[dwarf_numbers[reg]];

		if (from->how != CFI_EXPRESSION || !is_breg(from, &base, &offset) ||
		    base != CFI_RSP || offset != start + context_offsets[reg])
			return false;
	}
	rule->kind = ABI_RULE_SIGNAL;
	rule->offset = (int32_t)start;
	return true;
}

void rules_make(struct abi_unwind_rule *rule, const struct cfi_state *state, bool signal)
{
	const struct cfi_rule *ra = &state->registers[CFI_RA];

	memset(rule, 0, sizeof(*rule));
	if (signal && make_signal(rule, state))
		return;
	memset(rule, 0, sizeof(*rule));
	if (!signal && ra->how == CFI_UNDEFINED) {
		rule->kind = ABI_RULE_END;
		return;
	}
	if (signal || ra->how != CFI_OFFSET || !fits_words(ra->offset) || !make_cfa(rule, state)) {
		memset(rule, 0, sizeof(*rule));
		rule->kind = ABI_RULE_UNSUPPORTED;
		return;
	}
	rule->ra = (int16_t)(ra->offset / 8);
	for (unsigned reg = 1; reg < ABI_UNWIND_REGS; reg++)
		make_saved(rule, state, reg);
}

/* ---- each rule once -------------------------------------------------------------------------- */

struct rules_known {
	struct abi_unwind_rule rule;
	uint32_t number;
	UT_hash_handle hh;
};

bool rules_init(struct rules *rules)
{
	const struct abi_unwind_rule none = {.kind = ABI_RULE_NONE};

	memset(rules, 0, sizeof(*rules));
	return rules_number(rules, &none) == 0;
}

void rules_fini(struct rules *rules)
{
	struct rules_known *known, *next;

	HASH_ITER (hh, rules->known, known, next) {
		HASH_DEL(rules->known, known);
		free(known);
	}
	free(rules->all);
	memset(rules, 0, sizeof(*rules));
}

uint32_t rules_number(struct rules *rules, const struct abi_unwind_rule *rule)
{
	struct rules_known *known;

	HASH_FIND(hh, rules->known, rule, sizeof(*rule), known);
	if (known)
		return known->number;
	if (rules->n == rules->capacity) {
		uint32_t capacity = rules->capacity ? 2 * rules->capacity : 256;
		struct abi_unwind_rule *larger;

		if (rules->n == UNWIND_MAX_RULES)
			return UINT32_MAX;
		larger = realloc(rules->all, capacity * sizeof(*larger));
		if (!larger)
			return UINT32_MAX;
		rules->all = larger;
		rules->capacity = capacity;
	}
	known = malloc(sizeof(*known));
	if (!known)
		return UINT32_MAX;
	known->rule = *rule;
	known->number = rules->n;
	HASH_ADD(hh, rules->known, rule, sizeof(known->rule), known);
	rules->all[rules->n] = *rule;
	return rules->n++;
}
