/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "base/escape.h"
#include "export/formats.h"

int export_folded(FILE *out, const struct document *document, struct err *err)
{
	const struct profile *profile = document->profile;
	char text[FRAME_TEXT_MAX];

	(void)err;
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct stack *stack = &profile->stacks[i];

		if (!stack->outstanding_bytes)
			continue;
		for (size_t f = 0; f < stack->n_frames; f++) {
			if (f)
				fputc(';', out);
			escape_folded(out, frame_text(&stack->frames[f], text, sizeof(text)));
		}
		if (!stack->n_frames)
			fputs("[no frames]", out);
		fprintf(out, " %" PRIu64 "\n", stack->outstanding_bytes);
	}
	return 0;
}
