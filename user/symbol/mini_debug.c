/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/mini_debug.h"

#include <stdint.h>
#include <stdlib.h>

#include <lzma.h>

#include "symbol/elf_part.h"

#define MEMORY_MAX ((uint64_t)128 << 20) /* of the unpacker: xz -9 wants 65 MiB */

/* Unpack into memory that grows; NULL when it is damaged or too large. */
static char *unpack(const void *packed, size_t packed_size, size_t *size)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret result = LZMA_OK;
	size_t capacity = 0;
	char *image = NULL;

	if (lzma_stream_decoder(&stream, MEMORY_MAX, 0) != LZMA_OK)
		return NULL;
	stream.next_in = packed;
	stream.avail_in = packed_size;
	while (result == LZMA_OK && stream.total_out < MINI_DEBUG_MAX) {
		if (stream.avail_out == 0) {
			size_t more = capacity ? 2 * capacity : 4 * packed_size + 4096;
			char *larger;

			if (more > MINI_DEBUG_MAX)
				more = MINI_DEBUG_MAX;
			larger = realloc(image, more);
			if (!larger)
				break;
			image = larger;
			stream.next_out = (uint8_t *)image + stream.total_out;
			stream.avail_out = more - (size_t)stream.total_out;
			capacity = more;
		}
		result = lzma_code(&stream, LZMA_FINISH);
	}
	*size = (size_t)stream.total_out;
	lzma_end(&stream);
	if (result == LZMA_STREAM_END && *size)
		return image;
	free(image);
	return NULL;
}

void mini_debug_open(struct mini_debug *mini, Elf *file)
{
	size_t packed_size, size;
	const void *packed = elf_part_bytes(file, ".gnu_debugdata", MINI_DEBUG_MAX, &packed_size);

	*mini = (struct mini_debug){0};
	if (!packed)
		return;
	mini->image = unpack(packed, packed_size, &size);
	if (mini->image)
		mini->elf = elf_part_open_image(mini->image, size);
	if (!mini->elf)
		mini_debug_close(mini);
}

void mini_debug_close(struct mini_debug *mini)
{
	if (mini->elf)
		elf_end(mini->elf);
	free(mini->image);
	*mini = (struct mini_debug){0};
}
