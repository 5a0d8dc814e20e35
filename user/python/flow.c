/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/flow.h"

#include <elf.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "target/remote_mem.h"

#define N_REGISTERS    16
#define CALLER_SAVED   0x0fc7u /* rax rcx rdx rsi rdi r8-r11, bit n is register n of the encoding */
#define ENTRY_ARGUMENT 7       /* rdi */
#define RESULT         0       /* rax */

enum knowledge {
	UNKNOWN = 0,
	CONSTANT,       /* value */
	THREAD_POINTER, /* thread pointer + value */
	CALL_RESULT,    /* call(argument) + value */
};

struct fact {
	enum knowledge what;
	uint64_t value;
	uint64_t argument;
};

struct walk {
	struct flow *flow;
	const struct module *module;
	pid_t pid;
	ZydisDecoder decoder;
	uint64_t ip, next;
	struct fact registers[N_REGISTERS];
	/* the last comparison: left with right, both cut to width_bits; width_bits 0: not known */
	uint64_t left, right;
	unsigned width_bits;
	ZydisDecodedInstruction instruction;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static void note(struct walk *walk, enum flow_kind kind, uint64_t address, int64_t offset,
		 unsigned size)
{
	struct flow *flow = walk->flow;

	if (flow->n_events < FLOW_EVENTS_MAX)
		flow->events[flow->n_events++] = (struct flow_event){kind, size, address, offset};
}

static uint64_t cut(uint64_t value, unsigned bits)
{
	return bits >= 64 ? value : value & ((1ull << bits) - 1);
}

static int64_t sign_extend(uint64_t value, unsigned bits)
{
	unsigned shift = bits == 0 || bits >= 64 ? 0 : 64 - bits;

	return (int64_t)(value << shift) >> shift;
}

/* Number of the general register that this one is a part of, or -1 (ah..bh count as none). */
static int register_number(ZydisRegister name)
{
	ZydisRegister whole;

	if (name >= ZYDIS_REGISTER_AH && name <= ZYDIS_REGISTER_BH)
		return -1;
	whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, name);
	if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15)
		return -1;
	return whole - ZYDIS_REGISTER_RAX;
}

static struct fact get_register(const struct walk *walk, ZydisRegister name)
{
	int number = register_number(name);
	unsigned bits = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, name);
	struct fact fact = {0};

	if (number < 0)
		return fact;
	fact = walk->registers[number];
	if (bits < 64 && fact.what != CONSTANT)
		fact.what = UNKNOWN;
	fact.value = cut(fact.value, bits);
	return fact;
}

static void set_register(struct walk *walk, ZydisRegister name, struct fact fact)
{
	int number = register_number(name);
	unsigned bits = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, name);

	if (number < 0)
		return;
	/* writing 32 bits clears the upper half; writing fewer keeps the rest: too fine for here */
	if (bits < 32 || (bits < 64 && fact.what != CONSTANT))
		fact.what = UNKNOWN;
	fact.value = cut(fact.value, bits);
	walk->registers[number] = fact;
}

static struct fact add(struct fact a, struct fact b)
{
	if (a.what == CONSTANT) {
		struct fact swap = a;

		a = b;
		b = swap;
	}
	if (b.what != CONSTANT)
		return (struct fact){0};
	a.value += b.value;
	return a;
}

static struct fact constant(uint64_t value)
{
	return (struct fact){.what = CONSTANT, .value = value};
}

/* The address that a memory operand means. */
static struct fact place(const struct walk *walk, const ZydisDecodedOperand *operand)
{
	const ZydisDecodedOperandMem *mem = &operand->mem;
	struct fact sum = constant(mem->disp.has_displacement ? (uint64_t)mem->disp.value : 0);

	if (mem->base == ZYDIS_REGISTER_RIP)
		sum.value += walk->next;
	else if (mem->base != ZYDIS_REGISTER_NONE)
		sum = add(sum, get_register(walk, mem->base));
	if (mem->index != ZYDIS_REGISTER_NONE) {
		struct fact index = get_register(walk, mem->index);

		if (index.what != CONSTANT)
			return (struct fact){0};
		index.value *= mem->scale;
		sum = add(sum, index);
	}
	if (mem->segment == ZYDIS_REGISTER_FS && sum.what == CONSTANT)
		sum.what = THREAD_POINTER;
	else if (mem->segment == ZYDIS_REGISTER_FS || mem->segment == ZYDIS_REGISTER_GS)
		sum.what = UNKNOWN;
	return sum;
}

static struct fact load(const struct walk *walk, struct fact address, unsigned bits)
{
	uint64_t value = 0;

	/* the word at the thread pointer is the thread pointer (TLS variant II) */
	if (address.what == THREAD_POINTER && address.value == 0 && bits == 64)
		return (struct fact){.what = THREAD_POINTER};
	if (address.what != CONSTANT || bits == 0 || bits > 64 ||
	    remote_read(walk->pid, address.value, &value, bits / 8) != 0)
		return (struct fact){0};
	return constant(value);
}

