/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/insn.h"

#include <string.h>

#include <Zydis/Zydis.h>

static int argument_of(ZydisRegister reg)
{
	switch (ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)) {
	case ZYDIS_REGISTER_RDI:
		return 0;
	case ZYDIS_REGISTER_RSI:
		return 1;
	case ZYDIS_REGISTER_RDX:
		return 2;
	case ZYDIS_REGISTER_RCX:
		return 3;
	default:
		return -1;
	}
}

static bool is_sp(ZydisRegister reg)
{
	return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg) ==
	       ZYDIS_REGISTER_RSP;
}

static bool is_nop(const ZydisDecodedInstruction *z)
{
	return z->mnemonic == ZYDIS_MNEMONIC_NOP || z->mnemonic == ZYDIS_MNEMONIC_ENDBR64 ||
	       z->mnemonic == ZYDIS_MNEMONIC_FNOP;
}

static enum insn_cost cost_of(const ZydisDecodedInstruction *z, const uint8_t *bytes)
{
	static const uint8_t nop5[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
	size_t rex = bytes[0] >= 0x40 && bytes[0] <= 0x4f ? 1 : 0;
	uint8_t op = bytes[rex];

	if (z->length == 5 && memcmp(bytes, nop5, 5) == 0)
		return COST_UNSAFE;
	/* push reg, also with REX.B; no other prefix */
	if (op >= 0x50 && op <= 0x57 && z->length == rex + 1)
		return COST_EMULATED;
	/* nop and 66 90: the kernel looks at the opcode and lets prefixes but REX, lock and rep
	 * pass */
	if (z->length == 1 && op == 0x90)
		return COST_EMULATED;
	if (z->length == 2 && bytes[0] == 0x66 && bytes[1] == 0x90)
		return COST_EMULATED;
	if (op == 0xeb || op == 0xe9 || op == 0xe8 || (op >= 0x70 && op <= 0x7f))
		return rex ? COST_STEPPED : COST_EMULATED;
	if (bytes[0] == 0x0f && bytes[1] >= 0x80 && bytes[1] <= 0x8f)
		return COST_EMULATED;
	return COST_STEPPED;
}

static void find_flow(struct insn *insn, const ZydisDecodedInstruction *z,
		      const ZydisDecodedOperand *operands, uint64_t address)
{
	bool known =
		z->operand_count_visible > 0 && operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		operands[0].imm.is_relative &&
		ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(z, &operands[0], address, &insn->target));

	insn->flow = FLOW_NEXT;
	insn->is_ret = z->mnemonic == ZYDIS_MNEMONIC_RET;
	insn->is_trap = z->mnemonic == ZYDIS_MNEMONIC_UD2 || z->mnemonic == ZYDIS_MNEMONIC_HLT ||
			z->mnemonic == ZYDIS_MNEMONIC_INT3;
	switch (z->meta.category) {
	case ZYDIS_CATEGORY_UNCOND_BR:
		insn->flow = known ? FLOW_JUMP : FLOW_STOP;
		if (operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    operands[0].mem.base == ZYDIS_REGISTER_RIP &&
		    ZYAN_FAILED(ZydisCalcAbsoluteAddress(z, &operands[0], address, &insn->slot)))
			insn->slot = 0;
		break;
	case ZYDIS_CATEGORY_COND_BR:
		insn->flow = FLOW_BRANCH;
		insn->jumps_if_zero = z->mnemonic == ZYDIS_MNEMONIC_JZ;
		break;
	case ZYDIS_CATEGORY_CALL:
		insn->flow = FLOW_CALL;
		break;
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSTEM:
	case ZYDIS_CATEGORY_SYSCALL:
		insn->flow = FLOW_STOP;
		break;
	default:
		if (z->mnemonic == ZYDIS_MNEMONIC_UD2 || z->mnemonic == ZYDIS_MNEMONIC_HLT)
			insn->flow = FLOW_STOP;
	}
}

static void find_writes(struct insn *insn, const ZydisDecodedInstruction *z,
			const ZydisDecodedOperand *operands)
{
	for (unsigned i = 0; i < z->operand_count; i++) {
		const ZydisDecodedOperand *op = &operands[i];
		int arg;

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (is_sp(op->reg.value))
			insn->moves_sp = true;
		arg = argument_of(op->reg.value);
		if (arg >= 0)
			insn->writes_args |= INSN_ARG(arg);
	}
	if (z->mnemonic == ZYDIS_MNEMONIC_PUSH && z->operand_width == 64)
		insn->pushed = 8;
	if (z->mnemonic == ZYDIS_MNEMONIC_SUB && operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    operands[0].reg.value == ZYDIS_REGISTER_RSP &&
	    operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operands[1].imm.value.s > 0 &&
	    operands[1].imm.value.s <= INSN_SUB_MAX)
		insn->pushed = (int)operands[1].imm.value.s;
	if (z->mnemonic == ZYDIS_MNEMONIC_TEST && z->operand_width == 64 &&
	    operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    operands[0].reg.value == operands[1].reg.value)
		insn->test_arg = argument_of(operands[0].reg.value);
}

bool insn_decode(struct insn *insn, const uint8_t *bytes, size_t available, uint64_t address)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	uint8_t padded[ZYDIS_MAX_INSTRUCTION_LENGTH] = {0};
	ZydisDecodedInstruction z;
	ZydisDecoder decoder;

	memset(insn, 0, sizeof(*insn));
	insn->test_arg = -1;
	if (ZYAN_FAILED(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
	    ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, available, &z, operands)))
		return false;
	insn->length = z.length;
	insn->is_nop = is_nop(&z);
	insn->is_endbr = z.mnemonic == ZYDIS_MNEMONIC_ENDBR64;
	/* cost_of() looks at the first two bytes, and there may be only one */
	memcpy(padded, bytes, z.length);
	insn->cost = cost_of(&z, padded);
	find_flow(insn, &z, operands, address);
	find_writes(insn, &z, operands);
	if (insn->flow == FLOW_CALL)
		insn->writes_args = INSN_ARG(0) | INSN_ARG(1) | INSN_ARG(2) | INSN_ARG(3);
	return true;
}
