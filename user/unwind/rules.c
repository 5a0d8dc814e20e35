/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/rules.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* memory that runs out is an error that is passed on, not the end of the program */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "unwind/table.h"

/* ---- expressions ---------------------------------------------------------------------------- */

/* Longer ones are of no form that is known. */
#define MAX_EXPRESSION 32

static bool open_expression(struct reader *reader, const struct unwind_section *section,
			    const struct cfi_expression *expression)
{
	if (expression->length > MAX_EXPRESSION)
		return false;
	reader->at = section->bytes + expression->at;
	reader->end = reader->at + expression->length;
	reader->bad = false;
	return true;
}

static bool at_end(const struct reader *reader)
{
	return !reader->bad && reader->at == reader->end;
}

/* `DW_OP_bregN offset` or `DW_OP_bregx N, offset`: the value of a register, plus a number. */
static bool read_breg(struct reader *reader, uint64_t *number, int64_t *offset)
{
	uint8_t op = (uint8_t)reader_fixed(reader, 1);

	if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
		*number = op - DW_OP_breg0;
	else if (op == DW_OP_bregx)
		*number = reader_uleb(reader);
	else
		return false;
	*offset = reader_sleb(reader);
	return !reader->bad;
}

/* Any number of `DW_OP_plus_uconst N`, and of `DW_OP_nop`. */
static bool read_plus(struct reader *reader, int64_t *sum)
{
	while (reader->at < reader->end &&
	       (*reader->at == DW_OP_plus_uconst || *reader->at == DW_OP_nop)) {
		uint64_t more = *reader->at++ == DW_OP_nop ? 0 : reader_uleb(reader);

		if (reader->bad || more > INT32_MAX || __builtin_add_overflow(*sum, more, sum))
			return false;
	}
	return true;
}

/* The whole expression is a register plus a number. */
static bool is_address(const struct unwind_section *section,
		       const struct cfi_expression *expression, uint64_t *number, int64_t *offset)
{
	struct reader reader;

	return open_expression(&reader, section, expression) &&
	       read_breg(&reader, number, offset) && read_plus(&reader, offset) && at_end(&reader);
}

/* What is left of the linker's expression, on x86-64: `breg16 0; lit15; and; litN; ge; lit3; shl;
 * plus`. */
static bool read_plt(struct reader *reader, int32_t *least)
{
	static const uint8_t before[] = {DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and};
	static const uint8_t after[] = {DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus};
	const uint8_t *bytes = reader_skip(reader, sizeof(before));
	uint8_t lit = (uint8_t)reader_fixed(reader, 1);

	if (!bytes || memcmp(bytes, before, sizeof(before)) != 0 || lit < DW_OP_lit0 ||
	    lit > DW_OP_lit15)
		return false;
	*least = lit - DW_OP_lit0;
	bytes = reader_skip(reader, sizeof(after));
	return bytes && memcmp(bytes, after, sizeof(after)) == 0 && at_end(reader);
}

/* ---- states --------------------------------------------------------------------------------- */

static bool set_base(struct abi_unwind_rule *rule, enum abi_rule_kind kind, uint64_t number,
		     int64_t offset)
{
	int reg = cfi_reg(number);

	if (reg < 0 || reg == CFI_RA || offset != (int32_t)offset)
		return false;
	rule->kind = (uint8_t)kind;
	rule->reg = (uint8_t)reg;
	rule->offset = (int32_t)offset;
	return true;
}

static bool translate_cfa_expression(struct abi_unwind_rule *rule,
				     const struct unwind_section *section,
				     const struct cfi_expression *expression)
{
	struct reader reader;
	uint64_t number;
	int64_t offset, add = 0;

	if (!open_expression(&reader, section, expression) ||
	    !read_breg(&reader, &number, &offset) || !read_plus(&reader, &offset))
		return false;
	if (at_end(&reader))
		return set_base(rule, ABI_RULE_CFA, number, offset);
	if (*reader.at == DW_OP_deref) {
		reader.at++;
		if (!read_plus(&reader, &add) || !at_end(&reader) || add > INT32_MAX)
			return false;
		rule->add = (int32_t)add;
		return set_base(rule, ABI_RULE_DEREF, number, offset);
	}
	return read_plt(&reader, &rule->add) && cfi_reg(number) == ABI_REG_SP &&
	       set_base(rule, ABI_RULE_PLT, number, offset);
}