static struct fact get_operand(const struct walk *walk, const ZydisDecodedOperand *operand)
{
	switch (operand->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return get_register(walk, operand->reg.value);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return constant(operand->imm.value.u);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return load(walk, place(walk, operand), operand->size);
	default:
		return (struct fact){0};
	}
}

static void note_reads(struct walk *walk)
{
	unsigned i;

	for (i = 0; i < walk->instruction.operand_count; i++) {
		const ZydisDecodedOperand *operand = &walk->operands[i];
		unsigned size = operand->size / 8;
		struct fact address;

		if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
		    operand->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
		    !(operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ))
			continue;
		address = place(walk, operand);
		if (address.what == CONSTANT)
			note(walk, FLOW_READ, address.value, 0, size);
		else if (address.what == THREAD_POINTER && address.value != 0)
			note(walk, FLOW_TLS, 0, (int64_t)address.value, size);
		else if (address.what == CALL_RESULT)
			note(walk, FLOW_TLS_GET, address.argument, (int64_t)address.value, size);
	}
}

/* Would this conditional jump or move happen? 1, 0, or -1: not known. */
static int condition(const struct walk *walk)
{
	static const struct {
		ZydisMnemonic jump, move;
		char kind;
		bool negated;
	} codes[] = {
		{ZYDIS_MNEMONIC_JZ, ZYDIS_MNEMONIC_CMOVZ, '=', false},
		{ZYDIS_MNEMONIC_JNZ, ZYDIS_MNEMONIC_CMOVNZ, '=', true},
		{ZYDIS_MNEMONIC_JB, ZYDIS_MNEMONIC_CMOVB, 'b', false},
		{ZYDIS_MNEMONIC_JNB, ZYDIS_MNEMONIC_CMOVNB, 'b', true},
		{ZYDIS_MNEMONIC_JBE, ZYDIS_MNEMONIC_CMOVBE, 'B', false},
		{ZYDIS_MNEMONIC_JNBE, ZYDIS_MNEMONIC_CMOVNBE, 'B', true},
		{ZYDIS_MNEMONIC_JL, ZYDIS_MNEMONIC_CMOVL, 'l', false},
		{ZYDIS_MNEMONIC_JNL, ZYDIS_MNEMONIC_CMOVNL, 'l', true},
		{ZYDIS_MNEMONIC_JLE, ZYDIS_MNEMONIC_CMOVLE, 'L', false},
		{ZYDIS_MNEMONIC_JNLE, ZYDIS_MNEMONIC_CMOVNLE, 'L', true},
	};
	int64_t left = sign_extend(walk->left, walk->width_bits);
	int64_t right = sign_extend(walk->right, walk->width_bits);
	ZydisMnemonic mnemonic = walk->instruction.mnemonic;
	unsigned i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		bool holds;

		if ((codes[i].jump != mnemonic && codes[i].move != mnemonic) || !walk->width_bits)
			continue;
		switch (codes[i].kind) {
		case '=':
			holds = walk->left == walk->right;
			break;
		case 'b':
			holds = walk->left < walk->right;
			break;
		case 'B':
			holds = walk->left <= walk->right;
			break;
		case 'l':
			holds = left < right;
			break;
		default:
			holds = left <= right;
			break;
		}
		return holds != codes[i].negated;
	}
	return -1;
}

static void compare(struct walk *walk)
{
	struct fact a = get_operand(walk, &walk->operands[0]);
	struct fact b = get_operand(walk, &walk->operands[1]);
	unsigned bits = walk->operands[0].size;

	walk->width_bits = 0;
	if (a.what != CONSTANT || b.what != CONSTANT || bits > 64)
		return;
	walk->width_bits = bits;
	walk->left = cut(a.value, bits);
	walk->right = cut(b.value, bits);
	if (walk->instruction.mnemonic == ZYDIS_MNEMONIC_TEST) {
		/* the flags of a comparison of the common bits with 0 */
		walk->left &= walk->right;
		walk->right = 0;
	}
}

/* What the first operand, a register, holds afterwards; false: this instruction is not known. */
static bool compute(const struct walk *walk, struct fact *out)
{
	const ZydisDecodedOperand *to = &walk->operands[0], *from = &walk->operands[1];
	struct fact value;

	switch (walk->instruction.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVZX:
		*out = get_operand(walk, from);
		return true;
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
		*out = get_operand(walk, from);
		if (out->what != CONSTANT)
			out->what = UNKNOWN;
		out->value = (uint64_t)sign_extend(out->value, from->size);
		return true;
	case ZYDIS_MNEMONIC_LEA:
		*out = place(walk, from);
		return true;
	case ZYDIS_MNEMONIC_ADD:
		*out = add(get_operand(walk, to), get_operand(walk, from));
		return true;
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_XOR:
		if (from->type == ZYDIS_OPERAND_TYPE_REGISTER && from->reg.value == to->reg.value) {
			*out = constant(0);
			return true;
		}
		if (walk->instruction.mnemonic == ZYDIS_MNEMONIC_XOR)
			return false;
		value = get_operand(walk, from);
		value.value = -value.value;
		*out = value.what == CONSTANT ? add(get_operand(walk, to), value)
					      : (struct fact){0};
		return true;
	default:
		return false;
	}
}

