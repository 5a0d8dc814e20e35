/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/eval_loop.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <Zydis/Zydis.h>

#include "unwind/functions.h"

static bool add_range(struct eval_loop *loop, uint64_t start, uint64_t end)
{
	if (loop->n_ranges == EVAL_LOOP_RANGES || end <= start)
		return false;
	loop->ranges[loop->n_ranges].start = start;
	loop->ranges[loop->n_ranges++].end = end;
	return true;
}

/* The part of a function that a jump to this link-time address leads to, when it is one. */
static void add_cold_part(struct eval_loop *loop, const struct unwind_functions *functions,
			  uint64_t bias, uint64_t target)
{
	const struct unwind_function *part = unwind_functions_find(functions, target - bias);

	if (part && !part->called && !eval_loop_holds(loop, target))
		add_range(loop, part->start + bias, part->end + bias);
}

/* Follow on paper all jumps that leave the function. */
static void find_cold_parts(struct eval_loop *loop, const struct py_runtime *runtime,
			    const struct unwind_functions *functions)
{
	uint64_t start = loop->ranges[0].start, end = loop->ranges[0].end, at = start;
	const uint8_t *code;
	size_t available;
	ZydisDecoder decoder;

	code = elf_file_bytes(runtime->python.elf, start - runtime->python.bias, &available);
	if (!code || available < end - start)
		return;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	while (at < end) {
		ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction insn;
		ZyanU64 target;

		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + (at - start), end - at,
							 &insn, operands))) {
			at++; /* data between the code */
			continue;
		}
		if ((insn.meta.category == ZYDIS_CATEGORY_COND_BR ||
		     insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR) &&
		    operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		    ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&insn, &operands[0], at, &target)) &&
		    (target < start || target >= end))
			add_cold_part(loop, functions, runtime->python.bias, target);
		at += insn.length;
	}
}

void eval_loop_find(struct eval_loop *loop, const struct py_runtime *runtime)
{
	const struct unwind_function *function;
	uint64_t bias = runtime->python.bias;
	struct unwind_functions functions;
	int fd;

	memset(loop, 0, sizeof(*loop));
	if (!runtime->eval_frame)
		return;
	fd = open(runtime->python.host_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (unwind_functions_load(&functions, fd, NULL) == 0) {
		function = unwind_functions_find(&functions, runtime->eval_frame - bias);
		if (function && function->end - function->start <= EVAL_LOOP_MAX_BYTES &&
		    add_range(loop, function->start + bias, function->end + bias))
			find_cold_parts(loop, runtime, &functions);
		unwind_functions_fini(&functions);
	}
	close(fd);
}

bool eval_loop_holds(const struct eval_loop *loop, uint64_t address)
{
	for (unsigned i = 0; i < loop->n_ranges; i++)
		if (address >= loop->ranges[i].start && address < loop->ranges[i].end)
			return true;
	return false;
}
