/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/slips.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

/* from so many letters on two slips are forgiven */
#define LONG_WORD 6

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters to leave out, add, change, or swap with their neighbour: optimal string alignment. */
unsigned slips_between(const char *a, const char *b)
{
	unsigned rows[SLIPS_WORD_MAX + 1][SLIPS_WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > SLIPS_WORD_MAX || m > SLIPS_WORD_MAX)
		return UINT_MAX;
	for (size_t i = 0; i <= n; i++)
		rows[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			unsigned change = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			rows[i][j] = least(change, least(rows[i - 1][j], rows[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
		}
	}
	return rows[n][m];
}

unsigned slips_forgiven(const char *word)
{
	return strlen(word) >= LONG_WORD ? 2 : 1;
}
