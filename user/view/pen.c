/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/pen.h"

#include "base/escape.h"

void pen_ink(const struct pen *pen, enum ink ink)
{
	static const char *const codes[] = {
		[INK_PLAIN] = "0",    [INK_HEAD] = "1",    [INK_SIZE] = "1", [INK_GROWS] = "31",
		[INK_SHRINKS] = "32", [INK_NATIVE] = "36", [INK_GAP] = "33", [INK_WARNING] = "33",
	};

	if (pen->color)
		fprintf(pen->out, "\033[%sm", codes[ink]);
}

void pen_put(const struct pen *pen, enum ink ink, const char *text)
{
	if (ink != INK_PLAIN)
		pen_ink(pen, ink);
	escape_terminal(pen->out, text);
	if (ink != INK_PLAIN)
		pen_ink(pen, INK_PLAIN);
}