static bool translate_cfa(struct abi_unwind_rule *rule, const struct unwind_section *section,
			  const struct cfi_state *state)
{
	switch (state->cfa_how) {
	case CFI_REGISTER:
		return set_base(rule, ABI_RULE_CFA, state->cfa_reg, state->cfa_offset);
	case CFI_VAL_EXPRESSION:
		return translate_cfa_expression(rule, section, &state->cfa_expression);
	default:
		return false;
	}
}

static bool in_words(int64_t offset, int16_t *words)
{
	if (offset % 8 != 0 || offset / 8 != (int16_t)(offset / 8))
		return false;
	*words = (int16_t)(offset / 8);
	return true;
}

/* What a rule cannot say of one register is as good as lost: only a frame that needs it ends the
 * walk. */
static void translate_register(struct abi_unwind_rule *rule, const struct unwind_section *section,
			       const struct cfi_state *state, unsigned reg)
{
	const union cfi_value *value = &state->value[reg];
	int16_t *at = &rule->at[reg - 1];
	enum abi_saved saved = ABI_SAVED_LOST;
	uint64_t number;
	int64_t offset;

	switch (state->how[reg]) {
	case CFI_UNSAID: /* the ABI's answer: these are preserved */
	case CFI_SAME:
		saved = ABI_SAVED_SAME;
		break;
	case CFI_OFFSET:
		if (in_words(value->offset, at))
			saved = ABI_SAVED_CFA;
		break;
	case CFI_EXPRESSION:
		if (is_address(section, &value->expression, &number, &offset) &&
		    cfi_reg(number) == ABI_REG_BP && in_words(offset, at))
			saved = ABI_SAVED_BP;
		break;
	}
	rule->saved |= (uint16_t)(saved << (2 * (reg - 1)));
}

static bool translate_call(struct abi_unwind_rule *rule, const struct unwind_section *section,
			   const struct cfi_state *state)
{
	if (!translate_cfa(rule, section, state))
		return false;
	if (state->how[CFI_RA] != CFI_OFFSET || !in_words(state->value[CFI_RA].offset, &rule->ra))
		return false;
	/* the caller's stack pointer is the CFA, by definition */
	if (state->how[ABI_REG_SP] != CFI_UNSAID &&
	    (state->how[ABI_REG_SP] != CFI_VAL_OFFSET || state->value[ABI_REG_SP].offset != 0))
		return false;
	for (unsigned reg = ABI_REG_SP + 1; reg < ABI_UNWIND_REGS; reg++)
		translate_register(rule, section, state, reg);
	return true;
}

static const uint16_t in_ucontext[CFI_REGS] = {[CFI_RA] = ABI_UCONTEXT_ADDRESS,
					       ABI_UCONTEXT_PLACES};

static bool translate_signal(struct abi_unwind_rule *rule, const struct unwind_section *section,
			     const struct cfi_state *state)
{
	uint64_t number;
	int64_t offset;

	if (!translate_cfa(rule, section, state) || rule->kind != ABI_RULE_DEREF ||
	    rule->reg != ABI_REG_SP || rule->add != 0 ||
	    __builtin_sub_overflow(rule->offset, in_ucontext[ABI_REG_SP], &rule->offset))
		return false;
	for (unsigned reg = 0; reg < CFI_REGS; reg++) {
		if (reg == ABI_REG_SP && state->how[reg] == CFI_UNSAID)
			continue; /* it is the CFA */
		if (state->how[reg] != CFI_EXPRESSION ||
		    !is_address(section, &state->value[reg].expression, &number, &offset) ||
		    cfi_reg(number) != ABI_REG_SP ||
		    offset != (int64_t)rule->offset + in_ucontext[reg])
			return false;
	}
	rule->kind = ABI_RULE_SIGNAL;
	return true;
}

