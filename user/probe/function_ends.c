/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/function_ends.h"

#include <fcntl.h>
#include <unistd.h>

#include "probe/insn.h"
#include "unwind/functions.h"

#define INSTRUCTIONS_MAX 4096
#define JUMP_STEPS       8

struct block {
	uint64_t start, end; /* end 0: not decoded yet */
};

struct walk {
	const struct module *module;
	struct unwind_functions functions;
	struct block blocks[FUNCTION_ENDS_BLOCKS];
	unsigned n_blocks;
	unsigned n_instructions;
	uint64_t *ends;
	unsigned n_ends;
};

static bool is_decoded(const struct walk *walk, uint64_t address)
{
	for (unsigned i = 0; i < walk->n_blocks; i++)
		if (address == walk->blocks[i].start ||
		    (address > walk->blocks[i].start && address < walk->blocks[i].end))
			return true;
	return false;
}

/* Have the code from here on decoded, if it is not. */
static bool add_block(struct walk *walk, uint64_t start)
{
	if (is_decoded(walk, start))
		return true;
	if (walk->n_blocks == FUNCTION_ENDS_BLOCKS)
		return false;
	walk->blocks[walk->n_blocks++] = (struct block){start, 0};
	return true;
}

static bool add_end(struct walk *walk, uint64_t address)
{
	if (walk->n_ends == FUNCTION_ENDS_MAX)
		return false;
	walk->ends[walk->n_ends++] = address;
	return true;
}

/* Where a jump through the PLT leads, when that is a function of this file; else 0. */
static uint64_t jumped_to(const struct module *module, uint64_t slot)
{
	const char *name = slot ? elf_file_import_at(module->elf, slot - module->bias) : NULL;
	struct elf_symbol symbol;

	if (!name || !elf_file_symbol(module->elf, name, &symbol) || !symbol.function ||
	    symbol.ifunc)
		return 0;
	return symbol.vaddr + module->bias;
}

static bool decode_at(struct insn *insn, const struct module *module, uint64_t at)
{
	size_t available;
	const uint8_t *bytes = elf_file_bytes(module->elf, at - module->bias, &available);

	return bytes && insn_decode(insn, bytes, available, at);
}

static bool is_end_of_part(const struct walk *walk, uint64_t at, uint64_t next)
{
	uint64_t bias = walk->module->bias;
	const struct unwind_function *part = unwind_functions_find(&walk->functions, at - bias);

	return part && next - bias >= part->end;
}

/* Go on behind an instruction; *on: there is a next one in this block. */
static bool follow(struct walk *walk, const struct insn *insn, uint64_t at, bool *on)
{
	uint64_t target;

	*on = false;
	switch (insn->flow) {
	case FLOW_JUMP:
		return add_block(walk, insn->target);
	case FLOW_BRANCH:
		*on = true;
		return add_block(walk, insn->target);
	case FLOW_CALL:
		*on = !is_end_of_part(walk, at, at + insn->length);
		return true;
	case FLOW_STOP:
		if (insn->is_ret)
			return add_end(walk, at);
		if (!insn->slot)
			return insn->is_trap;
		target = jumped_to(walk->module, insn->slot);
		return target && add_block(walk, target);
	default:
		*on = true;
		return true;
	}
}

static bool decode_block(struct walk *walk, struct block *block)
{
	uint64_t at = block->start;
	bool on = true;

	while (on) {
		struct insn insn;

		/* another block begins here, or has been here */
		if (at != block->start && is_decoded(walk, at))
			break;
		if (++walk->n_instructions > INSTRUCTIONS_MAX ||
		    !decode_at(&insn, walk->module, at) || !follow(walk, &insn, at, &on))
			return false;
		at += insn.length;
		block->end = at;
	}
	return true;
}

unsigned function_ends(uint64_t ends[FUNCTION_ENDS_MAX], const struct module *module,
		       uint64_t entry)
{
	struct walk walk = {.module = module, .ends = ends};
	int fd = open(module->host_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool known = fd >= 0 && unwind_functions_load(&walk.functions, fd, NULL) == 0 &&
		     add_block(&walk, entry);

	if (fd >= 0)
		close(fd);
	for (unsigned i = 0; i < walk.n_blocks && known; i++)
		known = decode_block(&walk, &walk.blocks[i]);
	unwind_functions_fini(&walk.functions);
	return known ? walk.n_ends : 0;
}

uint64_t function_jumps_to(const struct module *module, uint64_t entry)
{
	uint64_t at = entry;
	struct insn insn;

	/* nops, a jump, a stub of the PLT */
	for (unsigned i = 0; i < JUMP_STEPS && decode_at(&insn, module, at); i++) {
		if (insn.flow == FLOW_JUMP)
			at = insn.target;
		else if (insn.is_nop)
			at += insn.length;
		else if (insn.slot)
			return jumped_to(module, insn.slot);
		else
			return at == entry ? 0 : at;
	}
	return 0;
}