static void forget_written(struct walk *walk)
{
	unsigned i;

	for (i = 0; i < walk->instruction.operand_count; i++) {
		const ZydisDecodedOperand *operand = &walk->operands[i];

		if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    (operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			set_register(walk, operand->reg.value, (struct fact){0});
	}
}

static void plain_step(struct walk *walk)
{
	ZydisMnemonic mnemonic = walk->instruction.mnemonic;
	const ZydisDecodedOperand *to = &walk->operands[0], *from = &walk->operands[1];
	bool is_move = walk->instruction.meta.category == ZYDIS_CATEGORY_CMOV;
	struct fact result;

	if (mnemonic == ZYDIS_MNEMONIC_CMP || mnemonic == ZYDIS_MNEMONIC_TEST) {
		compare(walk);
		return;
	}
	if (to->type == ZYDIS_OPERAND_TYPE_REGISTER && walk->instruction.operand_count >= 2 &&
	    compute(walk, &result)) {
		bool flags = mnemonic == ZYDIS_MNEMONIC_ADD || mnemonic == ZYDIS_MNEMONIC_SUB ||
			     mnemonic == ZYDIS_MNEMONIC_XOR;

		set_register(walk, to->reg.value, result);
		if (flags)
			walk->width_bits = 0;
		if (result.what == CONSTANT &&
		    (mnemonic == ZYDIS_MNEMONIC_LEA || from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE))
			note(walk, FLOW_ADDRESS, cut(result.value, to->size), 0, 0);
		return;
	}
	if (is_move && condition(walk) == 1)
		set_register(walk, to->reg.value, get_operand(walk, from));
	else if (!is_move || condition(walk) < 0)
		forget_written(walk);
	if (walk->instruction.cpu_flags &&
	    (walk->instruction.cpu_flags->modified | walk->instruction.cpu_flags->undefined |
	     walk->instruction.cpu_flags->set_0 | walk->instruction.cpu_flags->set_1))
		walk->width_bits = 0;
}

static void call_step(struct walk *walk)
{
	struct fact argument = walk->registers[ENTRY_ARGUMENT];
	unsigned i;

	for (i = 0; i < N_REGISTERS; i++) {
		if (CALLER_SAVED & (1u << i))
			walk->registers[i] = (struct fact){0};
	}
	walk->width_bits = 0;
	if (argument.what == CONSTANT)
		walk->registers[RESULT] =
			(struct fact){.what = CALL_RESULT, .argument = argument.value};
}

/* Do one instruction; false: the path ends here. */
static bool step(struct walk *walk)
{
	const ZydisDecodedOperand *target = &walk->operands[0];
	uint64_t destination = 0;
	bool direct = ZYAN_SUCCESS(
		ZydisCalcAbsoluteAddress(&walk->instruction, target, walk->ip, &destination));

	note_reads(walk);
	switch (walk->instruction.meta.category) {
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_INTERRUPT:
		return false;
	case ZYDIS_CATEGORY_CALL:
		call_step(walk);
		return true;
	case ZYDIS_CATEGORY_COND_BR:
		if (condition(walk) == 1 && direct)
			walk->next = destination;
		return true;
	case ZYDIS_CATEGORY_UNCOND_BR:
		if (target->type != ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			struct fact fact = get_operand(walk, target);

			direct = fact.what == CONSTANT;
			destination = fact.value;
		}
		walk->next = destination;
		return direct;
	default:
		plain_step(walk);
		return true;
	}
}

static bool decode(struct walk *walk)
{
	uint64_t offset;
	size_t available;
	const uint8_t *bytes;

	if (!module_offset(walk->module, walk->ip, &offset))
		return false;
	bytes = elf_file_bytes(walk->module->elf, walk->ip - walk->module->bias, &available);
	if (!bytes || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&walk->decoder, bytes, available,
							   &walk->instruction, walk->operands)))
		return false;
	walk->next = walk->ip + walk->instruction.length;
	return true;
}

void flow_trace(struct flow *flow, const struct module *module, pid_t pid, const char *name,
		uint64_t argument)
{
	struct walk walk = {.flow = flow, .module = module, .pid = pid};
	unsigned i;

	flow->n_events = 0;
	walk.ip = module_symbol(module, name);
	if (!walk.ip || elf_file_machine(module->elf) != EM_X86_64)
		return;
	ZydisDecoderInit(&walk.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	walk.registers[ENTRY_ARGUMENT] = constant(argument);
	for (i = 0; i < FLOW_STEPS_MAX && decode(&walk) && step(&walk); i++)
		walk.ip = walk.next;
}
