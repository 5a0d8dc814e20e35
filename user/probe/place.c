/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/place.h"

#include <stdio.h>
#include <string.h>

static const uint8_t *text_at(const struct module *module, uint64_t address, size_t *available)
{
	return elf_file_bytes(module->elf, address - module->bias, available);
}

static bool decode_at(struct insn *insn, const struct module *module, uint64_t address)
{
	size_t available;
	const uint8_t *bytes = text_at(module, address, &available);

	return bytes && insn_decode(insn, bytes, available, address);
}

/* Does any jump in the function's body lead to `address`? Decodes straight on from the entry. */
static bool is_jumped_to(const struct module *module, uint64_t entry, uint64_t address)
{
	uint64_t at = entry;
	struct insn insn;

	while (at < entry + PLACE_SCAN_BYTES && decode_at(&insn, module, at)) {
		if ((insn.flow == FLOW_JUMP || insn.flow == FLOW_BRANCH) && insn.target == address)
			return true;
		at += insn.length;
	}
	return false;
}

static bool is_better(const struct place *new, const struct place *old, bool have_old)
{
	if (!have_old || new->cost != old->cost)
		return !have_old || new->cost < old->cost;
	return new->skips_null && !old->skips_null;
}

/* Why the way is followed no further than this instruction; NULL: it is. */
static const char *why_no_further(const struct insn *insn, const struct place_need *need,
				  bool null_tested)
{
	if (insn->flow == FLOW_CALL)
		return "a call comes first";
	if (insn->flow == FLOW_STOP)
		return "the function ends, or jumps to a computed address";
	if (insn->writes_args & need->args)
		return "an argument is overwritten";
	if (insn->moves_sp && need->returns)
		return "the return address is no longer on top of the stack";
	if (insn->moves_sp && insn->pushed == 0)
		return "the stack pointer is no longer known";
	/* only the test for NULL: what jumps away there, if zero, need not be seen */
	if (insn->flow == FLOW_BRANCH &&
	    (need->null_arg < 0 || !null_tested || !insn->jumps_if_zero))
		return "some calls take another path";
	return NULL;
}

bool place_find(struct place *place, const struct module *module, uint64_t start,
		const struct place_need *need)
{
	static const char *const costs[] = {
		[COST_EMULATED] = "emulated", [COST_STEPPED] = "single-stepped"};
	bool found = false, null_tested = false, landing = true;
	struct place here = {.address = start};
	const char *why = NULL;
	uint64_t entry = start;

	for (unsigned i = 0; i < PLACE_MAX_INSNS; i++) {
		bool jumped = entry != here.address;
		struct insn insn;

		if ((need->until && here.address == need->until) ||
		    !decode_at(&insn, module, here.address) ||
		    !module_offset(module, here.address, &here.offset))
			break;
		here.cost = insn.cost;
		if (insn.cost != COST_UNSAFE && is_better(&here, place, found) &&
		    !(jumped && is_jumped_to(module, entry, here.address))) {
			*place = here;
			snprintf(place->text, sizeof(place->text), "%+lld %s",
				 (long long)(here.address - start), costs[insn.cost]);
			found = true;
		}
		why = why_no_further(&insn, need, null_tested);
		if (why)
			break;
		here.skips_null |= insn.flow == FLOW_BRANCH;
		null_tested = insn.test_arg >= 0 && insn.test_arg == need->null_arg;
		here.pushed += (unsigned)insn.pushed;
		if (insn.flow != FLOW_JUMP) {
			landing = landing && insn.is_nop;
			here.address += insn.length;
			continue;
		}
		/* from a landing to the entry; a jump from elsewhere may lead into a loop or
		 * another function */
		why = "a jump leads elsewhere";
		if (!landing)
			break;
		why = NULL;
		landing = false;
		entry = here.address = insn.target;
	}
	if (found)
		place->why = place->cost < COST_STEPPED ? ""
			     : why                      ? why
							: "none is among the first instructions";
	return found;
}

/* ---- aliases -------------------------------------------------------------------------------- */

#define PADDING_MAX 15

/*
 * The instruction of which the byte at `address` is a part, and where that begins: decoded straight
 * on from a function below.
 */
static bool covering_instruction(const struct module *module, uint64_t address, uint64_t *at,
				 struct insn *insn)
{
	uint64_t from = elf_file_symbol_before(module->elf, address - module->bias);

	*at = from + module->bias;
	if (!from || address - *at > (1u << 20))
		return false;
	while (decode_at(insn, module, *at)) {
		if (*at + insn->length > address)
			return true;
		*at += insn->length;
	}
	return false;
}

