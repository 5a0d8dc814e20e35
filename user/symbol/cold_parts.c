/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/cold_parts.h"

#include <elf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

#define JMP          0xe9 /* jmp rel32 */
#define TWO_BYTES    0x0f /* and then 0x80 to 0x8f: jcc rel32 */
#define DISPLACEMENT 4
#define PUSH_GOT     0x35ff /* push disp32(%rip): so the procedure linkage table begins */

#define SHARED       (UINT32_MAX - 1) /* while searching: by several functions */

struct search {
	const struct elf_words *words;
	const struct unwind_functions *functions;
	uint32_t *owners;
	uint64_t seen, decoded; /* bytes; functions of hostile files may overlap */
};

/* Length of the jump whose bytes these may be; 0: of none. */
static size_t jump_length(const uint8_t *bytes, uint64_t available)
{
	size_t opcode = 0;

	if (bytes[0] == JMP)
		opcode = 1;
	else if (bytes[0] == TWO_BYTES && available > 1 && (bytes[1] & 0xf0) == 0x80)
		opcode = 2;
	return opcode && available >= opcode + DISPLACEMENT ? opcode + DISPLACEMENT : 0;
}

/* Does an instruction of the function begin at this offset? What looks like a jump may be the
 * middle of something else. */
static bool is_instruction(struct search *search, const uint8_t *code, uint64_t size,
			   uint64_t offset)
{
	uint64_t at = 0;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	while (at < offset && search->decoded < COLD_PARTS_DECODED) {
		ZydisDecodedInstruction insn;
		uint64_t length = 1;

		if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code + at, size - at,
							       &insn)))
			length = insn.length;
		at += length;
		search->decoded += length;
	}
	return at == offset;
}

/* Is this a part of a function? The procedure linkage table is described as if it were one. */
static bool is_part(const struct search *search, const struct unwind_function *function)
{
	uint64_t available;
	const uint8_t *bytes;
	uint16_t opcode;

	if (!function || function->called)
		return false;
	bytes = elf_words_bytes(search->words, function->start, &available);
	if (!bytes || available < sizeof(opcode))
		return false;
	memcpy(&opcode, bytes, sizeof(opcode));
	return opcode != PUSH_GOT;
}

/* code: of function number `from`, of which `size` bytes are there */
static void look_at(struct search *search, uint32_t from, const uint8_t *code, uint64_t size)
{
	const struct unwind_functions *functions = search->functions;
	uint64_t start = functions->all[from].start;

	for (uint64_t at = 0; at < size && search->seen < ELF_WORDS_BYTES; at++, search->seen++) {
		size_t length = jump_length(code + at, size - at);
		const struct unwind_function *part;
		uint32_t *owner;
		int32_t distance;

		if (!length)
			continue;
		memcpy(&distance, code + at + length - DISPLACEMENT, sizeof(distance));
		part = unwind_functions_find(functions,
					     start + at + length + (uint64_t)(int64_t)distance);
		if (!is_part(search, part))
			continue;
		owner = &search->owners[part - functions->all];
		if (*owner != from && is_instruction(search, code, size, at))
			*owner = *owner == COLD_PARTS_NONE ? from : SHARED;
	}
}

uint32_t *cold_parts_find(const struct elf_words *words, const struct unwind_functions *functions)
{
	struct search search = {.words = words, .functions = functions};

	if (words->machine != EM_X86_64 || functions->n >= SHARED)
		return NULL;
	search.owners = malloc((functions->n + 1) * sizeof(*search.owners));
	if (!search.owners)
		return NULL;
	for (size_t i = 0; i < functions->n; i++)
		search.owners[i] = COLD_PARTS_NONE;
	for (size_t i = 0; i < functions->n; i++) {
		const struct unwind_function *function = &functions->all[i];
		uint64_t size = function->end - function->start, available;
		const uint8_t *code = elf_words_bytes(words, function->start, &available);

		if (function->called && code)
			look_at(&search, (uint32_t)i, code, size < available ? size : available);
	}
	for (size_t i = 0; i < functions->n; i++)
		if (search.owners[i] == SHARED)
			search.owners[i] = COLD_PARTS_NONE;
	return search.owners;
}