struct abi_unwind_rule rules_translate(const struct unwind_section *section,
				       const struct cfi_state *state)
{
	struct abi_unwind_rule rule = {0};

	if (state->how[CFI_RA] == CFI_UNDEFINED)
		return (struct abi_unwind_rule){.kind = ABI_RULE_END};
	if (state->signal ? translate_signal(&rule, section, state)
			  : translate_call(&rule, section, state))
		return rule;
	return (struct abi_unwind_rule){.kind = ABI_RULE_UNSUPPORTED};
}

/* ---- each once ------------------------------------------------------------------------------ */

struct known_rule {
	struct abi_unwind_rule rule;
	uint32_t number;
	UT_hash_handle hh;
};

/*
 * Multilinear hashing with a key that the file's author cannot know: two rules meet with a
 * probability of 2^-32, whatever they are (Dietzfelbinger 1996; Lemire and Kaser 2014).
 */
static unsigned hash(const struct rules *rules, const struct abi_unwind_rule *rule)
{
	uint32_t words[sizeof(*rule) / 4];
	uint64_t sum = rules->key[sizeof(*rule) / 4];

	memcpy(words, rule, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / 4; i++)
		sum += rules->key[i] * words[i];
	return (unsigned)(sum >> 32);
}

static int add(struct rules *rules, const struct abi_unwind_rule *rule, unsigned hashed,
	       struct err *err)
{
	struct known_rule *known = calloc(1, sizeof(*known));

	if (known) {
		known->rule = *rule;
		known->number = rules->n;
		HASH_ADD_KEYPTR_BYHASHVALUE(hh, rules->known, &known->rule, sizeof(known->rule),
					    hashed, known);
		if (known->hh.tbl) {
			rules->n++;
			return 0;
		}
		free(known);
	}
	return err_set(err, ERR_FAILED, "out of memory");
}

int rules_init(struct rules *rules, struct err *err)
{
	struct abi_unwind_rule none = {.kind = ABI_RULE_NONE},
			       unsupported = {.kind = ABI_RULE_UNSUPPORTED};
	uint32_t number;
	int result;

	*rules = (struct rules){0};
	if (getrandom(rules->key, sizeof(rules->key), 0) != sizeof(rules->key))
		return err_set(err, ERR_FAILED, "the kernel gives no random numbers");
	result = rules_number(rules, &none, &number, err);
	if (!result)
		result = rules_number(rules, &unsupported, &number, err);
	if (result)
		rules_fini(rules);
	return result;
}

void rules_fini(struct rules *rules)
{
	struct known_rule *known, *next;

	HASH_ITER (hh, rules->known, known, next) {
		HASH_DELETE(hh, rules->known, known);
		free(known);
	}
	*rules = (struct rules){0};
}

int rules_number(struct rules *rules, const struct abi_unwind_rule *rule, uint32_t *number,
		 struct err *err)
{
	unsigned hashed = hash(rules, rule);
	struct known_rule *known = NULL;

	HASH_FIND_BYHASHVALUE(hh, rules->known, rule, sizeof(*rule), hashed, known);
	if (known) {
		*number = known->number;
		return 0;
	}
	if (rules->n == UNWIND_MAX_RULES) {
		*number = RULE_UNSUPPORTED;
		return 0;
	}
	*number = rules->n;
	return add(rules, rule, hashed, err);
}

struct abi_unwind_rule *rules_take(const struct rules *rules)
{
	struct abi_unwind_rule *all = calloc(rules->n, sizeof(*all));
	const struct known_rule *known;

	if (!all)
		return NULL;
	for (known = rules->known; known; known = known->hh.next)
		all[known->number] = known->rule;
	return all;
}