/*
 * A byte that reads as a nop may be the end of another instruction (eb 90: a jump), which a probe
 * on it would destroy. In a nop it does no harm, also in the middle: what is before a function's
 * entry is not run.
 */
static bool is_padding(const struct module *module, uint64_t address)
{
	struct insn insn;
	uint64_t at;

	return covering_instruction(module, address, &at, &insn) && insn.is_nop && !insn.is_endbr;
}

/* A jump is only usable when it really is an instruction, for the same reason. */
static bool is_instruction(const struct module *module, uint64_t address)
{
	struct insn insn;
	uint64_t at;

	return covering_instruction(module, address, &at, &insn) && at == address;
}

/* From `address`, do nops lead exactly to `entry`? */
static bool slides_into(const struct module *module, uint64_t address, uint64_t entry)
{
	struct insn insn;

	while (address < entry) {
		if (!decode_at(&insn, module, address) || !insn.is_nop)
			return false;
		address += insn.length;
	}
	return address == entry;
}

/* The next `jmp rel32` to `entry` in the text at or above `from`; 0: none. */
static uint64_t next_jump_to(const struct module *module, uint64_t entry, uint64_t from)
{
	uint64_t vaddr, size;

	for (unsigned i = 0; elf_file_text(module->elf, i, &vaddr, &size); i++) {
		size_t available;
		const uint8_t *text = elf_file_bytes(module->elf, vaddr, &available);
		uint64_t start = vaddr + module->bias, at = from > start ? from - start : 0;

		if (!text)
			continue;
		if (available > size)
			available = size;
		while (at + 5 <= available) {
			const uint8_t *hit = memchr(text + at, 0xe9, available - at - 4);
			int32_t relative;

			if (!hit)
				break;
			at = (uint64_t)(hit - text);
			memcpy(&relative, hit + 1, sizeof(relative));
			if (start + at + 5 + (uint64_t)(int64_t)relative == entry &&
			    is_instruction(module, start + at))
				return start + at;
			at++;
		}
	}
	return 0;
}

uint64_t place_alias(const struct module *module, uint64_t entry, unsigned index)
{
	struct insn insn;
	unsigned n = 0;
	uint64_t at;

	if (decode_at(&insn, module, entry) && insn.is_endbr && n++ == index)
		return entry + insn.length;
	for (unsigned back = 1; back <= PADDING_MAX; back++)
		if (slides_into(module, entry - back, entry) && is_padding(module, entry - back) &&
		    n++ == index)
			return entry - back;
	for (at = next_jump_to(module, entry, 0); at; at = next_jump_to(module, entry, at + 1))
		if (n++ == index)
			return at;
	return 0;
}

uint64_t place_alias_entry(const struct module *module, uint64_t address)
{
	uint64_t start = address;
	struct insn insn;

	/* behind an endbr64: the entry is before it */
	if (decode_at(&insn, module, address - 4) && insn.is_endbr)
		return address - 4;
	if (!decode_at(&insn, module, address))
		return 0;
	if (insn.flow == FLOW_JUMP)
		return insn.target;
	/* in the padding: over the nops, up to the first instruction that is not one. Functions
	 * begin at 16. */
	while (insn.is_nop && !insn.is_endbr && address - start <= PADDING_MAX) {
		address += insn.length;
		if (!decode_at(&insn, module, address))
			return start;
	}
	return address % 16 == 0 ? address : start;
}

/* ---- guards --------------------------------------------------------------------------------- */

unsigned place_count_guards(const struct module *module, uint64_t entry)
{
	uint64_t vaddr, size;
	unsigned n = 0;

	for (unsigned i = 0; elf_file_text(module->elf, i, &vaddr, &size); i++) {
		size_t available;
		const uint8_t *text = elf_file_bytes(module->elf, vaddr, &available);
		uint64_t start = vaddr + module->bias;

		if (!text)
			continue;
		if (available > size)
			available = size;
		for (size_t at = 2; at + 4 <= available; at++) {
			uint32_t word;

			memcpy(&word, text + at, sizeof(word));
			if (word == (uint32_t)entry && module->bias == 0) {
				/* an absolute address as immediate: cmp $entry, or mov $entry */
				n++;
			} else if (start + at + 4 + (uint64_t)(int64_t)(int32_t)word == entry &&
				   text[at - 2] == 0x8d && (text[at - 1] & 0xc7) == 0x05) {
				/* lea entry(%rip), reg */
				n++;
			}
		}
	}
	return n;
}
